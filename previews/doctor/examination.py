"""All checks, in the order of the guide's steps.

A check reads what it needs when it runs, and what several checks need is read once. A new check is
a line here, a judgement beside the others, and its name beside a step of
docs/getting-started-aws.md: tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from contract.stack_name import StackName
from previews.doctor import aws, deployment, guards, reach
from previews.doctor.code_owners import LOCATIONS
from previews.doctor.expected import BACKEND, WORKFLOWS, Expected, StagingFile
from previews.doctor.finding import Check, Problem, Report, Verdict, verdict
from previews.errors import PreviewsError
from previews.lifecycle.preflight import (
    CheckResult,
    check_account,
    check_instances,
    check_load_balancer,
    check_snapshot,
)
from previews.pulumi.stack_file import read_secrets_provider

if TYPE_CHECKING:
    from boto3.session import Session

    from contract.app.model import App
    from contract.platform_outputs import PlatformOutputs
    from previews.github import GitHub
    from previews.github.repository import Identity
    from previews.kubernetes import Cluster
    from previews.settings import Settings

_ADMINISTRATION = "administration: read"
_ACTIONS = "actions: read"
_CONTENTS = "contents: read"


@dataclass(frozen=True)
class Examination:
    """Sources that the checks read, each opened when it is first needed.

    Attributes:
        settings: Settings of the command line.
        github: The repository on GitHub.
        account: The AWS account, without a region from staging's outputs.
        aws: The AWS account, in the platform's region.
        platform: Staging's outputs about the platform.
        cluster: The cluster.
        app: The app's description.
        connect_to: URL to connect to, for a name that this machine does not resolve.
    """

    settings: Settings
    github: GitHub
    account: Callable[[], Session]
    aws: Callable[[], Session]
    platform: Callable[[], PlatformOutputs]
    cluster: Callable[[], Cluster]
    app: Callable[[], App]
    connect_to: str | None = None

    def run(self, *, from_ci: bool = False) -> Report:
        """Make every check.

        Args:
            from_ci: True for those alone that depend on the machine they are made from.
        """
        checks = self.of_this_machine() if from_ci else self.checks()
        return Report(findings=tuple(check.run() for check in checks))

    def checks(self) -> list[Check]:
        """Return every check, in the order of the guide's steps."""
        return [
            Check("zone", "route53:GetHostedZone", self._zone),
            Check("configuration", "", lambda: aws.configuration(self._file)),
            Check(
                "state-bucket",
                "s3:GetBucketVersioning, s3:GetEncryptionConfiguration,"
                " s3:GetBucketPublicAccessBlock",
                self._state_bucket,
            ),
            Check("state-key", "kms:DescribeKey", self._state_key),
            Check("staging", "", self._staging),
            Check("delegation", "", self._delegation),
            *self.of_this_machine(),
            Check("certificate", "acm:ListCertificates", self._certificate),
            Check(
                "load-balancer",
                "elasticloadbalancing:DescribeLoadBalancers, elasticloadbalancing:DescribeTags",
                self._load_balancer,
            ),
            Check("snapshot", "rds:DescribeDBSnapshots", self._snapshot),
            Check("quotas", "rds:DescribeAccountAttributes", self._quotas),
            Check("repository", _ACTIONS, self._identity),
            Check("roles", "iam:GetRole", self._roles),
            Check("branch-protection", _ADMINISTRATION, self._branch),
            Check("code-owners", _CONTENTS, self._code_owners),
            Check("workflows", _CONTENTS, self._workflows),
            Check("schedules", _ACTIONS, self._schedules),
            Check("token-permissions", _ADMINISTRATION, self._token_permissions),
            Check("forks", "administration: read, variables: read", self._forks),
            Check("environments", _ACTIONS, self._environments),
            Check("environment-branches", _ACTIONS, self._environment_branches),
            Check("reviewers", _ACTIONS, self._reviewers),
            Check("labels", "issues: read, variables: read", self._labels),
            Check(
                "variables", "actions: read, environments: read, variables: read", self._variables
            ),
            Check(
                "secrets",
                "actions: read, environments: read, secrets: read, variables: read",
                self._secrets,
            ),
            Check("runner", "variables: read", self._runner),
            Check("attestations", "variables: read", self._attestations),
        ]

    def of_this_machine(self) -> list[Check]:
        """Return the checks whose result depends on the machine and its credentials."""
        return [
            Check("account", "sts:GetCallerIdentity", self._account),
            Check("cluster", "list namespaces in the cluster", self._cluster),
            Check("address", "", self._address),
        ]

    # Shared by several checks.

    @cached_property
    def _file(self) -> StagingFile:
        return StagingFile.read(self.settings)

    @cached_property
    def _expected(self) -> Expected:
        return Expected.of(self.settings, self._file)

    @property
    def _host(self) -> str:
        return StackName.parse("staging", self.settings.app_name).host(self._file.domain)

    @cached_property
    def _own_variables(self) -> dict[str, dict[str, str]]:
        read = self.github.settings
        return {
            name: read.variables(name)
            for name in self._expected.environments
            if name in read.environments
        }

    # AWS, and what this machine reaches.

    def _zone(self) -> Verdict:
        return aws.zone(self._file, aws.read_zone(self.account(), self._file.dns.zone_id))

    def _delegation(self) -> Verdict:
        return reach.delegation(self._host, self._file.domain)

    def _state_bucket(self) -> Verdict:
        name = self._state("state_bucket")
        if name is None:
            return verdict("github.stateBucket is not set: Pulumi Cloud keeps the state", [])
        return aws.bucket(name, aws.read_bucket(self.account(), name))

    def _state_key(self) -> Verdict:
        alias = self._state("state_key")
        if alias is None:
            return verdict("github.stateKey is not set: Pulumi Cloud encrypts", [])
        provider = read_secrets_provider(self.settings.project, "staging")
        return aws.key(alias, aws.read_key(self.account(), alias), provider)

    def _state(self, attribute: str) -> str | None:
        source = self._file.github
        value: str | None = getattr(source, attribute) if source is not None else None
        return value

    def _staging(self) -> Verdict:
        try:
            platform = self.platform()
        except PreviewsError as error:
            if error.code != "staging-outputs":
                raise
            return verdict("", [Problem(error.why, "pulumi up -s staging")])
        return verdict(f"up, in {platform.region}", [])

    def _account(self) -> Verdict:
        return _judged(check_account(self.aws(), self.platform()))

    def _cluster(self) -> Verdict:
        return reach.cluster(self.cluster)

    def _address(self) -> Verdict:
        return reach.address(reach.staging_url(self.platform(), self._host), self.connect_to)

    def _certificate(self) -> Verdict:
        platform = self.platform()
        state = aws.read_certificate(self.aws(), f"*.{platform.domain}")
        return aws.certificate(platform, state)

    def _load_balancer(self) -> Verdict:
        platform = self.platform()
        return aws.load_balancer(platform, aws.read_load_balancers(self.aws(), platform))

    def _snapshot(self) -> Verdict:
        return _judged(check_snapshot(self.aws(), self.platform()))

    def _quotas(self) -> Verdict:
        instances = check_instances(self.aws())
        rules = check_load_balancer(self.aws(), self.platform(), self.app())
        problems = [*_judged(instances).problems, *_judged(rules).problems]
        return verdict(f"instances: {instances.detail}; {rules.detail}", problems)

    def _roles(self) -> Verdict:
        expected, session = self._expected, self.account()
        problems = [
            problem
            for kind in expected.kinds
            for problem in aws.trust(
                expected, kind, self._file.github, aws.read_trust(session, expected.role(kind))
            )
        ]
        return aws.roles(problems, expected)

    @property
    def _repository(self) -> Identity:
        return self.github.repository.identity()

    # GitHub: what guards.

    def _identity(self) -> Verdict:
        read = self.github.settings
        return guards.identity(self._repository, read.subject(), self._expected.source)

    def _branch(self) -> Verdict:
        read = self.github.settings
        name = self._repository.default_branch
        rules = read.rules(name)
        judged = guards.branch(self._repository, rules, None)
        # The older protection needs more rights to be read: only where rulesets are not enough.
        if not judged.problems:
            return judged
        return guards.branch(self._repository, rules, read.protection(name))

    def _code_owners(self) -> Verdict:
        read = self.github.settings
        texts = (read.text(path) for path in LOCATIONS)
        text = next((text for text in texts if text is not None), None)
        errors = () if text is None else read.code_owners_errors()
        return guards.code_owners(self._expected, text, errors)

    def _token_permissions(self) -> Verdict:
        read = self.github.settings
        return guards.token_permissions(self._repository, read.token_permissions())

    def _forks(self) -> Verdict:
        read = self.github.settings
        if self._repository.private:
            return guards.private_forks(self._repository, read.private_forks())
        return guards.outsiders(self._repository, read.fork_approval(), read.shared_variables)

    def _environments(self) -> Verdict:
        read = self.github.settings
        return guards.environments(self._repository, self._expected, read.environments)

    def _environment_branches(self) -> Verdict:
        read = self.github.settings
        existing = [name for name in self._expected.environments if name in read.environments]
        open_to = {name: read.deployment_branches(name) for name in existing}
        return guards.environment_branches(
            self._repository, self._expected, read.environments, open_to
        )

    def _reviewers(self) -> Verdict:
        read = self.github.settings
        return guards.reviewers(self._repository, self._expected, read.environments)

    # GitHub: what deployments need.

    def _labels(self) -> Verdict:
        read = self.github.settings
        return deployment.labels(
            self._repository, self._expected, self.github.repository.labels(), read.shared_variables
        )

    def _workflows(self) -> Verdict:
        needed = WORKFLOWS if self._expected.app.is_platform else frozenset[str]()
        found = self.github.settings.workflow_files()
        return deployment.workflows(self._expected, found, needed)

    def _schedules(self) -> Verdict:
        read = self.github.settings
        return deployment.schedules(self._repository, self._expected, read.workflows())

    def _variables(self) -> Verdict:
        read = self.github.settings
        return deployment.variables(
            self._repository, self._expected, self._own_variables, read.shared_variables
        )

    def _secrets(self) -> Verdict:
        read = self.github.settings
        names = {name: read.secrets(name) for name in self._own_variables}
        backends = {
            name: {**read.shared_variables, **own}.get(BACKEND, "")
            for name, own in self._own_variables.items()
        }
        return deployment.secrets(
            self._repository, self._expected, names, read.shared_secrets, backends
        )

    def _runner(self) -> Verdict:
        read = self.github.settings
        networks = self._file.cluster.api_cidrs
        return deployment.runner(self._repository, networks, read.shared_variables)

    def _attestations(self) -> Verdict:
        read = self.github.settings
        # The plan is of interest in a private repository alone.
        of_organization = self._repository.private and self._repository.owner_type == "Organization"
        plan = read.plan() if of_organization else None
        return deployment.attestations(self._repository, plan, read.shared_variables)


def _judged(result: CheckResult) -> Verdict:
    """Return the judgement of a check of `previews preflight`."""
    problems = [] if result.passed else [Problem(result.detail, result.remedy)]
    return verdict(result.detail, problems)
