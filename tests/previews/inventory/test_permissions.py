"""CI's role of previews may make the calls by which leftovers are found and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from boto3.session import Session
from moto import mock_aws

from previews.inventory.dns import Dns
from previews.inventory.ec2 import Ec2
from previews.inventory.iam import Iam
from previews.inventory.load_balancer import LoadBalancer
from previews.inventory.rds import Rds
from previews.inventory.registry import Registry
from previews.inventory.s3 import S3
from previews.inventory.secrets import Secrets
from tests.infra.ci.permissions.simulator import ACCOUNT, Attempt, decide
from tests.infra.ci.permissions.test_permissions import HERE, IMAGES, POLICIES, YES, role
from tests.previews.world import Named

if TYPE_CHECKING:
    from previews.inventory.item import AwsFinder

OURS = Named("acme/orders")
BUCKET = f"arn:aws:s3:::pr-42-{ACCOUNT}"
_SERVICES = {"elasticloadbalancingv2": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}
# boto3's names of operations whose action IAM names otherwise.
_ACTIONS = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject",
}
# What an action is about; the others support no resource.
_RESOURCES = {
    "ecr:BatchDeleteImage": IMAGES,
    "ecr:ListImages": IMAGES,
    "iam:DeleteRole": role("pr-42-app"),
    "iam:ListAttachedRolePolicies": role("pr-42-app"),
    "iam:ListRolePolicies": role("pr-42-app"),
    "iam:ListRoleTags": role("pr-42-app"),
    "route53:ListResourceRecordSets": "arn:aws:route53:::hostedzone/Z1",
    "s3:DeleteBucket": BUCKET,
    "s3:DeleteObject": f"{BUCKET}/a",
    "s3:GetBucketTagging": BUCKET,
    "s3:ListBucketVersions": BUCKET,
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The actions of all calls of boto3 from here on."""
    import botocore.client

    made: set[str] = set()
    send = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def noted(client: Any, operation: str, parameters: Any) -> Any:
        service = client.meta.service_model.service_name
        action = f"{_SERVICES.get(service, service)}:{operation}"
        made.add(_ACTIONS.get(action, action))
        return send(client, operation, parameters)

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", noted)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    return made


def refused(calls: set[str]) -> set[str]:
    attempts = [Attempt(action, _RESOURCES.get(action, "*")) for action in sorted(calls)]
    answers = decide(attempts, POLICIES["preview"])
    return {a.action for a, answer in zip(attempts, answers, strict=True) if answer != YES}


def test_they_are_found_and_buckets_and_roles_removed(calls: set[str]) -> None:
    with mock_aws():
        aws = Session(region_name=HERE.partition(":")[0])
        iam, ec2, s3 = aws.client("iam"), aws.client("ec2"), aws.client("s3")
        iam.create_role(RoleName="pr-42-app", AssumeRolePolicyDocument="{}")
        place = {"LocationConstraint": HERE.partition(":")[0]}
        s3.create_bucket(Bucket=f"pr-42-{ACCOUNT}", CreateBucketConfiguration=place)
        s3.put_object(Bucket=f"pr-42-{ACCOUNT}", Key="a", Body=b"")
        aws.client("ecr").create_repository(repositoryName="previews")
        aws.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        aws.client("elbv2").create_target_group(
            Name="k8s-pr42-s", Protocol="HTTP", Port=80, VpcId=vpc
        )
        calls.clear()
        finders: tuple[AwsFinder, ...] = (
            Dns(aws, OURS, "preview.example.com"),
            Ec2(aws, OURS),
            LoadBalancer(aws, OURS),
            Rds(aws, OURS),
            Registry(aws, OURS, "previews"),
            Secrets(aws, OURS),
        )
        for finder in finders:
            list(finder.find())  # type: ignore[attr-defined]
        for removing in (S3(aws, OURS), Iam(aws, OURS)):
            for item in removing.find():
                removing.remove(item)
    assert {"s3:DeleteObject", "iam:DeleteRole", "rds:DescribeDBInstances"} <= calls
    assert refused(calls) == set()
