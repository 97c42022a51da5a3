"""Outputs of stacks: staging's, the stack's own from its last `up`, and those of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from contract.platform_outputs import (
    APPS_OUTPUT,
    OUTPUT,
    BoundaryOutputs,
    PlatformOutputs,
    PlatformOutputsError,
)
from contract.stack_name import PLATFORM_PROJECT
from infra.errors import ProgramError
from infra.platform_inputs import BoundaryInputs, PlatformInputs

if TYPE_CHECKING:
    from contract.stack_name import AppName, StackName
    from infra.app.app_ingress import AppIngress
    from infra.app.image import ServiceImage
    from infra.source import Source

PREPARE_IMAGE = "prepareImage"
"""Name of the output that holds the image with which the database was prepared."""


def read_staging() -> PlatformInputs:
    """Return the platform of the stack ``staging``, of the same organization and project."""
    return _read(_reference("staging"), pulumi.get_project())


def read_platform(project: str, app: AppName) -> tuple[PlatformInputs, BoundaryInputs]:
    """Return the platform of a project's ``staging``, and the boundaries that it has for an app.

    The boundaries are empty where the platform has no roles of CI for the app.
    """
    staging = _reference("staging", project)

    def of_app(published: Any) -> BoundaryOutputs:
        apps: dict[str, Any] = published or {}
        return BoundaryOutputs.model_validate(apps.get(str(app), {"preview": "", "data": ""}))

    boundaries = staging.get_output(APPS_OUTPUT).apply(of_app)
    return _read(staging, project), BoundaryInputs(
        preview=boundaries.apply(lambda found: found.preview),
        data=boundaries.apply(lambda found: found.data),
    )


def _read(staging: pulumi.StackReference, project: str) -> PlatformInputs:
    published = staging.get_output(OUTPUT)
    return PlatformInputs.of(published.apply(lambda value: checked(value, project)))


def checked(published: object, project: str = PLATFORM_PROJECT) -> PlatformOutputs:
    """Return the model of what staging published.

    Raises:
        ProgramError: A field is missing; staging has to be brought up first.
    """
    try:
        return PlatformOutputs.read(published)
    except PlatformOutputsError as error:
        why = "staging has none: it was never brought up"
        if error.lacking:
            why = f"{error}: staging is of an older version of this program"
        raise ProgramError(
            f"output {OUTPUT!r} of stack staging of project {project}",
            why=why,
            remedy="bring staging up from the main branch first: `pulumi up -s staging`",
        ) from error


def prepared_with(otherwise: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the image with which this stack's database was prepared.

    A preview's database is prepared once. The output remembers the image, so that a newer one of
    staging's is no reason to prepare it again. ``ignore_changes`` would remember it too, but also
    after the Job failed: a preview whose prepare Job failed because of a bug on the main branch
    could then never be brought up with the fix
    (docs/decisions/0005-a-database-is-prepared-once.md).

    Args:
        otherwise: Image to prepare the database with if that has not been done.
    """
    remembered = _reference(pulumi.get_stack()).get_output(PREPARE_IMAGE)
    return pulumi.Output.all(remembered, otherwise).apply(lambda images: images[0] or images[1])


def export_service(
    stack: StackName, source: Source, image: ServiceImage, endpoint: AppIngress
) -> None:
    """Export what is known of a stack's service."""
    pulumi.export("url", endpoint.url)
    pulumi.export("image", image.reference)
    pulumi.export("namespace", stack.namespace)
    pulumi.export("commit", source.commit)
    pulumi.export("expires", source.expires)


def _reference(stack: str, project: str = "") -> pulumi.StackReference:
    # The organization is the literal `organization` on a self-managed backend, so that the same
    # name works there and on Pulumi Cloud.
    return pulumi.StackReference(
        f"{pulumi.get_organization()}/{project or pulumi.get_project()}/{stack}"
    )
