"""Two apps on one platform, in one repository, each with a preview of the same pull request."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.stack_name import PLATFORM_APP, AppName
from previews.pull_request.comment import marker
from tests.e2e import customers
from tests.e2e.inventory import everything
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.world import World, commit, git, pulumi_up
from tests.github import LocalGitHub

SECOND = AppName("second")
SAMPLE = (
    *("Dockerfile", ".dockerignore", "openapi.json", "scrub.yaml"),
    *("requirements", "service"),
)


@pytest.fixture(scope="module")
def second(world: World) -> Path:
    """The sample as another app, whose staging is on the platform of the checkout's own."""
    folder = world.checkout / str(SECOND)
    for name in SAMPLE:
        copy = shutil.copytree if (world.checkout / name).is_dir() else shutil.copy2
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(world.checkout / name, folder / name)  # type: ignore[operator]  both take two paths
    described = (world.checkout / "preview.yaml").read_text()
    (folder / "preview.yaml").write_text(f"app: {SECOND}\n{described}")
    project = world.checkout / "apps" / str(SECOND)
    project.mkdir(parents=True)
    staging = {
        "platform": "previews",
        "database": {
            "instanceClass": "db.t4g.medium",
            "engineVersion": "16",
            "sslMode": "require",
            "deletionProtection": False,
        },
    }
    config = {f"previews:{key}": value for key, value in staging.items()}
    (project / "Pulumi.staging.yaml").write_text(yaml.safe_dump({"config": config}))
    # Both apps are of one repository, so that nothing but the names tells them apart.
    git(world.checkout, "remote", "add", "origin", f"https://github.com/{REPOSITORY}")
    commit(world.checkout, "A second app")
    world.run("previews", "--app", str(folder), "list")
    pulumi(world, project, "stack", "init", "staging")
    pulumi(world, project, *pulumi_up("staging")[1:])
    return folder


def pulumi(world: World, folder: Path, *arguments: str) -> None:
    """Run Pulumi in the folder of another project."""
    ended = subprocess.run(
        ["pulumi", *arguments],
        cwd=folder,
        env=world.clients_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture
def ci(world: World) -> Iterator[Lifecycle]:
    with LocalGitHub(REPOSITORY) as hub:
        hub.state.pull(1)  # Somebody else's, open.
        yield Lifecycle(world, hub)


def named(world: World, number: int) -> tuple[set[str], set[str]]:
    """Return what there is of a pull request's two previews: the platform's own, the other's.

    It is in AWS, the cluster, processes, folders and Pulumi's state, where the app is a folder.
    """
    lines = {line for line in everything(world) if f"pr-{number}" in line}
    others = {line for line in lines if str(SECOND) in line}
    return lines - others, others


def test_one_is_swept_while_the_other_lives(
    ci: Lifecycle, world: World, second: Path, number: int
) -> None:
    own, other = f"pr-{number}", f"{SECOND}-pr-{number}"
    pull = ci.pull(number)
    ours = ci.previews("up", str(number))
    theirs = ci.previews("--app", str(second), "up", str(number))
    assert (ours["stack"], theirs["stack"]) == (own, other)

    written = {name: _write(world, name) for name in (own, other)}
    for name, customer in written.items():
        with world.client(name) as http:
            assert customers.exists(http, customer)
    listed = ci.previews("list")["previews"]
    assert {own, other} <= {each["summary"]["stack"] for each in listed}
    first_lines = {each.body.splitlines()[0] for each in ci.hub.state.comments_of(number)}
    assert first_lines == {marker(PLATFORM_APP), marker(SECOND)}
    assert ci.hub.state.deployments_to(own)
    assert ci.hub.state.deployments_to(other)
    before, others = named(world, number)
    assert before
    assert others

    # Both are due: one app's sweep lists and removes its own alone.
    pull.state = "closed"
    due = ci.previews("--app", str(second), "sweep")
    assert [(each["number"], each["outcome"]) for each in due["entries"]] == [(number, "due")]
    swept = ci.previews("--app", str(second), "sweep", "--yes")
    assert [each["outcome"] for each in swept["entries"]] == ["destroyed"]

    assert named(world, number) == (before, set())
    with world.client(own) as http:
        assert customers.exists(http, written[own])
    assert [each["stack"] for each in _previews_of(ci)] == [own]
    assert ci.hub.state.deployments_to(other) == []
    assert ci.hub.state.deployments_to(own)


def _write(world: World, stack: str) -> str:
    with world.client(stack) as http:
        return str(customers.create(http)["id"])


def _previews_of(ci: Lifecycle) -> list[Any]:
    return [each["summary"] for each in ci.previews("list")["previews"]]
