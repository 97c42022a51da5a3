"""Each rule both ways: the program's own resources pass, and fail with one thing broken."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.policies import wiring
from infra.policies.catalogue import RULES, STACK_RULES, violations
from infra.policies.declared import Declared
from infra.policies.rule import Rule, StackRule
from infra.policies.sizes import quantity
from tests.infra.policies.resources import STACK, changed, declared, made, one
from tests.infra.world import Deployment

BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}
STACKS_BY_NAME: dict[str, StackRule] = {rule.name: rule for rule in STACK_RULES}

INSTANCE = "aws:rds/instance:Instance"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
IMAGE = "docker-build:index:Image"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
NAMESPACE = "kubernetes:core/v1:Namespace"
SERVICE = "kubernetes:core/v1:Service"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
AUTOSCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"

EKS_CLUSTER = "aws:eks/cluster:Cluster"
BUCKET = "aws:s3/bucket:Bucket"
PUBLIC_ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

POD = "spec/template/spec"
CONTAINER = f"{POD}/containers/0"
CONFINED = f"{CONTAINER}/securityContext"
DIGEST = "sha256:" + 64 * "a"


def trust(action: str, subject: str) -> str:
    condition = {
        "StringEquals": {"oidc.eks/id:aud": "sts.amazonaws.com", "oidc.eks/id:sub": subject}
    }
    return json.dumps(
        {"Statement": [{"Action": action, "Effect": "Allow", "Condition": condition}]}
    )


def grant(action: str, resource: Any) -> str:
    return json.dumps({"Statement": {"Action": action, "Effect": "Allow", "Resource": resource}})


# The rule, the stack, the resource's type, what is broken in it, and what the rule says of it.
BROKEN: list[tuple[str, str, str, str, Any, str]] = [
    ("database-encrypted", "staging", INSTANCE, "storageEncrypted", False, "storageEncrypted"),
    ("database-encrypted", "preview", INSTANCE, "storageEncrypted", None, "storageEncrypted"),
    (
        "database-without-extended-support",
        "staging",
        INSTANCE,
        "engineLifecycleSupport",
        "open-source-rds-extended-support",
        "engineLifecycleSupport",
    ),
    (
        "database-without-extended-support",
        "preview",
        INSTANCE,
        "engineLifecycleSupport",
        None,
        "engineLifecycleSupport",
    ),
    ("database-private", "staging", INSTANCE, "publiclyAccessible", True, "publiclyAccessible"),
    ("database-private", "preview", INSTANCE, "publiclyAccessible", None, "publiclyAccessible"),
    ("database-final-snapshot", "staging", INSTANCE, "skipFinalSnapshot", True, "would be lost"),
    ("database-final-snapshot", "staging", INSTANCE, "finalSnapshotIdentifier", "", "be lost"),
    ("database-final-snapshot", "preview", INSTANCE, "skipFinalSnapshot", False, "snapshot behind"),
    ("database-final-snapshot", "preview", INSTANCE, "skipFinalSnapshot", None, "behind"),
    ("database-final-snapshot", "preview", INSTANCE, "deleteAutomatedBackups", False, "outlive"),
    (
        "database-password-kept-by-rds",
        "staging",
        INSTANCE,
        "password",
        "hunter2",
        "it sets a password",
    ),
    ("database-password-kept-by-rds", "preview", INSTANCE, "manageMasterUserPassword", None, "not"),
    ("security-group-closed", "preview", GROUP, "ingress/0/cidrBlocks", ["0.0.0.0/0"], "connect"),
    ("security-group-closed", "staging", GROUP, "ingress/0/ipv6CidrBlocks", ["::/0"], "::/0"),
    ("security-group-closed", "staging", GROUP, "ingress/0/cidrBlocks", ["0.0.0.0/1"], "0.0.0.0/1"),
    ("preview-named", "preview", INSTANCE, "identifier", "staging", "expected pr-42"),
    ("preview-named", "preview", GROUP, "name", "pr-421", "expected pr-42"),
    ("preview-named", "preview", ROLE, "name", "admin", "expected pr-42"),
    ("preview-named", "preview", ROLE_POLICY, "role", "staging-secrets", "expected pr-42"),
    ("preview-named", "preview", NAMESPACE, "metadata/name", "kube-system", "expected 'pr-42'"),
    ("preview-named", "preview", SERVICE, "metadata/namespace", "staging", "namespace 'staging'"),
    ("preview-named", "preview", SERVICE, "metadata/namespace", None, "namespace ''"),
    ("preview-named", "preview", IMAGE, "tags/0", "registry/previews:staging-1", "…:pr-42-…"),
    ("tagged", "preview", INSTANCE, "tags/expires", "", "lacks the tags expires"),
    ("tagged", "preview", INSTANCE, "tags/stack", "staging", "expected pr-42"),
    ("tagged", "preview", GROUP, "tags/pull-request", "43", "pull-request is not 42"),
    ("tagged", "staging", INSTANCE, "tags", None, "lacks the tags commit, expires, managed-by"),
    ("tagged", "preview", NAMESPACE, "metadata/labels", {}, "previews/stack"),
    (
        "preview-role-taken-by-its-own",
        "preview",
        ROLE,
        "assumeRolePolicy",
        trust("sts:AssumeRoleWithWebIdentity", "system:serviceaccount:staging:external-secrets"),
        "others than a service account of pr-42",
    ),
    (
        "preview-role-taken-by-its-own",
        "preview",
        ROLE,
        "assumeRolePolicy",
        trust("sts:AssumeRole", "system:serviceaccount:pr-42:external-secrets"),
        "assumed by sts:AssumeRole",
    ),
    ("preview-role-taken-by-its-own", "preview", ROLE, "managedPolicyArns", ["arn:x"], "policies"),
    (
        "preview-role-uses-its-own",
        "preview",
        ROLE_POLICY,
        "policy",
        grant("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:1:secret:rds!*"),
        "no resource in full",
    ),
    (
        "preview-role-uses-its-own",
        "preview",
        ROLE_POLICY,
        "policy",
        grant("rds:*", "arn:aws:rds:eu-west-1:1:db:pr-42"),
        "allows rds:*",
    ),
    ("image-by-digest", "preview", DEPLOYMENT, f"{CONTAINER}/image", "postgres:17", "postgres:17"),
    ("image-by-digest", "staging", JOB, f"{CONTAINER}/image", f"x:1@{DIGEST[:-1]}", "expected"),
    ("pod-restricted", "preview", DEPLOYMENT, f"{POD}/hostNetwork", True, "hostNetwork"),
    ("pod-restricted", "preview", DEPLOYMENT, f"{POD}/hostPID", True, "hostPID"),
    ("pod-restricted", "preview", DEPLOYMENT, f"{POD}/hostIPC", True, "hostIPC"),
    (
        "pod-restricted",
        "preview",
        DEPLOYMENT,
        f"{POD}/volumes/0",
        {"name": "tmp", "hostPath": {"path": "/"}},
        "volume tmp is of hostPath",
    ),
    (
        "pod-restricted",
        "preview",
        JOB,
        f"{POD}/securityContext/sysctls",
        [{"name": "kernel.msgmax", "value": "1"}],
        "kernel.msgmax",
    ),
    ("pod-restricted", "preview", JOB, f"{CONFINED}/privileged", True, "privileged is true"),
    ("pod-restricted", "preview", JOB, f"{CONFINED}/allowPrivilegeEscalation", None, "Escalation"),
    ("pod-restricted", "preview", JOB, f"{CONFINED}/capabilities/drop", ["NET_RAW"], "lacks ALL"),
    ("pod-restricted", "preview", JOB, f"{CONFINED}/capabilities/add", ["SYS_ADMIN"], "add has"),
    ("pod-restricted", "preview", JOB, f"{CONFINED}/runAsNonRoot", False, "runAsNonRoot"),
    ("pod-restricted", "preview", JOB, f"{CONFINED}/runAsUser", 0, "runAsUser is 0"),
    ("pod-restricted", "preview", JOB, f"{CONFINED}/procMount", "Unmasked", "procMount"),
    (
        "pod-restricted",
        "preview",
        JOB,
        f"{POD}/securityContext/seccompProfile/type",
        "Unconfined",
        "seccompProfile",
    ),
    ("pod-restricted", "preview", DEPLOYMENT, f"{CONTAINER}/ports/0/hostPort", 80, "of its node"),
    (
        "pod-restricted",
        "preview",
        DEPLOYMENT,
        f"{POD}/initContainers",
        [{"name": "init", "image": "x"}],
        "container init: allowPrivilegeEscalation",
    ),
    ("pod-without-token", "preview", JOB, f"{POD}/automountServiceAccountToken", None, "not false"),
    ("ingress-own-host", "preview", INGRESS, "spec/rules/0/host", "staging.p.io", "'staging.p.io'"),
    ("ingress-own-host", "preview", INGRESS, "spec/rules/0/host", "*.p.io", "'*.p.io'"),
    ("ingress-own-host", "preview", INGRESS, "spec/rules/0/host", None, "claims host ''"),
    ("ingress-own-host", "preview", INGRESS, "spec/tls/0/hosts", ["pr-4.p.io"], "'pr-4.p.io'"),
    ("ingress-own-host", "preview", INGRESS, "spec/defaultBackend", {"service": {}}, "every host"),
    (
        "ingress-own-host",
        "preview",
        INGRESS,
        "metadata/annotations/alb.ingress.kubernetes.io~1conditions.service",
        "[]",
        "beyond its own host",
    ),
    ("ingress-has-rules", "preview", INGRESS, "spec/rules", [], "no rule"),
    ("no-plain-secret", "preview", INSTANCE, "password", "hunter2", "password is in plain"),
    ("no-plain-secret", "staging", IMAGE, "registries", [{"password": "x"}], "registries.0.passwo"),
    ("no-plain-secret", "staging", IMAGE, "buildArgs/url", "postgres://a:b@host/db", "a URL with"),
    ("no-plain-secret", "staging", IMAGE, "buildArgs/key", "AKIA" + 16 * "A", "an AWS access key"),
    (
        "no-plain-secret",
        "staging",
        IMAGE,
        "buildArgs/key",
        "-----BEGIN RSA PRIVATE KEY-----",
        "a private key",
    ),
    ("no-plain-secret", "staging", IMAGE, "buildArgs/x", "ghp_" + 36 * "a", "a GitHub token"),
    ("no-plain-secret", "staging", IMAGE, "buildArgs/x", "pul-" + 40 * "a", "a Pulumi token"),
    (
        "no-plain-secret",
        "staging",
        IMAGE,
        "buildArgs/x",
        "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK",
        "a signed token",
    ),
    (
        "no-secret-variable",
        "preview",
        DEPLOYMENT,
        f"{CONTAINER}/env/0",
        {"name": "DATABASE_PASSWORD", "value": "hunter2"},
        "DATABASE_PASSWORD has a plain value",
    ),
    ("database-bounded", "preview", INSTANCE, "instanceClass", "db.t4g.large", "at most medium"),
    (
        "database-bounded",
        "staging",
        INSTANCE,
        "instanceClass",
        "db.r7g.16xlarge",
        "at most 2xlarge",
    ),
    ("database-bounded", "staging", INSTANCE, "maxAllocatedStorage", 65536.0, "is 65536: expected"),
    ("pod-bounded", "preview", DEPLOYMENT, f"{CONTAINER}/resources/limits/cpu", "64", "at most 4"),
    ("pod-bounded", "preview", JOB, f"{CONTAINER}/resources/limits/memory", "1Ti", "8192Mi"),
    ("pod-bounded", "preview", JOB, f"{CONTAINER}/resources/requests/cpu", None, "sets no cpu"),
    ("replicas-bounded", "preview", AUTOSCALER, "spec/maxReplicas", 100.0, "at most 10"),
    ("replicas-bounded", "staging", DEPLOYMENT, "spec/replicas", 21.0, "at most 20"),
]


def escaped(path: str) -> list[str]:
    return [key.replace("~1", "/") for key in path.split("/")]


def breaking(resource: Declared, path: str, value: Any) -> Declared:
    return changed(resource, escaped(path), value)


@pytest.mark.parametrize(("rule", "kind", "type_", "path", "value", "says"), BROKEN)
def test_a_rule_finds_what_is_broken_and_nothing_before(
    rule: str,
    kind: str,
    type_: str,
    path: str,
    value: Any,
    says: str,
    request: pytest.FixtureRequest,
) -> None:
    whole = one(request.getfixturevalue(kind), type_)
    assert BY_NAME[rule].complaints(whole) == []
    found = BY_NAME[rule].complaints(breaking(whole, path, value))
    assert [complaint for complaint in found if says in complaint], found


# What the program does not have: the rule, the resource, and what is said of it; None for nothing.
MADE: list[tuple[str, Declared, str | None]] = [
    (
        "bucket-blocks-public-access",
        made("pr-42", PUBLIC_ACCESS, dict.fromkeys(BLOCKS, True)),
        None,
    ),
    *(
        (
            "bucket-blocks-public-access",
            made("pr-42", PUBLIC_ACCESS, {**dict.fromkeys(BLOCKS, True), block: value}),
            f"{block} is not true",
        )
        for block in BLOCKS
        for value in (False, None)
    ),
    ("bucket-without-acl", made("pr-42", BUCKET, {"bucket": "pr-42-1"}), None),
    ("bucket-without-acl", made("pr-42", BUCKET, {"acl": "public-read"}), "access-control list"),
    ("bucket-without-acl", made("pr-42", BUCKET, {"grants": [{"type": "Group"}]}), "control list"),
    ("bucket-without-acl", made("pr-42", "aws:s3/bucketAcl:BucketAcl", {}), "are not used"),
    (
        "bucket-without-acl",
        made(
            "pr-42",
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            {"rule": {"objectOwnership": "ObjectWriter"}},
        ),
        "not BucketOwnerEnforced",
    ),
    (
        "bucket-policy-denies",
        made("pr-42", "aws:s3/bucketPolicy:BucketPolicy", {"policy": grant("s3:GetObject", "*")}),
        "it allows something",
    ),
    (
        "bucket-policy-denies",
        made(
            "pr-42",
            "aws:s3/bucketPolicy:BucketPolicy",
            {"policy": {"Statement": [{"Effect": "Deny"}, {"Effect": "Allow"}]}},
        ),
        "it allows something",
    ),
    (
        "bucket-policy-denies",
        made(
            "pr-42",
            "aws:s3/bucketPolicy:BucketPolicy",
            {"policy": json.dumps({"Statement": [{"Effect": "Deny"}]})},
        ),
        None,
    ),
    (
        "cluster-without-extended-support",
        made("staging", EKS_CLUSTER, {"upgradePolicy": {"supportType": "STANDARD"}}),
        None,
    ),
    (
        "cluster-without-extended-support",
        made("staging", EKS_CLUSTER, {"upgradePolicy": {"supportType": "EXTENDED"}}),
        "not STANDARD",
    ),
    ("cluster-without-extended-support", made("staging", EKS_CLUSTER), "not STANDARD"),
    (
        "database-private",
        made("staging", "aws:rds/clusterInstance:ClusterInstance", {"publiclyAccessible": True}),
        "publiclyAccessible",
    ),
    (
        "database-final-snapshot",
        made("staging", INSTANCE, {"snapshotIdentifier": "s", "skipFinalSnapshot": True}),
        None,
    ),
    (
        "database-final-snapshot",
        made("staging", INSTANCE, {"snapshotIdentifier": "s", "finalSnapshotIdentifier": "f"}),
        "a copy would leave",
    ),
    (
        "security-group-closed",
        made(
            "staging",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            {"cidrIpv4": "0.0.0.0/0"},
        ),
        "0.0.0.0/0 may connect",
    ),
    (
        "security-group-closed",
        made(
            "staging",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            {"cidrIpv4": "10.0.0.0/8"},
        ),
        None,
    ),
    (
        "security-group-closed",
        made(
            "staging",
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            {"type": "ingress", "cidrBlocks": ["0.0.0.0/0"]},
        ),
        "may connect",
    ),
    (
        "security-group-closed",
        made(
            "staging",
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]},
        ),
        None,
    ),
    (
        "security-group-closed",
        made(
            "staging",
            "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
            {"ingress": [{"cidrBlocks": ["0.0.0.0/0"]}]},
        ),
        "may connect",
    ),
    (
        "egress-narrow",
        made(
            "pr-42",
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            {"spec": {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}},
        ),
        "names no port",
    ),
    (
        "egress-narrow",
        made(
            "pr-42",
            "kubernetes:networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy",
            {
                "spec": {
                    "egress": [{"to": [{"domainNames": ["a.example"]}], "ports": [{"port": 1}]}]
                }
            },
        ),
        None,
    ),
    ("preview-holds-only", made("pr-42", "aws:iam/user:User"), "may not hold"),
    (
        "preview-holds-only",
        made("pr-42", "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"),
        "may not",
    ),
    ("preview-holds-only", made("staging", "aws:iam/user:User"), None),
    (
        "ingress-tls",
        made(
            "pr-42",
            INGRESS,
            {"metadata": {"annotations": {"alb.ingress.kubernetes.io/ssl-policy": "x"}}},
        ),
        "TLS policy is x",
    ),
    ("no-secret-holder", made("pr-42", "kubernetes:core/v1:Secret"), "in the state"),
    ("no-secret-holder", made("staging", "aws:iam/accessKey:AccessKey"), "in the state"),
    ("no-plain-secret", made("staging", "x", {"masterSecret": "arn:aws:secretsmanager:x"}), None),
    ("no-plain-secret", made("data-8", "x", {"masterSecret": "data-8"}), None),
    ("no-plain-secret", made("data-8", "x", {"masterSecret": "hunter2"}), "in plain text"),
    ("no-plain-secret", made("staging", "x", {"data": {"password": "{{ .password }}"}}), None),
    ("no-plain-secret", made("staging", "x", {"url": "https://host:443/path@x"}), None),
]


@pytest.mark.parametrize(("rule", "resource", "says"), MADE)
def test_a_rule_on_what_the_program_does_not_have(
    rule: str, resource: Declared, says: str | None
) -> None:
    found = BY_NAME[rule].complaints(resource)
    assert (found == []) if says is None else any(says in complaint for complaint in found), found


def test_an_ingress_that_goes_with_its_namespace_is_found(preview: Deployment) -> None:
    ingress = one(preview, INGRESS)
    assert BY_NAME["ingress-goes-first"].complaints(ingress) == []
    tied = replace(ingress, deleted_with="urn:pulumi:pr-42::previews::x::namespace")
    assert BY_NAME["ingress-goes-first"].complaints(tied) == ["it is deleted with namespace"]


def test_a_secret_that_a_stack_puts_out_is_found(preview: Deployment) -> None:
    rule = STACKS_BY_NAME["no-secret-output"]
    assert rule.complaints(declared(preview)) == []
    stack = changed(one(preview, STACK), ["adminPassword"], "hunter2")
    assert rule.complaints([stack]) == [(stack, "adminPassword is in plain text")]


def test_every_rule_is_tested_both_ways() -> None:
    fails = {name for name, *_ in BROKEN} | {name for name, _, says in MADE if says is not None}
    elsewhere = {rule.name for rule in wiring.RULES}
    assert {*BY_NAME} - fails - elsewhere == {"ingress-goes-first"}
    assert len(BY_NAME) == len(RULES)


@pytest.mark.parametrize("kind", ["staging", "preview", "platform", "branch", "data"])
def test_the_program_breaks_no_rule(kind: str, request: pytest.FixtureRequest) -> None:
    deployment: Deployment = request.getfixturevalue(kind)
    assert [str(violation) for violation in violations(declared(deployment))] == []


def test_a_violation_says_which_resource_breaks_which_rule(preview: Deployment) -> None:
    broken = changed(one(preview, INSTANCE), ["storageEncrypted"], False)
    assert [str(violation) for violation in violations([broken])] == [
        "database-encrypted: aws:rds/instance:Instance instance: storageEncrypted is not true"
    ]


@pytest.mark.parametrize(
    ("text", "same"), [("250m", "0.25"), ("1Gi", "1024Mi"), ("1", "1000m"), ("1.5", "1500m")]
)
def test_quantities_are_compared_by_value(text: str, same: str) -> None:
    assert quantity(text) == quantity(same)


def test_a_quantity_that_cannot_be_read_is_beyond_every_bound() -> None:
    assert quantity("much") > quantity("1000000Gi")


def test_a_bucket_without_a_block_of_public_access_is_found() -> None:
    check = STACKS_BY_NAME["bucket-guarded"].complaints
    bucket = made("pr-42", BUCKET, {"bucket": "pr-42-1"})
    assert check([bucket, made("pr-42", PUBLIC_ACCESS, {"bucket": "pr-42-1"})]) == []
    for others in ([], [made("pr-42", PUBLIC_ACCESS, {"bucket": "pr-42-2"})]):
        assert check([bucket, *others]) == [(bucket, "public access to it is not blocked")]
