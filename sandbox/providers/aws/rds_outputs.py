"""A database instance as RDS describes it, under Pulumi's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.providers.values import Properties


def instance_outputs(instance: Mapping[str, Any]) -> Properties:
    """The outputs of one item of ``DescribeDBInstances``."""
    endpoint = instance.get("Endpoint") or {}
    address, port = endpoint.get("Address", ""), endpoint.get("Port", 0)
    secret = instance.get("MasterUserSecret")
    groups = instance.get("VpcSecurityGroups", [])
    return {
        "arn": instance["DBInstanceArn"],
        "identifier": instance["DBInstanceIdentifier"],
        "resourceId": instance.get("DbiResourceId", ""),
        "status": instance["DBInstanceStatus"],
        "address": address,
        "port": port,
        "endpoint": f"{address}:{port}",
        "hostedZoneId": endpoint.get("HostedZoneId", ""),
        "availabilityZone": instance.get("AvailabilityZone", ""),
        "engine": instance["Engine"],
        "engineVersion": instance["EngineVersion"],
        "engineVersionActual": instance["EngineVersion"],
        "instanceClass": instance["DBInstanceClass"],
        "allocatedStorage": instance.get("AllocatedStorage", 0),
        "maxAllocatedStorage": instance.get("MaxAllocatedStorage"),
        "storageType": instance.get("StorageType", ""),
        "storageEncrypted": instance.get("StorageEncrypted", False),
        "kmsKeyId": instance.get("KmsKeyId", ""),
        "dbName": instance.get("DBName", ""),
        "username": instance.get("MasterUsername", ""),
        "manageMasterUserPassword": True if secret else None,
        "masterUserSecrets": [
            {
                "secretArn": secret["SecretArn"],
                "secretStatus": secret.get("SecretStatus", ""),
                "kmsKeyId": secret.get("KmsKeyId", ""),
            }
        ]
        if secret
        else [],
        "dbSubnetGroupName": instance.get("DBSubnetGroup", {}).get("DBSubnetGroupName"),
        "vpcSecurityGroupIds": sorted(group["VpcSecurityGroupId"] for group in groups),
        "publiclyAccessible": instance.get("PubliclyAccessible", False),
        "multiAz": instance.get("MultiAZ", False),
        "backupRetentionPeriod": instance.get("BackupRetentionPeriod", 0),
        "backupWindow": instance.get("PreferredBackupWindow", ""),
        "maintenanceWindow": instance.get("PreferredMaintenanceWindow", ""),
        "copyTagsToSnapshot": instance.get("CopyTagsToSnapshot", False),
        "deletionProtection": instance.get("DeletionProtection", False),
        "autoMinorVersionUpgrade": instance.get("AutoMinorVersionUpgrade", False),
        "caCertIdentifier": instance.get("CACertificateIdentifier", ""),
        "licenseModel": instance.get("LicenseModel", ""),
        "parameterGroupName": _first(instance.get("DBParameterGroups"), "DBParameterGroupName"),
        "optionGroupName": _first(instance.get("OptionGroupMemberships"), "OptionGroupName"),
    }


def _first(items: list[dict[str, str]] | None, key: str) -> str:
    return items[0].get(key, "") if items else ""
