from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.inventory import inventory
from sandbox.containers.store import ImageStore, StoredImage
from tests.sandbox.aws.conftest import Aws

pytestmark = pytest.mark.sandbox


@pytest.fixture
def store(aws: Aws) -> ImageStore:
    return ImageStore(aws.settings.home / "images")


def stored(store: ImageStore, content: str) -> StoredImage:
    with store.scratch() as folder:
        layer_folder = folder / "layer"
        layer_folder.mkdir()
        (layer_folder / "file").write_text(content)
        layer = store.put_layer(layer_folder)
    return store.get(store.put({"config": {"Cmd": ["true"]}}, [layer]))


def push(aws: Aws, repository: str, tag: str, image: StoredImage) -> None:
    aws.client("ecr").put_image(
        repositoryName=repository,
        imageTag=tag,
        imageManifest=image.manifest.decode(),
        imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
    )


def test_a_pushed_image_is_known_by_the_digest_of_its_manifest(aws: Aws, store: ImageStore) -> None:
    ecr = aws.client("ecr")
    uri = ecr.create_repository(repositoryName="digests")["repository"]["repositoryUri"]
    image = stored(store, "one")

    push(aws, "digests", "abc", image)

    [detail] = ecr.describe_images(repositoryName="digests")["imageDetails"]
    assert detail["imageDigest"] == image.digest
    assert store.find(f"{uri}:abc").digest == image.digest


def test_what_was_not_uploaded_cannot_be_named(aws: Aws) -> None:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="empty")

    with pytest.raises(ClientError, match="LayersNotFoundException"):
        ecr.put_image(
            repositoryName="empty",
            imageTag="abc",
            imageManifest='{"schemaVersion": 2, "config": {}, "layers": []}',
            imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
        )

    assert ecr.list_images(repositoryName="empty")["imageIds"] == []


def test_an_immutable_tag_stays_what_it_is(aws: Aws, store: ImageStore) -> None:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="immutable", imageTagMutability="IMMUTABLE")
    first = stored(store, "first")
    push(aws, "immutable", "abc", first)

    with pytest.raises(ClientError, match=r"Image(Tag)?AlreadyExists"):
        push(aws, "immutable", "abc", stored(store, "second"))

    [detail] = ecr.describe_images(repositoryName="immutable")["imageDetails"]
    assert detail["imageDigest"] == first.digest


def test_a_deleted_image_is_gone_from_the_store_unless_another_repository_has_it(
    aws: Aws, store: ImageStore
) -> None:
    ecr = aws.client("ecr")
    shared, alone = stored(store, "shared"), stored(store, "alone")
    for name in ("here", "there"):
        ecr.create_repository(repositoryName=name)
        push(aws, name, "abc", shared)
    push(aws, "here", "alone", alone)

    ecr.batch_delete_image(
        repositoryName="here",
        imageIds=[{"imageDigest": shared.digest}, {"imageDigest": alone.digest}],
    )

    assert shared.digest in store.list()
    assert alone.digest not in store.list()
    assert not [path for path in alone.layers if path.exists()]
    ecr.delete_repository(repositoryName="there", force=True)
    assert shared.digest not in store.list()


def test_a_tag_can_go_while_its_image_stays(aws: Aws, store: ImageStore) -> None:
    ecr = aws.client("ecr")
    uri = ecr.create_repository(repositoryName="tags")["repository"]["repositoryUri"]
    image = stored(store, "tagged")
    push(aws, "tags", "one", image)
    push(aws, "tags", "two", image)

    ecr.batch_delete_image(repositoryName="tags", imageIds=[{"imageTag": "one"}])

    assert store.resolve(uri, "one") is None
    assert store.resolve(uri, "two") == image.digest
    assert image.digest in store.list()


def test_a_repository_with_images_is_not_deleted_by_chance(
    aws: Aws, store: ImageStore, tmp_path: Path
) -> None:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="full")
    image = stored(store, "precious")
    push(aws, "full", "abc", image)

    with pytest.raises(ClientError, match="RepositoryNotEmptyException"):
        ecr.delete_repository(repositoryName="full")

    assert image.digest in store.list()


def test_the_inventory_names_images_and_tags(aws: Aws, store: ImageStore) -> None:
    before = set(inventory(aws.settings))
    aws.client("ecr").create_repository(
        repositoryName="listed", tags=[{"Key": "stack", "Value": "staging"}]
    )
    image = stored(store, "listed")
    push(aws, "listed", "abc", image)

    added = {(item.type, item.id) for item in set(inventory(aws.settings)) - before}

    assert added == {
        ("ecr:repository", "listed"),
        ("ecr:image", f"listed/{image.digest}"),
        ("ecr:image-tag", "listed/abc"),
    }
