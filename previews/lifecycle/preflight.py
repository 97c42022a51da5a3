"""What has to hold before anything of a preview is made: a full house is found out here.

Every check is made, so that one run tells all that is wrong. Whether there is room is another
question than whether something is broken: the first answers itself with time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from previews.errors import PreviewsError
from previews.inventory.item import as_mapping, preview
from previews.lifecycle.database_mode import database_mode, project_mode
from previews.lifecycle.preflight_branch import TEMPLATE, template
from previews.lifecycle.preflight_report import Check, Report

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from previews.clients import Clients
    from previews.github.pulls import PullRequest

# An ALB has at most 100 rules, and past that an Ingress can't even be deleted.
MOST_RULES = 90
# One instance stays for staging's own replacement, which makes the new one first.
_SPARE_INSTANCES = 1
_GROUP_TAGS = ("ingress.k8s.aws/stack", "ingress.eks.amazonaws.com/stack")


def preflight(clients: Clients, stack: StackName) -> Report:
    """Look at everything that a preview needs.

    A preview that is there already takes no more room, and keeps its database.

    Raises:
        PreviewsError: Pulumi, GitHub or staging give no answer, without which nothing can be
            looked at.
    """
    names = {summary.name for summary in clients.stacks.all()}
    is_new = stack.value not in names
    looks: list[tuple[str, Callable[[Clients], Check]]] = [
        ("AWS account", _account),
        ("cluster", _cluster),
    ]
    if is_new:
        looks += [*_database(clients, stack), ("load balancer", _load_balancer)]
    checks = [_looked(name, look, clients) for name, look in looks]
    place = None
    if is_new:
        checks.append(_previews(clients, names))
        full = any(check.room and not check.passed for check in checks)
        if full and not clients.settings.local:
            place = place_in_queue(stack, names, clients.github.pulls.all_open(), clients)
    return Report(stack=stack.value, is_new=is_new, checks=checks, place=place)


def _database(clients: Clients, stack: StackName) -> list[tuple[str, Callable[[Clients], Check]]]:
    """What its database asks for: an instance of its own, or a clone of a template.

    Raises:
        PreviewsError: The labels ask for both.
    """
    pull = clients.pulls.read(stack.pull_request or 0)
    mode = database_mode(pull.labels) or project_mode(clients.settings.project)
    if mode == "branch":
        return [(TEMPLATE, template)]
    return [("snapshot of staging", _snapshot), ("RDS instances", _instances)]


def place_in_queue(
    stack: StackName, names: set[str], pulls: Iterator[PullRequest], clients: Clients
) -> int:
    """How many would come first, and one: those that ask for a preview, have none and are older."""
    waiting = {
        pull.number
        for pull in pulls
        if clients.settings.label in pull.labels and f"pr-{pull.number}" not in names
    }
    number = stack.pull_request or 0
    return 1 + sum(other < number for other in waiting)


def _looked(name: str, look: Callable[[Clients], Check], clients: Clients) -> Check:
    """A look; one that gets no answer has not passed."""
    try:
        return look(clients)
    except (BotoCoreError, ClientError, PreviewsError) as error:
        remedy = error.remedy if isinstance(error, PreviewsError) else ""
        why = error.why if isinstance(error, PreviewsError) else str(error)
        return Check(
            name=name,
            passed=False,
            detail=why,
            remedy=remedy or "check the credentials, the region and the role's permissions.",
        )


def _account(clients: Clients) -> Check:
    identity = clients.aws.client("sts").get_caller_identity()
    # <account>.dkr.ecr.<region>.amazonaws.com/<name>
    expected = clients.platform.images.repository_url.partition(".")[0]
    account = identity["Account"]
    if expected.isdecimal() and account != expected:
        return Check(
            name="AWS account",
            passed=False,
            detail=f"these are credentials of {account}, and the platform is in {expected}",
            remedy="log in to the platform's account.",
        )
    return Check(name="AWS account", passed=True, detail=f"{account}, as {identity['Arn']}")


def _cluster(clients: Clients) -> Check:
    count = sum(1 for _ in clients.cluster.each("namespaces"))
    return Check(
        name="cluster", passed=True, detail=f"{clients.cluster.name} answers, {count} namespaces"
    )


def _snapshot(clients: Clients) -> Check:
    instance = clients.platform.database.instance
    pages = clients.aws.client("rds").get_paginator("describe_db_snapshots")
    usable = []
    states = set()
    for page in pages.paginate(DBInstanceIdentifier=instance, SnapshotType="automated"):
        for snapshot in page["DBSnapshots"]:
            states.add(snapshot["Status"])
            if snapshot["Status"] == "available":
                usable.append(snapshot["SnapshotCreateTime"])
    if not usable:
        found = f"only {', '.join(sorted(states))}" if states else "none"
        return Check(
            name="snapshot of staging",
            passed=False,
            detail=f"no automated snapshot of {instance} can be restored: {found}",
            remedy="wait for the next backup window, or turn automated backups on.",
        )
    hours = (datetime.now(UTC) - max(usable)).total_seconds() / 3600
    return Check(
        name="snapshot of staging", passed=True, detail=f"the newest is {hours:.0f} hours old"
    )


def _instances(clients: Clients) -> Check:
    """AWS's own count, since Aurora, Neptune and DocumentDB take from the same quota."""
    quotas = clients.aws.client("rds").describe_account_attributes()["AccountQuotas"]
    quota = next(each for each in quotas if each["AccountQuotaName"] == "DBInstances")
    used, most = quota["Used"], quota["Max"]
    passed = used + _SPARE_INSTANCES < most
    return Check(
        name="RDS instances",
        passed=passed,
        detail=f"{used} of {most} are there",
        remedy="" if passed else "destroy previews, or ask AWS for more of quota L-7B6409FD.",
        room=True,
    )


def _load_balancer(clients: Clients) -> Check:
    rules, groups = _rules_and_groups(clients)
    passed = max(rules, groups) < MOST_RULES
    return Check(
        name="load balancer",
        passed=passed,
        detail=f"{rules} rules and {groups} target groups, at most {MOST_RULES}",
        remedy="" if passed else "destroy previews: past 100 not even an Ingress can go.",
        room=True,
    )


def _rules_and_groups(clients: Clients) -> tuple[int, int]:
    """How many of each the group's load balancer has; the fullest listener counts."""
    elb = clients.aws.client("elbv2")
    rules, groups = 0, 0
    for arn in _load_balancers(elb, clients.platform.ingress.group):
        for page in elb.get_paginator("describe_target_groups").paginate(LoadBalancerArn=arn):
            groups += len(page["TargetGroups"])
        for listeners in elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn):
            for listener in listeners["Listeners"]:
                pages = elb.get_paginator("describe_rules")
                found = pages.paginate(ListenerArn=listener["ListenerArn"])
                rules = max(rules, sum(len(page["Rules"]) for page in found))
    return rules, groups


def _load_balancers(elb: Any, group: str) -> Iterator[str]:
    for page in elb.get_paginator("describe_load_balancers").paginate(
        PaginationConfig={"PageSize": 20}
    ):
        arns = [balancer["LoadBalancerArn"] for balancer in page["LoadBalancers"]]
        if not arns:
            continue
        for described in elb.describe_tags(ResourceArns=arns)["TagDescriptions"]:
            tags = as_mapping(described["Tags"])
            if group in {tags.get(name) for name in _GROUP_TAGS}:
                yield described["ResourceArn"]


def _previews(clients: Clients, names: set[str]) -> Check:
    count, most = sum(preview(name) is not None for name in names), clients.settings.most
    passed = count < most
    return Check(
        name="previews",
        passed=passed,
        detail=f"{count} of at most {most} are there",
        remedy="" if passed else "close or unlabel a pull request, or raise PREVIEWS_MOST.",
        room=True,
    )
