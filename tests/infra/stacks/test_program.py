"""Both kinds of stacks as a whole: what they hold, in which order, and what a push changes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pulumi
import pytest

from infra.errors import ProgramError
from infra.source import CHECKOUT
from infra.stacks import main
from tests.infra.world import (
    COMMIT,
    NEXT_COMMIT,
    PREVIEW_CONFIG,
    SNAPSHOTS,
    STAGING_CONFIG,
    Cloud,
    Deployment,
    Registration,
    deploy,
)

SERVICE = [
    ("aws:iam/role:Role", "reader-role"),
    ("aws:iam/rolePolicy:RolePolicy", "reader-permission"),
    ("docker-build:index:Image", f"image-{COMMIT[:12]}"),
    ("kubernetes:apps/v1:Deployment", "deployment"),
    ("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", "autoscaler"),
    ("kubernetes:batch/v1:Job", "migrate"),
    ("kubernetes:batch/v1:Job", "prepare"),
    ("kubernetes:core/v1:ConfigMap", "database-authorities"),
    ("kubernetes:core/v1:LimitRange", "limits"),
    ("kubernetes:core/v1:Namespace", "namespace"),
    ("kubernetes:core/v1:ResourceQuota", "quota"),
    ("kubernetes:core/v1:Service", "service"),
    ("kubernetes:core/v1:ServiceAccount", "reader"),
    ("kubernetes:core/v1:ServiceAccount", "service-account"),
    ("kubernetes:external-secrets.io/v1:ExternalSecret", "database-app"),
    ("kubernetes:external-secrets.io/v1:ExternalSecret", "database-master"),
    ("kubernetes:external-secrets.io/v1:ExternalSecret", "database-migrator"),
    ("kubernetes:external-secrets.io/v1:SecretStore", "store"),
    ("kubernetes:generators.external-secrets.io/v1alpha1:Password", "generator"),
    ("kubernetes:networking.k8s.io/v1:Ingress", "ingress"),
    ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "allow-dns-and-database"),
    ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "allow-load-balancer-service"),
    ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "default-deny"),
    ("kubernetes:policy/v1:PodDisruptionBudget", "disruption-budget"),
    ("pulumi:providers:kubernetes", "cluster"),
]
DATABASE = [
    ("aws:ec2/securityGroup:SecurityGroup", "firewall"),
    ("aws:rds/instance:Instance", "instance"),
]
PLATFORM = [
    ("aws:kms/alias:Alias", "data-alias"),
    ("aws:kms/key:Key", "data-key"),
    ("aws:ecr/lifecyclePolicy:LifecyclePolicy", "database-registry-lifecycle"),
    ("aws:ecr/lifecyclePolicy:LifecyclePolicy", "lifecycle"),
    ("aws:ecr/repository:Repository", "database-registry-images"),
    ("aws:ecr/repository:Repository", "images"),
    ("docker-build:index:Image", f"database-image-{COMMIT[:12]}"),
    ("aws:rds/subnetGroup:SubnetGroup", "subnets"),
]
TAGS = {
    "managed-by": "pulumi",
    "repository": "acme/orders",
    "commit": COMMIT,
}


def held(stack: Deployment) -> list[tuple[str, str]]:
    return sorted((r.type, r.name) for r in stack.registrations if r.custom)


def test_staging_holds_the_platform_and_its_own_service(staging: Deployment) -> None:
    published = ("kubernetes:core/v1:ConfigMap", "platform-outputs")
    assert held(staging) == sorted([*PLATFORM, *DATABASE, *SERVICE, published])


def test_a_preview_holds_a_service_and_its_database(preview: Deployment) -> None:
    rules = ("kubernetes:core/v1:ConfigMap", "scrub-rules")
    assert held(preview) == sorted([*DATABASE, *SERVICE, rules])


def test_both_are_the_same_components_but_for_the_database(
    staging: Deployment, preview: Deployment
) -> None:
    def components(stack: Deployment) -> set[tuple[str, str]]:
        return {
            (r.type, r.name)
            for r in stack.registrations
            if not r.custom and r.type != "pulumi:pulumi:Stack"
        }

    assert components(staging) - components(preview) == {
        ("previews:platform:DatabaseImage", "database-image"),
        ("previews:platform:EncryptionKey", "data"),
        ("previews:platform:Registry", "database-registry"),
        ("previews:platform:Registry", "registry"),
        ("previews:platform:StagingDatabase", "database"),
    }
    assert components(preview) - components(staging) == {
        ("previews:preview:SnapshotDatabase", "database"),
        ("previews:service:ScrubRules", "rules"),
    }


def test_the_outputs_of_a_preview(preview: Deployment) -> None:
    image = preview.outputs["image"]
    assert image.startswith("123456789012.dkr.ecr.eu-west-1.amazonaws.com/previews@sha256:")
    assert {
        k: v
        for k, v in preview.outputs.items()
        if k not in {"image", "prepareDatabase", "prepareImage", "prepareRules"}
    } == {
        "url": "https://pr-42.preview.example.com",
        "namespace": "pr-42",
        "health": "/health/ready",
        "commit": COMMIT,
        "expires": "2030-01-31T12:00:00Z",
        "databaseMode": "snapshot",
        "snapshot": "rds:staging-2029-12-30-03-05",
        "snapshotCreated": "2029-12-30T03:05:11Z",
    }


def test_the_outputs_of_staging(staging: Deployment) -> None:
    assert staging.outputs["url"] == "https://staging.preview.example.com"
    assert staging.outputs["expires"] == "never"
    platform = staging.outputs["platform"]
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert platform["images"]["database"].startswith(f"{registry}/previews-database@sha256:")
    assert platform["database"]["scrub_rules"] == (CHECKOUT.folder / "scrub.yaml").read_text()


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_every_taggable_aws_resource_says_whose_it_is(
    kind: str, request: pytest.FixtureRequest
) -> None:
    stack: Deployment = request.getfixturevalue(kind)
    expected = TAGS | (
        {"stack": "staging", "expires": "never"}
        if kind == "staging"
        else {"stack": "pr-42", "pull-request": "42", "expires": "2030-01-31T12:00:00Z"}
    )
    aws = [r for r in stack.registrations if r.type.startswith("aws:")]
    untagged = {r.type for r in aws if "tags" not in r.inputs}
    # AWS itself has no tags for these.
    assert untagged <= {
        "aws:kms/alias:Alias",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    }
    for resource in aws:
        if "tags" in resource.inputs:
            assert expected.items() <= resource.inputs["tags"].items(), resource.name


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_what_comes_up_before_what(kind: str, request: pytest.FixtureRequest) -> None:
    stack: Deployment = request.getfixturevalue(kind)
    job, deployment = "kubernetes:batch/v1:Job", "kubernetes:apps/v1:Deployment"
    secret = "kubernetes:external-secrets.io/v1:ExternalSecret"
    policy = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
    order = [
        ((job, "prepare"), (secret, "database-master")),
        ((job, "prepare"), (secret, "database-migrator")),
        ((job, "prepare"), (secret, "database-app")),
        ((job, "prepare"), ("kubernetes:core/v1:ResourceQuota", "quota")),
        ((job, "prepare"), ("kubernetes:core/v1:LimitRange", "limits")),
        ((job, "prepare"), ("kubernetes:core/v1:ServiceAccount", "service-account")),
        ((job, "prepare"), (policy, "default-deny")),
        ((job, "prepare"), (policy, "allow-dns-and-database")),
        ((job, "prepare"), ("aws:rds/instance:Instance", "instance")),
        ((job, "migrate"), (job, "prepare")),
        ((job, "migrate"), ("docker-build:index:Image", f"image-{COMMIT[:12]}")),
        ((deployment, "deployment"), (job, "migrate")),
        (("kubernetes:core/v1:Service", "service"), (deployment, "deployment")),
        (
            (secret, "database-master"),
            ("kubernetes:external-secrets.io/v1:SecretStore", "store"),
        ),
        ((secret, "database-master"), ("aws:iam/rolePolicy:RolePolicy", "reader-permission")),
        (
            ("kubernetes:external-secrets.io/v1:SecretStore", "store"),
            ("kubernetes:core/v1:ServiceAccount", "reader"),
        ),
        (
            (secret, "database-app"),
            ("kubernetes:generators.external-secrets.io/v1alpha1:Password", "generator"),
        ),
    ]
    for later, earlier in order:
        assert stack.comes_after(stack.one(*later), stack.one(*earlier)), (later, earlier)


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_the_ingress_is_last(kind: str, request: pytest.FixtureRequest) -> None:
    """And so it is the first to go."""
    stack: Deployment = request.getfixturevalue(kind)
    ingress = stack.one("kubernetes:networking.k8s.io/v1:Ingress")
    # What it does not wait for is what nothing in it needs: rules and names.
    rules = {"lifecycle", "database-registry-lifecycle"}
    elsewhere = {*rules, "cluster", "data-alias", "platform-outputs"}
    for resource in stack.registrations:
        if resource.custom and resource.urn != ingress.urn and resource.name not in elsewhere:
            assert stack.comes_after(ingress, resource), resource.name
            assert not stack.comes_after(resource, ingress), resource.name


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_what_goes_with_the_namespace(kind: str, request: pytest.FixtureRequest) -> None:
    stack: Deployment = request.getfixturevalue(kind)
    namespace = stack.one("kubernetes:core/v1:Namespace")
    alone = {"Namespace", "Ingress", "Deployment"}
    for resource in stack.registrations:
        if not resource.type.startswith("kubernetes:") or resource.type.rpartition(":")[2] in alone:
            assert resource.deleted_with == "", resource.name
        else:
            assert resource.deleted_with == namespace.urn, resource.name
            assert stack.comes_after(resource, namespace), resource.name


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_the_database_outlives_the_pods(kind: str, request: pytest.FixtureRequest) -> None:
    stack: Deployment = request.getfixturevalue(kind)
    deployment = stack.one("kubernetes:apps/v1:Deployment")
    assert stack.comes_after(deployment, stack.one("aws:rds/instance:Instance"))


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_everything_in_the_cluster_is_made_by_its_provider(
    kind: str, request: pytest.FixtureRequest
) -> None:
    stack: Deployment = request.getfixturevalue(kind)
    provider = stack.one("pulumi:providers:kubernetes")
    assert provider.inputs["context"] == "lab"
    for resource in stack.registrations:
        if resource.type.startswith("kubernetes:"):
            assert resource.provider.startswith(f"{provider.urn}::"), resource.name


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_everything_in_the_cluster_is_in_the_stacks_namespace(
    kind: str, request: pytest.FixtureRequest
) -> None:
    stack: Deployment = request.getfixturevalue(kind)
    name = "staging" if kind == "staging" else "pr-42"
    for resource in stack.registrations:
        if not resource.type.startswith("kubernetes:"):
            continue
        metadata = resource.inputs["metadata"]
        if resource.type == "kubernetes:core/v1:Namespace":
            assert metadata["name"] == name
        else:
            assert metadata["namespace"] == name, resource.name
            assert metadata["name"], resource.name


@pytest.mark.parametrize("kind", ["staging", "preview"])
def test_no_resource_holds_a_secret(kind: str, request: pytest.FixtureRequest) -> None:
    """A password may be named, templated or made in the cluster, and nothing else."""
    stack: Deployment = request.getfixturevalue(kind)
    marker = "4dabf18193072939515e22adb298388d"  # Pulumi's sign of a secret on the wire.
    for resource in stack.registrations:
        text = json.dumps(resource.inputs)
        assert marker not in text, resource.name
        for key in ("password", "masterPassword", "stringData", "registries"):
            assert f'"{key}": "' not in text.replace('"{{ .password }}"', "0"), resource.name
        assert resource.type != "kubernetes:core/v1:Secret"


def wire(resource: Registration) -> dict[str, Any]:
    """What the engine compares: the inputs, without changes that it is told to ignore."""
    inputs = json.loads(json.dumps(resource.inputs))
    for path in resource.ignore_changes:
        name, _, rest = path.partition("[")
        if rest:
            inputs.get(name, {}).pop(rest.strip('"]'), None)
        else:
            inputs.pop(name, None)
    return inputs


def changes(before: Deployment, after: Deployment) -> dict[str, list[str]]:
    """Names of all resources that differ, with the properties that do."""
    old = {r.urn: r for r in before.registrations if r.custom}
    new = {r.urn: r for r in after.registrations if r.custom}
    found: dict[str, list[str]] = {}
    for urn in sorted(old.keys() | new.keys()):
        if urn not in old or urn not in new:
            found[urn.rpartition("::")[2]] = ["+" if urn in new else "-"]
            continue
        one, other = wire(old[urn]), wire(new[urn])
        differing = sorted(k for k in one.keys() | other.keys() if one.get(k) != other.get(k))
        if differing:
            found[urn.rpartition("::")[2]] = differing
    return found


def push(staging: Deployment, preview: Deployment, **config: Any) -> Deployment:
    """Run again as a later push does, after an `up` that left its outputs behind."""
    pinned = {
        "identifier": preview.outputs["snapshot"],
        "created": preview.outputs["snapshotCreated"],
    }
    newer = {
        "dbSnapshotIdentifier": "rds:staging-2030-01-09-03-05",
        "dbInstanceIdentifier": "staging",
        "snapshotCreateTime": "2030-01-09T03:05:11Z",
        "status": "available",
    }
    cloud = Cloud(
        staging=staging.outputs,
        own=preview.outputs,
        snapshots=[*SNAPSHOTS, newer],
        pinned=pinned,
    )
    return deploy("pr-42", main, config=PREVIEW_CONFIG | config, cloud=cloud)


def test_a_second_up_changes_nothing_though_a_newer_snapshot_is_there(
    staging: Deployment, preview: Deployment
) -> None:
    again = push(staging, preview)
    assert changes(preview, again) == {}
    assert again.outputs == preview.outputs


def test_a_push_changes_the_image_the_migration_and_the_pods(
    staging: Deployment, preview: Deployment
) -> None:
    after = push(staging, preview, commit=NEXT_COMMIT, expires="2030-02-07T12:00:00+00:00")
    found = changes(preview, after)
    tags_only = {name for name, properties in found.items() if properties == ["tags"]}
    assert tags_only == {"firewall", "instance", "reader-role"}
    assert {name: found[name] for name in found.keys() - tags_only} == {
        f"image-{COMMIT[:12]}": ["-"],
        f"image-{NEXT_COMMIT[:12]}": ["+"],
        "migrate": ["metadata", "spec"],
        "deployment": ["spec"],
    }
    assert after.outputs["snapshot"] == preview.outputs["snapshot"]
    assert after.outputs["snapshotCreated"] == preview.outputs["snapshotCreated"]


def test_staging_moving_on_is_nothing_to_a_preview(
    staging: Deployment, preview: Deployment
) -> None:
    moved = deploy("staging", main, config=STAGING_CONFIG | {"commit": NEXT_COMMIT})
    assert moved.outputs["platform"] != staging.outputs["platform"]
    assert changes(preview, push(moved, preview)) == {}


def test_a_preview_whose_prepare_job_failed_gets_stagings_newer_image(
    staging: Deployment, preview: Deployment
) -> None:
    moved = deploy("staging", main, config=STAGING_CONFIG | {"commit": NEXT_COMMIT})
    # No output is recorded by an `up` that failed.
    again = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=moved.outputs))
    assert changes(preview, again) == {"prepare": ["metadata", "spec"]}


def moved_to(staging: Deployment, *, rules: str) -> dict[str, Any]:
    """Staging's outputs after an `up` with other rules."""
    outputs = json.loads(json.dumps(staging.outputs))
    outputs["platform"]["database"]["scrub_rules"] = rules
    return outputs


def test_a_preview_whose_scrub_failed_gets_corrected_rules(
    staging: Deployment, preview: Deployment
) -> None:
    corrected = moved_to(staging, rules="tables: {corrected: {truncate: for this test}}\n")
    # No output is recorded by an `up` that failed.
    again = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=corrected))
    found = changes(preview, again)
    assert found == {"scrub-rules": ["data", "metadata"], "prepare": ["metadata", "spec"]}
    names = [
        stack.one("kubernetes:core/v1:ConfigMap", "scrub-rules").inputs["metadata"]["name"]
        for stack in (preview, again)
    ]
    assert names[0] != names[1]


def test_other_rules_are_nothing_to_a_database_that_was_prepared(
    staging: Deployment, preview: Deployment
) -> None:
    cloud = Cloud(staging=moved_to(staging, rules="tables: {}\n"), own=preview.outputs)
    again = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=cloud)
    assert changes(preview, again) == {}
    assert again.outputs == preview.outputs


def test_the_job_of_a_copy_reads_the_rules_and_can_not_change_them(
    staging: Deployment, preview: Deployment
) -> None:
    rules = preview.one("kubernetes:core/v1:ConfigMap", "scrub-rules")
    assert rules.inputs["immutable"] is True
    assert rules.inputs["data"] == {"scrub.yaml": preview.outputs["prepareRules"]}
    prepare = preview.one("kubernetes:batch/v1:Job", "prepare")
    assert preview.comes_after(prepare, rules)
    pod = prepare.inputs["spec"]["template"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if "configMap" in volume]
    assert volume["configMap"]["name"] == rules.inputs["metadata"]["name"]
    (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == volume["name"]]
    assert mount["readOnly"] is True
    variables = {v["name"]: v.get("value") for v in pod["containers"][0]["env"]}
    assert variables["SCRUB_RULES"] == f"{mount['mountPath']}/scrub.yaml"
    assert "SCRUB_RULES" not in str(staging.one("kubernetes:batch/v1:Job", "prepare").inputs)


class Anew(Cloud):
    """The instance was replaced: it has the same address and another secret."""

    def new_resource(self, args: Any) -> tuple[str, dict[str, Any]]:
        made, state = super().new_resource(args)
        if args.typ == "aws:rds/instance:Instance":
            state["masterUserSecrets"] = [{"secretArn": "arn:aws:secretsmanager:::secret:2"}]
        return made, state


def test_a_database_made_anew_is_scrubbed_by_the_newest_rules(
    staging: Deployment, preview: Deployment
) -> None:
    """Its snapshot may have a column that the rules of the former one don't have."""
    cloud = Anew(staging=moved_to(staging, rules="tables: {}\n"), own=preview.outputs)
    again = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=cloud)
    assert again.outputs["prepareRules"] == "tables: {}\n"
    assert again.outputs["prepareDatabase"] != preview.outputs["prepareDatabase"]


def test_a_database_made_anew_is_prepared_and_migrated_again(
    staging: Deployment, preview: Deployment
) -> None:
    again = deploy(
        "pr-42",
        main,
        config=PREVIEW_CONFIG,
        cloud=Anew(staging=staging.outputs, own=preview.outputs),
    )
    assert changes(preview, again) == {
        "reader-permission": ["policy"],
        "database-master": ["spec"],
        "prepare": ["metadata"],
        "migrate": ["metadata"],
        "deployment": ["spec"],
    }


def test_an_image_that_ci_built_is_deployed_as_it_is(staging: Deployment) -> None:
    digest = "sha256:" + "ab" * 32
    stack = deploy(
        "pr-42",
        main,
        config=PREVIEW_CONFIG | {"image": digest},
        cloud=Cloud(staging=staging.outputs),
    )
    url = staging.outputs["platform"]["images"]["repository_url"]
    assert stack.outputs["image"] == f"{url}@{digest}"
    assert "docker-build:index:Image" not in {r.type for r in stack.registrations}


def test_a_preview_asks_aws_for_snapshots_and_nothing_else(preview: Deployment) -> None:
    assert preview.cloud.calls == [
        (
            "aws:rds/getSnapshots:getSnapshots",
            {"dbInstanceIdentifier": "staging", "snapshotType": "automated"},
        )
    ]


@pytest.mark.parametrize("stack", ["PR-42", "production", "pr-" + "1" * 70])
def test_an_unknown_stack_is_refused_before_anything_is_declared(stack: str) -> None:
    cloud = Cloud()
    with pytest.raises(pulumi.RunError, match=r"`staging`.*`pr-<n>`"):
        deploy(stack, main, cloud=cloud)
    assert cloud.calls == []


def test_a_preview_without_staging_is_told_to_bring_it_up() -> None:
    with pytest.raises(ProgramError, match="never brought up") as caught:
        deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=None))
    assert "pulumi up -s staging" in caught.value.remedy


def test_declaring_a_stack_leaves_nothing_behind(preview: Deployment) -> None:
    """Pulumi's settings are the process's own; the next test must not meet this one's."""
    from pulumi.runtime.settings import get_monitor, get_root_resource

    assert get_root_resource() is None
    assert get_monitor() is None


def test_a_preview_imports_no_more_than_it_needs(staging: Deployment) -> None:
    """Each of them takes 0.1 s or more (docs/decisions/0008-imports-cost-time.md)."""
    script = """
import json, sys
from tests.infra.world import *
from infra.stacks import main
facts = json.loads(sys.argv[1])
deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=facts))
# A package that is only reserved for later has not loaded its modules.
print(sorted(
    name.removesuffix(".outputs") for name in sys.modules
    if name.startswith(("pulumi_aws.", "pulumi_eks.")) and name.endswith(".outputs")
    and name.count(".") == 2
))
"""
    facts = json.dumps(staging.outputs)
    done = subprocess.run(
        [sys.executable, "-c", script, facts], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "['pulumi_aws.iam', 'pulumi_aws.rds']"
