"""Repositories of images: the app's, of all its stacks, and the one of the data room."""

from __future__ import annotations

import json

import pulumi
from pulumi_aws import ecr

# Untagged manifests are leftovers of broken pushes. No running image is untagged: images are
# pushed under a tag, and an immutable tag never moves away from its image. A rule on tagged
# images, by count or by age, would some day delete a running one; a stack removes its own.
UNTAGGED_DAYS = 14


def database_repository(repository: str) -> str:
    """Return the ECR repository of the image that prepares databases.

    It is apart from the app's, to which the role of previews pushes: that image gets master
    passwords.

    Args:
        repository: The app's repository.
    """
    return f"{repository}-database"


def lifecycle_policy() -> str:
    """Return the repository's lifecycle policy as JSON."""
    rule = {
        "rulePriority": 1,
        "description": "Leftovers of broken pushes; whatever runs has a tag",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]}, sort_keys=True)


class Registry(pulumi.ComponentResource):
    """An ECR repository whose tags never move and whose images are scanned.

    Attributes:
        url: URL of the repository, without a tag.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        repository: str,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the repository.

        Args:
            repository: Name of the repository in ECR.
            key_arn: ARN of the key that encrypts its images.
        """
        super().__init__("previews:platform:Registry", name, None, opts)
        images = ecr.Repository(
            _resource(name, "images"),
            name=repository,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": key_arn}],
            # A destroy of staging stops here while there are images: previews may run them.
            force_delete=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        ecr.LifecyclePolicy(
            _resource(name, "lifecycle"),
            repository=images.name,
            policy=lifecycle_policy(),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = images.repository_url
        self.register_outputs({"url": self.url})


def _resource(registry: str, name: str) -> str:
    """Return a resource's name, unique in the stack; the first registry's keep their short ones."""
    return name if registry == "registry" else f"{registry}-{name}"
