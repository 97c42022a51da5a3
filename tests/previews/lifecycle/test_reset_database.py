"""Fresh data for a living preview, in both modes, and what the pull request shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.preview import Preview
from previews.clients import Clients
from previews.errors import PreviewsError
from previews.lifecycle import branch_reset, deploy
from previews.lifecycle.smoke import SmokeCheck, SmokeReport
from tests.github import LocalGitHub
from tests.previews.bringing import OUTPUTS, RecordedStacks, clients, resources

PR = Preview(42)
IMAGE = "registry.test/previews@sha256:" + "1" * 64
COMMIT = "c" * 40
RUN = "https://github.test/run/1"


@pytest.fixture
def github() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        server.state.pull(42, head_sha="a" * 40, labels=["preview"])
        yield server


def living(mode: str, **outputs: Any) -> RecordedStacks:
    """A preview that serves an earlier commit than the pull request's head."""
    stacks = RecordedStacks()
    stacks.create("pr-42")
    all_outputs = {**OUTPUTS, "databaseMode": mode, "image": IMAGE, "commit": COMMIT, **outputs}
    stacks.documents["pr-42"] = {
        "version": 3,
        "deployment": {"resources": resources(all_outputs)},
    }
    return stacks


def body(github: LocalGitHub) -> str:
    [comment] = github.state.comments_of(42)
    return comment.body


@pytest.fixture
def cloned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The previews that got a fresh clone."""
    done: list[str] = []
    monkeypatch.setattr(branch_reset, "reset", lambda preview, _, **__: done.append(preview.name))
    return done


def test_in_mode_branch_a_clone_takes_its_place_and_nothing_is_deployed(
    github: LocalGitHub, cloned: list[str]
) -> None:
    stacks = living("branch")
    fresh = clients(github, stacks).reset_database(PR, run_url=RUN, connect_to="http://127.0.0.1:9")
    assert cloned == ["pr-42"]
    assert (fresh.mode, fresh.snapshot) == ("branch", OUTPUTS["snapshot"])
    assert (stacks.targets, stacks.ups) == ([], [])
    assert "; reset " in body(github)
    assert f"`{COMMIT[:12]}`" in body(github)


def test_in_mode_snapshot_the_instance_is_made_again_for_the_version_that_is_served(
    github: LocalGitHub, cloned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = SmokeReport(url="u", checks=(SmokeCheck(what="health"),))
    monkeypatch.setattr(deploy, "smoke", lambda *_, **__: report)
    stacks = living("snapshot")
    fresh = clients(github, stacks).reset_database(PR, run_url=RUN)
    [target] = stacks.targets
    assert "aws:rds/instance:Instance" in target
    [arguments] = stacks.ups
    settings = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--config"]
    expected = [f"image={IMAGE}", f"commit={COMMIT}", "database.mode=snapshot"]
    assert set(settings) >= {f"previews:{setting}" for setting in expected}
    assert cloned == []
    assert fresh.text().startswith("pr-42 has a fresh copy of rds:staging-")
    assert "is up" in body(github)


def test_without_a_checkout_the_files_are_those_of_the_version_that_is_served(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = SmokeReport(url="u", checks=(SmokeCheck(what="health"),))
    monkeypatch.setattr(deploy, "smoke", lambda *_, **__: report)
    web = "registry.test/previews@sha256:" + "2" * 64
    stacks = living("snapshot", webImages={"ui": web})
    monkeypatch.setattr(Clients, "stacks", stacks)
    # No account has this platform's load balancer; test_inbound.py looks at one.
    monkeypatch.setattr(Clients, "check_inbound", lambda _: None)
    github.state.write(COMMIT, "app/preview.yaml", "web: { ui: { path: /ui, image: {} } }\n")
    github.state.commit_times[COMMIT] = datetime(2030, 1, 24, 12, tzinfo=UTC)
    clients(github, stacks, repository_folder="app").reset_database(PR, run_url=RUN)
    [arguments] = stacks.ups
    settings = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--config"]
    given = dict(setting.split("=", 1) for setting in settings)
    assert given["previews:source"].endswith("/app")
    assert given["previews:image"] == IMAGE
    assert given["previews:webImages.ui"] == web
    assert given["previews:expires"] == "2030-01-31T12:00:00Z"
    assert given["previews:commit"] == COMMIT


@pytest.mark.parametrize("part", ["", "-frontend"])
def test_an_image_that_the_program_built_stays_while_the_database_is_replaced(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    report = SmokeReport(url="u", checks=(SmokeCheck(what="health"),))
    monkeypatch.setattr(deploy, "smoke", lambda *_, **__: report)
    stacks = living("snapshot")
    urn = f"urn:pulumi:pr-42::previews::docker-build:index:Image::image{part}-cccccccccccc"
    digest = "sha256:" + ("2" if part else "1") * 64
    stacks.documents["pr-42"]["deployment"]["resources"].append(
        {"urn": urn, "type": "docker-build:index:Image", "outputs": {"digest": digest}}
    )
    clients(github, stacks).reset_database(PR, run_url=RUN)
    [arguments] = stacks.ups
    assert arguments[arguments.index("--exclude") + 1] == urn
    # The image that is served is the program's own, or one that it was given.
    assert (f"previews:image={IMAGE}" in arguments) == bool(part)
    assert f"previews:commit={COMMIT}" in arguments


def test_what_is_not_there_begins_with_fresh_data_anyway(
    github: LocalGitHub, cloned: list[str]
) -> None:
    with pytest.raises(PreviewsError, match="no such preview") as error:
        clients(github, RecordedStacks()).reset_database(PR, run_url=RUN)
    assert error.value.code == "reset-no-preview"
    assert "was not reset" in body(github)
    assert "/preview" in body(github)
    assert cloned == []


def test_what_was_never_up_is_brought_up_instead(github: LocalGitHub, cloned: list[str]) -> None:
    stacks = RecordedStacks()
    stacks.create("pr-42")
    with pytest.raises(PreviewsError, match="no output commit, databaseMode, image"):
        clients(github, stacks).reset_database(PR)
    assert (cloned, stacks.targets) == ([], [])


def test_a_clone_that_fails_is_told(github: LocalGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(preview: Preview, _cluster: object, **_: object) -> None:
        raise PreviewsError("reset-timeout", preview.name, why="it is full", remedy="wait.")

    monkeypatch.setattr(branch_reset, "reset", refuse)
    with pytest.raises(PreviewsError, match="it is full"):
        clients(github, living("branch")).reset_database(PR, run_url=RUN)
    assert f"it is full ([run]({RUN}))." in body(github)


def test_an_up_that_fails_keeps_its_autopsy(github: LocalGitHub) -> None:
    stacks = living("snapshot")
    stacks.play = ["crash"]
    with pytest.raises(PreviewsError):
        clients(github, stacks).reset_database(PR)
    assert "A container is crash-looping" in body(github)


def test_on_a_sandbox_nothing_is_shown_on_github(
    github: LocalGitHub, cloned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clients(github, living("branch"))
    monkeypatch.setitem(
        made.__dict__, "settings", made.settings.model_copy(update={"github_repository": ""})
    )
    made.reset_database(PR)
    assert cloned == ["pr-42"]
    assert github.requests == []


def test_whatever_stops_it_is_told(github: LocalGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("token=hunter2")

    monkeypatch.setattr(branch_reset, "reset", broken)
    with pytest.raises(RuntimeError):
        clients(github, living("branch")).reset_database(PR, run_url=RUN)
    assert "was not reset" in body(github)
    assert "RuntimeError: token=" in body(github)
    assert "hunter2" not in body(github)
