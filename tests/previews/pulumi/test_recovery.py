from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from boto3.session import Session
from moto import mock_aws

from previews.clients import Clients
from previews.errors import PreviewsError
from previews.pulumi.recovery import Recovered, with_adopted
from previews.pulumi.state import Resource, read_state
from tests.previews.world import MemoryStacks, clients_of

PUBLIC = "aws:s3/bucketPublicAccessBlock"
OWNED = "aws:s3/bucketOwnershipControls"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)
URN = "urn:pulumi:pr-42::previews::{type}::{name}"
DATABASE = {
    "urn": URN.format(type="aws:rds/instance:Instance", name="instance"),
    "type": "aws:rds/instance:Instance",
    "custom": True,
    "inputs": {"identifier": "pr-42"},
    "provider": "urn:of-the-provider::id",
    "dependencies": ["urn:of-the-group"],
}
GROUP = {
    "urn": URN.format(type="aws:ec2/securityGroup:SecurityGroup", name="firewall"),
    "type": "aws:ec2/securityGroup:SecurityGroup",
    "custom": True,
    "id": "sg-1",
    "inputs": {"name": "pr-42-database", "vpcId": "vpc-1"},
}


def recover(clients: Clients) -> Recovered:
    return clients.recover("pr-42")[0]


def creating(resource: dict[str, Any]) -> dict[str, Any]:
    return {"type": "creating", "resource": resource}


def deployment(**parts: Any) -> dict[str, Any]:
    return {"version": 3, "deployment": {"manifest": {"time": "now"}, **parts}}


def known_of(document: dict[str, Any], found: dict[str, str]) -> dict[str, Any]:
    return dict(with_adopted(read_state("pr-42", document), found)["deployment"])


def test_what_is_there_is_added_behind_the_others() -> None:
    document = deployment(resources=[GROUP], pending_operations=[creating(DATABASE)])
    after = known_of(document, {DATABASE["urn"]: "db-1"})
    assert after["pending_operations"] == []
    assert after["resources"][0] == GROUP
    added = after["resources"][1]
    assert added["id"] == "db-1"
    assert added["dependencies"] == ["urn:of-the-group"]
    assert after["manifest"] == {"time": "now"}


def test_what_is_absent_is_dropped_and_other_operations_stay() -> None:
    other = {"type": "deleting", "resource": GROUP}
    document = deployment(resources=[GROUP], pending_operations=[creating(DATABASE), other])
    after = known_of(document, {})
    assert after["pending_operations"] == [other]
    assert after["resources"] == [GROUP]


def test_what_it_was_to_replace_is_there_to_be_deleted() -> None:
    document = deployment(resources=[GROUP], pending_operations=[creating(GROUP)])
    after = known_of(document, {GROUP["urn"]: "sg-2"})
    assert [(r["id"], r.get("delete", False)) for r in after["resources"]] == [
        ("sg-1", True),
        ("sg-2", False),
    ]
    same = known_of(document, {GROUP["urn"]: "sg-1"})
    assert same["resources"] == [GROUP]


def test_the_document_that_was_read_is_left_alone() -> None:
    document = deployment(resources=[dict(GROUP)], pending_operations=[creating(GROUP)])
    known_of(document, {GROUP["urn"]: "sg-2"})
    assert document["deployment"]["resources"] == [GROUP]


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> MemoryStacks:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    return MemoryStacks()


def with_aws(stacks: MemoryStacks) -> Any:
    clients = clients_of(stacks)
    clients.__dict__["aws"] = Session(region_name="us-east-1")
    return clients


def make_database(identifier: str) -> None:
    boto3.client("rds", region_name="us-east-1").create_db_instance(
        DBInstanceIdentifier=identifier,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="postgres",
        MasterUserPassword="only-for-tests",
    )


def test_a_live_database_is_not_forgotten(stacks: MemoryStacks) -> None:
    stacks.add("pr-42", resources=[], pending_operations=[creating(DATABASE)])
    with mock_aws():
        make_database("pr-42")
        recovered = recover(with_aws(stacks))
    assert recovered.adopted == {DATABASE["urn"]: "pr-42"}
    assert [r.id for r in stacks.state("pr-42").resources] == ["pr-42"]
    assert stacks.state("pr-42").pending == []
    assert stacks.calls.index("replace pr-42") < stacks.calls.index("refresh pr-42")


def test_a_database_that_is_not_there_is_proven_absent(stacks: MemoryStacks) -> None:
    stacks.add("pr-42", resources=[GROUP], pending_operations=[creating(DATABASE)])
    with mock_aws():
        make_database("pr-421")
        recovered = recover(with_aws(stacks))
    assert recovered.absent == [DATABASE["urn"]]
    assert [r.id for r in stacks.state("pr-42").resources] == ["sg-1"]


def test_without_anything_pending_nothing_is_done(stacks: MemoryStacks) -> None:
    stacks.add("pr-42", resources=[GROUP])
    recover(clients_of(stacks))
    assert stacks.calls == ["state pr-42"]


def test_when_one_can_not_be_looked_for_the_state_stays(stacks: MemoryStacks) -> None:
    kind = "aws:sqs/queue:Queue"
    odd = {"urn": URN.format(type=kind, name="q"), "type": kind, "custom": True}
    stacks.add("pr-42", resources=[], pending_operations=[creating(DATABASE), creating(odd)])
    with mock_aws():
        make_database("pr-42")
        with pytest.raises(PreviewsError) as raised:
            recover(with_aws(stacks))
    assert raised.value.code == "recovery-unknown-type"
    assert "replace pr-42" not in stacks.calls


def test_when_nobody_answers_nothing_is_cleared(
    stacks: MemoryStacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    stacks.add("pr-42", resources=[], pending_operations=[creating(DATABASE)])
    with pytest.raises(PreviewsError) as raised:
        recover(with_aws(stacks))
    assert raised.value.code == "recovery-no-answer"
    assert len(stacks.state("pr-42").pending) == 1


@pytest.mark.parametrize(
    ("kind", "custom"),
    [
        ("previews:service:FrontDoor", False),
        ("pulumi:pulumi:Stack", False),
        ("pulumi:providers:kubernetes", True),
    ],
)
def test_what_pulumi_alone_keeps_is_nowhere_else(
    stacks: MemoryStacks, kind: str, *, custom: bool
) -> None:
    own = {"urn": URN.format(type=kind, name="own"), "type": kind, "custom": custom}
    stacks.add("pr-42", resources=[GROUP], pending_operations=[creating(own)])
    assert recover(with_aws(stacks)).absent == [own["urn"]]
    assert [r.id for r in stacks.state("pr-42").resources] == ["sg-1"]


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("aws:ec2/securityGroup:SecurityGroup", {"name": "pr-42-database", "vpcId": "VPC"}, "sg-"),
        ("aws:ec2/securityGroup:SecurityGroup", {"name": "pr-43-database", "vpcId": "VPC"}, ""),
        ("aws:iam/role:Role", {"name": "pr-42-secrets"}, "pr-42-secrets"),
        ("aws:iam/role:Role", {"name": "pr-43-secrets"}, ""),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "pr-42-secrets", "name": "read"}, ":read"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "pr-43-secrets", "name": "read"}, ""),
        ("aws:s3/bucket:Bucket", {"bucket": "pr-42-1"}, "pr-42-1"),
        ("aws:s3/bucket:Bucket", {"bucket": "pr-43-1"}, ""),
        ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "pr-42-1"}, "pr-42-1"),
        ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "pr-44-1"}, ""),
        (f"{PUBLIC}:BucketPublicAccessBlock", {"bucket": "pr-42-1"}, "pr-42-1"),
        (f"{PUBLIC}:BucketPublicAccessBlock", {"bucket": "pr-44-1"}, ""),
        (f"{OWNED}:BucketOwnershipControls", {"bucket": "pr-42-1"}, "pr-42-1"),
        (f"{OWNED}:BucketOwnershipControls", {"bucket": "pr-44-1"}, ""),
    ],
)
def test_each_kind_is_found_by_its_name(
    stacks: MemoryStacks, kind: str, inputs: dict[str, str], expected: str
) -> None:
    with mock_aws():
        session = Session(region_name="us-east-1")
        ec2, iam = session.client("ec2"), session.client("iam")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.create_security_group(GroupName="pr-42-database", Description="d", VpcId=vpc)
        iam.create_role(RoleName="pr-42-secrets", AssumeRolePolicyDocument="{}")
        iam.put_role_policy(RoleName="pr-42-secrets", PolicyName="read", PolicyDocument=POLICY)
        s3 = session.client("s3")
        for bucket in ("pr-42-1", "pr-44-1"):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_policy(Bucket="pr-42-1", Policy=POLICY)
        s3.put_public_access_block(
            Bucket="pr-42-1", PublicAccessBlockConfiguration={"BlockPublicAcls": True}
        )
        owned = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        s3.put_bucket_ownership_controls(Bucket="pr-42-1", OwnershipControls=owned)
        given = {key: vpc if value == "VPC" else value for key, value in inputs.items()}
        resource = Resource(urn="u::u", type=kind, custom=True, inputs=given)
        found = with_aws(stacks).lookup("pr-42").identify(resource)
    assert expected in found
    assert bool(found) is bool(expected)
