"""Stack ``staging``: the platform that previews run on, and an app's staging on it.

The platform's own project holds both. Another app's project holds the second part alone, on the
platform that `previews:platform` names, so that its previews need nothing but their own staging.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pulumi

from contract.platform_outputs import APPS_OUTPUT
from infra.app.image import app_images
from infra.app.service_stack import AppArgs, ServiceStack
from infra.app.sizes import app_sizes
from infra.config.app import load_app
from infra.config.load import load_app_staging_config, load_platform_config
from infra.database.branch_controller import BranchController
from infra.database.image import DatabaseImage
from infra.database.own_database import provision_own_database
from infra.database.scrub_rules import read_rules
from infra.database.staging_database import StagingDatabase
from infra.errors import ProgramError
from infra.foundation.budget import preview_budgets
from infra.foundation.encryption_key import EncryptionKey
from infra.foundation.registry import Registry, database_repository
from infra.kubernetes.provider import existing_cluster
from infra.platform_inputs import (
    BoundaryInputs,
    BranchesInputs,
    ClusterInputs,
    DatabaseInputs,
    ImageInputs,
    IngressInputs,
    PlatformInputs,
    SignInInputs,
)
from infra.source import CHECKOUT, read_app_source, read_source
from infra.stacks.stack_outputs import export_service, publish_platform, read_platform
from infra.tagging import tag_every_resource
from infra.versions import pinned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi_kubernetes as kubernetes

    from contract.stack_name import StackName
    from infra.app.app_ingress import AppIngress
    from infra.ci.roles import CiRoles
    from infra.config.app_staging import AppStagingConfig
    from infra.config.models import PlatformConfig
    from infra.foundation.cluster_foundation import ClusterFoundation
    from infra.foundation.shared_ingress import SharedIngress
    from infra.source import Source
    from infra.versions import ImageVersion


@dataclass(frozen=True)
class SharedPlatform:
    """Resources that all apps share, as an app's staging is declared on them.

    Attributes:
        region: AWS region of everything.
        domain: Domain under which each stack has a name.
        cluster: The EKS cluster.
        ingress: The shared load balancer.
        sign_in: The sign-in at the load balancer.
        boundaries: Permissions boundaries of the app's own roles.
        database_image: Image that prepares databases, by digest.
        redis_image: Image of Redis; empty where nodes reach none.
        mail_image: Image of the mail server, likewise.
        subnet_ids: Subnets of databases.
        database_cidrs: Networks of those subnets.
        provider: Kubernetes provider of the cluster.
        ready: Resources that a pod depends on.
        running: Add-ons and ingress, which a service depends on besides.
    """

    region: pulumi.Input[str]
    domain: pulumi.Input[str]
    cluster: ClusterInputs
    ingress: IngressInputs
    sign_in: SignInInputs
    boundaries: BoundaryInputs
    database_image: pulumi.Input[str]
    redis_image: pulumi.Input[str]
    mail_image: pulumi.Input[str]
    subnet_ids: pulumi.Input[list[str]]
    database_cidrs: pulumi.Input[list[str]]
    provider: kubernetes.Provider
    ready: Sequence[pulumi.Resource] = ()
    running: Sequence[pulumi.Resource] = ()


def declare_staging(stack: StackName) -> None:
    """Declare the platform if it is this project's, then the app's database and service on it."""
    if stack.app.is_platform:
        _platform_and_its_app(stack)
    else:
        _another_app(stack)


def _platform_and_its_app(stack: StackName) -> None:
    # Their SDK modules take a second, which another app's staging need not wait for.
    from infra.ci.roles import ci_roles
    from infra.foundation.addons import addons
    from infra.foundation.cluster_foundation import cluster_foundation
    from infra.foundation.dns import wildcard_record
    from infra.foundation.shared_ingress import shared_ingress

    config = load_platform_config(stack)
    source = read_app_source(config)
    tag_every_resource(stack, source)

    foundation = cluster_foundation(config)
    ingress = shared_ingress(config, foundation)
    running = addons(config, foundation, ingress)
    roles = ci_roles(config, foundation, ingress)
    preview_budgets(config.budget, config.apps)
    key = _data_key(stack)
    shared = _made(config, foundation, ingress, roles, running, _database_image(stack, config, key))
    endpoint = _app_on(shared, stack, source, config, key, roles.apps)
    wildcard_record(config, endpoint.load_balancer)
    if roles.arns:
        pulumi.export("deployRoles", roles.arns)
    if roles.apps:
        pulumi.export(APPS_OUTPUT, roles.apps)


def _another_app(stack: StackName) -> None:
    config = load_app_staging_config(stack)
    source = read_app_source(config)
    tag_every_resource(stack, source)

    platform, boundaries = read_platform(config.platform, stack.app)
    shared = SharedPlatform(
        region=platform.region,
        domain=platform.domain,
        cluster=platform.cluster,
        ingress=platform.ingress,
        sign_in=platform.sign_in,
        boundaries=boundaries,
        database_image=platform.images.database,
        redis_image=platform.images.redis,
        mail_image=platform.images.mail,
        subnet_ids=platform.database.subnet_ids,
        database_cidrs=platform.database.cidrs,
        provider=existing_cluster(platform.cluster.name),
    )
    if config.branches.enabled:
        # The two kinds of objects are declared once in a cluster, by the platform.
        shared = _with_branches(shared, platform, config.platform)
    _app_on(shared, stack, source, config, _data_key(stack))


def _with_branches(
    shared: SharedPlatform, platform: PlatformInputs, project: str
) -> SharedPlatform:
    """Return the platform, once it is known that it has the kinds of objects of mode branch."""

    def checked(domain: str, namespace: str) -> str:
        if namespace:
            return domain
        raise ProgramError(
            "config previews:branches.enabled",
            why=f"it is true, but the platform {project} has the mode turned off",
            remedy="turn it on there first: `pulumi config set --path"
            " previews:branches.enabled true -s staging`, `pulumi up -s staging`",
        )

    domain = pulumi.Output.all(platform.domain, platform.branches.namespace).apply(
        lambda both: checked(both[0], both[1])
    )
    return replace(shared, domain=domain)


def _made(
    config: PlatformConfig,
    foundation: ClusterFoundation,
    ingress: SharedIngress,
    roles: CiRoles,
    running: Sequence[pulumi.Resource],
    database_image: pulumi.Input[str],
) -> SharedPlatform:
    """Return the platform that this stack has declared."""
    cluster = foundation.cluster
    return SharedPlatform(
        region=cluster.region,
        domain=config.domain,
        cluster=ClusterInputs(
            name=cluster.name,
            security_group_id=cluster.security_group_id,
            vpc_id=cluster.vpc_id,
            oidc_provider_arn=cluster.oidc_provider_arn,
            oidc_issuer=cluster.oidc_issuer,
            service_cidrs=[*cluster.service_cidrs],
        ),
        ingress=IngressInputs(
            class_name=ingress.class_name,
            annotations=ingress.annotations,
            group=config.load_balancer.group,
            scheme=config.load_balancer.scheme,
            source_cidrs=[*(config.load_balancer.source_cidrs or cluster.vpc_cidrs)],
            protocol=config.listener.protocol,
            port=config.listener.port,
            idle_timeout_seconds=config.load_balancer.idle_timeout_seconds,
        ),
        sign_in=SignInInputs(
            user_pool_arn=ingress.user_pool_arn,
            user_pool_domain=ingress.user_pool_domain,
            identity_providers=[*config.access.identity_providers],
            bypass_secret_arn=config.access.bypass_secret_arn or "",
        ),
        boundaries=BoundaryInputs(preview=roles.boundary, data=roles.data_boundary),
        database_image=database_image,
        redis_image=config.needs.redis_image or _published_image(config, pinned().redis),
        mail_image=config.needs.mail_image or _published_image(config, pinned().mail),
        subnet_ids=pulumi.Output.all(*foundation.database_subnet_ids),
        database_cidrs=[*foundation.database_cidrs],
        provider=foundation.provider,
        ready=foundation.ready,
        running=[*running, *ingress.ready],
    )


def _published_image(config: PlatformConfig, image: ImageVersion) -> str:
    """Return a published image; empty where the network leads to AWS alone."""
    closed = config.cluster.create and config.network.egress == "endpoints"
    return "" if closed else image.reference


def _data_key(stack: StackName) -> EncryptionKey:
    return EncryptionKey(
        "data",
        alias=f"{stack.app.project}-data",
        purpose="Images, databases and their snapshots, of staging and of the previews",
    )


def _database_image(
    stack: StackName, config: PlatformConfig, key: EncryptionKey
) -> pulumi.Output[str]:
    """Declare the image that prepares all apps' databases, of the platform's own checkout."""
    project = stack.app.project
    registry = Registry(
        "database-registry", repository=database_repository(project), key_arn=key.arn
    )
    return DatabaseImage(
        "database-image",
        stack=stack,
        source=read_source(CHECKOUT, commit=config.commit, repository=config.repository),
        repository_url=registry.url,
        existing=config.database_image,
    ).reference


def _app_on(
    shared: SharedPlatform,
    stack: StackName,
    source: Source,
    config: PlatformConfig | AppStagingConfig,
    key: EncryptionKey,
    apps: Mapping[str, Mapping[str, pulumi.Input[str]]] | None = None,
) -> AppIngress:
    """Declare an app's registry, database, branches and service, and publish them."""
    described = load_app(stack.app, config.source)
    extensions = described.app.database.extensions
    registry = Registry("registry", repository=stack.app.project, key_arn=key.arn)
    instance = StagingDatabase(
        "database",
        stack=stack,
        config=config.database,
        vpc_id=shared.cluster.vpc_id,
        subnet_ids=shared.subnet_ids,
        cluster_security_group_id=shared.cluster.security_group_id,
        key_arn=key.arn,
    )
    rules = read_rules(described.folder / described.app.database.scrub)
    platform = _published(shared, stack, config, registry, instance, rules, extensions)
    images = app_images(
        described,
        stack=stack,
        source=source,
        platform=platform,
        repository_url=registry.url,
        existing=config.image,
        existing_web=config.web_images,
        # A bad deployment is rolled back to it.
        keep_former=True,
    )
    on_cluster = pulumi.ResourceOptions(providers=[shared.provider])
    if config.branches.enabled:
        BranchController(
            "branches",
            app=stack.app,
            config=config.branches,
            resources=config.service,
            platform=platform,
            image=platform.images.database,
            extensions=extensions,
            depends_on=shared.ready,
            opts=on_cluster,
        )
    args = AppArgs(
        stack=stack,
        source=source,
        app=described.app,
        sizes=app_sizes(described.app, config.service, config.limits),
        platform=platform,
        image=images.own,
        web_images=images.web,
        sign_in=config.access.sign_in,
        egress_by=config.egress_by,
    )
    service = ServiceStack("service", opts=on_cluster)
    namespace = service.namespace(args, depends_on=[*shared.ready, *shared.running])
    publish_platform(stack.app.project, namespace.scope, platform, apps or {}, service)
    database = provision_own_database(
        instance.database,
        stack=stack,
        namespace=namespace,
        platform=platform,
        resources=config.service,
        image=platform.images.database,
        extensions=extensions,
        parent=service,
    )
    endpoint = service.deploy(args, namespace, database)
    export_service(args, service, endpoint)
    return endpoint


def _published(
    shared: SharedPlatform,
    stack: StackName,
    config: PlatformConfig | AppStagingConfig,
    registry: Registry,
    instance: StagingDatabase,
    rules: str,
    extensions: Sequence[str],
) -> PlatformInputs:
    """Return the platform as the app's previews are declared on it."""
    return PlatformInputs(
        region=shared.region,
        domain=shared.domain,
        cluster=shared.cluster,
        ingress=shared.ingress,
        sign_in=shared.sign_in,
        database=DatabaseInputs(
            instance=instance.instance,
            name=config.database.name,
            subnet_group=instance.subnet_group,
            subnet_ids=shared.subnet_ids,
            cidrs=shared.database_cidrs,
            ssl_mode=config.database.ssl_mode,
            scrub_rules=rules,
        ),
        branches=BranchesInputs(
            namespace=stack.app.branches_namespace if config.branches.enabled else "",
            instance_class=config.branches.instance_class,
            pool_size=config.branches.pool_size,
            app_connections=config.branches.app_connections,
            extensions=[*extensions],
        ),
        images=ImageInputs(
            repository_url=registry.url,
            database=shared.database_image,
            redis=shared.redis_image,
            mail=shared.mail_image,
        ),
        boundaries=shared.boundaries,
    )
