"""Outputs of stacks: staging's, the stack's own from its last `up`, and those of a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pulumi
from pulumi_kubernetes import core
from pydantic import ValidationError

from contract.kubernetes import SEED
from contract.platform_outputs import (
    APPS_OUTPUT,
    CONFIG_MAP,
    CONFIG_MAP_KEY,
    OUTPUT,
    OUTPUTS_VARIABLE,
    BoundaryOutputs,
    PlatformOutputs,
    PlatformOutputsError,
    PublishedOutputs,
)
from contract.stack_name import PLATFORM_PROJECT
from infra.app.hooks import SeedState
from infra.database.database import Preparation
from infra.errors import ProgramError
from infra.platform_inputs import BoundaryInputs, PlatformInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.stack_name import AppName
    from infra.app.app_ingress import AppIngress
    from infra.app.service_stack import AppArgs, ServiceStack
    from infra.kubernetes.namespace_scope import NamespaceScope

_PREPARE_DATABASE = "prepareDatabase"
_PREPARE_IMAGE = "prepareImage"
_PREPARE_RULES = "prepareRules"

SEEDED = "seeded"
"""Name of the output that holds the identity of the database that the hook ``seed`` has run on."""

_JOB = "kubernetes:batch/v1:Job"
_NAMESPACE = "kubernetes:core/v1:Namespace"


def read_staging() -> PlatformInputs:
    """Return the platform that the stack ``staging`` of this project published."""
    project = pulumi.get_project()
    published = _handed_over(project)
    if published is None:
        return _read(_reference("staging").get_output(OUTPUT), project)
    return _read(published.platform, project)


def read_platform(project: str, app: AppName) -> tuple[PlatformInputs, BoundaryInputs]:
    """Return the platform of a project's ``staging``, and the boundaries that it has for an app.

    The boundaries are empty where the platform has no roles of CI for the app.
    """
    published = _handed_over(project)
    if published is None:
        staging = _reference("staging", project)
        platform, apps = staging.get_output(OUTPUT), staging.get_output(APPS_OUTPUT)
    else:
        platform = pulumi.Output.from_input(published.platform)
        apps = pulumi.Output.from_input(published.model_dump()["apps"])

    def of_app(published: Any) -> BoundaryOutputs:
        apps: dict[str, Any] = published or {}
        return BoundaryOutputs.model_validate(apps.get(str(app), {"preview": "", "data": ""}))

    boundaries = apps.apply(of_app)
    return _read(platform, project), BoundaryInputs(
        preview=boundaries.apply(lambda found: found.preview),
        data=boundaries.apply(lambda found: found.data),
    )


def _read(published: pulumi.Input[Any], project: str) -> PlatformInputs:
    known = pulumi.Output.from_input(published)
    return PlatformInputs.of(known.apply(lambda value: checked(value, project)))


def _handed_over(project: str) -> PublishedOutputs | None:
    """Return what the command line read in the cluster; None where Pulumi was run without it.

    CI's role of previews may not read staging's state, and a StackReference does.

    Raises:
        ProgramError: The file can't be read, or is of another project.
    """
    name = os.environ.get(OUTPUTS_VARIABLE)
    if not name:
        return None
    try:
        published = PublishedOutputs.model_validate_json(Path(name).read_text())
    except (OSError, ValidationError) as error:
        raise _wrong_file(name, f"it can't be read: {error}") from error
    if published.project != project:
        raise _wrong_file(name, f"it is of project {published.project}, not {project}")
    return published


def _wrong_file(name: str, why: str) -> ProgramError:
    return ProgramError(
        f"{OUTPUTS_VARIABLE}={name}",
        why=why,
        remedy="unset the variable, which `previews` sets for the runs of Pulumi that it starts",
    )


def publish_platform(
    project: str,
    scope: NamespaceScope,
    platform: PlatformInputs,
    apps: Mapping[str, Mapping[str, pulumi.Input[str]]],
    parent: pulumi.Resource,
) -> None:
    """Publish the platform as a stack output, and for readers without access to the state.

    Args:
        project: Pulumi project of this stack ``staging``.
        scope: Its namespace.
        platform: The platform.
        apps: Boundaries for each other app, by its name.
        parent: Component that the ConfigMap belongs to.
    """
    outputs = platform.as_output()
    pulumi.export(OUTPUT, outputs)
    document = {"project": project, "platform": outputs, "apps": apps}
    core.v1.ConfigMap(
        CONFIG_MAP,
        metadata=scope.metadata(CONFIG_MAP),
        data={CONFIG_MAP_KEY: pulumi.Output.json_dumps(document, sort_keys=True)},
        opts=scope.deleted_with_namespace(parent),
    )


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


def preparation(platform: PlatformInputs, database: pulumi.Output[str]) -> Preparation:
    """Return the image and the rules with which this stack's database is or was prepared.

    A database is prepared once. The outputs remember both, so that newer ones of staging's are no
    reason to prepare it again. ``ignore_changes`` would remember them too, but also after the Job
    failed, or for a database that replaced the former one: a preview whose prepare Job failed
    because of the rules on the default branch could then never be brought up with corrected ones
    (docs/decisions/0005-a-database-is-prepared-once.md).

    Args:
        platform: Image and rules to prepare the database with if that has not been done.
        database: Identity of the database.
    """
    own = _reference(pulumi.get_stack())

    def remembered(name: str, otherwise: pulumi.Input[str]) -> pulumi.Output[str]:
        outputs = pulumi.Output.all(
            own.get_output(_PREPARE_DATABASE), database, own.get_output(name), otherwise
        )
        return outputs.apply(
            lambda known: known[2] if known[0] == known[1] and known[2] else known[3]
        )

    return Preparation(
        database=database,
        image=remembered(_PREPARE_IMAGE, platform.images.database),
        rules=remembered(_PREPARE_RULES, platform.database.scrub_rules),
    )


def export_preparation(prepared: Preparation) -> None:
    """Export the image and the rules with which the database was prepared, and which one it was."""
    pulumi.export(_PREPARE_DATABASE, prepared.database)
    pulumi.export(_PREPARE_IMAGE, prepared.image)
    pulumi.export(_PREPARE_RULES, prepared.rules)


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


def export_service(args: AppArgs, service: ServiceStack, endpoint: AppIngress) -> None:
    """Export what is known of a stack's service, and of what it needs."""
    pulumi.export("url", endpoint.url)
    pulumi.export("health", args.app.service.health.ready)
    pulumi.export("image", args.image)
    if args.web_images:
        pulumi.export("webImages", args.web_images)
    pulumi.export("namespace", args.stack.namespace)
    pulumi.export("commit", args.source.commit)
    pulumi.export("expires", args.source.expires)
    for name, value in service.outputs.items():
        pulumi.export(name, value)


def _reference(stack: str, project: str = "") -> pulumi.StackReference:
    return pulumi.StackReference(_full_name(stack, project))


def _full_name(stack: str, project: str = "") -> str:
    # The organization is the literal `organization` on a self-managed backend, so that the same
    # name works there and on Pulumi Cloud.
    return f"{pulumi.get_organization()}/{project or pulumi.get_project()}/{stack}"


def _invoke(function: str, arguments: dict[str, str]) -> dict[str, Any]:
    """Call a function of the engine itself, which answers from the last state."""
    answer = pulumi.runtime.invoke(f"pulumi:pulumi:{function}", arguments)
    return dict(cast("dict[str, Any]", answer.value)["outputs"] or {})
