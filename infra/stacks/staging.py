"""Stack ``staging``: the platform that previews run on, and staging's own copy of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from contract.platform_outputs import OUTPUT
from infra.app.image import app_images
from infra.app.service_stack import AppArgs, ServiceStack
from infra.app.sizes import app_sizes
from infra.ci.roles import CiRoles, ci_roles
from infra.config.app import load_app
from infra.config.load import load_platform_config
from infra.database.branch_controller import NAMESPACE, BranchController
from infra.database.image import DatabaseImage
from infra.database.own_database import provision_own_database
from infra.database.scrub_rules import read_rules
from infra.database.staging_database import StagingDatabase
from infra.foundation.addons import addons
from infra.foundation.budget import preview_budget
from infra.foundation.cluster_foundation import ClusterFoundation, cluster_foundation
from infra.foundation.dns import wildcard_record
from infra.foundation.encryption_key import EncryptionKey
from infra.foundation.registry import Registry, database_repository
from infra.foundation.shared_ingress import SharedIngress, shared_ingress
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
from infra.source import CHECKOUT, Checkout, read_source
from infra.stacks.stack_outputs import export_service
from infra.tagging import tag_every_resource

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.config.app import AppSource
    from infra.config.models import PlatformConfig


def declare_staging(stack: StackName) -> None:
    """Declare the platform, then staging's database and service on it."""
    config = load_platform_config(stack)
    described = load_app(CHECKOUT.folder, config.source)
    source = read_source(
        Checkout(described.folder), commit=config.commit, repository=config.repository
    )
    tag_every_resource(stack, source)

    foundation = cluster_foundation(config)
    ingress = shared_ingress(config, foundation)
    running = addons(config, foundation, ingress)
    roles = ci_roles(config, foundation, ingress)
    key = EncryptionKey(
        "data",
        alias=f"{pulumi.get_project()}-data",
        purpose="Images, databases and their snapshots, of staging and of the previews",
    )
    registry = Registry("registry", repository=pulumi.get_project(), key_arn=key.arn)
    database_registry = Registry(
        "database-registry",
        repository=database_repository(pulumi.get_project()),
        key_arn=key.arn,
    )
    database_image = DatabaseImage(
        "database-image",
        stack=stack,
        source=source,
        repository_url=database_registry.url,
        existing=config.database_image,
    )
    images = app_images(
        described,
        stack=stack,
        source=source,
        repository_url=registry.url,
        existing=config.image,
        # A bad deployment is rolled back to it.
        keep_former=True,
    )
    instance = StagingDatabase(
        "database",
        stack=stack,
        config=config.database,
        vpc_id=foundation.cluster.vpc_id,
        subnet_ids=foundation.database_subnet_ids,
        cluster_security_group_id=foundation.cluster.security_group_id,
        key_arn=key.arn,
    )
    preview_budget(config.budget)
    platform = _platform(
        config, foundation, ingress, roles, registry, instance, database_image, described
    )
    on_cluster = pulumi.ResourceOptions(providers=[foundation.provider])
    if config.branches.enabled:
        BranchController(
            "branches",
            config=config.branches,
            resources=config.service,
            platform=platform,
            image=platform.images.database,
            extensions=described.app.database.extensions,
            depends_on=foundation.ready,
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
    namespace = service.namespace(args, depends_on=[*foundation.ready, *running, *ingress.ready])
    database = provision_own_database(
        instance.database,
        stack=stack,
        namespace=namespace,
        platform=platform,
        resources=config.service,
        image=platform.images.database,
        extensions=described.app.database.extensions,
        parent=service,
    )
    endpoint = service.deploy(args, namespace, database)
    wildcard_record(config, endpoint.load_balancer)
    pulumi.export(OUTPUT, platform.as_output())
    if roles.arns:
        pulumi.export("deployRoles", roles.arns)
    export_service(stack, source, images.own, endpoint)


def _platform(
    config: PlatformConfig,
    foundation: ClusterFoundation,
    ingress: SharedIngress,
    roles: CiRoles,
    registry: Registry,
    instance: StagingDatabase,
    database_image: DatabaseImage,
    described: AppSource,
) -> PlatformInputs:
    cluster = foundation.cluster
    return PlatformInputs(
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
        database=DatabaseInputs(
            instance=instance.instance,
            name=config.database.name,
            subnet_group=instance.subnet_group,
            cidrs=[*foundation.database_cidrs],
            ssl_mode=config.database.ssl_mode,
            scrub_rules=read_rules(described.folder / described.app.database.scrub),
        ),
        branches=BranchesInputs(
            namespace=NAMESPACE if config.branches.enabled else "",
            instance_class=config.branches.instance_class,
            pool_size=config.branches.pool_size,
        ),
        images=ImageInputs(repository_url=registry.url, database=database_image.reference),
        boundaries=BoundaryInputs(preview=roles.boundary, data=roles.data_boundary),
    )
