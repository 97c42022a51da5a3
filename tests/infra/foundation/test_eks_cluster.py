"""The cluster that the program makes, and the nodes of previews in it."""

from __future__ import annotations

import json

import pytest

from infra.foundation.eks_cluster import tagging_policy
from infra.foundation.node_pool import node_pool_spec
from infra.stacks import main
from infra.versions import pinned
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Deployment, deploy

CLUSTER = "eks:index:Cluster"


def test_the_cluster_is_closed_by_default(new_staging: Deployment) -> None:
    inputs = new_staging.one(CLUSTER).inputs
    assert inputs == {
        "name": "lab",
        "version": pinned().kubernetes,
        "authenticationMode": "API",
        "accessEntries": {},
        "autoMode": {
            "enabled": True,
            "createNodeRole": True,
            "computeConfig": {"nodePools": ["system"]},
        },
        "corednsAddonOptions": {
            "enabled": False,
            "resolveConflictsOnCreate": "OVERWRITE",
            "resolveConflictsOnUpdate": "OVERWRITE",
        },
        "skipDefaultNodeGroup": True,
        "upgradePolicy": {"supportType": "STANDARD"},
        "createOidcProvider": True,
        "vpcId": "vpc-id",
        "privateSubnetIds": ["nodes-1-id", "nodes-2-id"],
        "kubernetesServiceIpAddressRange": "172.20.0.0/16",
        "endpointPrivateAccess": True,
        "endpointPublicAccess": True,
        "publicAccessCidrs": ["203.0.113.0/24"],
        "encryptionConfigKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/cluster-secrets-key",
        "enabledClusterLogTypes": [
            "api",
            "audit",
            "authenticator",
            "controllerManager",
            "scheduler",
        ],
        "deletionProtection": True,
    }


def test_it_waits_for_its_logs_and_its_way_to_the_images(new_staging: Deployment) -> None:
    cluster = new_staging.one(CLUSTER)
    for earlier in (
        new_staging.one("aws:cloudwatch/logGroup:LogGroup", "control-plane"),
        new_staging.one("aws:ec2/routeTable:RouteTable", "nodes-1"),
        new_staging.one("aws:ec2/vpcEndpoint:VpcEndpoint", "s3"),
    ):
        assert new_staging.comes_after(cluster, earlier), earlier.name


def test_its_logs_end_some_day(new_staging: Deployment) -> None:
    logs = new_staging.one("aws:cloudwatch/logGroup:LogGroup", "control-plane").inputs
    assert (logs["name"], logs["retentionInDays"]) == ("/aws/eks/lab/cluster", 90)


def test_administrators_get_access_entries() -> None:
    admin = "arn:aws:iam::123456789012:role/platform"
    cluster = CREATED_CLUSTER["cluster"] | {"admins": [admin]}
    stack = deploy("staging", main, config=STAGING_CONFIG | {"cluster": cluster})
    (entry,) = stack.one(CLUSTER).inputs["accessEntries"].values()
    assert entry["principalArn"] == admin
    assert entry["accessPolicies"] == {
        "admin": {
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
            "accessScope": {"type": "cluster"},
        }
    }


def test_everything_in_the_cluster_is_declared_by_its_own_kubeconfig(
    new_staging: Deployment,
) -> None:
    provider = new_staging.one("pulumi:providers:kubernetes")
    assert json.loads(provider.inputs["kubeconfig"]) == {"current-context": "aws"}
    assert "context" not in provider.inputs


def test_databases_are_in_subnets_of_their_own(new_staging: Deployment) -> None:
    group = new_staging.one("aws:rds/subnetGroup:SubnetGroup").inputs
    assert group["subnetIds"] == ["databases-1-id", "databases-2-id"]
    platform = new_staging.outputs["platform"]
    assert platform["database"]["cidrs"] == ["10.64.128.0/24", "10.64.129.0/24"]
    assert platform["ingress"]["source_cidrs"] == ["10.64.0.0/16"]


def test_a_cluster_can_be_made_in_an_existing_vpc() -> None:
    config = STAGING_CONFIG | CREATED_CLUSTER
    subnets = ["subnet-1", "subnet-2"]
    stack = deploy(
        "staging",
        main,
        config=config | {"network": {"vpcId": "vpc-9", "nodeSubnetIds": subnets}},
    )
    inputs = stack.one(CLUSTER).inputs
    assert (inputs["vpcId"], inputs["privateSubnetIds"]) == ("vpc-9", subnets)
    assert not any(r.type == "aws:ec2/vpc:Vpc" for r in stack.registrations)
    platform = stack.outputs["platform"]
    assert platform["database"]["cidrs"] == ["10.0.1.0/24", "10.0.2.0/24"]
    assert platform["ingress"]["source_cidrs"] == ["10.0.0.0/16", "100.64.0.0/16"]


def test_network_policies_are_enforced_before_a_pod_can_start(new_staging: Deployment) -> None:
    switch = new_staging.one("kubernetes:core/v1:ConfigMap", "network-policy")
    assert switch.inputs["metadata"] == {"name": "amazon-vpc-cni", "namespace": "kube-system"}
    assert switch.inputs["data"] == {"enable-network-policy-controller": "true"}
    node_class = new_staging.one("kubernetes:eks.amazonaws.com/v1:NodeClass")
    assert node_class.inputs["spec"]["networkPolicy"] == "DefaultDeny"
    for name in ("prepare", "migrate"):
        job = new_staging.one("kubernetes:batch/v1:Job", name)
        assert new_staging.comes_after(job, switch)
        assert new_staging.comes_after(job, new_staging.one("kubernetes:karpenter.sh/v1:NodePool"))


def test_nodes_are_private_and_of_the_cluster(new_staging: Deployment) -> None:
    spec = new_staging.one("kubernetes:eks.amazonaws.com/v1:NodeClass").inputs["spec"]
    assert spec["role"] == "lab-nodes"
    assert spec["subnetSelectorTerms"] == [{"id": "nodes-1-id"}, {"id": "nodes-2-id"}]
    assert spec["securityGroupSelectorTerms"] == [{"id": "sg-cluster"}]


@pytest.mark.parametrize("cpus", [4, 32])
def test_nodes_are_bounded(cpus: int) -> None:
    assert node_pool_spec("previews", cpus)["limits"] == {"cpu": str(cpus)}


def test_images_can_run_on_the_nodes(new_staging: Deployment) -> None:
    """The image is built for one architecture, and the pool has no other."""
    image = next(r for r in new_staging.registrations if r.type == "docker-build:index:Image")
    spec = new_staging.one("kubernetes:karpenter.sh/v1:NodePool").inputs["spec"]
    requirements = {r["key"]: r["values"] for r in spec["template"]["spec"]["requirements"]}
    architectures = [f"linux/{arch}" for arch in requirements["kubernetes.io/arch"]]
    assert architectures == image.inputs["platforms"]


def test_the_budget_sees_the_nodes_and_eks_may_tag_them(new_staging: Deployment) -> None:
    node_class = new_staging.one("kubernetes:eks.amazonaws.com/v1:NodeClass")
    assert node_class.inputs["spec"]["tags"] == {"kind": "preview"}
    permission = new_staging.one("aws:iam/rolePolicy:RolePolicy", "tagging")
    assert permission.inputs["role"] == "lab-role"
    # EKS creates no node with a tag that its role may not write.
    assert new_staging.comes_after(
        new_staging.one("kubernetes:core/v1:Namespace", "namespace"), permission
    )


def test_eks_may_tag_only_what_it_creates_for_this_cluster() -> None:
    statements = json.loads(tagging_policy())["Statement"]
    name = "${aws:PrincipalTag/eks:eks-cluster-name}"
    for statement in statements:
        wanted = statement["Condition"]["StringEquals"]
        assert wanted == {"aws:RequestTag/eks:eks-cluster-name": name}
    actions = {action for statement in statements for action in statement["Action"]}
    assert all(action.partition(":")[2].startswith(("Create", "Run")) for action in actions)
