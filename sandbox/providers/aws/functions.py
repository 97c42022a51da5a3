"""Functions that the program calls: cluster, network, latest snapshot and others."""

from __future__ import annotations

from typing import Final

from sandbox.providers.aws.resource import Api, AwsFunction, Request
from sandbox.providers.aws.resources import EC2
from sandbox.providers.aws.resources import RDS_API as RDS
from sandbox.providers.inputs import Input

_REQUIRED: Final = Input(required=True)

FUNCTIONS: Final = {
    "aws:eks/getCluster:getCluster": AwsFunction(
        api=Api("eks", frozenset({"ResourceNotFoundException"})),
        schema={"name": _REQUIRED},
        request=Request("describe_cluster", {"name": "name"}),
        found="cluster",
        named="EKS cluster",
        outputs={
            "id": "name",
            "name": "name",
            "arn": "arn",
            "endpoint": "endpoint",
            "version": "version",
            "roleArn": "roleArn",
            "status": "status",
            "createdAt": "createdAt",
            "tags": "tags",
            "certificateAuthorities": "[certificateAuthority]",
            "identities": "[{oidcs: [identity.oidc]}]",
            "kubernetesNetworkConfigs": "[kubernetesNetworkConfig]",
            "vpcConfig": "resourcesVpcConfig",
        },
    ),
    "aws:ec2/getSubnet:getSubnet": AwsFunction(
        api=EC2,
        schema={"id": _REQUIRED},
        request=Request("describe_subnets", {"SubnetIds": "[id]"}),
        found="Subnets[0]",
        named="subnet",
        outputs={
            "id": "SubnetId",
            "arn": "SubnetArn",
            "vpcId": "VpcId",
            "cidrBlock": "CidrBlock",
            "availabilityZone": "AvailabilityZone",
            "state": "State",
            "tags": "Tags",
        },
    ),
    "aws:ec2/getVpc:getVpc": AwsFunction(
        api=EC2,
        schema={"id": _REQUIRED},
        request=Request("describe_vpcs", {"VpcIds": "[id]"}),
        found="Vpcs[0]",
        named="VPC",
        outputs={
            "id": "VpcId",
            "cidrBlock": "CidrBlock",
            "cidrBlockAssociations": (
                "CidrBlockAssociationSet[].{associationId: AssociationId, cidrBlock: CidrBlock,"
                " state: CidrBlockState.State}"
            ),
            "default": "IsDefault",
            "state": "State",
            "tags": "Tags",
        },
    ),
    "aws:rds/getSnapshots:getSnapshots": AwsFunction(
        api=RDS,
        schema={
            "dbInstanceIdentifier": _REQUIRED,
            "snapshotType": Input(allowed=("automated", "manual")),
        },
        request=Request(
            "describe_db_snapshots",
            {"DBInstanceIdentifier": "dbInstanceIdentifier", "SnapshotType": "snapshotType"},
        ),
        found="@",
        outputs={
            "id": "dbInstanceIdentifier",
            "dbInstanceIdentifier": "dbInstanceIdentifier",
            "snapshotType": "snapshotType",
            "snapshots": (
                "DBSnapshots[].{dbSnapshotIdentifier: DBSnapshotIdentifier,"
                " dbInstanceIdentifier: DBInstanceIdentifier, dbSnapshotArn: DBSnapshotArn,"
                " snapshotType: SnapshotType, status: Status,"
                " snapshotCreateTime: SnapshotCreateTime,"
                " originalSnapshotCreateTime: OriginalSnapshotCreateTime || SnapshotCreateTime,"
                " allocatedStorage: AllocatedStorage, encrypted: Encrypted, engine: Engine,"
                " engineVersion: EngineVersion, kmsKeyId: KmsKeyId, port: Port,"
                " storageType: StorageType, tagLists: TagList[].{key: Key, value: Value}}"
                " || `[]`"
            ),
        },
    ),
}
