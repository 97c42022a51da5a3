"""The service on a database in a namespace of its own: what staging and previews share.

The order is the point. The namespace and its Secrets come first; then the database is
provisioned, by a Job that is trusted with the master password; then the migrate Job, of this
image; only then the service, and last the Ingress. When a migration fails, nothing after it is
touched, and the version before goes on serving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from contract.kubernetes import APP_SECRET, MIGRATOR_SECRET
from infra.app.app_ingress import AppIngress
from infra.app.web_service import NAME, WebService
from infra.database.database import login, server
from infra.database.job import DatabaseJob, DatabaseWork
from infra.kubernetes.pod import HTTP_PORT, Environment

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.app.preview_namespace import PreviewNamespace
    from infra.config.access import SignIn
    from infra.config.models import MigrationConfig, ServiceConfig
    from infra.database.database import Database, ProvisionedDatabase
    from infra.platform_inputs import PlatformInputs
    from infra.source import Source

_MIGRATE_SECONDS = 600


@dataclass(frozen=True)
class ServiceArgs:
    """Arguments of a stack's service.

    Attributes:
        stack: Stack that the service belongs to.
        source: The commit.
        resources: Resources of the pods.
        platform: The cluster and the load balancer.
        image: Image of this commit, by digest.
        sign_in: Sign-in at the load balancer.
        migration: Limits of a migration, which is tried on a clone first; None where it can't be
            tried, since others than a preview's pods use the database.
    """

    stack: StackName
    source: Source
    resources: ServiceConfig
    platform: PlatformInputs
    image: pulumi.Input[str]
    sign_in: SignIn
    migration: MigrationConfig | None = None


class ServiceStack(pulumi.ComponentResource):
    """Parent of the namespace, the database's provisioning, and the service.

    Attributes:
        child: Options of its children.
    """

    child: pulumi.ResourceOptions

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("previews:service:ServiceStack", name, None, opts)
        self.child = pulumi.ResourceOptions(parent=self)

    def deploy(
        self, args: ServiceArgs, namespace: PreviewNamespace, provisioned: ProvisionedDatabase
    ) -> AppIngress:
        """Declare the migrate Job, the service and the Ingress, one after the other.

        Args:
            args: Arguments of the service.
            namespace: Namespace of all of it.
            provisioned: The database; migrations come after it is ready.
        """
        migrate = DatabaseJob(
            "migrate",
            work=migrate_work(args, provisioned.database),
            scope=namespace.scope,
            resources=args.resources,
            depends_on=provisioned.ready,
            opts=self.child,
        )
        service = WebService(
            "service",
            image=args.image,
            environment=service_environment(args, provisioned),
            restart_on={
                "checksum/database": provisioned.database.identity,
                "checksum/secrets": provisioned.checksum,
            },
            resources=args.resources,
            scope=namespace.scope,
            depends_on=[migrate.job],
            opts=self.child,
        )
        ingress = AppIngress(
            "front-door",
            stack=args.stack,
            scope=namespace.scope,
            service=NAME,
            platform=args.platform,
            sign_in=args.sign_in,
            depends_on=[service],
            opts=self.child,
        )
        self.register_outputs({"url": ingress.url})
        return ingress


def migrate_work(args: ServiceArgs, database: Database) -> DatabaseWork:
    """Return the work of the migrate Job: the schema, as the role that owns it."""
    return DatabaseWork(
        name="migrate",
        module="service.migrate",
        image=args.image,
        environment=Environment(
            values={**server(database, args.platform), **_limits(args.migration)},
            secrets=login("DATABASE", MIGRATOR_SECRET),
        ),
        database=database.identity,
        timeout_seconds=_MIGRATE_SECONDS,
    )


def _limits(migration: MigrationConfig | None) -> dict[str, pulumi.Input[str]]:
    if migration is None:
        return {}
    return {
        "MIGRATION_MAX_LOCK_SECONDS": f"{migration.max_lock_seconds:g}",
        "MIGRATION_LONG_LOCKS_MEANT": str(migration.long_locks_meant).lower(),
    }


def service_environment(args: ServiceArgs, provisioned: ProvisionedDatabase) -> Environment:
    """Return the service's environment, with the login of the role that can't change the schema."""
    about: dict[str, pulumi.Input[str]] = {
        "APP_COMMIT": args.source.commit,
        "APP_ENVIRONMENT": args.stack.kind.value,
    }
    # Behind the load balancer the client's address is in a header, which nobody else may set.
    proxies = pulumi.Output.from_input(args.platform.ingress.source_cidrs).apply(",".join)
    database = provisioned.database
    if args.stack.pull_request is not None:
        about["APP_PULL_REQUEST"] = str(args.stack.pull_request)
    if provisioned.snapshot is not None:
        about["APP_SNAPSHOT"] = provisioned.snapshot
    if database.pool_size is not None:
        about["DATABASE_POOL_SIZE"] = pulumi.Output.from_input(database.pool_size).apply(str)
    return Environment(
        values={
            "PORT": str(HTTP_PORT),
            "TRUSTED_PROXIES": proxies,
            **server(database, args.platform),
            **about,
        },
        secrets=login("DATABASE", APP_SECRET),
        fields={"HOST": "status.podIP"},
    )
