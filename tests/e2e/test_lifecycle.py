"""From a label to nothing left, and from every accident between: the workflows, played."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.stack_name import PLATFORM_APP
from previews.pull_request.comment import marker
from sandbox.aws.client import client
from tests.e2e import customers
from tests.e2e.actions import Actions
from tests.e2e.images import is_in_registry
from tests.e2e.inventory import everything
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.runs import Run
from tests.e2e.world import World, commit, git
from tests.github import Fault, LocalGitHub
from tests.waiting import eventually

MARKER = marker(PLATFORM_APP)
LABEL = {"label": {"name": "preview"}}
DEPLOYS = [
    *("Check out the platform", "Get the images", "Get the tools", "Log in to the registry"),
    "Deploy",
]
ATTESTS = ["Get the SBOMs", "Attest which commit it is built from"]


@pytest.fixture
def ci(world: World) -> Iterator[Lifecycle]:
    with LocalGitHub(REPOSITORY) as hub:
        hub.state.pull(1)  # Somebody else's, open.
        yield Lifecycle(world, hub)


@pytest.fixture
def actions(ci: Lifecycle) -> Iterator[Actions]:
    # Not pytest's folder: it is pruned by later runs.
    with tempfile.TemporaryDirectory(prefix="previews-jobs-") as folder:
        yield Actions(ci, Path(folder))
    # No workflow's token may delete an environment, and a removal leaves it.
    refused = [
        one for one in ci.hub.refused if not (one[0] == "DELETE" and "/environments/" in one[1])
    ]
    assert refused == [], "a job needs a permission that it does not have"


def commits(world: World, number: int, count: int) -> list[str]:
    """Commits of a pull request's branch, one on the other; the checkout stays on main."""
    made = []
    git(world.checkout, "checkout", "--quiet", "-b", f"pull-{number}")
    for index in range(count):
        name = world.checkout / "service" / f"pull_{number}_{index}.py"
        name.write_text(f'"""Commit {index} of pull request {number}."""\n')
        made.append(commit(world.checkout, f"Commit {index} of pull request {number}"))
    git(world.checkout, "checkout", "--quiet", "main")
    return made


def served(world: World, stack: str) -> str:
    """Return the commit that a preview reports, after a round trip through its data."""
    with world.client(stack) as http:
        customers.crud_round_trip(http)
        return str(http.get("/version").json()["commit"])


def comment(ci: Lifecycle, number: int) -> str:
    """Return the text of a preview's comment."""
    [found] = ci.hub.state.comments_of(number)
    assert found.author.endswith("[bot]")
    assert found.body.startswith(MARKER)
    return found.body


def statuses(ci: Lifecycle, sha: str) -> list[str]:
    """Return the commit's statuses in order."""
    return [status["state"] for status in ci.hub.state.commit_statuses.get(sha, [])]


def assert_gone(ci: Lifecycle, number: int, before: set[str]) -> None:
    """Nothing is left of it anywhere, and its pull request says so."""
    assert everything(ci.world) == before
    assert f"`pr-{number}` is gone" in comment(ci, number)
    assert ci.hub.state.deployments_to(f"pr-{number}") == []


def close(ci: Lifecycle, actions: Actions, number: int) -> Run:
    """Close the pull request; returns the run that removes its preview."""
    ci.hub.state.close(number)
    [removal] = actions.happen("pull_request_target", "closed", number)
    return removal


def test_two_pushes_while_the_first_runs_then_a_close_during_an_up(
    ci: Lifecycle, actions: Actions, world: World
) -> None:
    before, stack = everything(world), "pr-2001"
    first, second, third = commits(world, 2001, 3)
    ci.pull(2001, head_sha=first)
    coming_up = actions.bring_up("labeled", 2001, **LABEL)
    actions.reach(coming_up, stack, 3)

    with actions.held("preview-2001"):
        ci.hub.state.push(2001, second)
        overtaken = actions.bring_up("synchronize", 2001)
        eventually(lambda: actions.waiting("preview-2001") == 1, "the second run waits")
        ci.hub.state.push(2001, third)
        newest = actions.bring_up("synchronize", 2001)
        eventually(lambda: actions.waiting("preview-2001") == 2, "the third run waits")
    coming_up.passed()
    assert actions.steps_of(coming_up, "deploy") == DEPLOYS + ATTESTS
    assert statuses(ci, first) == ["pending", "success"]
    overtaken.passed()
    assert actions.steps_of(overtaken, "deploy") == DEPLOYS, "the commit between is left out"
    assert statuses(ci, second) == []

    eventually(lambda: statuses(ci, third) == ["pending"], "the newest commit comes up")
    # Until Pulumi runs, a removal takes the deployment back.
    eventually(lambda: world.locks(stack) != [], "its `pulumi up` has begun")
    with newest.held():
        removal = close(ci, actions, 2001)
        eventually(lambda: actions.waiting("preview-2001") == 1, "the removal waits")
        assert actions.steps_of(removal, "destroy") == []
    newest.passed()
    assert statuses(ci, third) == ["pending", "success"], "what runs is never cut off"
    removal.passed()
    began = [run for run, job, _ in actions.began if job in {"deploy", "destroy"}]
    assert list(dict.fromkeys(began)) == [run.id for run in (coming_up, overtaken, newest, removal)]
    assert began == sorted(began, key=list(dict.fromkeys(began)).index), "one after the other"
    assert_gone(ci, 2001, before)


def test_a_preview_says_what_it_is_and_goes_though_it_conflicts(
    ci: Lifecycle, actions: Actions, world: World
) -> None:
    before = everything(world)
    [head] = commits(world, 2002, 1)
    pull = ci.pull(2002, head_sha=head)
    run = actions.bring_up("labeled", 2002, **LABEL).passed()
    [attested] = run.attested
    assert (attested["commit"], attested["ref"]) == (head, "refs/pull/2002/head")
    assert is_in_registry(world.settings, attested["image"])

    assert served(world, "pr-2002") == head
    text = comment(ci, 2002)
    for part in (
        f"[pr-2002](http://pr-2002.{world.settings.domain}:{world.settings.http_port}) is up",
        f"`{head[:12]}`",
        "database, namespace and secrets, prepare the database, migrate, roll the service out",
        "from staging's snapshot `rds:staging-",
        "a day",
        "https://github.test/local/checkout/actions/runs/",
    ):
        assert part in text
    [deployment] = ci.hub.state.deployments_to("pr-2002")
    assert (deployment.sha, deployment.transient) == (head, True)
    states = [status["state"] for status in deployment.statuses]
    assert states == ["queued", "in_progress", "success"]
    assert deployment.statuses[-1]["environment_url"].startswith("http://pr-2002.")
    assert statuses(ci, head) == ["pending", "success"]

    pull.mergeable = False
    close(ci, actions, 2002).passed()
    assert_gone(ci, 2002, before)
    # Events come twice.
    [again] = actions.happen("pull_request_target", "closed", 2002)
    again.passed()
    assert_gone(ci, 2002, before)


def test_a_reset_serves_the_same_image_with_fresh_data(
    ci: Lifecycle, actions: Actions, world: World
) -> None:
    before = everything(world)
    [head] = commits(world, 2007, 1)
    ci.pull(2007, head_sha=head)
    actions.bring_up("labeled", 2007, **LABEL).passed()
    served_before = world.outputs("pr-2007")["image"]
    with world.client("pr-2007") as http:
        placed = customers.create(http)
    inputs = {"pull-request": "2007", "reset-database": "true"}
    ci.hub.state.started.append(("preview.yml", "main", inputs))
    [reset] = actions.started()
    reset.passed()
    ran = {name for name, result in reset.results.items() if result != "skipped"}
    assert ran == {"decide", "reset"}
    assert served(world, "pr-2007") == head
    assert world.outputs("pr-2007")["image"] == served_before
    with world.client("pr-2007") as http:
        assert http.get(f"/customers/{placed['id']}").status_code == 404
    close(ci, actions, 2007).passed()
    assert_gone(ci, 2007, before)


def test_a_build_that_fails_reaches_nothing_and_the_pull_request_says_so(
    ci: Lifecycle, actions: Actions, world: World
) -> None:
    before = everything(world)
    git(world.checkout, "checkout", "--quiet", "-b", "pull-2005")
    (world.checkout / "Dockerfile").write_text("FROM scratch\nRUN false\n")
    head = commit(world.checkout, "Break the image")
    git(world.checkout, "checkout", "--quiet", "main")
    ci.pull(2005, head_sha=head)
    run = actions.bring_up("labeled", 2005, **LABEL).wait()
    assert run.conclusion == "failure"
    ran = {name: result for name, result in run.results.items() if result != "skipped"}
    assert ran == {"decide": "success", "build": "failure", "ended": "success"}, "".join(run.output)
    assert "job build failed" in comment(ci, 2005)
    assert statuses(ci, head)[-1] == "failure"
    [deployment] = ci.hub.state.deployments_to("pr-2005")
    assert deployment.statuses[-1]["state"] == "failure"
    assert everything(world) == before
    close(ci, actions, 2005).passed()


def test_a_run_that_is_cancelled_says_so_and_leaves_what_a_close_removes(
    ci: Lifecycle, actions: Actions, world: World
) -> None:
    before = everything(world)
    [head] = commits(world, 2006, 1)
    ci.pull(2006, head_sha=head)
    run = actions.bring_up("labeled", 2006, **LABEL)
    actions.reach(run, "pr-2006", 3)
    run.cancel()
    assert run.conclusion == "cancelled"
    assert world.locks("pr-2006") == [], "Pulumi has got the signal, and ended by itself"
    assert "cancelled" in comment(ci, 2006)
    assert statuses(ci, head)[0] == "pending"
    assert statuses(ci, head)[-1] in {"error", "failure"}
    close(ci, actions, 2006).passed()
    assert_gone(ci, 2006, before)


def test_a_lost_run_is_no_obstacle_to_a_close(
    ci: Lifecycle, actions: Actions, world: World
) -> None:
    """A sample; ``make kill-each`` does it after each operation."""
    before = everything(world)
    [head] = commits(world, 2003, 1)
    ci.pull(2003, head_sha=head)
    lost = actions.bring_up("labeled", 2003, **LABEL)
    actions.reach(lost, "pr-2003", 9)
    lost.lose()
    assert lost.conclusion == "cancelled"
    assert len(world.locks("pr-2003")) == 1, "and its lock is left"
    close(ci, actions, 2003).passed()
    assert_gone(ci, 2003, before)


def test_after_lost_runs_the_next_push_converges_and_the_sweep_removes(
    ci: Lifecycle, actions: Actions, world: World
) -> None:
    before = everything(world)
    first, second = commits(world, 2004, 2)
    ci.pull(2004, head_sha=first)
    lost = actions.bring_up("labeled", 2004, **LABEL)
    actions.reach(lost, "pr-2004", 12)
    lost.lose()

    ci.hub.state.run(lost.id, "in_progress")
    assert ci.previews("unlock", "2004", exits=1)["error"]["code"] == "lock-run-alive"
    assert len(world.locks("pr-2004")) == 1
    ci.hub.state.run(lost.id, "completed", "cancelled")
    assert [one["run"] for one in ci.previews("unlock", "2004")["broken"]] == [lost.id]

    ci.hub.state.push(2004, second)
    actions.bring_up("synchronize", 2004).passed()
    assert served(world, "pr-2004") == second
    # Its removal is lost, too: the sweep goes on with it.
    ci.hub.state.unlabel(2004, "preview")
    [removal] = actions.happen("pull_request_target", "unlabeled", 2004, **LABEL)
    resources = ci.operations("pr-2004")
    eventually(lambda: ci.operations("pr-2004") < resources, "a resource of it is gone")
    removal.lose()
    report = ci.previews("sweep", "--only", "2004", "--yes")
    assert outcomes(report) == {2004: "destroyed"}, report
    assert_gone(ci, 2004, before)


def outcomes(report: Any) -> dict[int, str]:
    return {entry["number"]: entry["outcome"] for entry in report["entries"]}


def test_sweep_of_orphans(ci: Lifecycle, world: World) -> None:
    """Without a pull request, without a stack, half-made and locked; the living ones stay."""
    before, hub = everything(world), ci.hub.state
    # A half-made stack, still locked by its run, which is over; its pull request is closed.
    ci.pull(2011)
    assert ci.up_killed_after("pr-2011", 9, run=21)
    assert len(world.locks("pr-2011")) == 1
    hub.close(2011)
    # Resources whose stack is lost.
    ci.pull(2012)
    hub.close(2012)
    lost = orphan(world, "lost", "pr-2012", REPOSITORY)
    client(world.settings, "iam").create_role(
        RoleName="pr-2012-secrets", AssumeRolePolicyDocument="{}"
    )
    # Another repository's, of the same name.
    other = orphan(world, "other", "pr-2012", "acme/other")
    # A stack whose pull request GitHub does not know.
    ci.record_owner("pr-2013", run=23)

    with_orphans = everything(world)
    for trouble in ({"fault": Fault.HUNG_UP}, {"fault": Fault.EMPTY, "path": "/pulls"}):
        ci.hub.fail(**trouble)
        ci.previews("sweep", "--yes", exits=1)
        ci.hub.heal()
    # Nobody has asked for all previews at once.
    ci.previews("sweep", "--yes", exits=1)
    confirmed = ("sweep", "--confirm", "3")
    assert outcomes(ci.previews(*confirmed)) == {2011: "due", 2012: "due", 2013: "kept"}
    assert everything(world) == with_orphans

    report = ci.previews(*confirmed, "--yes")
    assert outcomes(report) == {2011: "destroyed", 2012: "destroyed", 2013: "kept"}
    ec2 = client(world.settings, "ec2")
    groups = {group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]}
    assert {lost, other} & groups == {other}
    ec2.delete_security_group(GroupId=other)
    ci.previews("destroy", "2013")
    assert everything(world) == before


def orphan(world: World, name: str, stack: str, repository: str) -> str:
    """A security group with a stack's tags, made by nobody's state; returns its id."""
    ec2 = client(world.settings, "ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    tags = {"stack": stack, "repository": repository, "managed-by": "pulumi"}
    named = [{"Key": key, "Value": value} for key, value in tags.items()]
    ec2.create_tags(Resources=[group], Tags=named)
    return str(group)
