"""A shared server, once it is restored, scrubbed and proven.

Its publication is declared last. So a server whose scrub fails is never used, and the one before
goes on serving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from contract.kubernetes import GENERATION_KIND
from infra.database.branch_api import StatusResource
from infra.database.database import PORT, login, server
from infra.database.job import DatabaseJob, DatabaseWork
from infra.database.master_secret import MasterSecret
from infra.database.scrub_rules import VARIABLES, ScrubRules, mounted_rules
from infra.kubernetes.external_secret import WAIT_UNTIL_READY
from infra.kubernetes.namespace_scope import NamespaceScope
from infra.kubernetes.pod import TIMEOUT, Environment

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.config.models import ServiceConfig
    from infra.database.snapshot_database import SnapshotDatabase
    from infra.platform_inputs import PlatformInputs

# Scrubbing and reading through a large database once.
_TEMPLATE_SECONDS = 7200
_PUBLISHED_SECONDS = 120


class BranchGeneration(pulumi.ComponentResource):
    """The master's Secret, the rules, the Job that makes the template, the publication."""

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        restored: SnapshotDatabase,
        resources: ServiceConfig,
        namespace: pulumi.Input[str],
        platform: PlatformInputs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare all of it.

        Args:
            stack: Stack that it is named and numbered after.
            restored: RDS instance.
            resources: Resources of the Job's pod.
            namespace: Namespace of the branch controller.
            platform: Image and rules of the scrub, and identity provider of the cluster's service
                accounts.
        """
        super().__init__("previews:data:BranchGeneration", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scope = NamespaceScope(namespace, None)
        master = MasterSecret(
            "master",
            stack=stack,
            scope=scope,
            secret=stack.value,
            store=stack.value,
            reader=stack.value,
            secret_arn=restored.database.master_secret_arn,
            platform=platform,
            opts=child,
        )
        rules = ScrubRules(
            "rules",
            text=platform.database.scrub_rules,
            prefix=f"{stack.value}-rules",
            scope=scope,
            opts=child,
        )
        template = DatabaseJob(
            "template",
            work=template_work(stack, restored, platform, rules.name),
            scope=scope,
            resources=resources,
            depends_on=[master.ready, rules.ready],
            opts=child,
        )
        StatusResource(
            "publication",
            kind=GENERATION_KIND,
            metadata=scope.metadata(
                stack.value, annotations={**WAIT_UNTIL_READY, TIMEOUT: str(_PUBLISHED_SECONDS)}
            ),
            spec={
                "number": stack.generation,
                "host": restored.database.host,
                "port": PORT,
                "sslMode": platform.database.ssl_mode,
                "masterSecret": stack.value,
                "snapshot": restored.snapshot,
                "snapshotCreated": restored.snapshot_created,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[template.job, master.ready]),
        )
        self.register_outputs({})


def template_work(
    stack: StackName,
    restored: SnapshotDatabase,
    platform: PlatformInputs,
    rules: pulumi.Input[str],
) -> DatabaseWork:
    """Return the work of the template Job: scrub, proof and template, as the master user."""
    return DatabaseWork(
        name="template",
        command=["python", "-m", "database.branches.template"],
        image=platform.images.database,
        environment=Environment(
            values={
                **server(restored.database, platform),
                "DATABASE_SNAPSHOT": restored.snapshot,
                **VARIABLES,
            },
            secrets=login("DATABASE", stack.value),
        ),
        database=restored.database.identity,
        timeout_seconds=_TEMPLATE_SECONDS,
        mounted=(mounted_rules(rules),),
    )
