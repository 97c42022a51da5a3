"""Checks before a deployment creates anything, so that a lack of room is found here.

Every check is made, so that one run reports all problems. Lack of room clears by itself, a fault
doesn't: the report keeps them apart. A new check is one function and one line in `preflight`; a
new kind of AWS or Kubernetes object in it is a row in infra/ci/permissions/table.py or
infra/ci/cluster_access.py, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict
from rich.markup import escape

from contract.preview import Preview
from previews.errors import PreviewsError
from previews.inventory.load_balancer import load_balancers
from previews.lifecycle.label_config import database_mode, project_mode
from previews.lifecycle.refresh import PUBLICATIONS

if TYPE_CHECKING:
    from boto3.session import Session

    from contract.app.model import App
    from contract.platform_outputs import PlatformOutputs
    from previews.kubernetes import Cluster
    from previews.pull_request.pull_requests import PullRequests
    from previews.pulumi.stacks import Stacks
    from previews.settings import Settings

# An ALB has at most 100 rules, and past that an Ingress can't even be deleted.
MOST_RULES = 90
TEMPLATE = "database template"
# One instance is left for the replacement of staging's, which creates the new one first.
_SPARE_INSTANCES = 1


class PreflightCheck(BaseModel):
    """Result of one check.

    Attributes:
        name: Name of the check.
        passed: True if it passed.
        detail: Facts that were found.
        remedy: Instruction for a person; empty where it passed.
        room: True if it is about room, which becomes free by itself.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    detail: str
    remedy: str = ""
    room: bool = False


class PreflightReport(BaseModel):
    """Results of all checks.

    Attributes:
        stack: Name of the preview.
        is_new: True if it has no stack yet.
        checks: Each check.
        place: Its place in the queue where there is no room; 1 is next.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    is_new: bool
    checks: list[PreflightCheck]
    place: int | None = None

    @property
    def faults(self) -> list[PreflightCheck]:
        """Failed checks that need a person."""
        return [check for check in self.checks if not check.passed and not check.room]

    @property
    def full(self) -> list[PreflightCheck]:
        """Failed checks that pass once there is room."""
        return [check for check in self.checks if not check.passed and check.room]

    def text(self) -> str:
        """Return the report for people."""
        lines = []
        for check in self.checks:
            mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
            lines.append(f"{mark} {check.name}: {escape(check.detail)}")
            if check.remedy:
                lines.append(f"    What to do: {escape(check.remedy)}")
        if self.place is not None:
            lines.append(f"{self.stack} is number {self.place} in the queue")
        return "\n".join(lines)


class CheckResult(NamedTuple):
    """Result of a check without its name, which `preflight` lists.

    Attributes:
        detail: Facts that were found.
        remedy: Instruction for a person; empty where it passed.
        passed: True if it passed.
        room: True if it is about room, which becomes free by itself.
    """

    detail: str
    remedy: str = ""
    passed: bool = True
    room: bool = False


def preflight(
    preview: Preview,
    *,
    stacks: Stacks,
    pulls: PullRequests,
    settings: Settings,
    aws: Callable[[], Session],
    platform: Callable[[], PlatformOutputs],
    cluster: Callable[[], Cluster],
    app: Callable[[], App],
) -> PreflightReport:
    """Check everything that a preview needs.

    An existing preview takes no more room, and keeps its database. The checks make the clients:
    one that can't be made is a failed check.

    Raises:
        PreviewsError: Pulumi or GitHub doesn't answer, or the labels contradict each other.
    """
    names = {summary.name for summary in stacks.all()}
    is_new = preview.stack.value not in names

    # The one list of checks, in the order in which they are reported.
    checks: list[tuple[str, Callable[[], CheckResult]]] = [
        ("AWS account", lambda: check_account(aws(), platform())),
        ("cluster", lambda: check_cluster(cluster())),
    ]
    if is_new and _mode(preview, pulls, settings) == "branch":
        checks += [(TEMPLATE, lambda: _template(cluster(), platform()))]
    elif is_new:
        checks += [
            ("snapshot of staging", lambda: check_snapshot(aws(), platform())),
            ("RDS instances", lambda: check_instances(aws())),
        ]
    if is_new:
        checks += [
            ("load balancer", lambda: check_load_balancer(aws(), platform(), app())),
            ("previews", lambda: _previews(names, cluster(), settings)),
        ]
    results = [_result(name, check) for name, check in checks]
    report = PreflightReport(stack=preview.name, is_new=is_new, checks=results)
    if report.full and not settings.local:
        place = _place_in_queue(preview, names, pulls, settings.label)
        report = report.model_copy(update={"place": place})
    return report


def _mode(preview: Preview, pulls: PullRequests, settings: Settings) -> str | None:
    return database_mode(pulls.read(preview.number).labels) or project_mode(settings.project_folder)


def _place_in_queue(preview: Preview, names: set[str], pulls: PullRequests, label: str) -> int:
    """Count those that request a preview, have none, and have a lower number; plus one."""
    waiting = {
        Preview(pull.number, preview.app) for pull in pulls.all_open() if label in pull.labels
    }
    return 1 + sum(other < preview and other.stack.value not in names for other in waiting)


def _result(name: str, check: Callable[[], CheckResult]) -> PreflightCheck:
    """Run a check; one that gets no answer has not passed."""
    try:
        finding = check()
    except PreviewsError as error:
        finding = _fault(error.why, error.remedy)
    except (BotoCoreError, ClientError) as error:
        finding = _fault(str(error), "check the credentials, the region and the permissions.")
    return PreflightCheck(name=name, **finding._asdict())


def _fault(detail: str, remedy: str) -> CheckResult:
    return CheckResult(detail, remedy, passed=False)


def _room(detail: str, remedy: str, *, passed: bool) -> CheckResult:
    return CheckResult(detail, "" if passed else remedy, passed=passed, room=True)


def check_account(aws: Session, platform: PlatformOutputs) -> CheckResult:
    """Check that the credentials are for the platform's account."""
    identity = aws.client("sts").get_caller_identity()
    # <account>.dkr.ecr.<region>.amazonaws.com/<name>
    expected = platform.images.repository_url.partition(".")[0]
    account = identity["Account"]
    if expected.isdecimal() and account != expected:
        detail = f"the credentials are for account {account}, and the platform is in {expected}"
        return _fault(detail, "log in to the platform's account.")
    return CheckResult(f"{account}, as {identity['Arn']}")


def check_cluster(cluster: Cluster) -> CheckResult:
    """Check that the cluster answers."""
    count = sum(1 for _ in cluster.each("namespaces"))
    return CheckResult(f"{cluster.name} answers, {count} namespaces")


def check_snapshot(aws: Session, platform: PlatformOutputs) -> CheckResult:
    """Check that a snapshot of staging can be restored."""
    instance = platform.database.instance
    pages = aws.client("rds").get_paginator("describe_db_snapshots")
    usable = []
    states = set()
    for page in pages.paginate(DBInstanceIdentifier=instance, SnapshotType="automated"):
        for snapshot in page["DBSnapshots"]:
            states.add(snapshot["Status"])
            if snapshot["Status"] == "available":
                usable.append(snapshot["SnapshotCreateTime"])
    if not usable:
        found = f"only {', '.join(sorted(states))}" if states else "none"
        return _fault(
            f"no automated snapshot of {instance} can be restored: {found}",
            "wait for the next backup window, or turn automated backups on.",
        )
    return CheckResult(f"the newest is {_hours_since(max(usable))} hours old")


def _template(cluster: Cluster, platform: PlatformOutputs) -> CheckResult:
    """Check that a server has a template to clone; the controller takes the newest such server."""
    if not platform.branches.namespace:
        return _fault(
            "the platform provides no databases in mode branch",
            "remove label preview-db-branch, or set previews:branches.enabled of stack staging"
            " and run `previews refresh`.",
        )
    servers = {
        one.name: dict(one.raw)
        for one in cluster.each(PUBLICATIONS, namespace=platform.branches.namespace)
    }
    ready = {name: s for name, s in servers.items() if _ready(s).get("status") == "True"}
    if not ready:
        found = "; ".join(
            f"{name}: {_ready(server).get('message') or 'its controller has not checked it yet'}"
            for name, server in sorted(servers.items())
        )
        detail = f"no server has one: {found or 'none is published'}"
        return _fault(detail, "run `previews refresh`.")
    newest = max(ready.values(), key=lambda server: server["spec"]["number"])
    hours = _hours_since(datetime.fromisoformat(newest["spec"]["snapshotCreated"]))
    return CheckResult(f"{newest['metadata']['name']} has one, {hours} hours old")


def _ready(server: dict[str, Any]) -> dict[str, Any]:
    conditions = server.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one.get("type") == "Ready"), {})


def _hours_since(time: datetime) -> str:
    return f"{(datetime.now(UTC) - time).total_seconds() / 3600:.0f}"


def check_instances(aws: Session) -> CheckResult:
    """Read AWS's own count, since Aurora, Neptune and DocumentDB use the same quota."""
    quotas = aws.client("rds").describe_account_attributes()["AccountQuotas"]
    quota = next(each for each in quotas if each["AccountQuotaName"] == "DBInstances")
    used, most = quota["Used"], quota["Max"]
    return _room(
        f"{used} of {most} exist",
        "destroy previews, or request a higher quota L-7B6409FD from AWS.",
        passed=used + _SPARE_INSTANCES < most,
    )


def check_load_balancer(aws: Session, platform: PlatformOutputs, app: App) -> CheckResult:
    """Count on the group's load balancer; of its listeners the fullest counts.

    The preview adds a rule and a target group for each of its paths.
    """
    added = 1 + len(app.web) + (app.needs.mail is not None)
    elb = aws.client("elbv2")
    rules, groups = 0, 0
    for balancer in load_balancers(aws, platform.ingress.group):
        arn = balancer["LoadBalancerArn"]
        # By the balancer's ARN, one without any is an error, as before the first preview.
        for page in elb.get_paginator("describe_target_groups").paginate():
            groups += sum(arn in group["LoadBalancerArns"] for group in page["TargetGroups"])
        for listeners in elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn):
            for listener in listeners["Listeners"]:
                pages = elb.get_paginator("describe_rules")
                found = pages.paginate(ListenerArn=listener["ListenerArn"])
                rules = max(rules, sum(len(page["Rules"]) for page in found))
    return _room(
        f"{rules} rules and {groups} target groups, at most {MOST_RULES}",
        "destroy previews: past 100 not even an Ingress can be deleted.",
        passed=max(rules, groups) + added <= MOST_RULES,
    )


def _previews(names: set[str], cluster: Cluster, settings: Settings) -> CheckResult:
    """Count the app's stacks, and the namespaces of other apps, whose stacks CI may not read."""
    own = {Preview.of_stack(name, settings.app_name) for name in names}
    all_apps = {Preview.of_resource(one.name) for one in cluster.each("namespaces")}
    count = len((own | all_apps) - {None})
    return _room(
        f"{count} of at most {settings.most} of all apps exist",
        "close or unlabel a pull request, or raise PREVIEWS_MOST.",
        passed=count < settings.most,
    )
