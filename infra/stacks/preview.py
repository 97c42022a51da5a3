"""Stack ``pr-<n>``: a pull request's image, namespace, database, service and address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.app.connections import connected_pods, connections_of_a_pod
from infra.app.hooks import SeedState
from infra.app.image import app_images
from infra.app.service_stack import AppArgs, ServiceStack
from infra.app.sizes import app_sizes
from infra.config.app import load_app
from infra.config.load import load_preview_config
from infra.config.models import DatabaseMode
from infra.kubernetes.provider import existing_cluster
from infra.source import read_app_source
from infra.stacks.stack_outputs import (
    SEEDED,
    export_preparation,
    export_service,
    preparation,
    read_seed_state,
    read_staging,
)
from infra.tagging import tag_every_resource

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.app.preview_namespace import PreviewNamespace
    from infra.config.models import PreviewConfig
    from infra.database.database import ProvisionedDatabase


def declare_preview(stack: StackName) -> None:
    """Declare one preview on the platform that staging published."""
    config = load_preview_config(stack)
    described = load_app(stack.app, config.source)
    source = read_app_source(config, expires=config.expires, ttl_days=config.ttl_days)
    tag_every_resource(stack, source)

    platform = read_staging()
    images = app_images(
        described,
        stack=stack,
        source=source,
        platform=platform,
        repository_url=platform.images.repository_url,
        existing=config.image,
        existing_web=config.web_images,
        keep_former=False,
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
        migration=config.migration,
        seed_state=SeedState.DUE if described.app.hooks.seed is None else read_seed_state(),
    )
    provider = existing_cluster(platform.cluster.name)
    service = ServiceStack("service", opts=pulumi.ResourceOptions(providers=[provider]))
    namespace = service.namespace(args)
    match config.database.mode:
        case DatabaseMode.SNAPSHOT:
            database = _snapshot_database(args, config, namespace, service)
        case DatabaseMode.BRANCH:
            database = _branch_database(args, namespace, service)
    endpoint = service.deploy(args, namespace, database)
    export_service(args, service, endpoint)
    if database.prepared_with is not None:
        export_preparation(database.prepared_with)
    if service.seeded is not None:
        # It does not depend on the Job `after-deploy`, and is recorded although that fails.
        pulumi.export(SEEDED, service.seeded)
    pulumi.export("databaseMode", config.database.mode.value)
    pulumi.export("snapshot", database.snapshot)
    pulumi.export("snapshotCreated", database.snapshot_created)


def _snapshot_database(
    args: AppArgs,
    config: PreviewConfig,
    namespace: PreviewNamespace,
    service: ServiceStack,
) -> ProvisionedDatabase:
    """Declare an RDS instance of the preview's own, restored from staging's latest snapshot."""
    from infra.database.own_database import Copy, provision_own_database
    from infra.database.snapshot_database import SnapshotDatabase

    stack, platform = args.stack, args.platform
    restored = SnapshotDatabase(
        "database", stack=stack, instance_class=config.database.instance_class, platform=platform
    )
    prepared = preparation(platform, restored.database.identity)
    return provision_own_database(
        restored.database,
        stack=stack,
        namespace=namespace,
        platform=platform,
        resources=config.service,
        image=prepared.image,
        extensions=args.app.database.extensions,
        copy=Copy(restored, prepared.rules),
        parent=service,
    )


def _branch_database(
    args: AppArgs, namespace: PreviewNamespace, service: ServiceStack
) -> ProvisionedDatabase:
    """Declare a clone on a shared server. It needs no AWS resource, and imports no AWS SDK."""
    from infra.database.branch_database import provision_branch_database

    pods = connected_pods(args.app, args.sizes)
    return provision_branch_database(
        stack=args.stack,
        namespace=namespace,
        platform=args.platform,
        pool_size=pulumi.Output.from_input(args.platform.branches.app_connections).apply(
            lambda most: connections_of_a_pod(most, pods)
        ),
        extensions=args.app.database.extensions,
        parent=service,
    )
