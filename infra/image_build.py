"""A container image: built from a Dockerfile and pushed, or one that is in the registry already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_docker_build as docker_build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.stack_name import StackName
    from infra.source import Source


@dataclass(frozen=True)
class ImageBuild:
    """Build of one image of one commit.

    Attributes:
        name: Beginning of the resource's name; the commit follows.
        stack: Stack, which the image carries in a label.
        source: Commit, which the image carries too.
        context: Folder whose files the build gets, relative to the program's, in which Pulumi runs
            its providers: so the state is the same on every machine.
        dockerfile: Path of the Dockerfile, relative to the program's folder.
        repository_url: Repository to push to, without a tag.
        tag: Its tag.
        keep_former: True to keep former images in the registry.
        target: Stage of the Dockerfile, None for the last one.
        args: Build arguments.
    """

    name: str
    stack: StackName
    source: Source
    context: str
    dockerfile: str
    repository_url: pulumi.Input[str]
    tag: str
    keep_former: bool
    target: str | None = None
    args: Mapping[str, pulumi.Input[str]] | None = None

    def reference(self, existing: str | None, parent: pulumi.Resource) -> pulumi.Output[str]:
        """Return the image by digest, as pods name it; it is built unless it exists.

        Args:
            existing: ``[repository@]sha256:<digest>`` of an existing image; None to build it.
            parent: Component that the build belongs to.
        """
        if existing is not None:
            if "@" in existing:
                return pulumi.Output.from_input(existing)
            return pulumi.Output.concat(self.repository_url, "@", existing)
        # The registry's password comes from the machine's Docker configuration: passed here,
        # it would be kept in the stack's state.
        image = docker_build.Image(
            f"{self.name}-{self.source.short_commit}",
            context={"location": self.context},
            dockerfile={"location": self.dockerfile},
            target=self.target,
            build_args=dict(self.args or {}) or None,
            platforms=[docker_build.Platform.LINUX_AMD64],
            labels={
                "org.opencontainers.image.revision": self.source.commit,
                "org.opencontainers.image.source": self.source.repository,
                "previews.stack": self.stack.name,
            },
            tags=[pulumi.Output.concat(self.repository_url, ":", self.tag)],
            push=True,
            # `pulumi preview` shows the plan; it does not push.
            build_on_preview=False,
            opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=self.keep_former),
        )
        # Not `image.ref`: with a tag in it, a pod's name for one digest would vary.
        return pulumi.Output.concat(self.repository_url, "@", image.digest)
