from __future__ import annotations

import base64

import pytest

from sandbox.cluster.layout import Layout
from sandbox.settings import CLUSTER_NAME, OIDC_ISSUER
from tests.sandbox.aws.conftest import Aws

pytestmark = pytest.mark.sandbox


def test_the_cluster_is_there_from_the_start(aws: Aws) -> None:
    cluster = aws.client("eks").describe_cluster(name=CLUSTER_NAME)["cluster"]
    layout = Layout(aws.settings)

    assert cluster["status"] == "ACTIVE"
    assert cluster["endpoint"] == layout.server
    assert cluster["identity"]["oidc"]["issuer"] == OIDC_ISSUER
    assert (
        base64.b64decode(cluster["certificateAuthority"]["data"]) == layout.authority.read_bytes()
    )
    assert cluster["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "10.100.0.0/16"


def test_its_network_is_there_too(aws: Aws) -> None:
    config = aws.client("eks").describe_cluster(name=CLUSTER_NAME)["cluster"]["resourcesVpcConfig"]
    ec2 = aws.client("ec2")

    [vpc] = ec2.describe_vpcs(VpcIds=[config["vpcId"]])["Vpcs"]
    subnets = ec2.describe_subnets(SubnetIds=config["subnetIds"])["Subnets"]
    [group] = ec2.describe_security_groups(GroupIds=[config["clusterSecurityGroupId"]])[
        "SecurityGroups"
    ]

    assert vpc["CidrBlock"] == "10.0.0.0/16"
    assert {subnet["AvailabilityZone"] for subnet in subnets} == {"us-east-1a", "us-east-1b"}
    assert {subnet["VpcId"] for subnet in subnets} == {vpc["VpcId"]}
    assert group["VpcId"] == vpc["VpcId"]


def test_iam_trusts_the_clusters_issuer(aws: Aws) -> None:
    iam = aws.client("iam")
    [provider] = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]

    described = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider["Arn"])

    assert provider["Arn"].endswith(OIDC_ISSUER.removeprefix("https://"))
    assert described["ClientIDList"] == ["sts.amazonaws.com"]


def test_the_process_stays_small(aws: Aws) -> None:
    """The whole sandbox with three previews has 1.5 GiB."""
    import psutil

    assert aws.process
    resident = psutil.Process(aws.process.pid).memory_info().rss

    assert resident < 240 << 20
