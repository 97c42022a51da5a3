"""The changes of a program are read from the engine's events, and contain no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contract.preview import Preview
from previews.errors import PreviewsError
from previews.lifecycle.program_diff import compare, diff_of, require_compared
from previews.pull_request import comment
from previews.pull_request.github_presenter import PullRequestPresenter
from previews.pull_request.program_diff import (
    MOST_CHANGES,
    MOST_PROPERTIES,
    Op,
    ProgramDiff,
)
from previews.pulumi.command import CommandResult
from previews.pulumi.events import EngineEvent
from tests.github import LocalGitHub
from tests.previews.bringing import OUTPUTS, RecordedStacks, clients, resources

COMMIT = "c" * 40
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def step(op: str, kind: str = "kubernetes:core/v1:ConfigMap", **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:pr-42::previews::previews:service:ServiceStack${kind}::extra"
    return {"resourcePreEvent": {"metadata": {"op": op, "urn": urn, "type": kind, **more}}}


def update(before: Any, after: Any, detailed: dict[str, Any], **more: Any) -> dict[str, Any]:
    old, new = {"inputs": before, "outputs": before}, {"inputs": after, "outputs": None}
    return step("update", old=old, new=new, detailedDiff=detailed, **more)


def events(*steps: dict[str, Any]) -> list[EngineEvent]:
    return [EngineEvent.model_validate(one) for one in steps]


def changed(*steps: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    [change] = diff_of(events(*steps), COMMIT).changes
    return [(p.path, p.before, p.after, p.replaces) for p in change.properties]


@dataclass
class PlannedStacks(RecordedStacks):
    """Stacks whose comparison with a program plays events."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0
    asked: list[list[str]] = field(default_factory=list)

    def preview(self, stack: str, arguments: Sequence[str]) -> CommandResult:
        self.asked.append([stack, *arguments])
        log = Path(arguments[arguments.index("--event-log") + 1])
        log.write_text("".join(f"{json.dumps(one)}\n" for one in self.steps))
        return CommandResult(self.code, "", "error: preview failed")


def living(outputs: dict[str, Any] = OUTPUTS, **more: Any) -> PlannedStacks:
    stacks = PlannedStacks(**more)
    stacks.create("pr-42")
    stacks.documents["pr-42"] = {"version": 3, "deployment": {"resources": resources(outputs)}}
    return stacks


def test_each_kind_of_change_is_listed_and_nothing_else() -> None:
    provider = step("delete", "pulumi:providers:docker-build")
    others = [step(op) for op in ("same", "read", "create-replacement", "delete-replaced")]
    found = diff_of(events(*others, provider, *(step(op) for op in Op)), COMMIT)
    assert [change.op for change in found.changes] == list(Op)
    assert {(change.type, change.name) for change in found.changes} == {
        ("kubernetes:core/v1:ConfigMap", "extra")
    }


def test_a_property_is_found_by_its_path() -> None:
    before = {"spec": {"rules": [{"host": "a"}, {"host": "b"}], "x.y": "1"}, "size": 1}
    after = {"spec": {"rules": [{"host": "a"}, {"host": UNKNOWN}], "x.y": "2"}}
    assert changed(
        update(
            before,
            after,
            {
                "spec.rules[1].host": {"diffKind": "update", "inputDiff": True},
                'spec["x.y"]': {"diffKind": "update-replace"},
                "size": {"diffKind": "delete"},
                "nowhere[3].at": {"diffKind": "add"},
            },
        )
    ) == [
        ("spec.rules[1].host", "b", "[known after the deployment]", False),
        ('spec["x.y"]', "1", "2", True),
        ("size", "1", "", False),
        ("nowhere[3].at", "", "", False),
    ]


def test_of_an_object_only_what_differs_is_shown() -> None:
    tags = {"tags": {"stack": "pr-42", "commit": "a"}}, {"tags": {"stack": "pr-42", "owner": "b"}}
    expected = [("tags.commit", "a", "", False), ("tags.owner", "", "b", False)]
    assert changed(update(*tags, {"tags": {"diffKind": "update"}})) == expected
    assert changed(update(*tags, {}, diffs=["tags"])) == expected


def test_secrets_are_hidden_by_their_mark_their_name_and_their_form() -> None:
    token = "ghp_" + "a" * 36
    found = changed(
        update(
            {"data": {"key": "[secret]", "password": "hunter2", "note": f"use {token}"}},
            {"data": {"key": "[secret] ", "password": "hunter3", "note": "none"}},
            {"data": {"diffKind": "update"}},
        )
    )
    assert found == [
        ("data.key", "[secret]", "[secret]", False),
        ("data.note", "use ***", "none", False),
        ("data.password", "***", "***", False),
    ]


def test_a_difference_is_bounded_whatever_the_program_declares() -> None:
    many = {f"key{index}": "x" * 500 for index in range(MOST_PROPERTIES + 5)}
    step_of_many = update({}, {"data": many}, {f"data.{key}": {"diffKind": "add"} for key in many})
    found = diff_of(events(*[step_of_many] * (MOST_CHANGES + 3)), COMMIT)
    assert (len(found.changes), found.omitted) == (MOST_CHANGES, 3)
    assert len(found.changes[0].properties) == MOST_PROPERTIES
    assert found.changes[0].omitted == 5
    assert found.changes[0].properties[0].after.endswith("x…")


def test_the_program_alone_differs_from_what_is_deployed() -> None:
    web = {"ui": "registry.test/previews@sha256:" + 64 * "2"}
    stacks = living({**OUTPUTS, "webImages": web}, steps=[step("create")])
    found = compare(stacks, "pr-42", COMMIT)  # type: ignore[arg-type] - as much as is called
    [asked] = stacks.asked
    assert asked[0] == "pr-42"
    assert {
        f"previews:image={OUTPUTS['image']}",
        f"previews:webImages.ui={web['ui']}",
        f"previews:commit={40 * 'a'}",
        f"previews:expires={OUTPUTS['expires']}",
        "previews:database.mode=snapshot",
    } < set(asked)
    assert stacks.ups == []
    assert [change.op for change in found.changes] == [Op.CREATE]
    require_compared(found, Preview(42))


@pytest.mark.parametrize("created", [False, True])
def test_a_preview_that_is_not_up_is_not_compared_or_created(created: bool) -> None:
    stacks = PlannedStacks()
    if created:
        stacks.create("pr-42")
    found = compare(stacks, "pr-42", COMMIT)  # type: ignore[arg-type] - as much as is called
    assert (found.exists, stacks.asked, set(stacks.known)) == (
        False,
        [],
        {"pr-42"} if created else set(),
    )


def test_a_refused_program_shows_the_policy_and_what_it_would_have_changed() -> None:
    violation = {
        "resourceUrn": "urn:pulumi:pr-42::previews::kubernetes:core/v1:Service::service",
        "message": "Each Service is the cluster's own.\nit is of type LoadBalancer",
        "policyName": "no-load-balancer",
        "enforcementLevel": "mandatory",
    }
    stacks = living(steps=[step("delete"), {"policyEvent": violation}], code=255)
    found = compare(stacks, "pr-42", COMMIT)  # type: ignore[arg-type] - as much as is called
    assert [change.op for change in found.changes] == [Op.DELETE]
    assert "policy no-load-balancer (Service service): it is of type LoadBalancer" in found.error
    with pytest.raises(PreviewsError, match="no-load-balancer") as raised:
        require_compared(found, Preview(42))
    assert raised.value.code == "program-diff"


@pytest.fixture
def github() -> Iterator[LocalGitHub]:
    """A repository with an open pull request."""
    with LocalGitHub() as hub:
        hub.state.pull(42)
        yield hub


def presenter(github: LocalGitHub) -> PullRequestPresenter:
    """The presenter of one job."""
    return PullRequestPresenter(clients(github, RecordedStacks()).github, Preview(42))


def body(github: LocalGitHub) -> str:
    [found] = github.state.comments_of(42)
    return found.body


def test_the_one_comment_has_it_and_keeps_it_while_the_preview_is_deployed(
    github: LocalGitHub,
) -> None:
    presenter(github).compared(diff_of(events(step("create")), COMMIT))
    assert "1 to create" in body(github)
    assert body(github).startswith(comment.marker(Preview(42).app))
    presenter(github).begin(COMMIT)
    assert "is being deployed" in body(github)
    assert "1 to create" in body(github)
    presenter(github).compared(diff_of(events(step("delete")), "d" * 40))
    assert "is being deployed" in body(github)
    assert "1 to delete" in body(github)
    assert "1 to create" not in body(github)


def test_a_removed_preview_has_no_changes(github: LocalGitHub) -> None:
    presenter(github).compared(ProgramDiff(commit=COMMIT))
    presenter(github).show(comment.removed("pr-42", seconds=1, left=[]), keep_tests=False)
    assert "Changes of the program" not in body(github)


def test_the_result_of_one_job_is_shown_by_another(
    github: LocalGitHub, previews: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stacks = living(steps=[step("replace")])
    monkeypatch.setattr("previews.pulumi.stacks.Stacks", lambda *_, **_more: stacks)
    for name, value in github.environment.items():
        monkeypatch.setenv(name, value)
    file = str(tmp_path / "diff.json")
    for command in ("infra-diff", "report-diff"):
        code, _, message = previews(command, "42", "--commit", COMMIT, "--result", file)
        assert code == 0, message
    assert "1 to replace" in body(github)


def test_a_comparison_that_fails_leaves_its_reason_for_the_comment(
    github: LocalGitHub, previews: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in github.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREVIEWS_PROGRAM", str(tmp_path / "none"))
    monkeypatch.setenv("PREVIEWS_PROJECT", str(tmp_path))
    file = str(tmp_path / "diff.json")
    assert previews("infra-diff", "42", "--commit", COMMIT, "--result", file)[0] == 1
    assert previews("report-diff", "42", "--commit", COMMIT, "--result", file)[0] == 0
    assert "the comparison failed" in body(github)
    assert "can't be made" in body(github)


def test_a_difference_of_another_commit_is_not_kept(github: LocalGitHub) -> None:
    presenter(github).compared(diff_of(events(step("create")), COMMIT))
    shown = presenter(github)
    shown.begin(COMMIT)
    [told] = github.state.comments_of(42)
    assert comment.kept_program_diff(told.body) is not None
    later = presenter(github)
    later.begin("d" * 40)
    assert comment.kept_program_diff(told.body) is None


@pytest.mark.parametrize("author", ["eve", "another-app[bot]"])
def test_a_comment_that_no_workflow_wrote_is_not_ours(github: LocalGitHub, author: str) -> None:
    presenter(github).compared(diff_of(events(step("create")), COMMIT))
    [forged] = github.state.comments_of(42)
    forged.author = author
    presenter(github).begin(COMMIT)
    [_, own] = github.state.comments_of(42)
    assert comment.kept_program_diff(own.body) is None
