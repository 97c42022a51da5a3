"""A job's token may do what its `permissions:` grant, as on GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from previews.errors import PreviewsError
from previews.github import GitHub
from previews.settings import Settings
from tests.github import LocalGitHub
from tests.github.permissions import METADATA, allows, needed
from tests.github.routes import routes
from tests.github.settings import settings_routes
from tests.github.state import State

SHA = "a" * 40


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalGitHub]:
    with LocalGitHub() as hub:
        hub.state.pull(1, head_sha=SHA)
        hub.state.run(7)
        yield hub


def of_a_job(hub: LocalGitHub, **granted: str) -> GitHub:
    token = f"job-{sorted(granted.items())}"
    hub.state.add_job_token(token, granted)
    return GitHub(Settings.read(**hub.environment | {"GITHUB_TOKEN": token}))


CALLS: dict[str, Any] = {
    "pull-requests:read": lambda github: github.pulls.read(1),
    "actions:read": lambda github: github.runs.read(7),
    "statuses:write": lambda github: github.deployments.set_commit_status(
        SHA, "success", context="preview", description="it runs"
    ),
    "deployments:write": lambda github: github.deployments.create(SHA, "pr-1"),
    "deployments:read": lambda github: list(github.deployments.of("pr-1")),
    "statuses:read": lambda github: github.deployments.commit_status(SHA, "preview"),
    "pull-requests:write": lambda github: github.comments.create(1, "It runs."),
    "actions:write": lambda github: github.workflows.start("preview.yml", "main", {}),
}
"""Requests, each by the permission that it needs."""


@pytest.mark.parametrize("permission", CALLS)
def test_a_request_needs_its_permission_and_no_other(hub: LocalGitHub, permission: str) -> None:
    name, _, level = permission.partition(":")
    CALLS[permission](of_a_job(hub, **{name: level}))
    others = {"contents", "pull-requests", "deployments", "statuses", "actions"} - {name}
    lower = {name: "read"} if level == "write" else {}
    hub.refused.clear()
    with pytest.raises(PreviewsError, match="Resource not accessible by integration"):
        CALLS[permission](of_a_job(hub, **dict.fromkeys(others, "write") | lower))
    assert len(hub.refused) == 1


def test_it_is_refused_as_github_does(hub: LocalGitHub) -> None:
    hub.state.add_job_token("poor", {"contents": "read"})
    url = f"{hub.url}/repos/{hub.state.repository}/pulls/1"
    answer = httpx.get(url, headers={"Authorization": "Bearer poor"})
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "Resource not accessible by integration",
    )


def test_issues_are_as_good_as_pull_requests_for_a_comment() -> None:
    comment = needed("POST", "/issues/1/comments")
    assert allows({"issues": "write"}, comment)
    assert allows({"pull-requests": "write"}, comment)
    assert not allows({"issues": "read", "pull-requests": "read"}, comment)
    assert allows({}, METADATA)


def test_the_permission_of_every_route_is_known() -> None:
    state = State()
    of_people = {route.path for route in settings_routes(state)}
    for route in routes(state):
        if route.path in of_people:
            continue
        path = route.path.removeprefix(f"/repos/{state.repository}")
        assert needed(route.method, re.sub(r"{\w+(:[^}]*)?}", "1", path))
    with pytest.raises(AssertionError, match="no permission is known"):
        needed("GET", "/hooks")
