from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from previews.errors import PreviewsError
from previews.github import GitHub
from previews.github.connection import Connection, NotFoundError
from previews.github.pulls import Pulls
from previews.settings import Settings
from tests.previews.answers import pull_request
from tests.previews.conftest import API, unreachable


@pytest.fixture
def hub() -> GitHub:
    return GitHub(Settings.read())


@pytest.fixture
def pulls() -> Pulls:
    """Without retries, which would wait."""
    return Pulls(Connection(Settings.read(), retry=False))


def test_a_pull_request_is_read(hub: GitHub, github: respx.MockRouter) -> None:
    github.get("/pulls/42").respond(
        json=pull_request(labels=["preview", "bug"], head_repository="eve/orders", merged=True)
    )
    pull = hub.pulls.read(42)
    assert pull.labels == {"preview", "bug"}
    assert pull.is_fork
    assert pull.merged
    assert pull.is_open


def test_it_is_read_afresh_each_time(hub: GitHub, github: respx.MockRouter) -> None:
    headers = {"cache-control": "private, max-age=60", "etag": '"1"'}
    route = github.get("/pulls/42").respond(json=pull_request(), headers=headers)
    hub.pulls.read(42)
    hub.pulls.read(42)
    assert route.call_count == 2
    assert "if-none-match" not in route.calls.last.request.headers


def test_whom_to_trust_is_read_once_for_all_requests(
    pulls: Pulls, github: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    github.get("/pulls/42").respond(json=pull_request())
    pulls.read(42)
    read = []
    monkeypatch.setattr(ssl, "create_default_context", lambda **given: read.append(given))
    pulls.read(42)
    assert read == []


def test_every_page_of_a_list_is_read(hub: GitHub, github: respx.MockRouter) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        assert request.url.params["per_page"] == "100"
        assert request.url.params["state"] == "open"
        url = f"{API}/repos/acme/orders/pulls?page={number + 1}"
        headers = {} if number == 3 else {"link": f'<{url}>; rel="next"'}
        first = 100 * (number - 1)
        answers = [pull_request(first + place) for place in range(1, 101 if number < 3 else 6)]
        return httpx.Response(200, json=answers, headers=headers)

    route = github.get("/pulls").mock(side_effect=page)
    assert [pull.number for pull in hub.pulls.all_open()] == list(range(1, 206))
    assert route.call_count == 3


def test_a_list_that_breaks_off_is_no_list(pulls: Pulls, github: respx.MockRouter) -> None:
    url = f"{API}/repos/acme/orders/pulls?page=2"
    first = httpx.Response(200, json=[pull_request(1)], headers={"link": f'<{url}>; rel="next"'})
    github.get("/pulls").mock(side_effect=[first, httpx.Response(502)])
    with pytest.raises(PreviewsError, match="502"):
        list(pulls.all_open())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(401, json={"message": "Bad credentials"}), "github-denied"),
        (httpx.Response(403, json={"message": "Not accessible"}), "github-denied"),
        (httpx.Response(404, json={"message": "Not Found"}), "github-not-found"),
        (httpx.Response(500, text="<html>"), "github-refused"),
        (httpx.Response(200, json={"message": "an answer of another kind"}), "github-answer"),
        (httpx.Response(200, json=[]), "github-answer"),
        (httpx.Response(200), "github-answer"),
        (httpx.Response(200, text='{"number": 4'), "github-answer"),
        (
            httpx.Response(
                403,
                json={"message": "API rate limit exceeded"},
                headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4102444800"},
            ),
            "github-quota",
        ),
        (unreachable, "github-unreachable"),
    ],
)
def test_each_failure_says_what_it_is(
    hub: GitHub, pulls: Pulls, github: respx.MockRouter, answer: Any, code: str
) -> None:
    github.get("/pulls/42").mock(
        **({"side_effect": answer} if callable(answer) else {"return_value": answer})
    )
    # What is not tried again fails at once, with retries too.
    reader: Callable[[int], object] = pulls.read if code == "github-refused" else hub.pulls.read
    with pytest.raises(PreviewsError) as raised:
        reader(42)
    assert raised.value.code == code
    assert raised.value.what == "pull request 42"
    assert isinstance(raised.value, NotFoundError) is (code == "github-not-found")


def test_comments_are_read_written_and_edited(hub: GitHub, github: respx.MockRouter) -> None:
    comment = {
        "id": 7,
        "body": "hello",
        "user": {"login": "ada"},
        "html_url": "https://github.test/c/7",
        "updated_at": "2026-11-20T12:00:00Z",
    }
    github.get("/issues/42/comments").respond(json=[comment])
    created = github.post("/issues/42/comments").respond(201, json=comment)
    edited = github.patch("/issues/comments/7").respond(json={**comment, "body": "changed"})
    assert [found.author for found in hub.comments.of(42)] == ["ada"]
    assert hub.comments.create(42, "hello").id == 7
    assert created.calls.last.request.content == b'{"body":"hello"}'
    assert hub.comments.update(7, "changed").body == "changed"
    assert edited.called


def test_deployments_come_and_go(hub: GitHub, github: respx.MockRouter) -> None:
    deployment = {
        "id": 5,
        "sha": "a" * 40,
        "environment": "preview/pr-42",
        "created_at": "2026-11-20T12:00:00Z",
    }
    listed = github.get("/deployments").respond(json=[deployment])
    created = github.post("/deployments").respond(201, json=deployment)
    state = github.post("/deployments/5/statuses").respond(201, json={})
    github.delete("/deployments/5").respond(204)
    environment = github.delete("/environments/preview/pr-42").respond(404)

    assert [found.id for found in hub.deployments.of("preview/pr-42")] == [5]
    assert listed.calls.last.request.url.params["environment"] == "preview/pr-42"
    assert hub.deployments.create("a" * 40, "preview/pr-42").id == 5
    assert b'"required_contexts":[]' in created.calls.last.request.content
    hub.deployments.set_state(5, "success", url="https://pr-42.test", description="x" * 200)
    assert b'"environment_url":"https://pr-42.test"' in state.calls.last.request.content
    assert b'"log_url"' not in state.calls.last.request.content
    hub.deployments.delete(5)
    hub.deployments.delete_environment("preview/pr-42")
    assert environment.calls.last.request.url.raw_path.endswith(b"/environments/preview%2Fpr-42")
    assert [found.environment for found in hub.deployments.of_previews()] == ["preview/pr-42"]
    assert listed.calls.last.request.url.params["task"] == "deploy:preview"


def test_labels_and_statuses_are_set(hub: GitHub, github: respx.MockRouter) -> None:
    added = github.post("/issues/42/labels").respond(json=[])
    removed = github.delete("/issues/42/labels/two words").respond(json=[])
    status = github.post(f"/statuses/{'a' * 40}").respond(201, json={})
    hub.pulls.add_label(42, "preview")
    hub.pulls.remove_label(42, "two words")
    hub.deployments.set_commit_status(
        "a" * 40, "success", context="preview", description="it answers"
    )
    assert added.called
    assert removed.calls.last.request.url.raw_path.endswith(b"/labels/two%20words")
    assert b'"context":"preview"' in status.calls.last.request.content


@pytest.mark.parametrize(
    ("status", "over"), [("completed", True), ("in_progress", False), ("queued", False)]
)
def test_a_run_is_over_or_not(
    hub: GitHub, github: respx.MockRouter, status: str, over: bool
) -> None:
    github.get("/actions/runs/9").respond(json={"id": 9, "run_attempt": 2, "status": status})
    run = hub.runs.read(9)
    assert run.is_over is over
    assert run.run_attempt == 2
