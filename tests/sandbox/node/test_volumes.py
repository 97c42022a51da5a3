"""Payloads, their atomic files, volumes and the environment, with references that are faked."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.kube.objects import Object
from sandbox.node import atomic_files, environment
from sandbox.node.downward import Host
from sandbox.node.payload import File, Sources
from sandbox.node.references import References, UnresolvedReferenceError
from sandbox.node.volumes import Volumes

HOST = Host("sandbox", "127.42.0.3", {"memory": "8Gi"}, ("127.42.0.1", 6443))


class FakeReferences(References):
    """What the API server would have."""

    def __init__(self, **data: dict[str, bytes]) -> None:
        self.data = data
        self.tokens = 0

    async def secret(self, name: str, *, optional: bool = False) -> dict[str, bytes] | None:
        if name not in self.data and not optional:
            raise UnresolvedReferenceError(f"secret {name!r} not found")
        return self.data.get(name)

    config_map = secret

    async def services(self) -> list[Object]:
        return []

    async def token(self, pod: Object, projection: Object) -> tuple[str, int]:
        self.tokens += 1
        return f"token-{self.tokens}", 600


def _pod(*volumes: Object, **spec: Any) -> Object:
    main = {"name": "main", "resources": {"limits": {"memory": "64Mi"}}}
    return {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a": "1"}},
        "spec": {"containers": [main], "volumes": list(volumes), **spec},
    }


def _volumes(tmp_path: Path, pod: Object, references: References) -> Volumes:
    sources = Sources(pod, "127.42.10.1", HOST, references)
    return Volumes(tmp_path / "volumes", sources)


def _mounted(volumes: Volumes, name: str, **mount: Any) -> Path:
    entry = {"name": name, "mountPath": "/m", **mount}
    (found,) = volumes.mounts({"volumeMounts": [entry]}, {"POD": "p"})
    return found.source


async def test_what_a_volume_shows_changes_all_at_once(tmp_path: Path) -> None:
    references = FakeReferences(conf={"a": b"1", "b": b"1"})
    pod = _pod({"name": "v", "configMap": {"name": "conf", "defaultMode": 0o440}})
    volumes = _volumes(tmp_path, pod, references)
    await volumes.prepare()
    folder = _mounted(volumes, "v")
    assert {p.name: p.read_text() for p in folder.glob("[ab]")} == {"a": "1", "b": "1"}
    assert (folder / "a").stat().st_mode & 0o777 == 0o440
    version = (folder / "..data").readlink()

    await volumes.prepare()
    assert (folder / "..data").readlink() == version  # Nothing changed: nothing is written.

    references.data["conf"] = {"b": b"2", "c": b"3"}
    await volumes.prepare()
    assert {p.name: p.read_text() for p in folder.glob("[abc]")} == {"b": "2", "c": "3"}
    assert len([p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()]) == 1


async def test_items_choose_and_place_files(tmp_path: Path) -> None:
    items = [{"key": "a", "path": "deep/er/x", "mode": 0o400}]
    secret = {"secretName": "s", "items": items}
    volumes = _volumes(
        tmp_path, _pod({"name": "v", "secret": secret}), FakeReferences(s={"a": b"1"})
    )
    await volumes.prepare()
    file = _mounted(volumes, "v") / "deep" / "er" / "x"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"1", 0o400)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"secretName": "none"}, "secret 'none' not found"),
        ({"secretName": "s", "items": [{"key": "z", "path": "z"}]}, "has no key 'z'"),
    ],
)
async def test_what_is_missing_is_named_with_its_volume(
    tmp_path: Path, source: Object, why: str
) -> None:
    volumes = _volumes(tmp_path, _pod({"name": "v", "secret": source}), FakeReferences(s={}))
    with pytest.raises(UnresolvedReferenceError, match=f'volume "v": .*{why}'):
        await volumes.prepare()
    source["optional"] = True
    await volumes.prepare()


async def test_tokens_are_renewed_when_most_of_their_life_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = FakeReferences()
    token = {"serviceAccountToken": {"path": "token"}}
    labels = {"downwardAPI": {"items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "memory", "resourceFieldRef": {
            "containerName": "main", "resource": "limits.memory", "divisor": "1Mi"}}]}}  # fmt: skip
    projected = {"name": "v", "projected": {"sources": [token, labels]}}
    volumes = _volumes(tmp_path, _pod(projected), references)
    await volumes.prepare()
    await volumes.prepare()
    folder = _mounted(volumes, "v")
    assert (folder / "token").read_text() == "token-1"
    assert (folder / "memory").read_text() == "64"
    volumes.sources.pod = {**volumes.sources.pod, "metadata": {
        **volumes.sources.pod["metadata"], "labels": {"a": "2"}}}  # fmt: skip
    later = time.monotonic() + 481
    monkeypatch.setattr(time, "monotonic", lambda: later)
    await volumes.prepare()
    assert (folder / "token").read_text() == "token-2"
    assert (folder / "labels").read_text() == 'a="2"'


async def test_empty_folders_are_kept_measured_and_removed(tmp_path: Path) -> None:
    pod = _pod(
        {"name": "disk", "emptyDir": {"sizeLimit": "1Ki"}},
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
        securityContext={"fsGroup": 2000},
    )
    volumes = _volumes(tmp_path, pod, FakeReferences())
    await volumes.prepare()
    disk = _mounted(volumes, "disk")
    (disk / "x").write_bytes(b"x" * 8192)
    await volumes.prepare()
    assert (disk / "x").exists()
    assert disk.stat().st_mode & 0o7777 == 0o2777
    if os.geteuid() == 0:
        assert disk.stat().st_gid == 2000
    memory = _mounted(volumes, "memory")
    (memory / "x").touch()
    await volumes.prepare()
    assert (memory / "x").exists()
    later = _volumes(tmp_path, pod, FakeReferences())
    await later.prepare()
    # The next node process finds what was on disk, and not what was in memory.
    assert (disk / "x").exists()
    assert not (memory / "x").exists()
    usage = {name: (size >= 8192, limit) for name, size, limit in volumes.usage()}
    assert usage == {"disk": (True, 1024), "memory": (False, None)}
    volumes.remove()
    assert not disk.exists()
    volumes.remove()


async def test_parts_of_volumes(tmp_path: Path) -> None:
    pod = _pod({"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "conf"}})
    volumes = _volumes(tmp_path, pod, FakeReferences(conf={"a": b"1"}))
    await volumes.prepare()
    assert _mounted(volumes, "e", subPath="x/y").is_dir()
    assert _mounted(volumes, "e", subPathExpr="logs-$(POD)").name == "logs-p"
    assert _mounted(volumes, "c", subPath="a").read_text() == "1"
    with pytest.raises(UnresolvedReferenceError, match="no such file"):
        _mounted(volumes, "c", subPath="none")
    (_mounted(volumes, "e") / "out").symlink_to("/etc")
    with pytest.raises(UnresolvedReferenceError, match="leads out"):
        _mounted(volumes, "e", subPath="out/passwd")
    read_only = {
        mount.target: mount.read_only
        for mount in volumes.mounts(
            {
                "volumeMounts": [
                    {"name": "e", "mountPath": "/rw"},
                    {"name": "e", "mountPath": "/ro", "readOnly": True},
                    {"name": "c", "mountPath": "/c"},
                ]
            },
            {},
        )
    }
    assert read_only == {"/rw": False, "/ro": True, "/c": True}


@pytest.mark.parametrize(
    ("mode", "group", "effective"),
    [(0o400, None, 0o400), (0o400, 2000, 0o444), (0o600, 2000, 0o644), (0o660, 1, 0o666)],
)
def test_what_the_fsgroup_may_all_of_the_pod_may(
    mode: int, group: int | None, effective: int
) -> None:
    assert atomic_files.effective_mode(mode, group) == effective


def test_a_write_that_was_killed_half_way_is_made_good(tmp_path: Path) -> None:
    (tmp_path / "..half").mkdir()
    (tmp_path / "..data_tmp").symlink_to("..half")
    assert atomic_files.write(tmp_path, {"a": File(b"1", 0o644)}, group=None)
    assert (tmp_path / "a").read_text() == "1"
    assert not (tmp_path / "..half").exists()


async def _environment(container: Object, **data: dict[str, bytes]) -> dict[str, str]:
    return await environment.build(
        _pod(), container, address="127.42.10.1", host=HOST, references=FakeReferences(**data)
    )


async def test_a_key_that_is_missing_is_named_with_those_there_are() -> None:
    source = {"configMapKeyRef": {"name": "c", "key": "z"}}
    with pytest.raises(UnresolvedReferenceError, match="key z in configmap 'c', which has: a, b"):
        await _environment({"env": [{"name": "Z", "valueFrom": source}]}, c={"a": b"", "b": b""})


async def test_a_value_that_is_no_text_survives_and_one_with_nul_is_refused() -> None:
    container = {"envFrom": [{"secretRef": {"name": "s"}}]}
    env = await _environment(container, s={"RAW": b"\xff\xfe"})
    assert os.fsencode(env["RAW"]) == b"\xff\xfe"
    with pytest.raises(UnresolvedReferenceError, match="NUL"):
        await _environment(container, s={"RAW": b"a\0b"})


async def test_a_reference_sees_only_what_stands_before_it() -> None:
    env = await _environment(
        {
            "env": [
                {"name": "EARLY", "value": "$(LATE)"},
                {"name": "LATE", "value": "1"},
                {"name": "HOST", "value": "$(KUBERNETES_SERVICE_HOST)"},
                {"name": "LATE", "value": "$(LATE)2"},
            ]
        }
    )
    assert (env["EARLY"], env["LATE"], env["HOST"]) == ("$(LATE)", "12", "127.42.0.1")
