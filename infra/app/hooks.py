"""Hooks of an app: Jobs of its image beside the service, in the order of ``preview.yaml``.

Pulumi runs ``seed`` and ``after_deploy`` itself, so that a plain ``pulumi up`` does too. It has
nothing that runs before a destroy: for that the namespace holds a suspended CronJob, from which
``previews destroy`` makes a Job (docs/decisions/0040-hooks-are-jobs.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import batch, meta

from contract.kubernetes import AFTER_DEPLOY, AFTER_RESET_ANNOTATION, BEFORE_DESTROY, SEED
from infra.database.job import DatabaseJob, DatabaseWork, job_spec
from infra.kubernetes.pod import NAME_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contract.app.hooks import Hook, Hooks, Seed
    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import NamespaceScope

# The CronJob is suspended; Kubernetes wants a schedule all the same.
_NEVER = "0 0 1 1 *"


class SeedState(StrEnum):
    """State that earlier `up`s of a stack left of the hook ``seed``."""

    DUE = "due"
    """No Job has succeeded, or what it had seeded is gone."""

    DONE = "done"
    """The Job that has succeeded is in the state."""

    RESET = "reset"
    """A Job has succeeded; it was deleted with its database, of which there is a fresh copy."""


@dataclass(frozen=True)
class HookArgs:
    """Arguments of an app's hooks.

    Attributes:
        hooks: Its hooks.
        work: Makes the work of a hook's Job, from its name.
        scope: Namespace of the Jobs.
        resources: Resources of their pods.
        database: Identity of the database.
        commit: The commit.
        seed_state: State of the hook ``seed``; None on staging, whose data is real.
    """

    hooks: Hooks
    work: Callable[[str, Hook], DatabaseWork]
    scope: NamespaceScope
    resources: ServiceConfig
    database: pulumi.Output[str]
    commit: pulumi.Input[str]
    seed_state: SeedState | None


class AppHooks(pulumi.ComponentResource):
    """The Jobs of the hooks.

    Attributes:
        seeded: Identity of the database that was seeded, known once it was; None where nothing is
            to be seeded.
    """

    seeded: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        args: HookArgs,
        *,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            args: Arguments of the hooks.
            depends_on: The service and its address.
        """
        super().__init__("previews:service:Hooks", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self.seeded = None
        hooks, ready = args.hooks, [*depends_on]
        if args.seed_state is not None:
            if hooks.before_destroy is not None:
                ready.append(self._before_destroy(hooks.before_destroy, ready))
            if hooks.seed is not None:
                ready += self._seed(hooks.seed, args.seed_state, ready)
        if hooks.after_deploy is not None:
            work = args.work(AFTER_DEPLOY, hooks.after_deploy)
            self._job(replace(work, revision=args.commit), ready)
        self.register_outputs({})

    def _seed(
        self, seed: Seed, state: SeedState, depends_on: Sequence[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """Declare the Job, unless it has succeeded and is not to be repeated."""
        self.seeded = self._args.database
        if state is SeedState.RESET and not seed.after_reset:
            return []
        job = self._job(
            self._args.work(SEED, seed),
            depends_on,
            annotations={AFTER_RESET_ANNOTATION: str(seed.after_reset).lower()},
            done=state is SeedState.DONE,
        )
        self.seeded = pulumi.Output.all(job.id, self._args.database).apply(
            lambda done: str(done[1])
        )
        return [job]

    def _job(
        self,
        work: DatabaseWork,
        depends_on: Sequence[pulumi.Resource],
        *,
        annotations: dict[str, str] | None = None,
        done: bool = False,
    ) -> batch.v1.Job:
        return DatabaseJob(
            work.name,
            work=work,
            scope=self._args.scope,
            resources=self._args.resources,
            depends_on=depends_on,
            annotations=annotations,
            done=done,
            opts=self._child,
        ).job

    def _before_destroy(
        self, hook: Hook, depends_on: Sequence[pulumi.Resource]
    ) -> batch.v1.CronJob:
        labels = {NAME_LABEL: BEFORE_DESTROY}
        scope = self._args.scope
        return batch.v1.CronJob(
            BEFORE_DESTROY,
            metadata=scope.metadata(BEFORE_DESTROY, labels=labels),
            spec=batch.v1.CronJobSpecArgs(
                schedule=_NEVER,
                suspend=True,
                concurrency_policy="Forbid",
                job_template=batch.v1.JobTemplateSpecArgs(
                    metadata=meta.v1.ObjectMetaArgs(labels=labels),
                    spec=job_spec(self._args.work(BEFORE_DESTROY, hook), self._args.resources),
                ),
            ),
            opts=scope.deleted_with_namespace(self, depends_on=[*depends_on]),
        )
