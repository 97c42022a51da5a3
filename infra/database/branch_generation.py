"""A server that previews share, once it is restored, scrubbed and proven.

The last thing that is declared is its publication. So one whose scrub fails is never seen, and
the one before goes on serving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.database.branch_api import GENERATION, StatusResource
from infra.database.database import PORT
from infra.database.job import DatabaseJob, DatabaseWork
from infra.database.login import login, server
from infra.database.master_secret import MasterSecret
from infra.kubernetes.external_secret import WAIT_UNTIL_READY
from infra.kubernetes.namespace_scope import Home
from infra.kubernetes.pod import TIMEOUT, Environment

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.config.models import ServiceConfig
    from infra.database.snapshot_database import SnapshotDatabase
    from infra.platform_outputs import PlatformFacts

# Scrubbing and reading through a large database once.
_TEMPLATE_SECONDS = 7200
_PUBLISHED_SECONDS = 120


class BranchGeneration(pulumi.ComponentResource):
    """The master's Secret, the Job that makes the template, the publication."""

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        restored: SnapshotDatabase,
        sizes: ServiceConfig,
        namespace: pulumi.Input[str],
        platform: PlatformFacts,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare all of it.

        Args:
            name: Pulumi's name of the component.
            stack: Whose number and names it gets.
            restored: The instance.
            sizes: What the Job's pod needs.
            namespace: Where databases are handed out.
            platform: The trusted image, and who vouches for the cluster's service accounts.
            opts: Pulumi's options.
        """
        super().__init__("previews:data:BranchGeneration", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        home = Home(namespace, None)
        master = MasterSecret(
            "master",
            stack=stack,
            home=home,
            secret=stack.value,
            store=stack.value,
            reader=stack.value,
            secret_arn=restored.database.master_secret_arn,
            platform=platform,
            opts=child,
        )
        template = DatabaseJob(
            "template",
            work=template_work(stack, restored, platform),
            home=home,
            sizes=sizes,
            after=[master.ready],
            opts=child,
        )
        StatusResource(
            "publication",
            kind=GENERATION,
            metadata=home.metadata(
                stack.value, annotations={**WAIT_UNTIL_READY, TIMEOUT: str(_PUBLISHED_SECONDS)}
            ),
            spec={
                "number": stack.generation,
                "host": restored.database.host,
                "port": PORT,
                "sslMode": platform.database_ssl_mode,
                "masterSecret": stack.value,
                "snapshot": restored.snapshot,
                "snapshotCreated": restored.snapshot_created,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[template.job, master.ready]),
        )
        self.register_outputs({})


def template_work(
    stack: StackName, restored: SnapshotDatabase, platform: PlatformFacts
) -> DatabaseWork:
    """Scrub, proof and template, as the master user, in the image of the main branch."""
    return DatabaseWork(
        name="template",
        module="database.branches.template",
        image=platform.trusted_image,
        environment=Environment(
            values={
                **server(restored.database, platform),
                "DATABASE_SNAPSHOT": restored.snapshot,
            },
            secrets=login("DATABASE", stack.value),
        ),
        database=restored.database.identity,
        timeout_seconds=_TEMPLATE_SECONDS,
    )
