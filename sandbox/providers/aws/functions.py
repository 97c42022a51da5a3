"""What the program looks up in AWS: the cluster, its network, the latest snapshot."""

from __future__ import annotations

from typing import Final

from sandbox.providers.aws.resource import Api, AwsFunction, Request
from sandbox.providers.aws.resources import EC2, RDS
from sandbox.providers.inputs import Input

GET_CLUSTER: Final = AwsFunction(
    api=Api("eks", frozenset({"ResourceNotFoundException"})),
    schema={"name": Input(required=True)},
    request=Request("describe_cluster", {"name": "name"}),
    found="cluster",
    named="EKS cluster",
    outputs={
        "id": "name",
        "name": "name",
        "arn": "arn",
        "endpoint": "endpoint || ''",
        "version": "version || ''",
        "platformVersion": "platformVersion || ''",
        "roleArn": "roleArn || ''",
        "status": "status",
        "createdAt": "createdAt",
        "region": "region",
        "tags": "tags || `{}`",
        "certificateAuthorities": "[{data: certificateAuthority.data || ''}]",
        "identities": "[{oidcs: [{issuer: identity.oidc.issuer || ''}]}]",
        "kubernetesNetworkConfigs": (
            "[kubernetesNetworkConfig.{serviceIpv4Cidr: serviceIpv4Cidr || '',"
            " serviceIpv6Cidr: serviceIpv6Cidr || '', ipFamily: ipFamily || 'ipv4',"
            " elasticLoadBalancings: `[]`}]"
        ),
        "vpcConfig": (
            "resourcesVpcConfig.{vpcId: vpcId || '', subnetIds: subnetIds || `[]`,"
            " securityGroupIds: securityGroupIds || `[]`,"
            " clusterSecurityGroupId: clusterSecurityGroupId || '',"
            " endpointPublicAccess: endpointPublicAccess || `false`,"
            " endpointPrivateAccess: endpointPrivateAccess || `false`,"
            " publicAccessCidrs: publicAccessCidrs || `[]`, controlPlaneEgressMode: ''}"
        ),
    },
)

GET_SUBNET: Final = AwsFunction(
    api=EC2,
    schema={"id": Input(required=True)},
    request=Request("describe_subnets", {"SubnetIds": "[id]"}),
    found="Subnets[0]",
    named="subnet",
    outputs={
        "id": "SubnetId",
        "arn": "SubnetArn || ''",
        "vpcId": "VpcId",
        "cidrBlock": "CidrBlock",
        "availabilityZone": "AvailabilityZone",
        "availabilityZoneId": "AvailabilityZoneId || ''",
        "availableIpAddressCount": "AvailableIpAddressCount || `0`",
        "defaultForAz": "DefaultForAz || `false`",
        "mapPublicIpOnLaunch": "MapPublicIpOnLaunch || `false`",
        "ownerId": "OwnerId || ''",
        "state": "State || ''",
        "region": "region",
        "tags": "Tags",
    },
)

GET_VPC: Final = AwsFunction(
    api=EC2,
    schema={"id": Input(required=True)},
    request=Request("describe_vpcs", {"VpcIds": "[id]"}),
    found="Vpcs[0]",
    named="VPC",
    outputs={
        "id": "VpcId",
        "arn": "join('', ['arn:aws:ec2:', region, ':', OwnerId || '', ':vpc/', VpcId])",
        "cidrBlock": "CidrBlock",
        "cidrBlockAssociations": (
            "CidrBlockAssociationSet[].{associationId: AssociationId, cidrBlock: CidrBlock,"
            " state: CidrBlockState.State}"
        ),
        "default": "IsDefault || `false`",
        "dhcpOptionsId": "DhcpOptionsId || ''",
        "instanceTenancy": "InstanceTenancy || 'default'",
        "ownerId": "OwnerId || ''",
        "state": "State || ''",
        "region": "region",
        "tags": "Tags",
    },
)

GET_SNAPSHOTS: Final = AwsFunction(
    api=RDS,
    schema={
        "dbInstanceIdentifier": Input(required=True),
        "snapshotType": Input(allowed=("automated", "manual")),
    },
    request=Request(
        "describe_db_snapshots",
        {"DBInstanceIdentifier": "dbInstanceIdentifier", "SnapshotType": "snapshotType"},
    ),
    found="@",
    outputs={
        "dbInstanceIdentifier": "dbInstanceIdentifier",
        "snapshotType": "snapshotType",
        "id": "region",
        "region": "region",
        "snapshots": (
            "DBSnapshots[].{dbSnapshotIdentifier: DBSnapshotIdentifier,"
            " dbInstanceIdentifier: DBInstanceIdentifier, dbSnapshotArn: DBSnapshotArn,"
            " snapshotType: SnapshotType, status: Status,"
            " snapshotCreateTime: SnapshotCreateTime || '',"
            " originalSnapshotCreateTime: OriginalSnapshotCreateTime || SnapshotCreateTime || '',"
            " allocatedStorage: AllocatedStorage || `0`, availabilityZone: AvailabilityZone || '',"
            " encrypted: Encrypted || `false`, engine: Engine, engineVersion: EngineVersion,"
            " iops: Iops || `0`, kmsKeyId: KmsKeyId || '', licenseModel: LicenseModel || '',"
            " optionGroupName: OptionGroupName || '', port: Port || `0`,"
            " sourceDbSnapshotIdentifier: SourceDBSnapshotIdentifier || '',"
            " sourceRegion: SourceRegion || '', storageType: StorageType || '',"
            " vpcId: VpcId || '', tagLists: TagList[].{key: Key, value: Value}} || `[]`"
        ),
    },
)
