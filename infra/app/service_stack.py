"""The service on a database in a namespace of its own: what staging and previews share.

The order is the point. Namespace and Secrets come first; then the database is handed over,
by something that is trusted with the master password; then the migrate Job, of this image;
only then the service, and last the Ingress. When a migration fails, nothing after it is
touched, and the version before goes on serving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.app.app_ingress import FrontDoor
from infra.app.preview_namespace import PreviewNamespace
from infra.app.web_service import NAME, WebService
from infra.database.database import APP, MIGRATOR
from infra.database.job import DatabaseJob, DatabaseWork
from infra.database.login import login, server
from infra.database.provisioner import HandedOver
from infra.kubernetes.pod import HTTP_PORT, Environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.config.access import SignIn
    from infra.config.models import MigrationConfig, ServiceConfig
    from infra.database.provisioner import HandOver
    from infra.platform_outputs import PlatformFacts
    from infra.source import Source

_MIGRATE_SECONDS = 600


@dataclass(frozen=True)
class ServiceStackArgs:
    """What the service is made from.

    Attributes:
        stack: Whose service it is.
        source: The commit.
        sizes: Sizes of the pods.
        platform: The cluster and the load balancer.
        image: The image of this commit, by digest.
        hand_over: How the database comes to be ready for this commit.
        migration: What a migration may do, which is tried out first; None where it can't be,
            since the database is in use by others than a preview's.
        sign_in: How people sign in at the load balancer.
        after: What the platform must have before anything of the stack is in the cluster.
    """

    stack: StackName
    source: Source
    sizes: ServiceConfig
    platform: PlatformFacts
    image: pulumi.Input[str]
    hand_over: HandOver
    sign_in: SignIn
    after: Sequence[pulumi.Resource] = ()
    migration: MigrationConfig | None = None


class ServiceStack(pulumi.ComponentResource):
    """Namespace, database, migrate, service and Ingress, one after the other.

    Attributes:
        url: The address of the service.
        load_balancer: The load balancer's own name.
        handed_over: The database, and what it was made from.
    """

    url: pulumi.Output[str]
    load_balancer: pulumi.Output[str]
    handed_over: HandedOver

    def __init__(
        self, name: str, args: ServiceStackArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare all of it.

        Args:
            name: Pulumi's name of the component.
            args: What the service is made from.
            opts: Pulumi's options; they bring the provider of the cluster.
        """
        super().__init__("previews:service:ServiceStack", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        guarded = PreviewNamespace(
            "namespace",
            stack=args.stack,
            sizes=args.sizes,
            platform=args.platform,
            after=args.after,
            opts=child,
        )
        handed_over = args.hand_over(guarded, self)
        migrate = DatabaseJob(
            "migrate",
            work=migrate_work(args, handed_over),
            home=guarded.home,
            sizes=args.sizes,
            after=handed_over.ready,
            opts=child,
        )
        service = WebService(
            "service",
            image=args.image,
            environment=service_environment(args, handed_over),
            restart_on={
                "checksum/database": handed_over.database.identity,
                "checksum/secrets": handed_over.checksum,
            },
            sizes=args.sizes,
            home=guarded.home,
            after=[migrate.job],
            opts=child,
        )
        door = FrontDoor(
            "front-door",
            stack=args.stack,
            home=guarded.home,
            service=NAME,
            platform=args.platform,
            sign_in=args.sign_in,
            after=[service],
            opts=child,
        )
        self.url = door.url
        self.load_balancer = door.load_balancer
        self.handed_over = handed_over
        self.register_outputs({"url": self.url})


def migrate_work(args: ServiceStackArgs, handed_over: HandedOver) -> DatabaseWork:
    """The schema, as the role that owns it."""
    return DatabaseWork(
        name="migrate",
        module="service.migrate",
        image=args.image,
        environment=Environment(
            values={**server(handed_over.database, args.platform), **_limits(args.migration)},
            secrets=login("DATABASE", MIGRATOR),
        ),
        database=handed_over.database.identity,
        timeout_seconds=_MIGRATE_SECONDS,
    )


def _limits(migration: MigrationConfig | None) -> dict[str, pulumi.Input[str]]:
    if migration is None:
        return {}
    return {
        "MIGRATION_MAX_LOCK_SECONDS": f"{migration.max_lock_seconds:g}",
        "MIGRATION_LONG_LOCKS_MEANT": str(migration.long_locks_meant).lower(),
    }


def service_environment(args: ServiceStackArgs, handed_over: HandedOver) -> Environment:
    """The service's own: the role that may not change the schema, and what it is a preview of."""
    about: dict[str, pulumi.Input[str]] = {
        "APP_COMMIT": args.source.commit,
        "APP_ENVIRONMENT": args.stack.kind.value,
    }
    # Behind it the client's address is in a header, which nobody else may set.
    balancers = pulumi.Output.from_input(args.platform.load_balancer_cidrs).apply(",".join)
    if args.stack.pull_request is not None:
        about["APP_PULL_REQUEST"] = str(args.stack.pull_request)
    if handed_over.snapshot is not None:
        about["APP_SNAPSHOT"] = handed_over.snapshot
    if handed_over.database.pool_size is not None:
        pool_size = pulumi.Output.from_input(handed_over.database.pool_size)
        about["DATABASE_POOL_SIZE"] = pool_size.apply(str)
    return Environment(
        values={
            "PORT": str(HTTP_PORT),
            "TRUSTED_PROXIES": balancers,
            **server(handed_over.database, args.platform),
            **about,
        },
        secrets=login("DATABASE", APP),
        fields={"HOST": "status.podIP"},
    )
