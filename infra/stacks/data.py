"""Stack ``data-<n>``: a shared server, restored, scrubbed, proven, and only then published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.config.load import load_preview_config
from infra.database.branch_database import branches_namespace
from infra.database.branch_generation import BranchGeneration
from infra.database.snapshot_database import SnapshotDatabase
from infra.kubernetes.provider import existing_cluster
from infra.source import read_app_source
from infra.stacks.stack_outputs import read_staging
from infra.tagging import tag_every_resource

if TYPE_CHECKING:
    from contract.stack_name import StackName


def declare_data(stack: StackName) -> None:
    """Declare the instance, and the publication of the template that is made on it."""
    # The keys of a preview and no more: all else comes from staging's outputs.
    config = load_preview_config(stack)
    tag_every_resource(stack, read_app_source(config))
    platform = read_staging()
    namespace = pulumi.Output.from_input(platform.branches.namespace).apply(branches_namespace)
    restored = SnapshotDatabase(
        "database",
        stack=stack,
        instance_class=platform.branches.instance_class,
        platform=platform,
    )
    provider = existing_cluster(platform.cluster.name)
    BranchGeneration(
        "generation",
        stack=stack,
        restored=restored,
        resources=config.service,
        namespace=namespace,
        platform=platform,
        opts=pulumi.ResourceOptions(providers=[provider]),
    )
    pulumi.export("snapshot", restored.snapshot)
    pulumi.export("snapshotCreated", restored.snapshot_created)
