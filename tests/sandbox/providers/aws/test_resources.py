"""Every resource type: made, made again, changed, read, deleted, and refused when another's."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.providers.values import Properties
from tests.sandbox.providers.aws.conftest import Engine

REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
SUBNETS = "aws:rds/subnetGroup:SubnetGroup"
ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/rolePolicy:RolePolicy"
MANAGED = "aws:iam/policy:Policy"
BUCKET = "aws:s3/bucket:Bucket"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
PUBLIC_ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
IDENTITY = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"},
            }
        ],
    }
)
_READ = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
        ],
    }
)
_RULES = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 14,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)


@pytest.fixture
def vpc(boto: Any) -> tuple[str, list[str]]:
    """The account's default VPC and two subnets of it."""
    found = boto("ec2").describe_subnets()["Subnets"]
    return found[0]["VpcId"], [it["SubnetId"] for it in found[:2]]


@pytest.fixture
def inputs(vpc: tuple[str, list[str]]) -> dict[str, Properties]:
    """One of each taggable type, under a name of this test's own."""
    name, tags = f"n{uuid.uuid4().hex[:10]}", {"stack": "pr-42", "commit": "a"}
    return {
        REPOSITORY: {
            "name": name,
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfigurations": [{"encryptionType": "AES256"}],
            "forceDelete": False,
            "tags": tags,
        },
        GROUP: {
            "name": name,
            "description": "d",
            "vpcId": vpc[0],
            "ingress": [],
            "tags": tags,
        },
        SUBNETS: {"name": name, "description": "d", "subnetIds": vpc[1], "tags": tags},
        ROLE: {"name": name, "assumeRolePolicy": _TRUST, "description": "d", "tags": tags},
        MANAGED: {"name": name, "policy": _READ, "description": "d", "tags": tags},
        IDENTITY: {
            "url": f"https://{name}.example.com",
            "clientIdLists": ["sts.amazonaws.com"],
            "tags": tags,
        },
        BUCKET: {"bucket": name, "forceDestroy": True, "tags": tags},
    }


_TYPES = pytest.mark.parametrize(
    "token", [REPOSITORY, GROUP, SUBNETS, ROLE, MANAGED, IDENTITY, BUCKET]
)


@_TYPES
async def test_what_is_made_reads_back_as_it_was_asked_for(
    engine: Engine, inputs: dict[str, Properties], token: str
) -> None:
    made = await engine.create(token, **inputs[token])
    found = await engine.read(token, made.identity, inputs[token], made.outputs)
    assert found is not None
    assert found.inputs == inputs[token]
    assert found.outputs == made.outputs
    assert made.outputs["tagsAll"] == inputs[token]["tags"]
    assert made.outputs["arn"].startswith("arn:aws:")
    imported = await engine.read(token, made.identity, {}, {})
    assert imported is not None
    assert imported.inputs
    assert imported.inputs["tags"] == inputs[token]["tags"]


@_TYPES
async def test_an_interrupted_run_is_gone_on_with_under_a_newer_commit(
    engine: Engine, inputs: dict[str, Properties], token: str
) -> None:
    first = await engine.create(token, **inputs[token])
    newer = {**inputs[token], "tags": {"stack": "pr-42", "expires": "2030"}}
    second = await engine.create(token, **newer)
    assert second.identity == first.identity
    assert second.outputs["tags"] == newer["tags"]


@_TYPES
async def test_what_is_another_stacks_is_never_taken_over(
    engine: Engine, inputs: dict[str, Properties], token: str
) -> None:
    made = await engine.create(token, **inputs[token])
    engine.stack = "pr-43"
    others = {**inputs[token], "tags": {"stack": "pr-43"}}
    with pytest.raises(SandboxError, match="not this stack's: it lacks the tag stack=pr-43"):
        await engine.create(token, **others)
    with pytest.raises(SandboxError, match="no tag contains pr-43"):
        await engine.create(token, **{**others, "tags": {}})
    found = await engine.read(token, made.identity, inputs[token], made.outputs)
    assert found is not None
    assert found.outputs["tags"] == inputs[token]["tags"]


@_TYPES
async def test_new_tags_change_nothing_else(
    engine: Engine, inputs: dict[str, Properties], token: str
) -> None:
    old = inputs[token]
    made = await engine.create(token, **old)
    new = {**old, "tags": {"stack": "pr-42", "commit": "b"}}
    outputs = await engine.update(token, made.identity, old, made.outputs, new)
    assert outputs == {**made.outputs, "tags": new["tags"], "tagsAll": new["tags"]}


@_TYPES
async def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(
    engine: Engine, inputs: dict[str, Properties], token: str
) -> None:
    made = await engine.create(token, **inputs[token])
    for _ in range(2):
        await engine.delete(token, made.identity, inputs[token])
        assert await engine.read(token, made.identity, inputs[token], made.outputs) is None


async def test_an_adopted_thing_that_differs_in_what_cannot_change_is_named(
    engine: Engine, inputs: dict[str, Properties]
) -> None:
    await engine.create(GROUP, **inputs[GROUP])
    with pytest.raises(SandboxError, match="another description, which can't be changed"):
        await engine.create(GROUP, **{**inputs[GROUP], "description": "other"})


async def test_a_security_groups_rules_become_what_is_asked_for(
    engine: Engine, inputs: dict[str, Properties], boto: Any
) -> None:
    source = (await engine.create(GROUP, **inputs[GROUP])).identity

    def rule(port: int) -> Properties:
        return {
            "protocol": "tcp",
            "fromPort": port,
            "toPort": port,
            "securityGroups": [source],
            "description": f"to {port}",
        }

    old = {**inputs[GROUP], "name": f"{inputs[GROUP]['name']}-db", "ingress": [rule(1), rule(2)]}
    made = await engine.create(GROUP, **old)
    new = {**old, "ingress": [rule(2), rule(3)]}
    outputs = await engine.update(GROUP, made.identity, old, made.outputs, new)
    assert outputs["ingress"] == [rule(2), rule(3)]
    [group] = boto("ec2").describe_security_groups(GroupIds=[made.identity])["SecurityGroups"]
    assert {it["FromPort"] for it in group["IpPermissions"]} == {2, 3}
    assert group["IpPermissionsEgress"] == []


async def test_a_repositorys_settings_change_in_place(
    engine: Engine, inputs: dict[str, Properties]
) -> None:
    old = inputs[REPOSITORY]
    made = await engine.create(REPOSITORY, **old)
    new = {
        **old,
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
    }
    outputs = await engine.update(REPOSITORY, made.identity, old, made.outputs, new)
    assert outputs["imageTagMutability"] == "MUTABLE"
    assert outputs["imageScanningConfiguration"] == {"scanOnPush": False}


@pytest.mark.parametrize("token", [LIFECYCLE, POLICY])
async def test_a_policy_is_written_and_written_again(
    engine: Engine, inputs: dict[str, Properties], token: str
) -> None:
    if token == LIFECYCLE:
        parent = await engine.create(REPOSITORY, **inputs[REPOSITORY])
        wanted = {"repository": parent.identity, "policy": _RULES}
    else:
        parent = await engine.create(ROLE, **inputs[ROLE])
        wanted = {"name": "read", "role": parent.identity, "policy": _READ}
    first = await engine.create(token, **wanted)
    assert await engine.create(token, **wanted) == first
    found = await engine.read(token, first.identity, wanted, first.outputs)
    assert found is not None
    assert found.inputs == wanted
    for _ in range(2):
        await engine.delete(token, first.identity, wanted)
    assert await engine.read(token, first.identity, wanted, first.outputs) is None


async def test_a_policy_differs_only_when_its_json_does(engine: Engine) -> None:
    resource, call = engine.provider.resource(LIFECYCLE), engine.call(LIFECYCLE)
    spaced = json.dumps(json.loads(_RULES), indent=4)
    one, two = ({"repository": "r", "policy": text} for text in (_RULES, spaced))
    assert not (await resource.diff(call, "r", one, two)).changes
    assert (await resource.diff(call, "r", one, {**one, "policy": "{}"})).changes


async def test_an_api_that_does_not_answer_is_named() -> None:
    from sandbox.providers.aws.clients import Clients

    with pytest.raises(SandboxError, match=r"AWS sts get_caller_identity at http://127\.0\.0\.1:1"):
        await Clients("http://127.0.0.1:1", "us-east-1").call("sts", "get_caller_identity")


async def test_a_role_gets_a_boundary_another_one_and_none(
    engine: Engine, inputs: dict[str, Properties], boto: Any
) -> None:
    iam = boto("iam")

    def boundary() -> Any:
        role = iam.get_role(RoleName=inputs[ROLE]["name"])["Role"]
        return role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    policy = await engine.create(MANAGED, **inputs[MANAGED])
    bound = {**inputs[ROLE], "permissionsBoundary": policy.identity}
    made = await engine.create(ROLE, **bound)
    assert boundary() == policy.identity
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    other = {**bound, "permissionsBoundary": administrator}
    await engine.update(ROLE, made.identity, bound, made.outputs, other)
    assert boundary() == administrator
    await engine.update(ROLE, made.identity, other, made.outputs, inputs[ROLE])
    assert boundary() is None


async def test_a_managed_policy_is_changed_without_piling_up_versions(
    engine: Engine, inputs: dict[str, Properties], boto: Any
) -> None:
    made = await engine.create(MANAGED, **inputs[MANAGED])
    before = inputs[MANAGED]
    for action in ("rds:A", "rds:B", "rds:C", "rds:D", "rds:E", "rds:F"):
        after = {**before, "policy": _READ.replace("secretsmanager:GetSecretValue", action)}
        await engine.update(MANAGED, made.identity, before, made.outputs, after)
        before = after
    versions = boto("iam").list_policy_versions(PolicyArn=made.identity)["Versions"]
    assert len(versions) == 1
    found = await engine.read(MANAGED, made.identity, before, made.outputs)
    assert found is not None
    assert "rds:F" in found.outputs["policy"]


async def test_what_drifted_is_put_right_by_the_next_change(
    engine: Engine, inputs: dict[str, Properties], boto: Any
) -> None:
    old = inputs[ROLE]
    made = await engine.create(ROLE, **old)
    boto("iam").update_role(RoleName=made.identity, Description="by hand", MaxSessionDuration=7200)
    found = await engine.read(ROLE, made.identity, old, made.outputs)
    assert found is not None
    assert found.inputs == {**old, "description": "by hand"}
    new = {key: value for key, value in old.items() if key != "description"}
    outputs = await engine.update(ROLE, made.identity, old, made.outputs, new)
    assert not outputs["description"]
    assert outputs["maxSessionDuration"] == 3600


async def test_a_subnet_groups_description_changes_in_place(
    engine: Engine, inputs: dict[str, Properties], monkeypatch: pytest.MonkeyPatch
) -> None:
    # moto 5.2 loses a group that is changed; the sandbox's RDS does not.
    from moto.rds.models import RDSBackend

    modify = RDSBackend.modify_db_subnet_group

    def keeping(backend: Any, name: str, description: str, subnets: Any) -> Any:
        backend.subnet_groups[name] = modify(backend, name, description, subnets)
        return backend.subnet_groups[name]

    monkeypatch.setattr(RDSBackend, "modify_db_subnet_group", keeping)
    old = inputs[SUBNETS]
    made = await engine.create(SUBNETS, **old)
    new = {**old, "description": "other", "subnetIds": old["subnetIds"][:1]}
    outputs = await engine.update(SUBNETS, made.identity, old, made.outputs, new)
    assert {key: outputs[key] for key in new} == new


@pytest.mark.parametrize("force", [True, False])
async def test_a_bucket_is_emptied_only_if_that_is_asked_for(
    engine: Engine, inputs: dict[str, Properties], boto: Any, force: bool
) -> None:
    wanted = {**inputs[BUCKET], "forceDestroy": force}
    made, s3 = await engine.create(BUCKET, **wanted), boto("s3")
    s3.put_bucket_versioning(Bucket=made.identity, VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        s3.put_object(Bucket=made.identity, Key="same", Body=str(number).encode())
    s3.delete_object(Bucket=made.identity, Key="same")
    if force:
        await engine.delete(BUCKET, made.identity, wanted)
        assert await engine.read(BUCKET, made.identity, wanted, made.outputs) is None
    else:
        with pytest.raises(SandboxError, match="BucketNotEmpty"):
            await engine.delete(BUCKET, made.identity, wanted)


async def test_a_bucket_without_tags_is_not_taken_for_missing(
    engine: Engine, inputs: dict[str, Properties], boto: Any
) -> None:
    boto("s3").create_bucket(Bucket=inputs[BUCKET]["bucket"])
    with pytest.raises(SandboxError, match="not this stack's"):
        await engine.create(BUCKET, **inputs[BUCKET])


@pytest.mark.parametrize(
    ("token", "settings", "changed"),
    [
        (BUCKET_POLICY, {"policy": _READ}, {"policy": _READ.replace("Get", "Put")}),
        (
            PUBLIC_ACCESS,
            {
                "blockPublicAcls": True,
                "blockPublicPolicy": True,
                "ignorePublicAcls": True,
                "restrictPublicBuckets": True,
            },
            {"restrictPublicBuckets": False},
        ),
        (
            OWNERSHIP,
            {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
            {"rule": {"objectOwnership": "ObjectWriter"}},
        ),
    ],
)
async def test_a_buckets_settings_are_read_changed_and_removed(
    engine: Engine,
    inputs: dict[str, Properties],
    token: str,
    settings: Properties,
    changed: Properties,
) -> None:
    parent = await engine.create(BUCKET, **inputs[BUCKET])
    wanted = {"bucket": parent.identity, **settings}
    made = await engine.create(token, **wanted)
    found = await engine.read(token, made.identity, wanted, made.outputs)
    assert found is not None
    assert found.inputs == wanted
    new = {**wanted, **changed}
    outputs = await engine.update(token, made.identity, wanted, made.outputs, new)
    assert {key: outputs[key] for key in new} == new
    for _ in range(2):
        await engine.delete(token, made.identity, new)
        assert await engine.read(token, made.identity, new, outputs) is None
    await engine.delete(BUCKET, parent.identity, inputs[BUCKET])
    await engine.delete(token, made.identity, new)
