"""Outputs of stacks: staging's, the stack's own from its last `up`, and those of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pulumi

from contract.kubernetes import SEED
from contract.platform_outputs import OUTPUT, PlatformOutputs, PlatformOutputsError
from infra.app.hooks import SeedState
from infra.errors import ProgramError
from infra.platform_inputs import PlatformInputs

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.app.app_ingress import AppIngress
    from infra.source import Source

PREPARE_IMAGE = "prepareImage"
"""Name of the output that holds the image with which the database was prepared."""

SEEDED = "seeded"
"""Name of the output that holds the identity of the database that the hook ``seed`` has run on."""

_JOB = "kubernetes:batch/v1:Job"
_NAMESPACE = "kubernetes:core/v1:Namespace"


def read_staging() -> PlatformInputs:
    """Return the platform of the stack ``staging``, of the same organization and project."""
    published = _reference("staging").get_output(OUTPUT).apply(checked)
    return PlatformInputs.of(published)


def checked(published: object) -> PlatformOutputs:
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
            f"output {OUTPUT!r} of stack staging",
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


def read_seed_state() -> SeedState:
    """Return what earlier `up`s of this stack left of the hook ``seed``.

    Whether a Job is declared can't depend on a value that is known only later, as a
    StackReference's is, so the engine is called. The state alone would not do: a reset deletes the
    Job. Nor the output alone: it outlives a removal that was interrupted.
    """
    name = _full_name(pulumi.get_stack())
    outputs = _invoke("readStackOutputs", {"name": name})
    # Without outputs there may be no state, for which the engine has no answer.
    if not outputs.get(SEEDED):
        return SeedState.DUE
    held = _invoke("readStackResourceOutputs", {"stackName": name})
    jobs: list[dict[str, Any]] = [
        one["outputs"]
        for urn, one in held.items()
        if one["type"] == _JOB and urn.rpartition("::")[2] == SEED
    ]
    if jobs:
        status = cast("dict[str, Any]", jobs[0].get("status") or {})
        return SeedState.DONE if status.get("succeeded") else SeedState.DUE
    is_there = any(one["type"] == _NAMESPACE for one in held.values())
    return SeedState.RESET if is_there else SeedState.DUE


def export_service(
    stack: StackName, source: Source, image: pulumi.Input[str], endpoint: AppIngress
) -> None:
    """Export what is known of a stack's service."""
    pulumi.export("url", endpoint.url)
    pulumi.export("image", image)
    pulumi.export("namespace", stack.namespace)
    pulumi.export("commit", source.commit)
    pulumi.export("expires", source.expires)


def _reference(stack: str) -> pulumi.StackReference:
    return pulumi.StackReference(_full_name(stack))


def _full_name(stack: str) -> str:
    # The organization is the literal `organization` on a self-managed backend, so that the same
    # name works there and on Pulumi Cloud.
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"


def _invoke(function: str, arguments: dict[str, str]) -> dict[str, Any]:
    """Call a function of the engine itself, which answers from the last state."""
    answer = pulumi.runtime.invoke(f"pulumi:pulumi:{function}", arguments)
    return dict(cast("dict[str, Any]", answer.value)["outputs"] or {})
