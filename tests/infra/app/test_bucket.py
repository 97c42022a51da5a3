"""The bucket that an app needs: who may use it, what guards it, how pods get to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.policies.catalogue import violations
from infra.stacks import main
from tests.infra.app.test_described_app import container, described, plain, workload
from tests.infra.policies.resources import declared
from tests.infra.world import STAGING_CONFIG, Deployment, Registration, deploy

NEEDED = """
service:
  environment:
    BUCKET: "{bucket}"
    REGION: "{bucket_region}"
workers:
  queue: { command: work }
web:
  front: { path: /front, image: { context: front } }
database:
  migrate: migrate
hooks:
  seed: seed
needs:
  bucket:
"""
BUCKET = "aws:s3/bucket:Bucket"
ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
HOSTS_POLICY = "kubernetes:networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy"
NAME = "pr-42-123456789012"
ARN = f"arn:aws:s3:::{NAME}"


@pytest.fixture(scope="module")
def stack(staging: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return described(staging, tmp_path_factory.mktemp("app"), NEEDED)


def parts(stack: Deployment) -> list[Registration]:
    return [r for r in stack.registrations if "needs:AppBucket$" in r.urn]


def part(stack: Deployment, type_: str) -> Registration:
    [found] = [r for r in parts(stack) if r.type == type_]
    return found


def job_account(stack: Deployment, name: str) -> str:
    spec = stack.one(JOB, name).inputs["spec"]["template"]["spec"]
    return str(spec["serviceAccountName"])


def test_it_is_named_after_the_stack_and_goes_with_its_files(stack: Deployment) -> None:
    bucket = part(stack, BUCKET).inputs
    assert (bucket["bucket"], bucket["forceDestroy"]) == (NAME, True)
    assert bucket["tags"]["stack"] == "pr-42"
    variables = plain(container(stack, "service"))
    assert (variables["BUCKET"], variables["REGION"]) == (NAME, "eu-west-1")
    assert stack.outputs["bucket"] == NAME


def test_it_is_closed_before_the_app_runs_until_it_is_gone(stack: Deployment) -> None:
    bucket = part(stack, BUCKET)
    guards = [r for r in parts(stack) if r.type.startswith("aws:s3/bucket") and r != bucket]
    assert len(guards) == 3
    later = [r for r in stack.registrations if r.type == DEPLOYMENT]
    later.append(stack.one(JOB, "migrate"))
    for guard in guards:
        assert guard.inputs["bucket"] == NAME
        assert guard.deleted_with == bucket.urn
        assert all(stack.comes_after(one, guard) for one in later)
    # S3 refuses two changes of one bucket at once.
    assert sum(stack.comes_after(a, b) for a in guards for b in guards if a != b) == 3
    [policy] = [json.loads(r.inputs["policy"]) for r in guards if "policy" in r.inputs]
    [statement] = policy["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (statement["Effect"], statement["Resource"]) == ("Deny", [ARN, f"{ARN}/*"])


def test_the_role_is_the_app_s_pods_and_for_this_bucket_alone(stack: Deployment) -> None:
    role = part(stack, ROLE).inputs
    assert role["name"] == "pr-42-app"
    [trust] = json.loads(role["assumeRolePolicy"])["Statement"]
    subjects = trust["Condition"]["StringEquals"].values()
    assert "system:serviceaccount:pr-42:app" in subjects
    statements = json.loads(part(stack, ROLE_POLICY).inputs["policy"])["Statement"]
    assert [one["Resource"] for one in statements] == [ARN, f"{ARN}/*"]
    actions = {action for one in statements for action in one["Action"]}
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"} <= actions
    assert not any("Policy" in action or action == "s3:DeleteBucket" for action in actions)


def test_only_the_app_s_own_pods_have_its_account(stack: Deployment) -> None:
    account = part(stack, ACCOUNT).inputs
    assert account["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/pr-42-app"
    }
    assert account["automountServiceAccountToken"] is False
    for name in ("service", "worker-queue", "web-front"):
        pod = workload(stack, name)["template"]["spec"]
        assert pod["serviceAccountName"] == "app"
        assert pod["automountServiceAccountToken"] is False
    assert [job_account(stack, n) for n in ("migrate", "seed", "prepare")] == [
        "app",
        "app",
        "service",
    ]


def test_they_get_to_public_addresses_at_the_port_of_https(stack: Deployment) -> None:
    [spec] = [r.inputs["spec"] for r in parts(stack) if r.type == NETWORK_POLICY]
    [rule] = spec["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    [peer] = rule["to"]
    assert peer["ipBlock"]["cidr"] == "0.0.0.0/0"
    assert "169.254.0.0/16" in peer["ipBlock"]["except"]
    [selector] = spec["podSelector"]["matchExpressions"]
    assert "prepare" in selector["values"]


def test_by_name_they_get_to_s3_and_sts_of_the_region(staging: Deployment, tmp_path: Path) -> None:
    stack = described(staging, tmp_path, NEEDED, egressBy="name")
    [spec] = [r.inputs["spec"] for r in parts(stack) if r.type == HOSTS_POLICY]
    _, *rules = spec["egress"]
    hosts = {peer["domainNames"][0]: rule["ports"] for rule in rules for peer in rule["to"]}
    assert hosts.keys() == {
        "s3.eu-west-1.amazonaws.com",
        f"{NAME}.s3.eu-west-1.amazonaws.com",
        "sts.eu-west-1.amazonaws.com",
    }
    assert all(ports == [{"port": 443, "protocol": "TCP"}] for ports in hosts.values())


def test_a_bucket_of_staging_with_files_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "preview.yaml").write_text(NEEDED)
    (tmp_path / "scrub.yaml").write_text("tables: {}\n")
    stack = deploy("staging", main, config=STAGING_CONFIG | {"source": str(tmp_path)})
    bucket = part(stack, BUCKET).inputs
    assert (bucket["bucket"], bucket["forceDestroy"]) == ("staging-123456789012", False)
    assert part(stack, ROLE).inputs["name"] == "staging-app"
    assert [str(violation) for violation in violations(declared(stack))] == []


def test_no_policy_forbids_it(stack: Deployment) -> None:
    assert [str(violation) for violation in violations(declared(stack))] == []


def test_without_it_nothing_changes(preview: Deployment) -> None:
    pods: list[dict[str, Any]] = [
        r.inputs["spec"]["template"]["spec"]
        for r in preview.registrations
        if r.type in {JOB, DEPLOYMENT}
    ]
    assert {pod["serviceAccountName"] for pod in pods} == {"service"}
    assert not [r for r in preview.registrations if r.type.startswith("aws:s3/")]
