from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from sandbox.containers.cache import Result
from sandbox.containers.layers import Layer
from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/previews/service"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def put_layer(store: ImageStore, text: str) -> Layer:
    with store.scratch() as scratch:
        (scratch / "layer/app").mkdir(parents=True)
        (scratch / "layer/app/file").write_text(text)
        return store.put_layer(scratch / "layer")


def put(store: ImageStore, *texts: str) -> str:
    return store.put({"os": "linux"}, [put_layer(store, text) for text in texts])


def test_an_image_comes_back_with_its_layers_top_first(store: ImageStore) -> None:
    digest = put(store, "bottom", "top")
    image = store.get(digest)
    assert [(layer / "app/file").read_text() for layer in image.layers] == ["top", "bottom"]
    assert image.config["os"] == "linux"


def test_the_documents_are_an_oci_images(store: ImageStore) -> None:
    layer = put_layer(store, "a")
    image = store.get(store.put({"os": "linux", "architecture": "amd64"}, [layer]))
    manifest = json.loads(image.manifest)
    assert manifest["schemaVersion"] == 2
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert manifest["layers"] == [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer.digest,
            "size": layer.size,
        }
    ]
    assert image.config["rootfs"] == {"type": "layers", "diff_ids": [layer.digest]}


def test_putting_twice_is_putting_once(store: ImageStore) -> None:
    assert put(store, "a") == put(store, "a")
    assert len(store.list()) == 1
    assert len(list((store.root / "layers").iterdir())) == 1
    assert list((store.root / "scratch").iterdir()) == []


def test_many_threads_put_the_same(store: ImageStore) -> None:
    digests: list[str] = []
    threads = [threading.Thread(target=lambda: digests.append(put(store, "a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 8
    assert set(digests) == set(store.list())


def test_tags_and_references(store: ImageStore) -> None:
    digest, other = put(store, "a"), put(store, "b")
    store.tag(REPOSITORY, "pr-42-abc", digest)
    assert store.find(f"{REPOSITORY}:pr-42-abc").digest == digest
    assert store.find(f"{REPOSITORY}:pr-42-abc@{other}").digest == other
    assert store.find(f"{REPOSITORY}@{other}").digest == other
    store.tag(REPOSITORY, "pr-42-abc", other)
    assert list(store.tags()) == [(REPOSITORY, "pr-42-abc", other)]
    store.untag(REPOSITORY, "pr-42-abc")
    store.untag(REPOSITORY, "pr-42-abc")
    assert store.resolve(REPOSITORY, "pr-42-abc") is None


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("not a name", "expected repository"),
        ("repo:", "expected repository"),
        ("repo@sha256:abc", "expected repository"),
        ("repo:none", "no image in the sandbox's store has that tag"),
        (f"repo@sha256:{'0' * 64}", "no such image"),
    ],
)
def test_a_reference_to_nothing_says_so(store: ImageStore, reference: str, message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        store.find(reference)


@pytest.mark.parametrize("name", ["..", "../../etc", "", ".hidden"])
def test_no_name_leads_out_of_the_store(store: ImageStore, name: str) -> None:
    digest = put(store, "a")
    with pytest.raises(SandboxError):
        store.tag(name, "tag", digest)
    with pytest.raises(SandboxError):
        store.tag("repository", name, digest)
    with pytest.raises(SandboxError):
        store.get(f"sha256:{name}")


def test_a_deleted_image_is_forgotten_with_its_tags(store: ImageStore) -> None:
    digest, other = put(store, "a"), put(store, "b")
    store.tag(REPOSITORY, "one", digest)
    store.tag(REPOSITORY, "two", other)
    store.delete(digest)
    store.delete(digest)
    assert store.list() == (other,)
    assert [tag for _, tag, _ in store.tags()] == ["two"]
    with pytest.raises(SandboxError, match="no such image"):
        store.get(digest)


def test_garbage_is_what_no_image_needs(store: ImageStore) -> None:
    shared, mine, kept = (put_layer(store, text) for text in ("shared", "mine", "kept"))
    doomed, living = store.put({}, [shared, mine]), store.put({}, [shared])
    store.cache.put("key", Result(kept.digest))
    store.delete(doomed)
    assert store.collect_garbage() == (mine.digest,)
    assert store.collect_garbage() == ()
    assert store.get(living).layers[0].is_dir()
    assert store.layer(kept.digest) is not None
    assert len(list((store.root / "blobs").iterdir())) == 2


def test_what_a_container_uses_stays_until_it_ends(store: ImageStore) -> None:
    digest = put(store, "a")
    with store.use(digest) as image:
        store.delete(digest)
        assert store.collect_garbage() == ()
        assert (image.layers[0] / "app/file").read_text() == "a"
    assert len(store.collect_garbage()) == 1


def test_nothing_is_collected_while_a_build_runs(store: ImageStore) -> None:
    store.delete(put(store, "a"))
    with store.collecting_nothing():
        assert store.collect_garbage() == ()
    assert len(store.collect_garbage()) == 1


def test_work_of_a_killed_build_is_cleared_away(store: ImageStore) -> None:
    pid = os.fork()
    if pid == 0:
        with store.scratch() as scratch:
            (scratch / "half").mkdir()
            os._exit(0)
    os.waitpid(pid, 0)
    with store.scratch() as mine:
        assert len(list((store.root / "scratch").glob("*/half"))) == 1
        store.collect_garbage()
        assert [path.name for path in (store.root / "scratch").iterdir() if path.is_dir()] == [
            mine.name
        ]


def test_an_image_without_its_layers_is_refused(store: ImageStore) -> None:
    missing = Layer(f"sha256:{'1' * 64}", 1, store.root)
    with pytest.raises(SandboxError, match="are not in the store"):
        store.put({}, [missing])
