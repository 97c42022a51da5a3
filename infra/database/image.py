"""The image that prepares databases: built from database/Dockerfile and pushed by the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_docker_build as docker_build

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
        if existing is None:
            self.reference = self._build(stack, source, repository_url)
        elif "@" in existing:
            self.reference = pulumi.Output.from_input(existing)
        else:
            self.reference = pulumi.Output.concat(repository_url, "@", existing)
        self.register_outputs({"reference": self.reference})

    def _build(
        self, stack: StackName, source: Source, repository_url: pulumi.Input[str]
    ) -> pulumi.Output[str]:
        # The registry's password comes from the machine's Docker configuration: passed here,
        # it would be kept in the stack's state.
        image = docker_build.Image(
            f"database-image-{source.short_commit}",
            context={"location": CONTEXT},
            dockerfile={"location": DOCKERFILE},
            platforms=[docker_build.Platform.LINUX_AMD64],
            labels={
                "org.opencontainers.image.revision": source.commit,
                "org.opencontainers.image.source": source.repository,
                "previews.stack": stack.value,
            },
            tags=[pulumi.Output.concat(repository_url, ":", stack.image_tag(source.commit))],
            push=True,
            # `pulumi preview` shows the plan; it does not push.
            build_on_preview=False,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        # Not `image.ref`: with a tag in it, a pod's name for one digest would vary.
        return pulumi.Output.concat(repository_url, "@", image.digest)
