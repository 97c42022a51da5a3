"""The image of a commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from contract.app.containers import Image
from contract.stack_name import StackName
from infra.app.image import ServiceImage
from infra.source import Source
from tests.infra.world import COMMIT, NEXT_COMMIT, Deployment, Registration, deploy

IMAGE = "docker-build:index:Image"
URL = "registry.example.com/previews"
PROGRAM_FOLDER = Path(__file__).resolve().parents[3] / "infra"


def declare(stack: str = "pr-42", commit: str = COMMIT, **given: Any) -> Deployment:
    arguments: dict[str, Any] = {
        "existing": None,
        "keep_former": False,
        "build": Image(),
        "folder": "..",
    } | given

    def program() -> None:
        image = ServiceImage(
            "image",
            stack=StackName.parse(stack),
            source=Source(commit, "acme/orders", "never"),
            repository_url=URL,
            **arguments,
        )
        pulumi.export("image", image.reference)

    return deploy(stack, program)


def built(**given: Any) -> Registration:
    return declare(**given).one(IMAGE)


def test_an_image_is_built_for_its_stack_and_commit() -> None:
    image = built()
    assert image.name == f"image-{COMMIT[:12]}"
    assert image.inputs == {
        "context": {"location": ".."},
        "dockerfile": {"location": "../Dockerfile"},
        "platforms": ["linux/amd64"],
        "labels": {
            "org.opencontainers.image.revision": COMMIT,
            "org.opencontainers.image.source": "acme/orders",
            "previews.stack": "pr-42",
        },
        "tags": [f"{URL}:pr-42-{COMMIT}"],
        "push": True,
        "buildOnPreview": False,
        "network": "default",
    }


def test_pods_name_it_by_digest() -> None:
    stack = declare()
    repository, _, digest = stack.outputs["image"].partition("@")
    assert repository == URL
    assert digest.startswith("sha256:")


def test_the_paths_are_the_checkouts_own() -> None:
    """They are relative to the program's folder, so that a state holds no machine's path."""
    image = built().inputs
    assert (PROGRAM_FOLDER / image["context"]["location"]).resolve() == PROGRAM_FOLDER.parent
    assert (PROGRAM_FOLDER / image["dockerfile"]["location"]).is_file()


def test_an_app_says_how_its_image_is_built() -> None:
    build = Image(context="..", dockerfile="docker/web", target="production", args={"A": "1"})
    image = built(folder="../../orders/backend", build=build, part="frontend")
    assert image.name == f"image-frontend-{COMMIT[:12]}"
    assert image.inputs["context"] == {"location": "../../orders"}
    assert image.inputs["dockerfile"] == {"location": "../../orders/backend/docker/web"}
    assert image.inputs["target"] == "production"
    assert image.inputs["buildArgs"] == {"A": "1"}
    assert image.inputs["tags"] == [f"{URL}:pr-42-{COMMIT}.frontend"]


@pytest.mark.parametrize(
    "other", [{"stack": "pr-43"}, {"stack": "staging"}, {"commit": NEXT_COMMIT}]
)
def test_no_two_stacks_or_commits_share_an_image(other: dict[str, str]) -> None:
    """The provider deletes by digest: a shared one would go with the first of them."""
    one, another = declare(), declare(**other)
    assert one.outputs["image"] != another.outputs["image"]
    assert one.one(IMAGE).inputs["labels"] != another.one(IMAGE).inputs["labels"]


def test_a_changed_working_tree_has_a_tag_of_its_own() -> None:
    image = built(commit=f"{COMMIT}-0123abcd")
    assert image.name == f"image-{COMMIT[:12]}-0123abcd"
    assert image.inputs["tags"] == [f"{URL}:pr-42-{COMMIT}-0123abcd"]


@pytest.mark.parametrize("keep", [True, False])
def test_former_images_stay_only_where_they_are_wanted(*, keep: bool) -> None:
    assert built(keep_former=keep).retain_on_delete is keep


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ("sha256:" + "ab" * 32, f"{URL}@sha256:" + "ab" * 32),
        ("elsewhere.example.com/app@sha256:" + "cd" * 32,) * 2,
    ],
)
def test_an_image_that_exists_is_taken_as_it_is(given: str, reference: str) -> None:
    stack = declare(existing=given)
    assert stack.outputs["image"] == reference
    assert IMAGE not in stack.cloud.made
