from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from moto import mock_aws

from contract.app.containers import FurtherWeb, Image, Service
from contract.app.model import App
from contract.app.needs import Mail, Needs
from contract.preview import Preview
from previews.clients import Clients
from previews.commands._preflight import report_of, require_room
from previews.errors import PreviewsError
from previews.kubernetes import KubernetesObject
from previews.lifecycle.preflight import TEMPLATE, PreflightReport
from previews.lifecycle.refresh import PUBLICATIONS
from tests.contract.platform import PLATFORM, platform_with
from tests.github import LocalGitHub
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import MemoryStacks, clients_of

PREVIEW = Preview(42)
ELSEWHERE = "k8s-others-1"


def preflight(clients: Clients) -> PreflightReport:
    return report_of(clients, PREVIEW)


@cache
def shared(name: str) -> Any:
    """One client of a service for all tests: making one takes longer than most of them."""
    return boto3.client(
        name,  # type: ignore[call-overload]
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@dataclass
class Snapshots:
    """As many pages of `describe_db_snapshots` as there are lists of (status, hours of age)."""

    pages: list[list[tuple[str, float]]]
    asked: list[dict[str, str]] = field(default_factory=list)

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        self.asked.append(asked)
        for page in self.pages:
            made = [(status, datetime.now(UTC) - timedelta(hours=age)) for status, age in page]
            yield {"DBSnapshots": [{"Status": s, "SnapshotCreateTime": at} for s, at in made]}


@dataclass
class Rds:
    """RDS with these snapshots and this count of instances, which moto does not keep."""

    snapshots: Snapshots
    used: int = 12

    def get_paginator(self, operation: str) -> Snapshots:
        assert operation == "describe_db_snapshots"
        return self.snapshots

    def describe_account_attributes(self) -> dict[str, Any]:
        others = {"AccountQuotaName": "AllocatedStorage", "Used": 100_000, "Max": 100_000}
        quota = {"AccountQuotaName": "DBInstances", "Used": self.used, "Max": 40}
        return {"AccountQuotas": [others, quota]}


@dataclass
class Aws:
    """An account whose load balancers and identity are moto's."""

    rds: Rds

    def client(self, name: str) -> Any:
        return self.rds if name == "rds" else shared(name)


class AnsweringCluster:
    name = "sandbox"

    def each(self, _kind: str) -> Iterator[KubernetesObject]:
        yield KubernetesObject("namespaces", {"metadata": {"name": "kube-system"}})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    with LocalGitHub() as hub, mock_aws():
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.pull(42, labels=["preview"])
        yield hub


@pytest.fixture
def rds() -> Rds:
    """Staging's backups of some days, the newest not the last of the list, one still being made."""
    pages = [[("available", 52), ("available", 4)], [("available", 28), ("creating", 0)]]
    return Rds(Snapshots(pages))


@pytest.fixture
def clients(hub: LocalGitHub, rds: Rds) -> Clients:
    """Everything as it has to be: staging with snapshots, and room for all."""
    stacks = MemoryStacks()
    stacks.add("staging")
    clients = clients_of(stacks)
    clients.__dict__["aws"] = Aws(rds)
    clients.__dict__["cluster"] = AnsweringCluster()
    return clients


def test_a_platform_that_cannot_be_read_is_a_failed_check_of_each_that_needs_it(
    hub: LocalGitHub,
) -> None:
    stacks = MemoryStacks()
    stacks.add("staging")
    clients = clients_of(stacks)
    del clients.__dict__["platform"]
    clients.__dict__["_current_cluster"] = MemoryCluster()
    report = preflight(clients)
    assert [check.name for check in report.faults] == [
        "AWS account",
        "cluster",
        "snapshot of staging",
        "RDS instances",
        "load balancer",
        "previews",
    ]
    assert {check.detail for check in report.faults} == {"there is none"}


def failing(report: PreflightReport) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


def test_a_preview_can_come_up(clients: Clients) -> None:
    report = preflight(clients)
    assert failing(report) == []
    assert {check.name for check in report.checks} == {
        "AWS account",
        "cluster",
        "snapshot of staging",
        "RDS instances",
        "load balancer",
        "previews",
    }
    assert report.place is None


def test_credentials_of_another_account_are_named(clients: Clients) -> None:
    platform = platform_with(
        images={"repository_url": "999999999999.dkr.ecr.us-east-1.amazonaws.com/previews"}
    )
    clients.__dict__["platform"] = platform
    report = preflight(clients)
    assert failing(report) == ["AWS account"]
    assert "999999999999" in report.faults[0].detail


def test_a_cluster_that_does_not_answer_is_named(clients: Clients) -> None:
    from previews.kubernetes import Cluster

    clients.__dict__["cluster"] = Cluster("no-such-context")
    report = preflight(clients)
    assert failing(report) == ["cluster", "previews"]
    assert "no-such-context" in report.faults[0].remedy


@pytest.mark.parametrize(
    ("pages", "found"), [([[]], "none"), ([[("creating", 0)], [("failed", 9)]], "creating, failed")]
)
def test_without_a_usable_snapshot_nothing_is_begun(
    clients: Clients, rds: Rds, pages: list[list[tuple[str, float]]], found: str
) -> None:
    rds.snapshots.pages = pages
    report = preflight(clients)
    assert failing(report) == ["snapshot of staging"]
    assert report.faults[0].detail.endswith(found)
    assert report.place is None


def test_the_snapshot_is_of_staging_s_instance_and_made_by_aws(clients: Clients, rds: Rds) -> None:
    preflight(clients)
    assert rds.snapshots.asked == [
        {"DBInstanceIdentifier": "staging", "SnapshotType": "automated"},
    ]


@pytest.mark.parametrize(("used", "full"), [(38, False), (39, True), (40, True)])
def test_one_instance_of_the_quota_is_spared(
    clients: Clients, rds: Rds, used: int, full: bool
) -> None:
    rds.used = used
    report = preflight(clients)
    assert [check.name for check in report.full] == (["RDS instances"] if full else [])
    assert report.faults == []


@dataclass(frozen=True)
class Balancers:
    """Load balancers in an account, each with its listeners and rules."""

    vpc: str
    subnets: tuple[str, ...]

    @classmethod
    def none(cls) -> Balancers:
        ec2 = shared("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        parts = {"a": "10.0.0.0/24", "b": "10.0.1.0/24"}
        made = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"us-east-1{zone}")
            for zone, cidr in parts.items()
        ]
        return cls(vpc, tuple(each["Subnet"]["SubnetId"] for each in made))

    def add(
        self,
        name: str,
        group: str,
        *,
        groups: int,
        rules: tuple[int, ...] = (),
        key: str = "ingress.k8s.aws/stack",
    ) -> None:
        """Add one with so many target groups, and a listener for each number of rules."""
        elb = shared("elbv2")
        tags = [{"Key": key, "Value": group}, {"Key": "of", "Value": "x"}]
        [made] = elb.create_load_balancer(Name=name, Subnets=list(self.subnets), Tags=tags)[
            "LoadBalancers"
        ]
        arn = made["LoadBalancerArn"]
        targets = [
            elb.create_target_group(Name=f"{name}-{n}", Protocol="HTTP", Port=80, VpcId=self.vpc)[
                "TargetGroups"
            ][0]["TargetGroupArn"]
            for n in range(groups)
        ]
        for place, count in enumerate(rules or (groups,)):
            forward = {"Type": "forward", "TargetGroupArn": targets[0]}
            [listener] = elb.create_listener(
                LoadBalancerArn=arn, Protocol="HTTP", Port=80 + place, DefaultActions=[forward]
            )["Listeners"]
            # The listener's own last rule counts too.
            for n in range(1, count):
                elb.create_rule(
                    ListenerArn=listener["ListenerArn"],
                    Priority=n,
                    Conditions=[{"Field": "host-header", "Values": [f"pr-{n}.{name}.com"]}],
                    Actions=[{**forward, "TargetGroupArn": targets[n % groups]}],
                )


@pytest.mark.parametrize(
    ("groups", "rules", "full"), [(89, (89,), False), (90, (90,), True), (2, (3, 90), True)]
)
def test_the_load_balancer_is_left_some_room(
    clients: Clients, groups: int, rules: tuple[int, ...], full: bool
) -> None:
    balancers = Balancers.none()
    # Of another group, and beyond every bound.
    balancers.add(ELSEWHERE, "others", groups=2, rules=(95,))
    balancers.add("k8s-previews-1", "previews", groups=groups, rules=rules)
    report = preflight(clients)
    assert [check.name for check in report.full] == (["load balancer"] if full else [])
    [check] = [check for check in report.checks if check.name == "load balancer"]
    assert check.detail == f"{max(rules)} rules and {groups} target groups, at most 90"


@pytest.mark.parametrize(
    ("app", "fits"),
    [
        (App(), True),
        (App(needs=Needs(mail=Mail())), False),
        (App(service=Service(path="/api"), web={"page": FurtherWeb(image=Image())}), False),
    ],
)
def test_each_path_of_the_app_needs_room_on_the_load_balancer(
    clients: Clients, app: App, fits: bool
) -> None:
    clients.__dict__["app"] = app
    Balancers.none().add("k8s-previews-1", "previews", groups=2, rules=(89,))
    assert [check.name for check in preflight(clients).full] == ([] if fits else ["load balancer"])


def test_the_load_balancers_of_eks_itself_count_and_so_does_each_of_the_group(
    clients: Clients,
) -> None:
    balancers = Balancers.none()
    balancers.add(
        "k8s-previews-1", "previews", groups=2, rules=(4,), key="ingress.eks.amazonaws.com/stack"
    )
    balancers.add("k8s-previews-2", "previews", groups=3, rules=(1, 3))
    [check] = [c for c in preflight(clients).checks if c.name == "load balancer"]
    # Target groups add up, and the fullest listener counts.
    assert check.detail == "4 rules and 5 target groups, at most 90"


def test_a_full_house_gives_a_place_in_the_queue(clients: Clients, hub: LocalGitHub) -> None:
    stacks: Any = clients.stacks
    for number in range(1, 21):
        stacks.add(f"pr-{number}")
        hub.state.pull(number, labels=["preview"])
    for number in (30, 31, 41, 42, 43):
        hub.state.pull(number, labels=["preview"] if number != 31 else ["bug"])
    report = preflight(clients)
    assert [check.name for check in report.full] == ["previews"]
    assert report.place == 3  # Behind 30 and 41.
    assert "number 3 in the queue" in report.text()


def test_the_last_place_is_given_and_no_further_one(clients: Clients, hub: LocalGitHub) -> None:
    stacks: Any = clients.stacks
    for number in range(1, 20):
        stacks.add(f"pr-{number}")
    # Neither is a preview.
    for name in ("data-1", "somebody-s-own"):
        stacks.add(name)
    assert failing(preflight(clients)) == []
    stacks.add("pr-20")
    report = preflight(clients)
    assert [check.detail for check in report.full] == ["20 of at most 20 of all apps exist"]
    assert report.place == 1


def test_previews_of_all_apps_count(clients: Clients) -> None:
    """Another app's stacks are in another project; its namespaces are in the same cluster."""
    stacks: Any = clients.stacks
    cluster = MemoryCluster()
    clients.__dict__["cluster"] = cluster
    for number in range(1, 11):
        stacks.add(f"pr-{number}")
        for app in ("", "orders-"):
            cluster.add("namespaces", f"{app}pr-{number}", "")
    for name in ("orders-staging", "orders-branches", "kube-system"):
        cluster.add("namespaces", name, "")
    [check] = preflight(clients).full
    assert check.detail == "20 of at most 20 of all apps exist"


def test_a_person_is_shown_a_full_house_and_the_pull_request_is_not(
    clients: Clients, hub: LocalGitHub, monkeypatch: pytest.MonkeyPatch, previews: Any
) -> None:
    stacks: Any = clients.stacks
    for number in range(1, 21):
        stacks.add(f"pr-{number}")
    hub.state.pull(42, labels=["preview"])
    monkeypatch.setattr("previews.commands.preflight.Clients", lambda: clients)
    code, _, complaint = previews("preflight", "42")
    assert code == 3
    assert "number 1 in the queue" in complaint
    assert hub.state.comments_of(42) == []


def failures(clients: Clients) -> list[PreviewsError]:
    """Return the failures that a deployment shows in the pull request."""
    shown: list[PreviewsError] = []
    with pytest.raises((typer.Exit, PreviewsError, RuntimeError)):
        require_room(clients, Preview(42), show=lambda _: None, on_failure=shown.append)
    return shown


def test_what_is_broken_is_shown_in_the_pull_request(
    clients: Clients, rds: Rds, hub: LocalGitHub
) -> None:
    rds.snapshots.pages = []
    hub.state.pull(42, labels=["preview"])
    [shown] = failures(clients)
    assert shown.code == "preflight-failed"
    assert "snapshot of staging" in shown.why


def test_that_nothing_answers_is_shown_in_the_pull_request(hub: LocalGitHub) -> None:
    hub.state.pull(42, labels=["preview"])
    [shown] = failures(clients_of(MemoryStacks(fail_on="all")))
    assert shown.code == "some-failure"


def test_a_crash_is_shown_in_the_pull_request(
    hub: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("it broke")

    hub.state.pull(42, labels=["preview"])
    monkeypatch.setattr("previews.commands._preflight.preflight", crash)
    [shown] = failures(clients_of(MemoryStacks()))
    assert "RuntimeError: it broke" in str(shown)


def test_a_preview_that_is_there_needs_no_more_room(clients: Clients) -> None:
    stacks: Any = clients.stacks
    for number in range(30, 60):
        stacks.add(f"pr-{number}")
    report = preflight(clients)
    assert not report.is_new
    assert failing(report) == []


def test_a_snapshot_has_an_age(clients: Clients) -> None:
    (check,) = [c for c in preflight(clients).checks if c.name == "snapshot of staging"]
    assert check.detail == "the newest is 4 hours old"


@pytest.fixture
def branching(clients: Clients, hub: LocalGitHub) -> tuple[Clients, MemoryCluster]:
    """A pull request that asks for a clone, where the platform hands them out."""
    hub.state.pull(42, labels=["preview", "preview-db-branch"])
    cluster = MemoryCluster()
    on = platform_with(branches={"namespace": "branches"})
    clients.__dict__["platform"] = on
    clients.__dict__["cluster"] = cluster
    return clients, cluster


def publish(cluster: MemoryCluster, number: int, *, ready: bool) -> None:
    said = {"type": "Ready", "status": str(ready), "message": "it can't be reached"}
    created = datetime.now(UTC) - timedelta(hours=number)
    cluster.add(
        PUBLICATIONS,
        f"data-{number}",
        "branches",
        spec={"number": number, "snapshotCreated": created.isoformat()},
        status={"conditions": [said]},
    )


def test_a_clone_needs_a_template_and_no_instance(
    branching: tuple[Clients, MemoryCluster], rds: Rds
) -> None:
    clients, cluster = branching
    publish(cluster, 9, ready=True)
    publish(cluster, 10, ready=True)
    publish(cluster, 11, ready=False)
    rds.used = 40
    report = preflight(clients)
    assert failing(report) == []
    names = {check.name: check.detail for check in report.checks}
    assert names[TEMPLATE] == "data-10 has one, 10 hours old"
    assert names.keys() & {"snapshot of staging", "RDS instances"} == set()


@pytest.mark.parametrize(
    ("number", "found"), [(None, "none is published"), (9, "data-9: it can't be reached")]
)
def test_without_a_living_template_nothing_is_begun(
    branching: tuple[Clients, MemoryCluster], number: int | None, found: str
) -> None:
    clients, cluster = branching
    if number is not None:
        publish(cluster, number, ready=False)
    report = preflight(clients)
    assert [check.name for check in report.faults] == [TEMPLATE]
    assert found in report.faults[0].detail


def test_where_the_mode_is_off_the_label_is_named(
    branching: tuple[Clients, MemoryCluster],
) -> None:
    clients, _ = branching
    clients.__dict__["platform"] = PLATFORM
    report = preflight(clients)
    assert [check.name for check in report.faults] == [TEMPLATE]
    assert "preview-db-branch" in report.faults[0].remedy


def test_labels_for_two_modes_are_refused(clients: Clients, hub: LocalGitHub) -> None:
    hub.state.pull(42, labels=["preview", "preview-db-branch", "preview-db-snapshot"])
    with pytest.raises(PreviewsError, match="two modes"):
        preflight(clients)


def test_a_project_that_prefers_clones_needs_a_template(
    branching: tuple[Clients, MemoryCluster], hub: LocalGitHub, tmp_path: Path
) -> None:
    clients, cluster = branching
    publish(cluster, 9, ready=True)
    hub.state.pull(42, labels=["preview"])
    (tmp_path / "Pulumi.yaml").write_text("config: {database.mode: {default: branch}}")
    clients.__dict__["settings"] = clients.settings.model_copy(update={"project": tmp_path})
    assert TEMPLATE in {check.name for check in preflight(clients).checks}
    hub.state.pull(42, labels=["preview", "preview-db-snapshot"])
    assert TEMPLATE not in {check.name for check in preflight(clients).checks}
