"""Staging's PostgreSQL: the instance whose automated snapshots previews are restored from."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pulumi
from pulumi_aws import rds

from infra.database.database import NO_EXTENDED_SUPPORT, OwnDatabase, master_secret_arn
from infra.database.security_group import SecurityGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.config.platform import StagingDatabaseConfig


class StagingDatabase(pulumi.ComponentResource):
    """An encrypted, private RDS instance with automated backups.

    Attributes:
        database: The database.
        instance: Identifier of the RDS instance.
        subnet_group: RDS subnet group, which previews use too.
    """

    database: OwnDatabase
    instance: pulumi.Output[str]
    subnet_group: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        config: StagingDatabaseConfig,
        vpc_id: pulumi.Input[str],
        subnet_ids: pulumi.Input[list[str]],
        cluster_security_group_id: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the instance and what stands around it.

        Args:
            stack: Stack that the resources are named after.
            config: Configuration of the instance.
            vpc_id: VPC of the cluster.
            subnet_ids: At least two subnets in two zones.
            cluster_security_group_id: The only group that may connect.
            key_arn: Key that encrypts it, its snapshots, and instances restored from them.
        """
        super().__init__("previews:platform:StagingDatabase", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        subnets = rds.SubnetGroup(
            "subnets",
            name=stack.database_subnet_group,
            description="Databases of staging and of the previews",
            subnet_ids=cast("pulumi.Input[Sequence[pulumi.Input[str]]]", subnet_ids),
            opts=child,
        )
        firewall = SecurityGroup(
            "firewall",
            name=stack.database_security_group,
            description=f"Database of {stack}",
            vpc_id=vpc_id,
            source_security_group_id=cluster_security_group_id,
            opts=child,
        )
        instance = rds.Instance(
            "instance",
            identifier=stack.database_identifier,
            engine="postgres",
            engine_version=config.engine_version,
            instance_class=config.instance_class,
            allocated_storage=config.allocated_storage,
            max_allocated_storage=config.max_allocated_storage,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key_arn,
            db_name=config.name,
            username=config.master_username,
            manage_master_user_password=True,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[firewall.id],
            publicly_accessible=False,
            multi_az=config.multi_az,
            backup_retention_period=config.backup_retention_days,
            copy_tags_to_snapshot=True,
            deletion_protection=config.deletion_protection,
            # A fixed name, since the program reads no clock: AWS refuses a second destroy until the
            # first one's snapshot is renamed or deleted, so nothing is lost.
            skip_final_snapshot=False,
            final_snapshot_identifier=stack.final_snapshot,
            delete_automated_backups=False,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            engine_lifecycle_support=NO_EXTENDED_SUPPORT,
            apply_immediately=False,
            opts=child,
        )
        self.instance = instance.identifier
        self.subnet_group = subnets.name
        self.database = OwnDatabase(
            host=instance.address,
            name=config.name,
            origin=instance.master_user_secrets.apply(
                lambda secrets: master_secret_arn(stack.database_identifier, secrets)
            ),
        )
        self.register_outputs({"instance": self.instance, "subnetGroup": self.subnet_group})
