"""What the program looks up in AWS: the cluster, its network, the latest snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.aws.resource import clients, tag_map
from sandbox.providers.base import Call, Function
from sandbox.providers.schema import Input, Schema
from sandbox.providers.values import Properties


class GetCluster(Function):
    """``aws:eks/getCluster:getCluster``."""

    schema: ClassVar[Schema] = {"name": Input(required=True)}

    @override
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        name = arguments["name"]
        found = await clients(call).call_if_found(
            {"ResourceNotFoundException"}, "eks", "describe_cluster", name=name
        )
        if found is None:
            raise _nothing(f"EKS cluster {name}", "there is no cluster of that name")
        cluster = found["cluster"]
        network = cluster.get("kubernetesNetworkConfig", {})
        vpc = cluster["resourcesVpcConfig"]
        return {
            "id": name,
            "name": name,
            "arn": cluster["arn"],
            "endpoint": cluster.get("endpoint", ""),
            "version": cluster.get("version", ""),
            "platformVersion": cluster.get("platformVersion", ""),
            "roleArn": cluster.get("roleArn", ""),
            "status": cluster["status"],
            "createdAt": _time(cluster.get("createdAt")),
            "region": clients(call).region,
            "tags": cluster.get("tags", {}),
            "certificateAuthorities": [
                {"data": cluster.get("certificateAuthority", {}).get("data", "")}
            ],
            "identities": [
                {
                    "oidcs": [
                        {"issuer": cluster.get("identity", {}).get("oidc", {}).get("issuer", "")}
                    ]
                }
            ],
            "kubernetesNetworkConfigs": [
                {
                    "serviceIpv4Cidr": network.get("serviceIpv4Cidr", ""),
                    "serviceIpv6Cidr": network.get("serviceIpv6Cidr", ""),
                    "ipFamily": network.get("ipFamily", "ipv4"),
                    "elasticLoadBalancings": [],
                }
            ],
            "vpcConfig": {
                "vpcId": vpc.get("vpcId", ""),
                "subnetIds": vpc.get("subnetIds", []),
                "securityGroupIds": vpc.get("securityGroupIds", []),
                "clusterSecurityGroupId": vpc.get("clusterSecurityGroupId", ""),
                "endpointPublicAccess": vpc.get("endpointPublicAccess", False),
                "endpointPrivateAccess": vpc.get("endpointPrivateAccess", False),
                "publicAccessCidrs": vpc.get("publicAccessCidrs", []),
                "controlPlaneEgressMode": "",
            },
        }


class GetSubnet(Function):
    """``aws:ec2/getSubnet:getSubnet``."""

    schema: ClassVar[Schema] = {"id": Input(required=True)}

    @override
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        found = await clients(call).call_if_found(
            {"InvalidSubnetID.NotFound"}, "ec2", "describe_subnets", SubnetIds=[arguments["id"]]
        )
        if found is None or not found["Subnets"]:
            raise _nothing(f"subnet {arguments['id']}", "no matching EC2 Subnet found")
        subnet = found["Subnets"][0]
        return {
            "id": subnet["SubnetId"],
            "arn": subnet.get("SubnetArn", ""),
            "vpcId": subnet["VpcId"],
            "cidrBlock": subnet["CidrBlock"],
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet.get("AvailabilityZoneId", ""),
            "availableIpAddressCount": subnet.get("AvailableIpAddressCount", 0),
            "defaultForAz": subnet.get("DefaultForAz", False),
            "mapPublicIpOnLaunch": subnet.get("MapPublicIpOnLaunch", False),
            "ownerId": subnet.get("OwnerId", ""),
            "state": subnet.get("State", ""),
            "region": clients(call).region,
            "tags": tag_map(subnet.get("Tags")),
        }


class GetVpc(Function):
    """``aws:ec2/getVpc:getVpc``."""

    schema: ClassVar[Schema] = {"id": Input(required=True)}

    @override
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        identity = arguments["id"]
        found = await clients(call).call_if_found(
            {"InvalidVpcID.NotFound"}, "ec2", "describe_vpcs", VpcIds=[identity]
        )
        if found is None or not found["Vpcs"]:
            raise _nothing(f"VPC {identity}", "no matching EC2 VPC found")
        vpc, region = found["Vpcs"][0], clients(call).region
        return {
            "id": identity,
            "arn": f"arn:aws:ec2:{region}:{vpc.get('OwnerId', '')}:vpc/{identity}",
            "cidrBlock": vpc["CidrBlock"],
            "cidrBlockAssociations": [
                {
                    "associationId": it.get("AssociationId", ""),
                    "cidrBlock": it["CidrBlock"],
                    "state": it.get("CidrBlockState", {}).get("State", ""),
                }
                for it in vpc.get("CidrBlockAssociationSet", [])
            ],
            "default": vpc.get("IsDefault", False),
            "dhcpOptionsId": vpc.get("DhcpOptionsId", ""),
            "instanceTenancy": vpc.get("InstanceTenancy", "default"),
            "ownerId": vpc.get("OwnerId", ""),
            "state": vpc.get("State", ""),
            "region": region,
            "tags": tag_map(vpc.get("Tags")),
        }


class GetSnapshots(Function):
    """``aws:rds/getSnapshots:getSnapshots``: all that match, none being no error."""

    schema: ClassVar[Schema] = {
        "dbInstanceIdentifier": Input(required=True),
        "snapshotType": Input(allowed=("automated", "manual")),
    }

    @override
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        found = await clients(call).call_if_found(
            {"DBSnapshotNotFound", "DBSnapshotNotFoundFault", "DBInstanceNotFound"},
            "rds",
            "describe_db_snapshots",
            DBInstanceIdentifier=arguments["dbInstanceIdentifier"],
            SnapshotType=arguments.get("snapshotType"),
        )
        snapshots = [_snapshot(each) for each in (found["DBSnapshots"] if found else [])]
        region = clients(call).region
        return {**arguments, "id": region, "snapshots": snapshots, "region": region}


def _snapshot(snapshot: Mapping[str, Any]) -> Properties:
    return {
        "dbSnapshotIdentifier": snapshot["DBSnapshotIdentifier"],
        "dbInstanceIdentifier": snapshot["DBInstanceIdentifier"],
        "dbSnapshotArn": snapshot.get("DBSnapshotArn", ""),
        "snapshotType": snapshot.get("SnapshotType", ""),
        "status": snapshot.get("Status", ""),
        "snapshotCreateTime": _time(snapshot.get("SnapshotCreateTime")),
        "originalSnapshotCreateTime": _time(
            snapshot.get("OriginalSnapshotCreateTime") or snapshot.get("SnapshotCreateTime")
        ),
        "allocatedStorage": snapshot.get("AllocatedStorage", 0),
        "availabilityZone": snapshot.get("AvailabilityZone", ""),
        "encrypted": snapshot.get("Encrypted", False),
        "engine": snapshot.get("Engine", ""),
        "engineVersion": snapshot.get("EngineVersion", ""),
        "iops": snapshot.get("Iops", 0),
        "kmsKeyId": snapshot.get("KmsKeyId", ""),
        "licenseModel": snapshot.get("LicenseModel", ""),
        "optionGroupName": snapshot.get("OptionGroupName", ""),
        "port": snapshot.get("Port", 0),
        "sourceDbSnapshotIdentifier": snapshot.get("SourceDBSnapshotIdentifier", ""),
        "sourceRegion": snapshot.get("SourceRegion", ""),
        "storageType": snapshot.get("StorageType", ""),
        "vpcId": snapshot.get("VpcId", ""),
        "tagLists": [
            {"key": key, "value": value} for key, value in tag_map(snapshot.get("TagList")).items()
        ],
    }


def _time(moment: dt.datetime | None) -> str:
    """RFC 3339 in UTC, as the real provider writes it; empty while there is none."""
    if moment is None:
        return ""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _nothing(what: str, why: str) -> SandboxError:
    return SandboxError(
        what,
        why=why,
        remedy="change the search criteria, or make what is missing, and run it again",
    )
