"""The stand-in for the AWS plugin: the types and functions that the program uses."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from sandbox.providers.attachments import plugin_version
from sandbox.providers.aws import (
    ec2,
    ecr,
    functions,
    iam,
    iam_managed,
    kms,
    rds_instance,
    rds_subnet_group,
)
from sandbox.providers.aws.clients import Clients
from sandbox.providers.base import Provider
from sandbox.providers.schema import Input, Schema
from sandbox.providers.values import Properties


class AwsProvider(Provider):
    """AWS at one endpoint; it never talks to any other, so never to the real one."""

    name = "aws"
    version = plugin_version("aws")
    settings: ClassVar[Schema] = {"region": Input()}

    def __init__(self, endpoint: str, region: str) -> None:
        self.resources = {
            "aws:ec2/securityGroup:SecurityGroup": ec2.SecurityGroup(),
            "aws:ecr/lifecyclePolicy:LifecyclePolicy": ecr.LifecyclePolicy(),
            "aws:ecr/repository:Repository": ecr.Repository(),
            "aws:iam/openIdConnectProvider:OpenIdConnectProvider": (
                iam_managed.OpenIdConnectProvider()
            ),
            "aws:iam/policy:Policy": iam_managed.Policy(),
            "aws:iam/role:Role": iam.Role(),
            "aws:iam/rolePolicy:RolePolicy": iam.RolePolicy(),
            "aws:kms/alias:Alias": kms.Alias(),
            "aws:kms/key:Key": kms.Key(),
            "aws:rds/instance:Instance": rds_instance.Instance(),
            "aws:rds/subnetGroup:SubnetGroup": rds_subnet_group.SubnetGroup(),
        }
        self.functions = {
            "aws:ec2/getSubnet:getSubnet": functions.GetSubnet(),
            "aws:ec2/getVpc:getVpc": functions.GetVpc(),
            "aws:eks/getCluster:getCluster": functions.GetCluster(),
            "aws:rds/getSnapshots:getSnapshots": functions.GetSnapshots(),
        }
        self._endpoint = endpoint
        self._region = region
        self._by_region: dict[str, Clients] = {}

    @override
    async def configure(self, settings: Properties) -> Clients:
        """The APIs of the region; the sandbox's when the program names none."""
        region = settings.get("region") or self._region
        if region not in self._by_region:
            self._by_region[region] = Clients(self._endpoint, region)
        return self._by_region[region]

    @override
    async def moves(self, old: Properties, new: Properties) -> bool:
        """Another region; naming the one that is used anyway is none."""
        return (old.get("region") or self._region) != (new.get("region") or self._region)
