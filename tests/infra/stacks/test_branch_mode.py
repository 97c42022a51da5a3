"""Mode ``branch``: what a preview, the platform and a shared server hold, and in which order."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from contract.kubernetes import APP_SECRET, MIGRATOR_SECRET
from contract.stack_name import PLATFORM_APP, StackName
from database.branches import names
from infra.errors import ProgramError
from infra.policies.catalogue import violations
from infra.stacks import main
from tests.infra.answers import CLONE
from tests.infra.app.test_pods import environment
from tests.infra.policies.resources import declared
from tests.infra.stacks.test_program import SERVICE, changes, held
from tests.infra.world import NEXT_COMMIT, PREVIEW_CONFIG, Cloud, Deployment, deploy

CLAIM = "kubernetes:previews.internal/v1alpha1:DatabaseBranch"
PUBLICATION = "kubernetes:previews.internal/v1alpha1:DatabaseGeneration"
JOB = "kubernetes:batch/v1:Job"
BUCKET = "aws:s3/bucket:Bucket"
NEEDING = """
service:
  environment: { URL: "{user}:{password}@{host}", BUCKET: "{bucket}", REDIS: "{redis_url}" }
workers: { queue: { command: work } }
database: { migrate: migrate }
hooks: { seed: seed, before_destroy: farewell }
needs: { bucket: {}, redis: {}, mail: {} }
"""
BRANCH_CONFIG = PREVIEW_CONFIG | {"database": {**PREVIEW_CONFIG["database"], "mode": "branch"}}


def test_a_preview_holds_nothing_of_aws(branch: Deployment) -> None:
    own = {
        ("aws:iam/role:Role", "reader-role"),
        ("aws:iam/rolePolicy:RolePolicy", "reader-permission"),
        (JOB, "prepare"),
        ("kubernetes:core/v1:ServiceAccount", "reader"),
        ("kubernetes:external-secrets.io/v1:ExternalSecret", "database-master"),
        ("kubernetes:external-secrets.io/v1:SecretStore", "store"),
    }
    assert set(held(branch)) == {*SERVICE} - own | {(CLAIM, "claim")}
    assert not [r.type for r in branch.registrations if r.type.startswith("aws:")]
    assert branch.cloud.calls == []


def test_a_preview_loads_nothing_of_aws(platform: Deployment) -> None:
    """Neither the provider nor its SDK: the first takes seconds, the second tenths of them."""
    script = """
import json, sys
from tests.infra.stacks.test_branch_mode import BRANCH_CONFIG
from tests.infra.world import *
from infra.stacks import main
deploy("pr-42", main, config=BRANCH_CONFIG, cloud=Cloud(staging=json.loads(sys.argv[1])))
print(sorted(name for name in sys.modules if name.partition(".")[0] == "pulumi_aws"))
"""
    facts = json.dumps(platform.outputs)
    done = subprocess.run(
        [sys.executable, "-c", script, facts], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_the_outputs_are_those_of_the_other_mode(branch: Deployment, preview: Deployment) -> None:
    assert preview.outputs.keys() - branch.outputs.keys() == {
        "prepareDatabase",
        "prepareImage",
        "prepareRules",
    }
    assert branch.outputs["databaseMode"] == "branch"
    assert branch.outputs["snapshot"] == CLONE["snapshot"]
    assert branch.outputs["snapshotCreated"] == CLONE["snapshotCreated"]


def test_no_password_of_a_master_is_anywhere_near(branch: Deployment) -> None:
    for resource in branch.registrations:
        assert "master" not in json.dumps(resource.inputs).lower(), resource.name


def test_the_pods_know_their_clone(branch: Deployment) -> None:
    service = environment(branch, "kubernetes:apps/v1:Deployment", "deployment")
    assert service["DATABASE_HOST"] == CLONE["host"]
    assert service["DATABASE_NAME"] == CLONE["database"]
    assert service["DATABASE_POOL_SIZE"] == "3"
    assert service["APP_SNAPSHOT"] == CLONE["snapshot"]
    migrate = environment(branch, JOB, "migrate")
    assert migrate["DATABASE_NAME"] == CLONE["database"]


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ((JOB, "migrate"), (CLAIM, "claim")),
        ((JOB, "migrate"), ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "default-deny")),
        ((CLAIM, "claim"), ("kubernetes:external-secrets.io/v1:ExternalSecret", "database-app")),
        (
            (CLAIM, "claim"),
            ("kubernetes:external-secrets.io/v1:ExternalSecret", "database-migrator"),
        ),
        ((CLAIM, "claim"), ("kubernetes:core/v1:Namespace", "namespace")),
        (("kubernetes:apps/v1:Deployment", "deployment"), (CLAIM, "claim")),
    ],
)
def test_what_comes_up_before_what(
    branch: Deployment, later: tuple[str, str], earlier: tuple[str, str]
) -> None:
    assert branch.comes_after(branch.one(*later), branch.one(*earlier))


def test_the_claim_goes_by_itself_so_that_a_destroy_waits_for_the_drop(branch: Deployment) -> None:
    claim = branch.one(CLAIM)
    assert claim.deleted_with == ""
    assert claim.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"
    assert claim.inputs["spec"] == {"servers": "branches"}


def test_a_second_up_changes_nothing(platform: Deployment, branch: Deployment) -> None:
    cloud = Cloud(staging=platform.outputs, own=branch.outputs)
    after = deploy("pr-42", main, config=BRANCH_CONFIG, cloud=cloud)
    assert changes(branch, after) == {}
    assert after.outputs == branch.outputs


def test_a_push_leaves_the_claim_alone(platform: Deployment, branch: Deployment) -> None:
    cloud = Cloud(staging=platform.outputs, own=branch.outputs)
    after = deploy("pr-42", main, config=BRANCH_CONFIG | {"commit": NEXT_COMMIT}, cloud=cloud)
    assert changes(branch, after).keys() & {"claim", "database-app", "database-migrator"} == set()


def test_a_claim_made_anew_is_migrated_again(platform: Deployment, branch: Deployment) -> None:
    class Anew(Cloud):
        def new_resource(self, args: Any) -> tuple[str, dict[str, Any]]:
            made, state = super().new_resource(args)
            if args.typ == CLAIM:
                state["metadata"]["uid"] = "another"
            return made, state

    cloud = Anew(staging=platform.outputs, own=branch.outputs)
    after = deploy("pr-42", main, config=BRANCH_CONFIG, cloud=cloud)
    assert changes(branch, after) == {"migrate": ["metadata"], "deployment": ["spec"]}


@pytest.fixture(scope="module")
def needing(platform: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Stack ``pr-42`` in mode ``branch`` of an app that needs a bucket and more."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "preview.yaml").write_text(NEEDING)
    published = platform.outputs["platform"]
    images = published["images"] | {
        name: f"copies/{name}@sha256:{64 * 'a'}" for name in ("redis", "mail")
    }
    outputs = platform.outputs | {"platform": published | {"images": images}}
    config = BRANCH_CONFIG | {"source": str(folder)}
    return deploy("pr-42", main, config=config, cloud=Cloud(staging=outputs))


def test_an_app_may_need_a_bucket_besides_its_clone(needing: Deployment) -> None:
    assert [str(violation) for violation in violations(declared(needing))] == []
    found = {r.type: r for r in needing.registrations if r.type.startswith("aws:")}
    assert found.keys() == {
        BUCKET,
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
    }
    for type_ in (BUCKET, "aws:iam/role:Role"):
        assert found[type_].inputs["tags"]["stack"] == "pr-42"
    assert needing.outputs["bucket"] == "pr-42-123456789012"
    assert needing.outputs["mailUrl"].endswith("/_mail")
    assert needing.outputs["databaseMode"] == "branch"
    for name in ("deployment", "worker-queue-deployment"):
        variables = environment(needing, "kubernetes:apps/v1:Deployment", name)
        assert variables["BUCKET"] == "pr-42-123456789012"


def test_pods_go_before_their_bucket_and_their_clone(needing: Deployment) -> None:
    """The last to be created is the first to be deleted; the namespace deletes neither."""
    bucket, claim = needing.one(BUCKET), needing.one(CLAIM)
    assert (bucket.deleted_with, claim.deleted_with) == ("", "")
    pods = [
        r
        for r in needing.registrations
        if r.type in {JOB, "kubernetes:apps/v1:Deployment"} and "needs:NeedServer$" not in r.urn
    ]
    assert {r.name for r in pods} == {
        "deployment",
        "worker-queue-deployment",
        "migrate",
        "seed",
    }
    for pod in pods:
        assert needing.comes_after(pod, bucket), pod.name
        assert needing.comes_after(pod, claim), pod.name
    permission = needing.one("aws:iam/rolePolicy:RolePolicy")
    assert needing.comes_after(needing.one(JOB, "migrate"), permission)


def test_a_platform_without_the_mode_says_how_to_turn_it_on(staging: Deployment) -> None:
    for stack, config in (("pr-42", BRANCH_CONFIG), ("data-8", PREVIEW_CONFIG)):
        given = {k: v for k, v in config.items() if stack == "pr-42" or k != "expires"}
        with pytest.raises(ProgramError, match="provides no databases") as caught:
            deploy(stack, main, config=given, cloud=Cloud(staging=staging.outputs))
        assert "previews:branches.enabled true" in caught.value.remedy


def test_a_server_is_published_last(data: Deployment) -> None:
    publication = data.one(PUBLICATION)
    for type_, name in (
        ("aws:rds/instance:Instance", "instance"),
        (JOB, "template"),
        ("kubernetes:external-secrets.io/v1:ExternalSecret", "data-8"),
    ):
        assert data.comes_after(publication, data.one(type_, name)), name
    assert publication.inputs["spec"] == {
        "number": 8,
        "host": "data-8.abc.eu-west-1.rds.amazonaws.com",
        "port": 5432,
        "sslMode": "verify-full",
        "masterSecret": "data-8",
        "snapshot": CLONE["snapshot"],
        "snapshotCreated": CLONE["snapshotCreated"],
    }


def test_the_template_is_made_by_the_data_room_and_stagings_rules(
    data: Deployment, platform: Deployment
) -> None:
    pod = data.one(JOB, "template").inputs["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == platform.outputs["platform"]["images"]["database"]
    assert container["command"] == ["python", "-m", "database.branches.template"]
    variables = environment(data, JOB, "template")
    assert variables["DATABASE_PASSWORD"] == "secret data-8/password"
    assert variables["DATABASE_SNAPSHOT"] == CLONE["snapshot"]
    assert variables["SCRUB_RULES"] == "/etc/previews/scrub.yaml"
    rules = data.one("kubernetes:core/v1:ConfigMap").inputs
    published = platform.outputs["platform"]["database"]["scrub_rules"]
    assert rules["data"] == {"scrub.yaml": published}
    assert rules["metadata"]["name"].startswith("data-8-rules-")
    assert rules["metadata"]["name"] in json.dumps(pod["volumes"])


def test_everything_of_a_server_is_in_the_platforms_namespace(data: Deployment) -> None:
    for resource in data.registrations:
        if resource.type.startswith("kubernetes:"):
            assert resource.inputs["metadata"]["namespace"] == "branches", resource.name
    role = json.loads(data.one("aws:iam/role:Role").inputs["assumeRolePolicy"])
    assert "system:serviceaccount:branches:data-8" in json.dumps(role)


def test_the_instance_is_a_copy_of_stagings_newest_snapshot(data: Deployment) -> None:
    instance = data.one("aws:rds/instance:Instance").inputs
    assert instance["identifier"] == "data-8"
    assert instance["instanceClass"] == "db.t4g.medium"
    assert instance["snapshotIdentifier"] == CLONE["snapshot"]
    assert instance["tags"]["kind"] == "data"


def test_staging_holds_the_controller_only_where_it_is_asked_for(
    staging: Deployment, platform: Deployment
) -> None:
    more = {(r.type, r.name) for r in platform.registrations if r.custom} - {
        (r.type, r.name) for r in staging.registrations if r.custom
    }
    assert ("kubernetes:apps/v1:Deployment", "branches-controller") in more
    assert {name for type_, name in more if type_.endswith("CustomResourceDefinition")} == {
        "databasebranches",
        "databasegenerations",
    }
    assert staging.outputs["platform"]["branches"]["namespace"] == ""
    assert platform.outputs["platform"]["branches"]["namespace"] == "branches"


def test_the_controller_may_read_two_secrets_of_previews_and_no_other(
    platform: Deployment,
) -> None:
    role = platform.one("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole").inputs
    secrets = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
    assert secrets == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "verbs": ["get"],
            "resourceNames": ["database-migrator", "database-app"],
        }
    ]
    for rule in role["rules"]:
        assert {"create", "delete", "update", "*"}.isdisjoint(rule["verbs"])


def test_the_controller_alone_gets_a_token(platform: Deployment) -> None:
    pod = platform.one("kubernetes:apps/v1:Deployment", "branches-controller")
    spec = pod.inputs["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is True
    assert spec["serviceAccountName"] == "branches"
    assert spec["containers"][0]["image"] == platform.outputs["platform"]["images"]["database"]
    assert spec["containers"][0]["command"] == ["python", "-m", "database.branches"]
    assert pod.inputs["spec"]["strategy"] == {"type": "Recreate"}


def test_program_and_controller_name_the_same_roles(branch: Deployment) -> None:
    """The program is the pull request's, the controller main's."""
    found = names.BranchNames.of(StackName.parse("pr-42").namespace)
    assert found is not None
    users = {
        secret: branch.one("kubernetes:external-secrets.io/v1:ExternalSecret", secret).inputs[
            "spec"
        ]["target"]["template"]["data"]["username"]
        for secret in (MIGRATOR_SECRET, APP_SECRET)
    }
    assert users == {MIGRATOR_SECRET: found.migrator, APP_SECRET: found.app}
    assert found.database == StackName.parse("pr-42").branch
    assert (MIGRATOR_SECRET, APP_SECRET) == ("database-migrator", "database-app")
    assert PLATFORM_APP.branches_namespace == "branches"
