"""An image of an app: built from its Dockerfile and pushed, or one that CI has built."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.app.app_environment import build_arguments
from infra.image_build import ImageBuild

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.app.containers import Image
    from contract.stack_name import StackName
    from infra.config.app import AppSource
    from infra.platform_inputs import PlatformInputs
    from infra.source import Source


@dataclass(frozen=True)
class AppImages:
    """Images of an app, by digest.

    Attributes:
        own: That of its web service, its workers and its Jobs.
        web: Those of further web services, by name.
    """

    own: pulumi.Output[str]
    web: dict[str, pulumi.Output[str]]


def app_images(
    described: AppSource,
    *,
    stack: StackName,
    source: Source,
    platform: PlatformInputs,
    repository_url: pulumi.Input[str],
    existing: str | None,
    existing_web: Mapping[str, str],
    keep_former: bool,
) -> AppImages:
    """Declare all images of an app.

    Args:
        described: The app, and where its folder is.
        stack: As in `ServiceImage`, like the others.
        source: The commit.
        platform: The platform, which knows the app's URL.
        repository_url: Repository to push to.
        existing: The app's own image, if CI has built it.
        existing_web: The other images that CI has built, by the names of their services.
        keep_former: True to keep former images.
    """

    def image(name: str, build: Image, part: str, existing: str | None) -> pulumi.Output[str]:
        return ServiceImage(
            name,
            stack=stack,
            source=source,
            build=build,
            folder=described.relative,
            repository_url=repository_url,
            existing=existing,
            keep_former=keep_former,
            part=part,
            arguments=build_arguments(build.args, stack, source, platform) if part else build.args,
        ).reference

    app = described.app
    return AppImages(
        own=image("image", app.image, "", existing),
        web={
            name: image(f"image-{name}", web.image, name, existing_web.get(name))
            for name, web in app.web.items()
        },
    )


class ServiceImage(pulumi.ComponentResource):
    """One image of one commit for one stack.

    The build is a resource of its own for every commit. So the former image is deleted at the
    very end of an `up`, when nothing runs it any more, and not at the beginning of the next
    one, which is when Pulumi clears away what a replacement left behind: after a migration
    that failed, the pods still run the former image.

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
        build: Image,
        folder: str,
        repository_url: pulumi.Input[str],
        existing: str | None,
        keep_former: bool,
        part: str = "",
        arguments: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the image.

        Args:
            stack: Stack, which the image carries in its tag and a label: no two stacks
                share a digest, so that one's deletion never takes another's image.
            source: Commit, which the image carries too.
            build: How it is built.
            folder: Folder of ``preview.yaml``, relative to the program's, in which Pulumi runs its
                providers: so the state is the same on every machine.
            repository_url: Repository to push to, without a tag.
            existing: ``[repository@]sha256:<digest>`` of an existing image; then none is built.
            keep_former: True to keep former images in the registry, to roll back to.
            part: Name of a further web service; empty for the app's own image.
            arguments: Build arguments, in place of the build's own.
        """
        super().__init__("previews:service:ServiceImage", name, None, opts)
        self.reference = ImageBuild(
            f"image-{part}" if part else "image",
            stack,
            source,
            context=posixpath.normpath(f"{folder}/{build.context}"),
            dockerfile=posixpath.normpath(f"{folder}/{build.dockerfile}"),
            repository_url=repository_url,
            tag=stack.image_tag(source.commit, part),
            keep_former=keep_former,
            target=build.target,
            args=build.args if arguments is None else arguments,
        ).reference(existing, self)
        self.register_outputs({"reference": self.reference})
