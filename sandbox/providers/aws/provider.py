"""The emulator of the AWS plugin: the types and functions that the program uses."""

from __future__ import annotations

from typing import Final

from typing_extensions import override

from sandbox.providers.attachments import plugin_version
from sandbox.providers.aws import functions, rds_instance, resources
from sandbox.providers.aws.clients import Clients
from sandbox.providers.base import Provider
from sandbox.providers.inputs import Input
from sandbox.providers.values import Properties

_RESOURCES: Final = {
    "aws:ec2/securityGroup:SecurityGroup": resources.SECURITY_GROUP,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": resources.LIFECYCLE_POLICY,
    "aws:ecr/repository:Repository": resources.REPOSITORY,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": resources.OPEN_ID_CONNECT_PROVIDER,
    "aws:iam/policy:Policy": resources.POLICY,
    "aws:iam/role:Role": resources.ROLE,
    "aws:iam/rolePolicy:RolePolicy": resources.ROLE_POLICY,
    "aws:kms/alias:Alias": resources.ALIAS,
    "aws:kms/key:Key": resources.KEY,
    "aws:rds/instance:Instance": rds_instance.INSTANCE,
    "aws:rds/subnetGroup:SubnetGroup": resources.SUBNET_GROUP,
}
_FUNCTIONS: Final = {
    "aws:ec2/getSubnet:getSubnet": functions.GET_SUBNET,
    "aws:ec2/getVpc:getVpc": functions.GET_VPC,
    "aws:eks/getCluster:getCluster": functions.GET_CLUSTER,
    "aws:rds/getSnapshots:getSnapshots": functions.GET_SNAPSHOTS,
}


class AwsProvider(Provider):
    """AWS at one endpoint; it never talks to any other, so never to the real one."""

    name = "aws"

    def __init__(self, endpoint: str, region: str) -> None:
        self.version = plugin_version("aws")
        self.settings = {"region": Input()}
        self.resources = _RESOURCES
        self.functions = _FUNCTIONS
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
