from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.session import Session
from moto import mock_aws

from infra.stack_name import StackName
from previews.clients import Clients
from previews.data_refresh import PUBLICATIONS
from previews.errors import PreviewsError
from previews.preflight import preflight
from previews.preflight_branch import TEMPLATE
from previews.preflight_report import Report
from tests.github import LocalGitHub
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import PLATFORM, MemoryStacks, clients_of

STACK = StackName.parse("pr-42")


class CountingSession(Session):
    """A session whose RDS counts its instances as AWS does, which moto does not."""

    used = 12

    def client(self, name: str, *arguments: Any, **more: Any) -> Any:
        client = super().client(name, *arguments, **more)  # type: ignore[call-overload]
        if name == "rds":
            quota = {"AccountQuotaName": "DBInstances", "Used": self.used, "Max": 40}
            client.describe_account_attributes = lambda: {"AccountQuotas": [quota]}
        return client


class AnsweringCluster:
    name = "sandbox"

    def each(self, _kind: str) -> Iterator[object]:
        yield object()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with LocalGitHub() as hub, mock_aws():
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.pull(42, labels=["preview"])
        yield hub


@pytest.fixture
def clients(hub: LocalGitHub) -> Clients:
    """Everything as it has to be: staging with a snapshot, and room for all."""
    stacks = MemoryStacks()
    stacks.add("staging")
    clients = clients_of(stacks)
    clients.__dict__["aws"] = CountingSession(region_name="us-east-1")
    clients.__dict__["cluster"] = AnsweringCluster()
    boto3.client("rds", region_name="us-east-1").create_db_instance(
        DBInstanceIdentifier="staging",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="postgres",
        MasterUserPassword="only-for-tests",
        BackupRetentionPeriod=7,
    )
    return clients


def failing(report: Report) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


def test_a_preview_can_come_up(clients: Clients) -> None:
    report = preflight(clients, STACK)
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
    platform = PLATFORM.model_copy(
        update={"repository_url": "999999999999.dkr.ecr.us-east-1.amazonaws.com/previews"}
    )
    clients.__dict__["platform"] = platform
    report = preflight(clients, STACK)
    assert failing(report) == ["AWS account"]
    assert "999999999999" in report.broken[0].detail


def test_a_cluster_that_does_not_answer_is_named(clients: Clients) -> None:
    from previews.kubernetes import Cluster

    clients.__dict__["cluster"] = Cluster("no-such-context")
    report = preflight(clients, STACK)
    assert failing(report) == ["cluster"]
    assert "no-such-context" in report.broken[0].remedy


def test_without_a_usable_snapshot_nothing_is_begun(clients: Clients) -> None:
    platform = PLATFORM.model_copy(update={"database_instance": "elsewhere"})
    clients.__dict__["platform"] = platform
    assert failing(preflight(clients, STACK)) == ["snapshot of staging"]


@pytest.mark.parametrize(("used", "full"), [(38, False), (39, True), (40, True)])
def test_one_instance_of_the_quota_is_spared(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, used: int, full: bool
) -> None:
    monkeypatch.setattr(CountingSession, "used", used)
    report = preflight(clients, STACK)
    assert [check.name for check in report.full] == (["RDS instances"] if full else [])
    assert report.broken == []


@pytest.mark.parametrize(("groups", "full"), [(89, False), (90, True)])
def test_the_load_balancer_is_left_some_room(clients: Clients, groups: int, full: bool) -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    elb = boto3.client("elbv2", region_name="us-east-1")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{z}")[
            "Subnet"
        ]["SubnetId"]
        for n, z in enumerate("ab")
    ]
    tags = [{"Key": "ingress.k8s.aws/stack", "Value": "previews"}]
    arn = elb.create_load_balancer(Name="k8s-previews-1", Subnets=subnets, Tags=tags)[
        "LoadBalancers"
    ][0]["LoadBalancerArn"]
    made = [
        elb.create_target_group(Name=f"k8s-pr{n}-s", Protocol="HTTP", Port=80, VpcId=vpc)[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for n in range(groups)
    ]
    forward = {"Type": "forward", "TargetGroupArn": made[0]}
    listener = elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[forward]
    )["Listeners"][0]["ListenerArn"]
    for n, group in enumerate(made[1:], start=1):
        elb.create_rule(
            ListenerArn=listener,
            Priority=n,
            Conditions=[{"Field": "host-header", "Values": [f"pr-{n}.preview.example.com"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
    report = preflight(clients, STACK)
    assert [check.name for check in report.full] == (["load balancer"] if full else [])


def test_a_full_house_gives_a_place_in_the_queue(clients: Clients, hub: LocalGitHub) -> None:
    stacks: Any = clients.stacks
    for number in range(1, 21):
        stacks.add(f"pr-{number}")
        hub.state.pull(number, labels=["preview"])
    for number in (30, 31, 41, 42, 43):
        hub.state.pull(number, labels=["preview"] if number != 31 else ["bug"])
    report = preflight(clients, STACK)
    assert [check.name for check in report.full] == ["previews"]
    assert report.place == 3  # Behind 30 and 41.
    assert "number 3 in the queue" in report.text()


def test_a_full_house_is_told_in_the_pull_request(
    clients: Clients, hub: LocalGitHub, monkeypatch: pytest.MonkeyPatch, previews: Any
) -> None:
    stacks: Any = clients.stacks
    for number in range(1, 21):
        stacks.add(f"pr-{number}")
    hub.state.pull(42, labels=["preview"])
    monkeypatch.setattr("previews.commands.preflight.Clients", lambda: clients)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.test")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/orders")
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    code, _, complaint = previews("preflight", "42")
    assert code == 3
    assert "number 1 in the queue" in complaint
    (comment,) = hub.state.comments_of(42)
    assert "waits for room" in comment.body
    assert "number 1 in the queue" in comment.body
    assert "https://github.test/acme/orders/actions/runs/7" in comment.body


def test_what_is_broken_is_told_in_the_pull_request(
    clients: Clients, hub: LocalGitHub, monkeypatch: pytest.MonkeyPatch, previews: Any
) -> None:
    clients.__dict__["platform"] = PLATFORM.model_copy(update={"database_instance": "elsewhere"})
    hub.state.pull(42, labels=["preview"])
    monkeypatch.setattr("previews.commands.preflight.Clients", lambda: clients)
    code, _, _ = previews("preflight", "42")
    assert code == 1
    (comment,) = hub.state.comments_of(42)
    assert "did not come up" in comment.body
    assert "`preflight-failed` in the runbook" in comment.body
    assert "snapshot of staging" in comment.body


def test_that_nothing_could_be_asked_is_told_in_the_pull_request(
    hub: LocalGitHub, monkeypatch: pytest.MonkeyPatch, previews: Any
) -> None:
    clients = clients_of(MemoryStacks(fail_on="all"))
    hub.state.pull(42, labels=["preview"])
    monkeypatch.setattr("previews.commands.preflight.Clients", lambda: clients)
    assert previews("preflight", "42")[0] == 1
    (comment,) = hub.state.comments_of(42)
    assert "It stopped at all." in comment.body
    assert "`some-failure` in the runbook" in comment.body


def test_a_preview_that_is_there_needs_no_more_room(clients: Clients) -> None:
    stacks: Any = clients.stacks
    for number in range(30, 60):
        stacks.add(f"pr-{number}")
    report = preflight(clients, STACK)
    assert not report.is_new
    assert failing(report) == []


def test_a_snapshot_has_an_age(clients: Clients) -> None:
    (check,) = [c for c in preflight(clients, STACK).checks if c.name == "snapshot of staging"]
    assert check.detail == "the newest is 0 hours old"


@pytest.fixture
def branching(clients: Clients, hub: LocalGitHub) -> tuple[Clients, MemoryCluster]:
    """A pull request that asks for a clone, where the platform hands them out."""
    hub.state.pull(42, labels=["preview", "preview-db-branch"])
    cluster = MemoryCluster()
    on = PLATFORM.model_copy(update={"branches_namespace": "branches"})
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
    branching: tuple[Clients, MemoryCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients, cluster = branching
    publish(cluster, 9, ready=True)
    publish(cluster, 10, ready=True)
    publish(cluster, 11, ready=False)
    monkeypatch.setattr(CountingSession, "used", 40)
    report = preflight(clients, STACK)
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
    report = preflight(clients, STACK)
    assert [check.name for check in report.broken] == [TEMPLATE]
    assert found in report.broken[0].detail


def test_where_the_mode_is_off_the_label_is_named(
    branching: tuple[Clients, MemoryCluster],
) -> None:
    clients, _ = branching
    clients.__dict__["platform"] = PLATFORM
    report = preflight(clients, STACK)
    assert [check.name for check in report.broken] == [TEMPLATE]
    assert "preview-db-branch" in report.broken[0].remedy


def test_labels_for_two_modes_are_refused(clients: Clients, hub: LocalGitHub) -> None:
    hub.state.pull(42, labels=["preview", "preview-db-branch", "preview-db-snapshot"])
    with pytest.raises(PreviewsError, match="two modes at once"):
        preflight(clients, STACK)


def test_a_project_that_prefers_clones_needs_a_template(
    branching: tuple[Clients, MemoryCluster], hub: LocalGitHub, tmp_path: Path
) -> None:
    clients, cluster = branching
    publish(cluster, 9, ready=True)
    hub.state.pull(42, labels=["preview"])
    (tmp_path / "Pulumi.yaml").write_text("config: {database.mode: {default: branch}}")
    clients.__dict__["settings"] = clients.settings.model_copy(update={"project": tmp_path})
    assert TEMPLATE in {check.name for check in preflight(clients, STACK).checks}
    hub.state.pull(42, labels=["preview", "preview-db-snapshot"])
    assert TEMPLATE not in {check.name for check in preflight(clients, STACK).checks}
