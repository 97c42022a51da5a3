"""The table of contents: what ``staging`` holds, what a ``pr-<n>`` and what a ``data-<n>``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from contract.stack_name import StackKind, StackName, StackNameError
from infra.app.image import ServiceImage
from infra.app.service_stack import ServiceStack, ServiceStackArgs
from infra.config.load import load_platform_config, load_preview_config
from infra.config.models import DatabaseMode
from infra.platform_outputs import PlatformFacts
from infra.source import Checkout, Source, read_source
from infra.stacks.own_outputs import PREPARE_IMAGE, prepared_with
from infra.stacks.staging_outputs import OUTPUT, read_staging
from infra.tagging import tag_every_resource

if TYPE_CHECKING:
    from infra.config.models import PreviewConfig
    from infra.database.provisioner import HandOver

CHECKOUT = Checkout(Path(__file__).resolve().parents[2])


def main() -> None:
    """Declare the stack that Pulumi is working on."""
    try:
        stack = StackName.parse(pulumi.get_stack())
    except StackNameError as error:
        raise pulumi.RunError(str(error)) from error
    match stack.kind:
        case StackKind.STAGING:
            platform(stack)
        case StackKind.PREVIEW:
            preview(stack)
        case StackKind.DATA:
            data(stack)


def platform(stack: StackName) -> None:
    """What previews stand on, and staging's own copy of the service."""
    # Only staging needs these, and their SDK takes a second to import.
    from infra.ci.roles import ci
    from infra.database.branch_controller import NAMESPACE, BranchController
    from infra.database.own_database import OwnDatabaseHandOver
    from infra.database.staging_database import StagingDatabase
    from infra.platform.addons import controllers
    from infra.platform.budget import guard_budget
    from infra.platform.cluster_foundation import ground
    from infra.platform.encryption_key import EncryptionKey
    from infra.platform.registry import Registry
    from infra.platform.shared_ingress import entrance
    from infra.platform.wildcard_record import point_wildcard_at

    config = load_platform_config(stack)
    source = read_source(CHECKOUT, commit=config.commit, repository=config.repository)
    tag_every_resource(stack, source)

    below = ground(config)
    cluster = below.cluster
    way_in = entrance(config, below)
    running = controllers(config, below, way_in)
    roles = ci(config, below, way_in)
    key = EncryptionKey(
        "data",
        alias=f"{pulumi.get_project()}-data",
        purpose="Images, databases and their snapshots, of staging and of the previews",
    )
    registry = Registry("registry", repository=pulumi.get_project(), key_arn=key.arn)
    image = ServiceImage(
        "image",
        stack=stack,
        source=source,
        repository_url=registry.url,
        given=config.image,
        # Previews prepare their databases with it long after staging has moved on, and a bad
        # deployment is rolled back to it.
        keep_former=True,
    )
    staging = StagingDatabase(
        "database",
        stack=stack,
        config=config.database,
        vpc_id=cluster.vpc_id,
        subnet_ids=below.database_subnet_ids,
        cluster_security_group_id=cluster.security_group_id,
        key_arn=key.arn,
    )
    guard_budget(config.budget)
    facts = PlatformFacts(
        region=cluster.region,
        cluster_name=cluster.name,
        cluster_security_group_id=cluster.security_group_id,
        vpc_id=cluster.vpc_id,
        oidc_provider_arn=cluster.oidc_provider_arn,
        oidc_issuer=cluster.oidc_issuer,
        service_cidrs=[*cluster.service_cidrs],
        load_balancer_cidrs=[*(config.load_balancer.source_cidrs or cluster.vpc_cidrs)],
        load_balancer_group=config.load_balancer.group,
        load_balancer_scheme=config.load_balancer.scheme,
        ingress_class=way_in.ingress_class,
        ingress_annotations=way_in.annotations,
        user_pool_arn=way_in.user_pool_arn,
        user_pool_domain=way_in.user_pool_domain,
        identity_providers=[*config.access.identity_providers],
        bypass_secret_arn=config.access.bypass_secret_arn or "",
        listener_protocol=config.listener.protocol,
        listener_port=config.listener.port,
        domain=config.domain,
        repository_url=registry.url,
        database_instance=staging.instance,
        database_name=config.database.name,
        database_subnet_group=staging.subnet_group,
        database_cidrs=[*below.database_cidrs],
        database_ssl_mode=config.database.ssl_mode,
        permissions_boundary=roles.boundary,
        data_boundary=roles.data_boundary,
        trusted_image=image.reference,
        branches_namespace=NAMESPACE if config.branches.enabled else "",
        branches_instance_class=config.branches.instance_class,
        branches_pool_size=config.branches.pool_size,
    )
    if config.branches.enabled:
        BranchController(
            "branches",
            config=config.branches,
            sizes=config.service,
            platform=facts,
            image=image.reference,
            after=below.ready,
            opts=pulumi.ResourceOptions(providers=[below.provider]),
        )
    service = ServiceStack(
        "service",
        ServiceStackArgs(
            stack=stack,
            source=source,
            sizes=config.service,
            platform=facts,
            image=image.reference,
            hand_over=OwnDatabaseHandOver(
                stack=stack,
                sizes=config.service,
                platform=facts,
                database=staging.database,
                image=image.reference,
            ),
            sign_in=config.access.sign_in,
            after=[*below.ready, *running, *way_in.ready],
        ),
        opts=pulumi.ResourceOptions(providers=[below.provider]),
    )
    point_wildcard_at(service.load_balancer, config)
    pulumi.export(OUTPUT, facts.as_output())
    if roles.arns:
        pulumi.export("deployRoles", roles.arns)
    _export_service(stack, source, image, service)


def preview(stack: StackName) -> None:
    """One pull request: its image, its database, its namespace, its address."""
    config = load_preview_config(stack)
    source = read_source(
        CHECKOUT,
        commit=config.commit,
        repository=config.repository,
        expires=config.expires,
        ttl_days=config.ttl_days,
    )
    tag_every_resource(stack, source)

    facts = read_staging()
    image = ServiceImage(
        "image",
        stack=stack,
        source=source,
        repository_url=facts.repository_url,
        given=config.image,
        keep_former=False,
    )
    service = ServiceStack(
        "service",
        ServiceStackArgs(
            stack=stack,
            source=source,
            sizes=config.service,
            platform=facts,
            image=image.reference,
            migration=config.migration,
            hand_over=_hand_over(stack, config, facts),
            sign_in=config.access.sign_in,
        ),
        opts=_on_cluster(facts),
    )
    _export_service(stack, source, image, service)
    handed_over = service.handed_over
    if handed_over.prepared_with is not None:
        pulumi.export(PREPARE_IMAGE, handed_over.prepared_with)
    pulumi.export("databaseMode", config.database.mode.value)
    pulumi.export("snapshot", handed_over.snapshot)
    pulumi.export("snapshotCreated", handed_over.snapshot_created)


def data(stack: StackName) -> None:
    """A server that previews share: restored, scrubbed, proven, and only then published."""
    from infra.database.branch_database import offered
    from infra.database.branch_generation import BranchGeneration
    from infra.database.snapshot_database import SnapshotDatabase

    # What a preview can set, and no more: all else is staging's to say.
    config = load_preview_config(stack)
    tag_every_resource(
        stack, read_source(CHECKOUT, commit=config.commit, repository=config.repository)
    )
    facts = read_staging()
    namespace = pulumi.Output.from_input(facts.branches_namespace).apply(offered)
    restored = SnapshotDatabase(
        "database", stack=stack, instance_class=facts.branches_instance_class, platform=facts
    )
    BranchGeneration(
        "generation",
        stack=stack,
        restored=restored,
        sizes=config.service,
        namespace=namespace,
        platform=facts,
        opts=_on_cluster(facts),
    )
    pulumi.export("snapshot", restored.snapshot)
    pulumi.export("snapshotCreated", restored.snapshot_created)


def _hand_over(stack: StackName, config: PreviewConfig, facts: PlatformFacts) -> HandOver:
    """How the preview gets its database. Mode ``branch`` takes nothing of AWS."""
    if config.database.mode is DatabaseMode.BRANCH:
        from infra.database.branch_database import BranchHandOver

        return BranchHandOver(stack=stack, platform=facts)
    return _restored(stack, config, facts)


def _restored(stack: StackName, config: PreviewConfig, facts: PlatformFacts) -> HandOver:
    """Mode ``snapshot``: an RDS instance of the preview's own, restored from staging's."""
    from infra.database.own_database import OwnDatabaseHandOver
    from infra.database.snapshot_database import SnapshotDatabase

    restored = SnapshotDatabase(
        "database", stack=stack, instance_class=config.database.instance_class, platform=facts
    )
    return OwnDatabaseHandOver(
        stack=stack,
        sizes=config.service,
        platform=facts,
        database=restored.database,
        image=prepared_with(otherwise=facts.trusted_image),
        snapshot=restored.snapshot,
        snapshot_created=restored.snapshot_created,
    )


def _on_cluster(facts: PlatformFacts) -> pulumi.ResourceOptions:
    """Declare on the cluster: its kubeconfig's context is named like the cluster itself."""
    provider = kubernetes.Provider("cluster", context=facts.cluster_name)
    return pulumi.ResourceOptions(providers=[provider])


def _export_service(
    stack: StackName, source: Source, image: ServiceImage, service: ServiceStack
) -> None:
    pulumi.export("url", service.url)
    pulumi.export("image", image.reference)
    pulumi.export("namespace", stack.namespace)
    pulumi.export("commit", source.commit)
    pulumi.export("expires", source.expires)
