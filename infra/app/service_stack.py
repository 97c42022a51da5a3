"""The app on a database in a namespace of its own: what staging and previews share.

The order is the point. The namespace and its Secrets come first; then the database is
provisioned, by a Job that is trusted with the master password, and what the app needs besides;
then the migrate Job, of this image; only then service and workers, and the Ingress; last the
app's hooks. When a migration
fails, nothing after it is touched, and the version before goes on serving.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pulumi

from contract.kubernetes import APP_SECRET, MIGRATOR_SECRET, SERVICE, web_service
from contract.stack_name import StackKind
from infra.app.app_environment import EnvironmentArgs, app_environment
from infra.app.app_ingress import AppIngress, app_url
from infra.app.app_secrets import AppSecrets
from infra.app.authorities import MOUNTED, DatabaseAuthorities
from infra.app.deployment import AppContainer
from infra.app.hooks import AppHooks, HookArgs, SeedState
from infra.app.needs import provide_needs
from infra.app.needs.need import NeedArgs
from infra.app.preview_namespace import PreviewNamespace
from infra.app.web_service import WebService
from infra.app.worker import Worker
from infra.database.job import DatabaseJob, DatabaseWork
from infra.kubernetes.pod import SERVICE_ACCOUNT, Environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.app.containers import Web
    from contract.app.hooks import Hook
    from contract.app.model import App
    from contract.stack_name import StackName
    from infra.app.sizes import AppSizes
    from infra.config.access import SignIn
    from infra.config.models import EgressBy, MigrationConfig
    from infra.database.database import ProvisionedDatabase
    from infra.platform_inputs import PlatformInputs
    from infra.source import Source


@dataclass(frozen=True)
class AppArgs:
    """Arguments of a stack's app.

    Attributes:
        stack: Stack that the app belongs to.
        source: The commit.
        app: Its description.
        sizes: Sizes of its containers.
        platform: The cluster and the load balancer.
        image: Image of this commit, by digest.
        web_images: Images of further web services, by name.
        sign_in: Sign-in at the load balancer.
        egress_by: How the hosts that the app connects to are told from others.
        migration: Limits of a migration, which is tried on a clone first; None where it can't be
            tried, since others than a preview's pods use the database.
        seed_state: What earlier `up`s left of the hook ``seed``.
    """

    stack: StackName
    source: Source
    app: App
    sizes: AppSizes
    platform: PlatformInputs
    image: pulumi.Input[str]
    web_images: Mapping[str, pulumi.Input[str]]
    sign_in: SignIn
    egress_by: EgressBy
    migration: MigrationConfig | None = None
    seed_state: SeedState = SeedState.DUE


class ServiceStack(pulumi.ComponentResource):
    """Parent of the namespace, the database's provisioning, and the app.

    Attributes:
        child: Options of its children.
        seeded: As in `AppHooks`, after `deploy`.
        outputs: Outputs of what the app needs besides its database, after `deploy`.
    """

    child: pulumi.ResourceOptions
    seeded: pulumi.Output[str] | None = None
    outputs: Mapping[str, pulumi.Input[str]]

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("previews:service:ServiceStack", name, None, opts)
        self.child = pulumi.ResourceOptions(parent=self)

    def namespace(
        self, args: AppArgs, *, depends_on: Sequence[pulumi.Resource] = ()
    ) -> PreviewNamespace:
        """Declare the app's namespace.

        Args:
            args: Arguments of the app.
            depends_on: Resources that the namespace, and everything in it, depends on.
        """
        return PreviewNamespace(
            "namespace",
            stack=args.stack,
            sizes=args.sizes,
            ports={SERVICE: args.app.service.port}
            | {web_service(name): web.port for name, web in args.app.web.items()},
            platform=args.platform,
            egress=args.app.egress,
            egress_by=args.egress_by,
            depends_on=depends_on,
            opts=self.child,
        )

    def deploy(
        self, args: AppArgs, namespace: PreviewNamespace, provisioned: ProvisionedDatabase
    ) -> AppIngress:
        """Declare secrets, what the app needs, the migrate Job, services, the Ingress and hooks.

        That is also their order.

        Args:
            args: Arguments of the app.
            namespace: Namespace of all of it.
            provisioned: The database; migrations come after it is ready.
        """
        secrets = AppSecrets(
            "secrets",
            stack=args.stack,
            secrets=args.app.secrets,
            scope=namespace.scope,
            platform=args.platform,
            opts=self.child,
        )
        url = app_url(args.stack, args.platform)
        needs = provide_needs(
            args.app.needs,
            NeedArgs(
                stack=args.stack,
                scope=namespace.scope,
                sizes=args.sizes,
                platform=args.platform,
                url=url,
                database=provisioned.database.identity,
                guards=namespace.guards,
                egress_by=args.egress_by,
            ),
            self.child,
        )
        self.outputs = needs.outputs
        account = needs.service_account or SERVICE_ACCOUNT
        values = EnvironmentArgs(
            args.stack, args.source, args.platform, provisioned, url, needs.values
        )
        authorities = DatabaseAuthorities(
            "authorities", scope=namespace.scope, platform=args.platform, opts=self.child
        )
        ready = [*provisioned.ready, *secrets.ready, authorities.ready, *needs.ready]
        work = migrate_work(args, values, secrets, account)
        if work is not None:
            migrate = DatabaseJob(
                "migrate",
                work=work,
                scope=namespace.scope,
                resources=args.sizes.service.resources,
                depends_on=ready,
                opts=self.child,
            )
            ready = [migrate.job]
        web = self._web(args, values, secrets, namespace, account, ready)
        ingress = AppIngress(
            "front-door",
            stack=args.stack,
            scope=namespace.scope,
            backends=[*(one.backend for one in web), *needs.backends],
            idle_timeouts={
                key: web.idle_timeout_seconds for key, web in web_services(args.app).items()
            },
            platform=args.platform,
            sign_in=args.sign_in,
            depends_on=[*web, *needs.ready],
            opts=self.child,
        )
        hooks = AppHooks(
            "hooks",
            HookArgs(
                hooks=args.app.hooks,
                work=partial(_hook_work, args, values, secrets, account),
                scope=namespace.scope,
                resources=args.sizes.service.resources,
                database=provisioned.database.identity,
                commit=args.source.commit,
                seed_state=args.seed_state if args.stack.kind is StackKind.PREVIEW else None,
            ),
            depends_on=[ingress],
            opts=self.child,
        )
        self.seeded = hooks.seeded
        self.register_outputs({"url": ingress.url})
        return ingress

    def _web(
        self,
        args: AppArgs,
        values: EnvironmentArgs,
        secrets: AppSecrets,
        namespace: PreviewNamespace,
        account: str,
        ready: Sequence[pulumi.Resource],
    ) -> list[WebService]:
        """Declare the workers, and the web services, of which the app's own is the first."""
        restart_on: Mapping[str, pulumi.Input[str]] = {
            "checksum/database": values.provisioned.database.identity,
            "checksum/secrets": f"{values.provisioned.checksum}-{secrets.checksum}",
        }
        variables = args.app.service.environment
        for name, worker in args.app.workers.items():
            Worker(
                f"worker-{name}",
                container=AppContainer(
                    args.image,
                    worker,
                    worker.command,
                    _environment({**variables, **worker.environment}, values, secrets),
                    restart_on,
                    account,
                ),
                replicas=worker.replicas,
                resources=args.sizes.workers[name].resources,
                scope=namespace.scope,
                depends_on=ready,
                opts=self.child,
            )
        own = WebService(
            SERVICE,
            web=args.app.service,
            container=AppContainer(
                args.image,
                args.app.service,
                args.app.service.command,
                _environment(variables, values, secrets),
                restart_on,
                account,
            ),
            resources=args.sizes.service.resources,
            scope=namespace.scope,
            depends_on=ready,
            opts=self.child,
        )
        further = [
            WebService(
                web_service(name),
                web=web,
                container=AppContainer(
                    args.web_images[name],
                    web,
                    web.command,
                    app_environment(web.environment, values, login=APP_SECRET),
                    restart_on,
                    account,
                ),
                resources=args.sizes.web[name].resources,
                scope=namespace.scope,
                depends_on=ready,
                opts=self.child,
            )
            for name, web in args.app.web.items()
        ]
        return [own, *further]


def web_services(app: App) -> dict[str, Web]:
    """Return all web services of an app by their keys in ``preview.yaml``, its own first."""
    return {"service": app.service, **{f"web.{name}": web for name, web in app.web.items()}}


def migrate_work(
    args: AppArgs, values: EnvironmentArgs, secrets: AppSecrets, account: str
) -> DatabaseWork | None:
    """Return the work of the migrate Job: the schema, as the role that owns it.

    None for an app without migrations.
    """
    settings = args.app.database
    if settings.migrate is None:
        return None
    own = app_environment(
        args.app.service.environment, values, login=MIGRATOR_SECRET, secrets=secrets.variables
    )
    return DatabaseWork(
        name="migrate",
        command=settings.migrate,
        image=args.image,
        environment=Environment(
            values={**own.values, **_limits(args.migration)},
            secrets=own.secrets,
            fields=own.fields,
        ),
        database=values.provisioned.database.identity,
        timeout_seconds=settings.migrate_seconds,
        container=args.app.service,
        mounted=(MOUNTED,),
        service_account=account,
    )


def _hook_work(
    args: AppArgs,
    values: EnvironmentArgs,
    secrets: AppSecrets,
    account: str,
    name: str,
    hook: Hook,
) -> DatabaseWork:
    """Return the work of a hook's Job, which runs as the service does."""
    return DatabaseWork(
        name=name,
        command=hook.command,
        image=args.image,
        environment=_environment(args.app.service.environment, values, secrets),
        database=values.provisioned.database.identity,
        timeout_seconds=hook.timeout_seconds,
        container=args.app.service,
        mounted=(MOUNTED,),
        service_account=account,
    )


def _environment(
    variables: Mapping[str, str], values: EnvironmentArgs, secrets: AppSecrets
) -> Environment:
    """Return an environment with the login of the role that can't change the schema."""
    return app_environment(variables, values, login=APP_SECRET, secrets=secrets.variables)


def _limits(migration: MigrationConfig | None) -> dict[str, pulumi.Input[str]]:
    if migration is None:
        return {}
    return {
        "MIGRATION_MAX_LOCK_SECONDS": f"{migration.max_lock_seconds:g}",
        "MIGRATION_LONG_LOCKS_MEANT": str(migration.long_locks_meant).lower(),
    }
