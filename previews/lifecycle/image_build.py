"""Build of an app's image, as its preview.yaml describes it, for the step that builds it in CI.

The values are a pull request's. They reach the step as outputs, and from there inputs of an action,
never a shell; paths are absolute, so that none can be taken for a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from previews.errors import PreviewsError

if TYPE_CHECKING:
    from pathlib import Path

    from contract.app.model import App

# docker/build-push-action reads the arguments as CSV, a line each, in which these mean something.
_SPECIAL = frozenset('"#')


class ImageBuild(BaseModel):
    """Build of an image.

    Attributes:
        context: Folder whose files the build gets.
        dockerfile: Path of the Dockerfile.
        target: Stage of the Dockerfile; empty for the last one.
        args: Build arguments.
    """

    model_config = ConfigDict(frozen=True)

    context: str
    dockerfile: str
    target: str
    args: dict[str, str]

    def text(self) -> str:
        """Return the build for people."""
        stage = f", stage {self.target}" if self.target else ""
        return f"{self.dockerfile}{stage}, with the files of {self.context}"

    def outputs(self) -> dict[str, str]:
        """Return the outputs of a step; of the arguments each has a line."""
        return {
            "context": str(self.context),
            "dockerfile": str(self.dockerfile),
            "target": self.target,
            "args": "\n".join(f"{name}={value}" for name, value in self.args.items()),
        }


def image_build(app: App, folder: Path) -> ImageBuild:
    """Return the build of an app's own image.

    Args:
        app: The app's description.
        folder: Its folder.

    Raises:
        PreviewsError: A build argument can't be passed.
    """
    for name, value in app.image.args.items():
        if not value.isprintable() or _SPECIAL.intersection(value) or value != value.strip():
            raise PreviewsError(
                "image-argument",
                f"preview.yaml, image.args.{name}",
                why='CI passes no value with a line break, # or ", nor one with spaces around it',
                remedy="write it into the Dockerfile, or into a file that the Dockerfile copies.",
            )
    root = folder.resolve()
    return ImageBuild(
        context=str((root / app.image.context).resolve()),
        dockerfile=str((root / app.image.dockerfile).resolve()),
        target=app.image.target or "",
        args=dict(app.image.args),
    )
