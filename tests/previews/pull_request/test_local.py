"""Without GitHub: the working tree is the pull request, and the terminal shows its preview."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session
from moto import mock_aws

from previews import inventory
from previews.clients import Clients
from previews.pull_request.github_presenter import PullRequestPresenter
from previews.pull_request.terminal_presenter import TerminalPresenter
from previews.settings import Settings
from tests.contract.platform import PLATFORM
from tests.previews.memory_cluster import MemoryCluster


def local(**settings: Any) -> Clients:
    made = Clients(Settings.read(**{"local": True, **settings}))
    made.__dict__.update({"platform": PLATFORM, "cluster": MemoryCluster()})
    return made


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_any_number_is_the_working_tree_as_it_is(tmp_path: Path) -> None:
    clients = local(project=tmp_path, labels={"preview-keep"})
    (tmp_path / "file").write_text("one")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "One")
    git(tmp_path, "tag", "v1")
    head = git(tmp_path, "rev-parse", "HEAD")
    pull = clients.pulls.read(7)
    assert (pull.number, pull.head_sha, pull.labels) == (7, head[:12], {"preview-keep"})
    assert pull.is_open
    (tmp_path / "file").write_text("two")
    assert clients.pulls.read(7).head_sha == f"{head[:12]}-dirty"


def test_where_git_knows_no_commit_the_program_is_left_to_say_so(tmp_path: Path) -> None:
    assert local(project=tmp_path).pulls.read(7).head_sha == "the working tree"


def test_labels_and_the_choice_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Settings.read().local
    monkeypatch.setenv("PREVIEWS_LOCAL", "true")
    monkeypatch.setenv("PREVIEWS_LABELS", '["preview-db-branch"]')
    settings = Settings.read()
    assert settings.local
    assert settings.labels == {"preview-db-branch"}


def test_it_is_shown_where_it_was_asked_for() -> None:
    assert isinstance(local().presenter(42), TerminalPresenter)
    # A missing token is no choice: a workflow is not to deploy unseen.
    assert isinstance(Clients(Settings.read()).presenter(42), PullRequestPresenter)


def test_all_places_but_github_are_looked_at_whichever_repository_made_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("GITHUB_TOKEN")
    with mock_aws():
        clients = local()
        ecr = Session(region_name="us-east-1").client("ecr")
        ecr.create_repository(repositoryName=PLATFORM.images.repository)
        ec2 = Session(region_name="us-east-1").client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        group = ec2.create_security_group(GroupName="any", Description="any", VpcId=vpc)["GroupId"]
        tags = {"stack": "pr-42", "repository": "local/checkout"}
        named = [{"Key": key, "Value": value} for key, value in tags.items()]
        ec2.create_tags(Resources=[group], Tags=named)
        names = [place.name for place in clients.places]
        assert "GitHub" not in names
        assert {"Kubernetes", "RDS", "EC2", "IAM"} <= set(names)
        assert [item.id for item in inventory.look(clients.places)] == [group]
