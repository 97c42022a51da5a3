from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.node import container_spec, users
from sandbox.node.container_spec import PodFiles
from sandbox.node.images import ImageMissingError, InvalidImageNameError, NodeImage, StoredImages
from sandbox.node.users import RefusedUserError, User

POD: dict[str, Any] = {"metadata": {"name": "web-" + "x" * 80}, "spec": {}}


@pytest.mark.parametrize(
    ("pod", "image", "argv"),
    [
        ({}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ("e", "c")),
        ({}, {"Cmd": ["c", "$(A)"]}, ("c", "$(A)")),
        ({"args": ["x", "$(A)"]}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ("e", "x", "1")),
        ({"command": ["k", "$(A)"]}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ("k", "1")),
        ({"command": ["k"], "args": ["x"]}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ("k", "x")),
    ],
)
def test_command_and_arguments_as_in_the_kubernetes_table(
    tmp_path: Path, pod: dict[str, Any], image: dict[str, Any], argv: tuple[str, ...]
) -> None:
    assert _build(tmp_path, pod, image).argv == argv


def _build(tmp_path: Path, container: dict[str, Any], config: dict[str, Any]) -> Any:
    return container_spec.build(
        POD,
        {"name": "main", **container},
        NodeImage("r", "sha256:0", config, ()),
        address="127.42.10.1",
        env={"A": "1"},
        volumes=[],
        files=PodFiles(tmp_path),
        run=3,
    )


def test_without_any_command_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no command specified"):
        _build(tmp_path, {}, {})


def test_what_every_container_gets(tmp_path: Path) -> None:
    config = {"Cmd": ["c"], "Env": ["PATH=/x", "A=0", "EMPTY="], "WorkingDir": "/app"}
    spec = _build(tmp_path, {"terminationMessagePath": "/tmp/why"}, config)
    assert spec.env == {"PATH": "/x", "A": "1", "EMPTY": "", "HOSTNAME": spec.hostname}
    assert (spec.cwd, len(spec.hostname)) == ("/app", 63)
    mounts = {mount.target: mount for mount in spec.mounts}
    assert mounts["/tmp/why"].source == tmp_path / "containers" / "main" / "3.message"
    assert mounts["/tmp/why"].source.stat().st_mode & 0o777 == 0o666
    assert mounts["/etc/hosts"].read_only
    assert f"127.42.10.1\t{spec.hostname}" in mounts["/etc/hosts"].source.read_text()


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, ...]:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:10001:10002::/app:/bin/sh\n")
    (etc / "group").write_text("staff:x:50:\n")
    return (tmp_path,)


@pytest.mark.parametrize(
    ("pod", "container", "image", "user"),
    [
        ({}, {}, "", User(0, 0)),
        ({}, {}, "app", User(10001, 10002)),
        ({}, {}, "10001", User(10001, 10002)),
        ({}, {}, "app:staff", User(10001, 50)),
        ({}, {}, "4242:77", User(4242, 77)),
        ({"runAsUser": 5}, {}, "app", User(5, 0)),
        ({"runAsUser": 5, "runAsGroup": 6}, {"runAsUser": 7}, "app", User(7, 6)),
        ({"runAsNonRoot": True}, {"runAsUser": 10001}, "", User(10001, 10002)),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, "", User(0, 0)),
    ],
)
def test_users(
    layers: tuple[Path, ...],
    pod: dict[str, Any],
    container: dict[str, Any],
    image: str,
    user: User,
) -> None:
    assert users.resolve(pod, container, image_user=image, layers=layers) == user


@pytest.mark.parametrize(
    ("context", "image", "why"),
    [
        ({"runAsNonRoot": True}, "", "image will run as root"),
        ({"runAsNonRoot": True}, "app", "non-numeric user"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "", "breaks non-root policy"),
        ({}, "nobody-here", "unable to find user nobody-here"),
        ({}, "app:nothing", "unable to find group nothing"),
    ],
)
def test_users_that_may_not_run(
    layers: tuple[Path, ...], context: dict[str, Any], image: str, why: str
) -> None:
    with pytest.raises(RefusedUserError, match=why):
        users.resolve(context, {}, image_user=image, layers=layers)


def test_images_are_found_by_tag_and_digest(tmp_path: Path) -> None:
    images = StoredImages(tmp_path)
    store = images._store
    digest = store.put({"architecture": "amd64", "os": "linux", "config": {"Env": ["A=1=2"]}}, [])
    store.tag("host:5000/team/app", "v1", digest)
    for reference in ("host:5000/team/app:v1", f"host:5000/team/app@{digest}"):
        image = images.find(reference)
        assert image.image_id == f"host:5000/team/app@{digest}"
        assert image.env == {"A": "1=2"}
        with images.use(image):
            pass
    with pytest.raises(ImageMissingError, match=r"host:5000/team/app:v2: .*build and push it"):
        images.find("host:5000/team/app:v2")
    with pytest.raises(InvalidImageNameError, match="expected repository"):
        images.find("not an image")
