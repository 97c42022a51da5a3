"""Each check passes where nothing is missing, and fails by name where one thing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import moto.settings
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from previews.doctor.finding import State
from previews.errors import Exit, PreviewsError
from tests.github import Fault
from tests.previews.doctor.conftest import (
    BUCKET,
    CERTIFICATE,
    FILES,
    ISSUER,
    ROLES,
    World,
    trust,
)

Change = Callable[[World], Any]


@pytest.fixture
def staging() -> Any:
    """A server that answers as staging does."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# Only the parent domain's servers know these; tests of their own are in test_reach.py.
BEYOND = {"delegation"}


def test_a_platform_that_lacks_nothing_passes_every_check(world: World, staging: str) -> None:
    report = world.examination(connect_to=staging).run()
    wrong = [f for f in report.findings if f.state is not State.FINE and f.name not in BEYOND]
    assert wrong == []
    assert all(finding.why for finding in report.findings)
    assert all(not f.remedy for f in report.findings if f.state is State.FINE)


def test_a_platform_on_an_existing_cluster_needs_no_zone(world: World) -> None:
    world.file |= {"dns": {}, "cluster": {"name": "previews"}}
    found = [world.finding(name) for name in ("zone", "configuration")]
    assert [finding.state for finding in found] == [State.FINE, State.FINE]
    assert all("your own" in finding.why for finding in found)


@pytest.mark.parametrize("key", ["EC_prime256v1", "RSA_4096"])
def test_a_certificate_with_a_key_that_acm_leaves_out_by_default_is_found(
    world: World, key: str
) -> None:
    without_certificate(world)
    acm = world.aws("acm")
    made = acm.request_certificate(DomainName=CERTIFICATE, ValidationMethod="DNS", KeyAlgorithm=key)
    acm.describe_certificate(CertificateArn=made["CertificateArn"])
    asked: list[dict[str, Any]] = []
    watch = "provide-client-params.acm.ListCertificates"
    acm.meta.events.register(watch, lambda params, **_: asked.append(params))
    assert world.finding("certificate").state is State.FINE
    # AWS has a default for it, which moto lacks.
    assert all(key in params["Includes"]["keyTypes"] for params in asked)
    assert asked


def test_ci_makes_the_checks_of_its_machine_alone(world: World, staging: str) -> None:
    report = world.examination(connect_to=staging).run(from_ci=True)
    assert [finding.name for finding in report.findings] == ["account", "cluster", "address"]
    assert report.exit_code is Exit.DONE
    assert world.hub.requests == []


def set_environment(name: str, **fields: Any) -> Change:
    def change(world: World) -> None:
        for field, value in fields.items():
            setattr(world.hub.state.settings.environments[name], field, value)

    return change


def without_variable(environment: str, name: str) -> Change:
    return lambda w: w.hub.state.settings.environments[environment].variables.pop(name)


def set_repository(**fields: Any) -> Change:
    def change(world: World) -> None:
        for field, value in fields.items():
            setattr(world.hub.state.settings, field, value)

    return change


def set_file(**keys: Any) -> Change:
    return lambda w: w.file.update(keys)


def set_github(**keys: Any) -> Change:
    return lambda w: w.file["github"].update(keys)


def set_trust(kind: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    def alter(world: World) -> None:
        document = trust(kind)
        change(document)
        world.aws("iam").update_assume_role_policy(
            RoleName=ROLES[kind], PolicyDocument=json.dumps(document)
        )

    return alter


def pull_request_rule(**parameters: Any) -> Change:
    return lambda w: w.hub.state.settings.rules[0]["parameters"].update(parameters)


def unprotect(world: World) -> None:
    s3 = world.aws("s3")
    s3.delete_public_access_block(Bucket=BUCKET)


def suspend(world: World) -> None:
    s3 = world.aws("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def without_certificate(world: World) -> None:
    acm = world.aws("acm")
    [one] = acm.list_certificates()["CertificateSummaryList"]
    acm.delete_certificate(CertificateArn=one["CertificateArn"])


def pending_certificate(world: World) -> None:
    without_certificate(world)
    # As moto has it without the fixture `world`, which sets it back.
    moto.settings.ACM_VALIDATION_WAIT = 60
    world.aws("acm").request_certificate(DomainName=CERTIFICATE, ValidationMethod="DNS")


def without_balancer(world: World) -> None:
    elb = world.aws("elbv2")
    [one] = elb.describe_load_balancers()["LoadBalancers"]
    elb.delete_load_balancer(LoadBalancerArn=one["LoadBalancerArn"])


def no_snapshot(world: World) -> None:
    world.session.rds.paginate = lambda **_: iter([{"DBSnapshots": []}])  # type: ignore[method-assign]


def no_room(world: World) -> None:
    world.session.rds.used = 40


def unreachable_cluster(world: World) -> None:
    def each(_kind: str) -> Any:
        raise PreviewsError("kubernetes-failed", "it", why="no route", remedy="look.")

    world.cluster.each = each  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("check", "change", "why", "remedy"),
    [
        # The zone, the configuration, the state.
        ("zone", set_file(dns={"zoneId": "ZNONE"}), "no hosted zone ZNONE", "create-hosted-zone"),
        ("zone", set_file(domain="preview.other.dev"), "does not hold", "dns.zoneId"),
        (
            "zone",
            set_file(dns={}, cluster={"name": "previews", "create": True}),
            "no hosted zone",
            "create-hosted-zone",
        ),
        (
            "configuration",
            set_file(dns={}, cluster={"name": "previews", "create": True}),
            "dns.zoneId is not set",
            "dns.zoneId",
        ),
        ("configuration", set_file(domain="preview.example.com"), "an example", "previews:domain"),
        ("configuration", set_file(domain=None), "domain: Input should be", "correct it"),
        ("configuration", lambda w: w.file.pop("domain"), "domain is not set", "previews:domain"),
        (
            "configuration",
            set_file(access={"cidrs": ["203.0.113.0/24"]}),
            "access.cidrs has 203.0.113.0/24",
            "previews:access.cidrs[0]",
        ),
        (
            "configuration",
            set_file(dns={"zoneId": "Z0123456789ABCDEFGHIJ"}),
            "dns.zoneId",
            "pulumi config set --stack staging --path 'previews:dns.zoneId'",
        ),
        (
            "configuration",
            set_file(notify={"secure": "v1:0123"}),
            "previews:notify is encrypted",
            "pulumi config rm --stack staging --path 'previews:notify'",
        ),
        (
            "configuration",
            set_file(labels=[{"team": "shop"}, {"token": {"secure": "v1:0123"}}]),
            "previews:labels[1].token is encrypted",
            "pulumi config rm --stack staging --path 'previews:labels[1].token'",
        ),
        ("state-bucket", suspend, "keeps no versions", "put-bucket-versioning"),
        ("state-bucket", unprotect, "public access is not blocked", "put-public-access-block"),
        ("state-bucket", set_github(stateBucket="acme-none"), "no bucket", "create-bucket"),
        ("state-key", set_github(stateKey="alias/none"), "no key alias/none", "create-alias"),
        ("state-key", lambda w: setattr(w, "provider", ""), "no key", "change-secrets-provider"),
        # Staging.
        ("certificate", without_certificate, "there is none", "pulumi up -s staging"),
        ("certificate", pending_certificate, "pending validation", "dig +short NS"),
        ("load-balancer", without_balancer, "has none", "kubectl describe ingress"),
        ("snapshot", no_snapshot, "no automated snapshot", "backup window"),
        ("quotas", no_room, "40 of 40", "L-7B6409FD"),
        ("cluster", unreachable_cluster, "does not answer here", "apiCidrs"),
        # The roles.
        ("repository", set_file(github=None), "names no repository", "github.repository acme"),
        ("repository", set_github(repositoryId=1), "repositoryId is '1'", "repositoryId 4217"),
        ("repository", set_github(repository="acme/Orders"), "acme/Orders", "acme/orders"),
        ("repository", set_github(branch="master"), "branch is 'master'", "branch main"),
        (
            "repository",
            set_repository(subject_prefix="repo:acme@1/orders@4217"),
            "'repo:acme@1/orders@4217'",
            "subjectPrefix repo:acme@1/orders@4217",
        ),
        (
            "repository",
            set_repository(use_default_subject=False),
            "a form of its own",
            "actions/oidc/customization/sub",
        ),
        (
            "roles",
            lambda w: w.aws("iam").delete_role(RoleName=ROLES["staging"]),
            "there is no role previews-deploy-staging",
            "pulumi up -s staging",
        ),
        (
            "roles",
            set_trust("preview", lambda d: d["Statement"].append(d["Statement"][0])),
            "2 statements",
            "pulumi up",
        ),
        # What guards the guard.
        ("branch-protection", set_repository(rules=[]), "force pushes", "rulesets"),
        (
            "branch-protection",
            pull_request_rule(require_code_owner_review=False),
            "no owner of the changed files",
            "require_code_owner_review",
        ),
        (
            "branch-protection",
            pull_request_rule(required_approving_review_count=0),
            "without an approved pull request",
            "rulesets",
        ),
        (
            "branch-protection",
            lambda w: w.hub.state.settings.rules.pop(),
            "main: it can be deleted",
            "deletion",
        ),
        ("code-owners", set_repository(files={}), "default branch", "commit .github/CODEOWNERS"),
        (
            "code-owners",
            set_repository(files={"docs/CODEOWNERS": "/infra/ @acme/platform\n"}),
            "no owner: .github/CODEOWNERS",
            "add a line",
        ),
        (
            "code-owners",
            set_repository(
                code_owners_errors=[
                    {
                        "line": 3,
                        "column": 1,
                        "kind": "Unknown owner",
                        "source": "/infra/ @acme/platform\n",
                        "message": "",
                        "path": ".github/CODEOWNERS",
                    }
                ]
            ),
            "line 3: Unknown owner",
            "line 3 of CODEOWNERS: /infra/ @acme/platform",
        ),
        (
            "workflows",
            lambda w: w.hub.state.settings.workflows.pop("preview-sweep.yml"),
            "not on the default branch: preview-sweep.yml",
            "merge",
        ),
        (
            "schedules",
            lambda w: w.hub.state.settings.workflows.update(
                {"preview-sweep.yml": "disabled_inactivity"}
            ),
            "preview-sweep.yml is disabled_inactivity",
            "gh workflow enable preview-sweep.yml --repo acme/orders",
        ),
        ("schedules", set_repository(workflows={}), "no workflow of previews", ""),
        (
            "token-permissions",
            set_repository(default_permissions="write"),
            "may write",
            "default_workflow_permissions=read",
        ),
        (
            "token-permissions",
            set_repository(may_approve=True),
            "may approve pull requests",
            "can_approve_pull_request_reviews=false",
        ),
        (
            "forks",
            set_repository(fork_approval="first_time_contributors"),
            "PREVIEWS_RUNNER names a runner of your own",
            "approval_policy=all_external_contributors",
        ),
        (
            "forks",
            set_repository(private=True, fork_secrets=True),
            "forks' runs get secrets",
            "send_secrets_and_variables=false",
        ),
        (
            "environments",
            lambda w: w.hub.state.settings.environments.pop("preview-infra"),
            "preview-infra is missing",
            "gh api -X PUT repos/acme/orders/environments/preview-infra",
        ),
        # Of what does not exist, nothing is right.
        *(
            (
                check,
                lambda w: w.hub.state.settings.environments.pop("preview-infra"),
                "preview-infra is missing",
                "gh api -X PUT repos/acme/orders/environments/preview-infra",
            )
            for check in ("environment-branches", "reviewers", "variables", "secrets")
        ),
        (
            "environment-branches",
            set_environment("preview", branches=None),
            "preview is open to every branch",
            "deployment-branch-policies -f name=main",
        ),
        (
            "environment-branches",
            set_environment("staging", branches={"main", "release/*"}),
            "staging is open to release/*",
            "gh api -X DELETE",
        ),
        (
            "environment-branches",
            set_environment("staging", branches=set()),
            "staging is not open to main",
            "deployment-branch-policies -f name=main",
        ),
        (
            "reviewers",
            set_environment("preview-infra", reviewers=[]),
            "preview-infra needs nobody's approval",
            "prevent_self_review",
        ),
        (
            "reviewers",
            set_environment("preview-infra", prevent_self_review=False),
            "approved by whoever started the run",
            "gh api orgs/acme/teams/TEAM --jq .id",
        ),
        (
            "reviewers",
            set_environment("preview", reviewers=["platform"]),
            "preview waits (required_reviewers)",
            '"reviewers": []',
        ),
        (
            "reviewers",
            set_environment("staging", wait_minutes=5),
            "staging waits (wait_timer)",
            '"wait_timer": 0',
        ),
        # What deployments need.
        (
            "labels",
            set_repository(variables={"PREVIEWS_LABEL": "try it"}),
            "label try it is missing",
            "gh label create 'try it' --repo acme/orders",
        ),
        (
            "labels",
            set_repository(labels={"Preview", "preview-keep"}),
            "label preview-infra is missing",
            "gh label create preview-infra --repo acme/orders",
        ),
        (
            "variables",
            without_variable("preview", "AWS_ROLE_ARN"),
            "preview has no AWS_ROLE_ARN",
            "gh variable set AWS_ROLE_ARN --env preview --repo acme/orders",
        ),
        (
            "variables",
            without_variable("staging", "IMAGE_REPOSITORY"),
            "staging has no IMAGE_REPOSITORY",
            "gh variable set IMAGE_REPOSITORY --env staging",
        ),
        (
            "variables",
            lambda w: w.hub.state.settings.environments["preview"].variables.update(
                AWS_ROLE_ARN="arn:aws:iam::123456789012:role/previews-deploy-staging"
            ),
            "and not role previews-deploy-preview",
            "AWS_ROLE_ARN --env preview",
        ),
        (
            "variables",
            set_github(stateBucket="acme-other"),
            "github.stateBucket acme-other",
            "previews:github.stateBucket acme-previews-state",
        ),
        (
            "secrets",
            set_repository(secrets={"PULUMI_ACCESS_TOKEN"}),
            "previews get what staging has",
            "gh secret delete PULUMI_ACCESS_TOKEN --repo acme/orders",
        ),
        (
            "secrets",
            set_repository(organization_secrets={"PULUMI_ACCESS_TOKEN"}),
            "of the repository or organization",
            "gh secret delete",
        ),
        (
            "secrets",
            without_variable("staging", "PULUMI_BACKEND_URL"),
            "staging has neither PULUMI_BACKEND_URL nor PULUMI_ACCESS_TOKEN",
            "gh secret set PULUMI_ACCESS_TOKEN --env staging",
        ),
        (
            "secrets",
            set_environment("preview", secrets={"PULUMI_ACCESS_TOKEN"}),
            "preview has PULUMI_ACCESS_TOKEN, and its state is in s3://",
            "gh secret delete PULUMI_ACCESS_TOKEN --env preview",
        ),
        (
            "runner",
            set_repository(variables={}),
            "not in cluster.apiCidrs (10.1.0.0/16)",
            "gh variable set PREVIEWS_RUNNER",
        ),
        (
            "attestations",
            set_repository(private=True, plan="team"),
            "its plan (team)",
            "gh variable set PREVIEWS_ATTEST --repo acme/orders --body false",
        ),
        (
            "attestations",
            set_repository(private=True),
            "hidden from this token",
            "PREVIEWS_ATTEST",
        ),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_mends_it(
    world: World, check: str, change: Change, why: str, remedy: str
) -> None:
    change(world)
    finding = world.finding(check)
    unreadable = check == "configuration" and why.startswith("domain: Input")
    assert finding.state is (State.UNREAD if unreadable else State.MISSING)
    assert why in finding.why
    assert remedy in "\n".join(finding.remedy)


@pytest.mark.parametrize(
    ("check", "change"),
    [
        # What a ruleset lacks, the older protection has.
        (
            "branch-protection",
            set_repository(
                rules=[],
                protection={
                    "required_pull_request_reviews": {
                        "dismiss_stale_reviews": True,
                        "require_code_owner_reviews": True,
                        "required_approving_review_count": 1,
                    },
                    "allow_force_pushes": {"enabled": False},
                    "allow_deletions": {"enabled": False},
                },
            ),
        ),
        ("forks", set_repository(fork_approval="first_time_contributors", variables={})),
        ("forks", set_repository(private=True)),
        ("runner", lambda w: (w.file.update(cluster={"apiCidrs": ["0.0.0.0/0"]}),)),
        ("attestations", set_repository(private=True, plan="enterprise")),
        ("attestations", set_repository(private=True, variables={"PREVIEWS_ATTEST": "false"})),
        ("labels", set_repository(labels={"PREVIEW", "Preview-Keep", "preview-infra"})),
        # The workflows read the name from a variable.
        (
            "labels",
            set_repository(
                labels={"try it", "preview-keep", "preview-infra"},
                variables={"PREVIEWS_LABEL": "try it"},
            ),
        ),
        (
            "secrets",
            lambda w: w.hub.state.settings.environments["preview"].variables.update(
                PULUMI_BACKEND_URL="https://api.pulumi.com"
            ),
        ),
        ("state-bucket", set_github(stateBucket=None)),
        ("state-key", set_github(stateKey=None)),
        (
            "variables",
            lambda w: (
                w.hub.state.settings.environments["preview"].variables.pop("AWS_REGION"),
                w.hub.state.settings.organization_variables.update(AWS_REGION="us-east-1"),
            ),
        ),
        (
            "secrets",
            lambda w: (
                without_variable("preview", "PULUMI_BACKEND_URL")(w),
                set_environment("preview", secrets={"PULUMI_ACCESS_TOKEN"})(w),
            ),
        ),
    ],
)
def test_another_way_of_being_right_passes(world: World, check: str, change: Change) -> None:
    change(world)
    finding = world.finding(check)
    assert (finding.state, finding.remedy) == (State.FINE, ())


RIGHTS = {
    "administration": {"token-permissions", "forks"},
    "actions": {
        "repository",
        "schedules",
        "environments",
        "environment-branches",
        "reviewers",
        "variables",
        "secrets",
    },
    "contents": {"code-owners", "workflows"},
    "issues": {"labels"},
    "environments": {"variables", "secrets"},
    "variables": {"forks", "labels", "variables", "secrets", "runner", "attestations"},
    "secrets": {"secrets"},
}


@pytest.mark.parametrize("answer", ["hidden", "invisible"])
@pytest.mark.parametrize("right", RIGHTS)
def test_what_the_token_may_not_read_is_unknown_and_the_right_is_named(
    world: World, right: str, answer: str
) -> None:
    getattr(world.hub.state.settings, answer).add(right)
    of_github = [check for check in world.examination().checks() if ": read" in check.right]
    assert len(of_github) >= 15
    findings = [check.run() for check in of_github]
    unread = {f.name: f for f in findings if f.state is State.UNREAD}
    assert unread.keys() == RIGHTS[right]
    for finding in unread.values():
        assert f"{right}: read" in finding.remedy[0], finding


def test_a_protection_that_cannot_be_read_is_not_taken_for_none(world: World) -> None:
    world.hub.state.settings.rules.clear()
    world.hub.state.settings.protection = {"allow_deletions": {"enabled": False}}
    world.hub.state.settings.invisible.add("administration")
    finding = world.finding("branch-protection")
    assert finding.state is State.UNREAD
    assert "administration: read" in finding.remedy[0]


def test_a_repository_that_does_not_show_its_files_is_not_one_without_code_owners(
    world: World,
) -> None:
    world.hub.state.settings.invisible.add("contents")
    assert world.finding("code-owners").state is State.UNREAD


def test_a_hub_that_is_down_is_unknown(world: World) -> None:
    world.hub.fail(Fault.UNAUTHORIZED)
    finding = world.finding("labels")
    assert finding.state is State.UNREAD
    assert "Bad credentials" in finding.why


class _Refusing:
    """An account in which nothing may be read, or nobody is logged in."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def client(self, _name: str) -> Any:
        raise self._error


def denied(operation: str) -> ClientError:
    details = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}
    return ClientError(details, operation)  # type: ignore[arg-type]


OF_AWS = {
    "zone": "route53:GetHostedZone",
    "state-bucket": "s3:GetBucketVersioning",
    "state-key": "kms:DescribeKey",
    "account": "sts:GetCallerIdentity",
    "certificate": "acm:ListCertificates",
    "load-balancer": "elasticloadbalancing:DescribeLoadBalancers",
    "snapshot": "rds:DescribeDBSnapshots",
    "quotas": "rds:DescribeAccountAttributes",
    "roles": "iam:GetRole",
}


@pytest.mark.parametrize(("check", "right"), OF_AWS.items())
def test_what_aws_refuses_is_unknown_and_the_right_is_named(
    world: World, check: str, right: str
) -> None:
    world.session = _Refusing(denied("Read"))  # type: ignore[assignment]
    finding = world.finding(check)
    assert finding.state is State.UNREAD
    assert right in finding.remedy[0]


def test_without_a_login_to_aws_nothing_is_known(world: World) -> None:
    world.session = _Refusing(NoCredentialsError())  # type: ignore[assignment]
    for check in OF_AWS:
        finding = world.finding(check)
        assert finding.state is State.UNREAD, check
        assert "aws sso login" in finding.remedy[0]


def test_a_staging_that_is_not_up_is_missing(world: World) -> None:
    def lacking() -> Any:
        raise PreviewsError("staging-outputs", "it", why="it lacks all of it", remedy="up.")

    examination = world.examination()
    object.__setattr__(examination, "platform", lacking)
    [staging] = [check.run() for check in examination.checks() if check.name == "staging"]
    assert staging.state is State.MISSING
    assert staging.remedy == ("pulumi up -s staging",)
    [address] = [check.run() for check in examination.checks() if check.name == "address"]
    assert address.state is State.UNREAD


def test_an_app_has_two_environments_and_its_own_entry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = world.project / "orders"
    folder.mkdir()
    (folder / "preview.yaml").write_text(
        "app: orders\nservice: {health: {live: /, ready: /}}\ndatabase: {migrate: 'true'}\n"
    )
    monkeypatch.setenv("PREVIEWS_APP", str(folder))
    own = {**world.file["github"], "name": "orders"}
    world.file["github"] = {**own, "repository": "acme/previews", "references": ["refs/tags/v1"]}
    world.file["apps"] = [own]
    for name in ("preview", "staging"):
        settings = world.hub.state.settings.environments
        settings[f"orders-{name}"] = settings.pop(name)
        settings[f"orders-{name}"].variables["AWS_ROLE_ARN"] = f"a:role/orders-deploy-{name}"
    for kind in ("preview", "staging"):
        document = trust(kind)
        equals = document["Statement"][0]["Condition"]["StringEquals"]
        equals[f"{ISSUER}:sub"] = f"repo:acme/orders:environment:orders-{kind}"
        equals[f"{ISSUER}:job_workflow_ref"] = [
            f"acme/previews/.github/workflows/{file}@refs/tags/v1" for file in FILES[kind]
        ]
        world.aws("iam").create_role(
            RoleName=f"orders-deploy-{kind}", AssumeRolePolicyDocument=json.dumps(document)
        )
    for name in ("repository", "roles", "environments", "reviewers", "variables", "workflows"):
        finding = world.finding(name)
        assert finding.state is State.FINE, finding
    assert world.finding("environments").why == "orders-preview, orders-staging"
    world.file["apps"] = []
    assert world.finding("repository").state is State.MISSING
