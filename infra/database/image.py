"""The image that prepares databases: built from database/Dockerfile and pushed by the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.image_build import ImageBuild

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.source import Source

# Relative to the program's folder, in which Pulumi runs its providers, so that the state is
# the same on every machine.
CONTEXT = ".."
DOCKERFILE = "../database/Dockerfile"


class DatabaseImage(pulumi.ComponentResource):
    """The image of one commit, the only one that gets master passwords.

    Like the service's, it is a resource of its own for every commit. Former ones stay in the
    registry: a preview's database is prepared with the same image for as long as it lives
    (docs/decisions/0005-a-database-is-prepared-once.md).

    Attributes:
        reference: Image by digest, as pods name it.
    """

    reference: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        source: Source,
        repository_url: pulumi.Input[str],
        existing: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the image.

        Args:
            stack: Stack that builds it.
            source: Commit that it is built from.
            repository_url: Repository to push to, without a tag.
            existing: ``[repository@]sha256:<digest>`` of an existing image; then none is built.
        """
        super().__init__("previews:platform:DatabaseImage", name, None, opts)
        self.reference = ImageBuild(
            "database-image",
            stack,
            source,
            context=CONTEXT,
            dockerfile=DOCKERFILE,
            repository_url=repository_url,
            tag=stack.image_tag(source.commit),
            keep_former=True,
        ).reference(existing, self)
        self.register_outputs({"reference": self.reference})
