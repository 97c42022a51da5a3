"""The existing cluster that is looked up, and the registry."""

from __future__ import annotations

import json

import pytest

from infra.errors import ProgramError
from infra.foundation.cluster import Cluster, look_up_cluster, subnet_cidrs
from infra.foundation.registry import lifecycle_policy
from tests.infra.world import Cloud, Deployment, deploy


def look_up(name: str, cloud: Cloud | None = None) -> Cluster:
    found: list[Cluster] = []
    deploy("staging", lambda: found.append(look_up_cluster(name)), cloud=cloud)
    return found[0]


def test_a_cluster_is_known_by_its_name_alone() -> None:
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    assert look_up("lab") == Cluster(
        name="lab",
        region="eu-west-1",
        vpc_id="vpc-1",
        vpc_cidrs=("10.0.0.0/16", "100.64.0.0/16"),
        subnet_ids=("subnet-1", "subnet-2"),
        security_group_id="sg-cluster",
        service_cidrs=("172.20.0.0/16",),
        oidc_issuer=issuer,
        oidc_provider_arn=f"arn:aws:iam::123456789012:oidc-provider/{issuer}",
        auto_mode=False,
    )


def test_an_unknown_cluster_says_what_to_check() -> None:
    with pytest.raises(ProgramError, match=r"EKS cluster lost: .*couldn't find") as caught:
        look_up("lost")
    assert "previews:cluster.name" in caught.value.remedy
    assert "aws eks describe-cluster --name lost" in caught.value.remedy


def test_a_cluster_without_an_issuer_is_refused() -> None:
    with pytest.raises(ProgramError, match="EKS cluster lab: it has no OIDC issuer"):
        look_up("lab", Cloud(issuer=None))


def test_subnets_become_their_networks() -> None:
    found: list[tuple[str, ...]] = []
    deploy("staging", lambda: found.append(subnet_cidrs(["subnet-9", "subnet-8"])))
    assert found == [("10.0.8.0/24", "10.0.9.0/24")]


@pytest.mark.parametrize(
    ("name", "repository"),
    [("images", "previews"), ("database-registry-images", "previews-database")],
)
def test_tags_never_move_and_images_are_scanned(
    staging: Deployment, name: str, repository: str
) -> None:
    inputs = staging.one("aws:ecr/repository:Repository", name).inputs
    assert {key: value for key, value in inputs.items() if key != "tags"} == {
        "name": repository,
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfigurations": [
            {
                "encryptionType": "KMS",
                "kmsKey": "arn:aws:kms:eu-west-1:123456789012:key/data-key",
            }
        ],
        "forceDelete": False,
    }


def test_the_lifecycle_can_never_remove_a_deployed_image() -> None:
    """Whatever is deployed was pushed under a tag, and no rule is for tagged images."""
    rules = json.loads(lifecycle_policy())["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged"]
    assert {rule["selection"]["countType"] for rule in rules} == {"sinceImagePushed"}
