"""The service on a database in a namespace of its own: what staging and previews share.

The order is the point. Namespace and Secrets come first; then the prepare Job, of an image
that is trusted with the master password; then the migrate Job, of this image; only then the
service, and last the Ingress. When a migration fails, nothing after it is touched, and the
version before goes on serving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.components.database import PORT as DATABASE_PORT
from infra.components.database_job import DatabaseJob, DatabaseWork
from infra.components.database_secrets import APP, MASTER, MIGRATOR, DatabaseSecrets
from infra.components.front_door import FrontDoor
from infra.components.pod import HTTP_PORT, Environment
from infra.components.preview_namespace import PreviewNamespace
from infra.components.web_service import NAME, WebService

if TYPE_CHECKING:
    from infra.components.database import Database
    from infra.config_models import ServiceConfig
    from infra.platform_facts import PlatformFacts
    from infra.source import Source
    from infra.stack_name import StackName

# Scrubbing and warming a restored database is part of it.
_PREPARE_SECONDS = 900
_MIGRATE_SECONDS = 600


@dataclass(frozen=True)
class ServiceStackArgs:
    """What the service is made from.

    Attributes:
        stack: Whose service it is.
        source: The commit.
        sizes: Sizes of the pods.
        platform: The cluster and the load balancer.
        database: The database.
        image: The image of this commit, by digest.
        prepare_image: The image that is trusted with the master password, by digest.
        snapshot: The snapshot that the data comes from, None where there is none.
    """

    stack: StackName
    source: Source
    sizes: ServiceConfig
    platform: PlatformFacts
    database: Database
    image: pulumi.Input[str]
    prepare_image: pulumi.Input[str]
    snapshot: pulumi.Input[str] | None = None


class ServiceStack(pulumi.ComponentResource):
    """Namespace, Secrets, prepare, migrate, service and Ingress, one after the other.

    Attributes:
        url: The address of the service.
        prepared_with: The image with which the database was prepared, known once it was.
    """

    url: pulumi.Output[str]
    prepared_with: pulumi.Output[str]

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
            "namespace", stack=args.stack, sizes=args.sizes, platform=args.platform, opts=child
        )
        secrets = DatabaseSecrets(
            "secrets",
            stack=args.stack,
            home=guarded.home,
            database=args.database,
            platform=args.platform,
            opts=child,
        )
        prepare = DatabaseJob(
            "prepare",
            work=prepare_work(args),
            home=guarded.home,
            sizes=args.sizes,
            after=[*guarded.guards, *secrets.ready],
            opts=child,
        )
        migrate = DatabaseJob(
            "migrate",
            work=migrate_work(args),
            home=guarded.home,
            sizes=args.sizes,
            after=[prepare.job],
            opts=child,
        )
        service = WebService(
            "service",
            image=args.image,
            environment=service_environment(args),
            restart_on={
                "checksum/database": args.database.identity,
                "checksum/secrets": secrets.checksum,
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
            after=[service],
            opts=child,
        )
        self.url = door.url
        self.prepared_with = pulumi.Output.all(prepare.job.id, args.prepare_image).apply(
            lambda done: str(done[1])
        )
        self.register_outputs({"url": self.url})


def prepare_work(args: ServiceStackArgs) -> DatabaseWork:
    """Roles, ownership and grants, as the master user. Only this Job gets that password."""
    return DatabaseWork(
        name="prepare",
        module="service.prepare",
        image=args.prepare_image,
        environment=Environment(
            values=_server(args),
            secrets={
                **_login("DATABASE_MASTER", MASTER),
                **_login("DATABASE_MIGRATOR", MIGRATOR),
                **_login("DATABASE_APP", APP),
            },
        ),
        database=args.database.identity,
        timeout_seconds=_PREPARE_SECONDS,
    )


def migrate_work(args: ServiceStackArgs) -> DatabaseWork:
    """The schema, as the role that owns it."""
    return DatabaseWork(
        name="migrate",
        module="service.migrate",
        image=args.image,
        environment=Environment(values=_server(args), secrets=_login("DATABASE", MIGRATOR)),
        database=args.database.identity,
        timeout_seconds=_MIGRATE_SECONDS,
    )


def service_environment(args: ServiceStackArgs) -> Environment:
    """The service's own: the role that may not change the schema, and what it is a preview of."""
    about: dict[str, pulumi.Input[str]] = {
        "APP_COMMIT": args.source.commit,
        "APP_ENVIRONMENT": args.stack.kind.value,
    }
    # Behind it the client's address is in a header, which nobody else may set.
    balancers = pulumi.Output.from_input(args.platform.load_balancer_cidrs).apply(",".join)
    if args.stack.pull_request is not None:
        about["APP_PULL_REQUEST"] = str(args.stack.pull_request)
    if args.snapshot is not None:
        about["APP_SNAPSHOT"] = args.snapshot
    return Environment(
        values={
            "PORT": str(HTTP_PORT),
            "TRUSTED_PROXIES": balancers,
            **_server(args),
            **about,
        },
        secrets=_login("DATABASE", APP),
        fields={"HOST": "status.podIP"},
    )


def _server(args: ServiceStackArgs) -> dict[str, pulumi.Input[str]]:
    return {
        "DATABASE_HOST": args.database.host,
        "DATABASE_PORT": str(DATABASE_PORT),
        "DATABASE_NAME": args.database.name,
        "DATABASE_SSLMODE": args.platform.database_ssl_mode,
    }


def _login(prefix: str, secret: str) -> dict[str, tuple[str, str]]:
    return {f"{prefix}_USER": (secret, "username"), f"{prefix}_PASSWORD": (secret, "password")}
