from __future__ import annotations

import pytest

from sandbox.containers.run_mounts import RunMount, parse_mount


def test_a_cache_mount() -> None:
    assert parse_mount("type=cache,target=/root/.cache/pip") == RunMount(
        "cache", "/root/.cache/pip", name="/root/.cache/pip", writable=True
    )
    mount = parse_mount("type=cache,id=pip,dst=/c,sharing=locked,uid=1,gid=2,mode=0700")
    assert (mount.name, mount.exclusive, mount.owner, mount.mode) == ("pip", True, (1, 2), 0o700)


def test_a_bind_mount_is_the_default_and_read_only() -> None:
    mount = parse_mount("source=requirements.txt,target=/r.txt")
    assert (mount.kind, mount.source, mount.origin, mount.writable) == (
        "bind",
        "requirements.txt",
        None,
        False,
    )
    assert parse_mount("from=builder,src=/w,target=/w,rw").writable
    assert not parse_mount("type=cache,target=/w,readonly").writable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=secret,id=x,required=true", "requires x, and a build in the sandbox has no secrets"),
        ("type=ssh,required", "requires default, and"),
        ("type=secret,id=x,key=y", "has no key"),
        ("type=volume,target=/a", "type=volume is not supported"),
        ("type=cache,target=/a,size=1", "no size"),
        ("type=bind", "needs a target"),
        ("type=cache,target=/a,sharing=none", "sharing=none is unknown"),
        ("target=/a,rw=maybe", "true or false"),
        ("type=cache,target=/a,mode=rwx", "rwx"),
    ],
)
def test_what_cannot_be_honoured_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_mount(text)


@pytest.mark.parametrize(
    "text", ["type=secret,id=x,target=/s,mode=0400", "type=ssh,required=false"]
)
def test_a_secret_that_need_not_be_there_is_not_mounted(text: str) -> None:
    assert parse_mount(text).kind in {"secret", "ssh"}
