"""Archives of images are checked before anything with a credential reads them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.app.model import App
from contract.preview import Preview
from previews.errors import PreviewsError
from previews.lifecycle import image_archives
from previews.lifecycle.image_archives import Images, push_images, read_digest
from previews.settings import Settings
from tests.previews.lifecycle.archives import INDEX, MANIFEST, Layout

SHA = "a" * 40
REPOSITORY = "registry.test/previews"
APP = App.model_validate({"web": {"ui": {"path": "/ui", "image": {}}}})


def test_the_digest_is_that_of_the_one_image(tmp_path: Path) -> None:
    layout = Layout()
    assert read_digest(layout.write(tmp_path / "app.tar")) == layout.digest
    single = layout.manifest(b"another")
    layout.set_index([single])
    assert read_digest(layout.write(tmp_path / "app.tar")) == single["digest"]


def member(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, "/etc/passwd"
    return made


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (member("blobs/sha256/" + "0" * 64, tarfile.SYMTYPE), "no regular file"),
        (member("blobs/sha256/" + "0" * 64, tarfile.LNKTYPE), "no regular file"),
        (member("blobs/sha256/" + "0" * 64, tarfile.FIFOTYPE), "no regular file"),
        (member("blobs/sha256/" + "0" * 64, tarfile.CHRTYPE), "no regular file"),
        (member("../evil"), "no file of an OCI layout"),
        (member("/etc/cron.d/evil"), "no file of an OCI layout"),
        (member("blobs/sha256/../../evil"), "no file of an OCI layout"),
        (member("evil", tarfile.DIRTYPE), "no regular file"),
        (member("index.json"), "index.json twice"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_it_has_nothing_but_the_files_of_a_layout(
    tmp_path: Path, extra: tarfile.TarInfo, why: str
) -> None:
    file = Layout().write(tmp_path / "app.tar", extra)
    assert why in refused(file).why


def forge(layout: Layout, size: int = 0) -> None:
    """Give the layer another content than its digest says."""
    [name] = [name for name, content in layout.files.items() if content == b"layer"]
    layout.files[name] = b"LAYER" + b"x" * size


def lose(layout: Layout) -> None:
    [name] = [name for name, content in layout.files.items() if content == b"layer"]
    del layout.files[name]


def elsewhere(layout: Layout) -> None:
    layout.set_index([layout.manifest(b"a", urls=["http://169.254.169.254/"])])


def climb(layout: Layout) -> None:
    layout.set_index([layout.image | {"digest": "sha256:../../index.json"}])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (forge, "another content than its name says"),
        (lambda layout: forge(layout, 1), "has 6 bytes, expected 5"),
        (lose, "it has no blobs/sha256/"),
        (elsewhere, "urls: List should have at most 0 items"),
        (climb, "digest: String should match pattern"),
        (lambda layout: layout.set_index([]), "manifests: List should have at least 1 item"),
        (lambda layout: layout.set_index([layout.image] * 2), "it has 2 images, expected one"),
        (
            lambda layout: layout.set_index(
                [layout.add({"schemaVersion": 2, "manifests": [layout.image]}, INDEX)]
            ),
            "expected an image",
        ),
        (
            lambda layout: layout.set_index([layout.image | {"mediaType": "text/html"}]),
            "expected an image",
        ),
        (lambda layout: layout.set_index([layout.image | {"mediaType": MANIFEST}]), "config"),
        (lambda layout: layout.files.update({"index.json": b"{"}), "Invalid JSON"),
        (lambda layout: layout.files.pop("oci-layout"), "it has no oci-layout"),
        (lambda layout: layout.files.update({"oci-layout": b"{}"}), "imageLayoutVersion"),
        (
            lambda layout: layout.files.update({"index.json": b" " * (4 * 1024**2 + 1)}),
            "at most 4194304 are read",
        ),
    ],
)
def test_what_a_manifest_names_is_there_and_is_what_it_says(
    tmp_path: Path, change: Callable[[Layout], None], why: str
) -> None:
    layout = Layout()
    change(layout)
    assert why in refused(layout.write(tmp_path / "app.tar")).why


def test_its_members_and_its_size_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Layout().write(tmp_path / "app.tar")
    monkeypatch.setattr(image_archives, "_MOST_MEMBERS", 5)
    assert "more than 5 members" in refused(file).why
    monkeypatch.undo()
    monkeypatch.setattr(image_archives, "_MOST_BYTES", 100)
    assert "it has more than 0 GiB" in refused(file).why


def test_a_compressed_archive_and_a_link_to_one_are_refused(tmp_path: Path) -> None:
    file = Layout().write(tmp_path / "app.tar")
    link = tmp_path / "link.tar"
    link.symlink_to(file)
    assert "no such file" in refused(link).why
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as packed:
        packed.add(file, "index.json")
    assert "it can't be read" in refused(tmp_path / "packed.tar").why
    assert "no such file" in refused(tmp_path / "missing.tar").why


def refused(file: Path) -> PreviewsError:
    with pytest.raises(PreviewsError) as caught:
        read_digest(file)
    assert caught.value.code == "image-archive"
    return caught.value


@pytest.fixture
def skopeo(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A skopeo that writes down how it was called; with a file `fails` it fails."""
    folder = tmp_path_factory.mktemp("bin")
    program, calls = folder / "skopeo", folder / "calls"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        f"[ ! -e {folder}/fails ] || {{ echo denied: no basic auth >&2; exit 1; }}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return calls


def digests_of(folder: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.tar")
    }


def push(
    folder: Path, repository: str = REPOSITORY, *, digests: dict[str, str] | None = None
) -> Images:
    return push_images(
        folder,
        APP,
        digests=digests_of(folder) if digests is None else digests,
        preview=Preview(42),
        commit=SHA,
        repository=repository,
        settings=Settings(github_run_id=7, github_run_attempt=2),
    )


def test_each_is_pushed_with_its_digest_under_a_tag_of_the_run(
    tmp_path: Path, skopeo: Path
) -> None:
    own, web = Layout(b"own"), Layout(b"web")
    app = own.write(tmp_path / "app.tar")
    further = web.write(tmp_path / "web-ui.tar")
    images = push(tmp_path)
    assert images.own == f"{REPOSITORY}@{own.digest}"
    assert images.web == {"ui": f"{REPOSITORY}@{web.digest}"}
    assert images.config() == {
        "previews:image": images.own,
        "previews:webImages.ui": images.web["ui"],
    }
    assert json.dumps(images.all()) == f'["{images.own}", "{images.web["ui"]}"]'
    tag = f"{REPOSITORY}:pr-42-{SHA}-7-2"
    copy = "copy --all --preserve-digests oci-archive:"
    assert skopeo.read_text().splitlines() == [
        f"{copy}{app} docker://{tag}",
        f"{copy}{further} docker://{tag}.ui",
    ]


def test_nothing_is_pushed_if_one_is_wrong(tmp_path: Path, skopeo: Path) -> None:
    Layout().write(tmp_path / "app.tar")
    (tmp_path / "web-ui.tar").write_text("no archive")
    with pytest.raises(PreviewsError, match=r"web-ui\.tar"):
        push(tmp_path)
    assert not skopeo.exists()


def replace(folder: Path) -> None:
    Layout(b"another").write(folder / "web-ui.tar")


def add(folder: Path) -> None:
    Layout(b"another").write(folder / "web-other.tar")


def link(folder: Path) -> None:
    (folder / "web-ui.tar").rename(folder.parent / "elsewhere.tar")
    (folder / "web-ui.tar").symlink_to(folder.parent / "elsewhere.tar")


@pytest.mark.parametrize(
    ("change", "printed", "why"),
    [
        (replace, {}, "web-ui.tar has another content than the one that was built"),
        (lambda folder: (folder / "web-ui.tar").unlink(), {}, "web-ui.tar is missing"),
        (lambda folder: (folder / "app.tar").unlink(), {"app.tar": None}, "app.tar is missing"),
        (add, {}, "web-other.tar is there, which nothing describes"),
        (add, {"web-other.tar": "0" * 64}, "web-other.tar is there, which nothing describes"),
        (link, {}, "web-ui.tar is no regular file"),
        (lambda _: None, {"web-ui.tar": None}, "web-ui.tar has no digest"),
        (
            lambda _: None,
            {"web-other.tar": "0" * 64},
            "web-other.tar has a digest, and nothing describes it",
        ),
    ],
)
def test_nothing_is_pushed_but_what_the_build_printed(
    tmp_path: Path,
    skopeo: Path,
    change: Callable[[Path], None],
    printed: dict[str, str | None],
    why: str,
) -> None:
    folder = tmp_path / "images"
    for name in ("app", "web-ui"):
        Layout(name.encode()).write(folder / f"{name}.tar")
    digests = {**digests_of(folder), **printed}
    change(folder)
    with pytest.raises(PreviewsError) as caught:
        push(folder, digests={name: digest for name, digest in digests.items() if digest})
    assert caught.value.code == "image-digests"
    assert why in caught.value.why
    assert not skopeo.exists()


def test_a_registry_that_refuses_is_quoted(tmp_path: Path, skopeo: Path) -> None:
    for name in ("app", "web-ui"):
        Layout().write(tmp_path / f"{name}.tar")
    (skopeo.parent / "fails").touch()
    with pytest.raises(PreviewsError, match="denied: no basic auth") as caught:
        push(tmp_path)
    assert caught.value.code == "image-push"


def test_a_missing_repository_and_a_missing_program_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("app", "web-ui"):
        Layout().write(tmp_path / f"{name}.tar")
    with pytest.raises(PreviewsError) as caught:
        push(tmp_path, "")
    assert caught.value.code == "image-repository"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreviewsError) as missing:
        push(tmp_path)
    assert missing.value.code == "skopeo-missing"
