"""First resources of the account: a network, an EKS cluster, its identity provider.

They are created through moto's backends, since boto3 clients of all services would take more
memory than the rest of the process.
"""

from __future__ import annotations

import base64
import json

from moto.ec2.models import ec2_backends
from moto.eks.models import eks_backends
from moto.elbv2.models import elbv2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends

from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.cluster.credentials import ensure_credentials
from sandbox.cluster.layout import Layout
from sandbox.settings import CLUSTER_NAME, OIDC_ISSUER, Settings

_PARTITION = "aws"
_NETWORK = "10.0.0.0/16"
_SUBNETS = {"us-east-1a": "10.0.0.0/20", "us-east-1b": "10.0.16.0/20"}
_SERVICES = "10.100.0.0/16"
_VERSION = "1.36"
# The default of previews:loadBalancer.group.
_GROUP = "previews"
_ROLE = "sandbox-cluster"
# AWS does not check the thumbprint of EKS's issuer any more.
_THUMBPRINT = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"


def lay(settings: Settings) -> None:
    """Create all of them. The caller saves them at once, so that a kill leaves all or none."""
    # AWS creates its own keys at their first use. Here they exist from the start, so that an
    # inventory has them before and after a preview.
    for alias in ("alias/aws/rds", "alias/aws/secretsmanager"):
        kms_backends[ACCOUNT][REGION].describe_key(alias)
    vpc, subnets = _network()
    group = ec2_backends[ACCOUNT][REGION].create_security_group(
        f"eks-cluster-sg-{CLUSTER_NAME}",
        "EKS created security group applied to ENI that is attached to EKS Control Plane",
        vpc_id=vpc,
        tags={"Name": f"eks-cluster-sg-{CLUSTER_NAME}"},
    )
    cluster = eks_backends[ACCOUNT][REGION].create_cluster(
        name=CLUSTER_NAME,
        role_arn=_cluster_role(),
        resources_vpc_config={
            "subnetIds": subnets,
            "securityGroupIds": [],
            "clusterSecurityGroupId": group.id,
            "vpcId": vpc,
            "endpointPublicAccess": True,
            "endpointPrivateAccess": True,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
        version=_VERSION,
        kubernetes_network_config={"serviceIpv4Cidr": _SERVICES, "ipFamily": "ipv4"},
    )
    _load_balancer(vpc, subnets)
    layout = Layout(settings)
    ensure_credentials(layout)
    cluster.endpoint = layout.server
    cluster.certificate_authority = {
        "data": base64.b64encode(layout.authority.read_bytes()).decode()
    }
    cluster.identity = {"oidc": {"issuer": OIDC_ISSUER}}
    iam_backends[ACCOUNT][_PARTITION].create_open_id_connect_provider(
        OIDC_ISSUER, [_THUMBPRINT], ["sts.amazonaws.com"], []
    )


def _network() -> tuple[str, list[str]]:
    ec2 = ec2_backends[ACCOUNT][REGION]
    vpc = ec2.create_vpc(_NETWORK, tags=[{"Key": "Name", "Value": CLUSTER_NAME}])
    subnets = []
    for zone, block in _SUBNETS.items():
        subnet = ec2.create_subnet(vpc.id, block, availability_zone=zone)
        name = f"{CLUSTER_NAME}-private-{zone}"
        ec2.create_tags([subnet.id], {"Name": name, "kubernetes.io/role/internal-elb": "1"})
        subnets.append(subnet.id)
    return vpc.id, subnets


def _load_balancer(vpc: str, subnets: list[str]) -> None:
    """Create what AWS would show of the load balancer of the previews' group.

    What listens is a process of this machine (sandbox/balancer). Its security group lets in the
    networks that staging asks for where nobody configures any: the VPC's.
    """
    ec2 = ec2_backends[ACCOUNT][REGION]
    group = ec2.create_security_group(
        f"k8s-{_GROUP}", "Managed by the load balancer's controller", vpc_id=vpc
    )
    ec2.authorize_security_group_ingress(
        group.id, "tcp", "443", "443", [{"CidrIp": _NETWORK}], vpc_id=vpc
    )
    elbv2_backends[ACCOUNT][REGION].create_load_balancer(
        f"k8s-{_GROUP}",
        [group.id],
        subnets,
        scheme="internal",
        tags=[{"Key": "ingress.k8s.aws/stack", "Value": _GROUP}],
    )


def _cluster_role() -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "eks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam_backends[ACCOUNT][_PARTITION].create_role(
        role_name=_ROLE,
        assume_role_policy_document=json.dumps(trust),
        path="/",
        permissions_boundary=None,
        description="Role of the sandbox's EKS cluster",
        tags=[],
        max_session_duration=3600,
    )
    return str(role.arn)
