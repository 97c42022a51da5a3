"""What GitHub does with each request that the lifecycle makes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aiohttp import web
from githubkit_schemas.latest import models
from pydantic import ValidationError

from tests.github import views
from tests.github.schema import answer, fields
from tests.github.settings import REPOSITORY_ID, contents_of, profile_of, settings_routes
from tests.github.state import Comment, Deployment, State, now

ADMINISTRATION = web.RequestKey("administration", bool)
"""Whether the token may change the repository's settings."""

_BOT = "github-actions[bot]"
_LONGEST_COMMENT = 65_536
_NOT_FOUND = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}


def _missing() -> web.HTTPNotFound:
    return web.HTTPNotFound(text=json.dumps(_NOT_FOUND), content_type="application/json")


def _refused(message: str) -> web.HTTPUnprocessableEntity:
    text = json.dumps({"message": message, "errors": []})
    return web.HTTPUnprocessableEntity(text=text, content_type="application/json")


def _comment_text(body: dict[str, Any]) -> str:
    text: str = body["body"]
    if len(text) > _LONGEST_COMMENT:
        raise _refused(f"body is too long (maximum is {_LONGEST_COMMENT} characters)")
    return text


def _pages(request: web.Request, items: Iterable[Any]) -> tuple[list[Any], dict[str, str]]:
    """The page that was asked for, and the header that leads to the next one."""
    everything = list(items)
    size = min(int(request.query.get("per_page", 30)), 100)
    page = int(request.query.get("page", 1))
    more = page * size < len(everything)
    following = request.url.update_query(page=str(page + 1))
    headers = {"Link": f'<{following}>; rel="next"'} if more else {}
    return everything[(page - 1) * size : page * size], headers


class _Api:
    def __init__(self, state: State) -> None:
        self.state = state
        self._profile = profile_of(state)
        self._contents = contents_of(state)

    async def _body(self, request: web.Request, model: type[Any]) -> dict[str, Any]:
        try:
            return fields(model, await request.json())
        except (ValidationError, json.JSONDecodeError) as error:
            raise _refused(f"Invalid request.\n\n{error}") from error

    def _pull(self, request: web.Request) -> Any:
        number = int(request.match_info["number"])
        if number not in self.state.pulls:
            raise _missing()
        return self.state.pulls[number]

    # Pull requests and their labels

    async def pulls(self, request: web.Request) -> web.Response:
        wanted = request.query.get("state", "open")
        found = [p for p in self.state.pulls.values() if wanted in {"all", p.state}]
        found.sort(key=lambda pull: -pull.number)
        page, headers = _pages(request, found)
        answers = [views.pull_request(self.state, pull, simple=True) for pull in page]
        return web.json_response(answers, headers=headers)

    async def pull(self, request: web.Request) -> web.Response:
        return web.json_response(views.pull_request(self.state, self._pull(request)))

    async def add_labels(self, request: web.Request) -> web.Response:
        pull = self._pull(request)
        body = await request.json()
        for name in body["labels"] if isinstance(body, dict) else body:
            self.state.label(pull.number, name)
        return web.json_response(views.pull_request(self.state, pull)["labels"])

    async def remove_label(self, request: web.Request) -> web.Response:
        pull = self._pull(request)
        name = request.match_info["name"].casefold()
        found = [label for label in pull.labels if label.casefold() == name]
        if not found:
            raise _missing()
        self.state.unlabel(pull.number, found[0])
        return web.json_response(views.pull_request(self.state, pull)["labels"])

    # The repository and its labels

    async def repository(self, request: web.Request) -> web.Response:
        name = f"{request.match_info['owner']}/{request.match_info['repo']}"
        if name in self.state.others:
            other = views.full_repository(self.state, name, self.state.others[name])
            return web.json_response(other)
        if name.casefold() == self.state.repository.casefold():
            return await self.repository_by_id(request)
        if name in self.state.former_names:
            raise web.HTTPMovedPermanently(f"/repositories/{REPOSITORY_ID}")
        raise _missing()

    async def repository_by_id(self, request: web.Request) -> web.Response:
        return await self._profile(request)

    # Comments

    async def comments(self, request: web.Request) -> web.Response:
        page, headers = _pages(request, self.state.comments_of(self._pull(request).number))
        answers = [views.comment(self.state, comment) for comment in page]
        return web.json_response(answers, headers=headers)

    async def add_comment(self, request: web.Request) -> web.Response:
        body = await self._body(request, models.ReposOwnerRepoIssuesIssueNumberCommentsPostBody)
        number = self._pull(request).number
        made = Comment(self.state.next_id(), number, _BOT, _comment_text(body), now(), now())
        self.state.comments[made.id] = made
        return web.json_response(views.comment(self.state, made), status=201)

    def _comment(self, request: web.Request) -> Comment:
        number = int(request.match_info["id"])
        if number not in self.state.comments:
            raise _missing()
        return self.state.comments[number]

    async def edit_comment(self, request: web.Request) -> web.Response:
        body = await self._body(request, models.ReposOwnerRepoIssuesCommentsCommentIdPatchBody)
        comment = self._comment(request)
        comment.body, comment.updated_at = _comment_text(body), now()
        comment.edits += 1
        return web.json_response(views.comment(self.state, comment))

    async def delete_comment(self, request: web.Request) -> web.Response:
        del self.state.comments[self._comment(request).id]
        return web.Response(status=204)

    async def react(self, request: web.Request) -> web.Response:
        model = models.ReposOwnerRepoIssuesCommentsCommentIdReactionsPostBody
        body = await self._body(request, model)
        self._comment(request).reactions.append(body["content"])
        made = answer(models.Reaction, id=self.state.next_id(), content=body["content"])
        return web.json_response(made, status=201)

    # Deployments, environments, commit statuses

    async def deployments(self, request: web.Request) -> web.Response:
        wanted = {
            key: request.query[key]
            for key in ("environment", "task", "sha")
            if key in request.query
        }
        found = sorted(self.state.deployments.values(), key=lambda each: -each.id)
        found = [d for d in found if all(getattr(d, k) == v for k, v in wanted.items())]
        page, headers = _pages(request, found)
        return web.json_response([views.deployment(d) for d in page], headers=headers)

    async def add_deployment(self, request: web.Request) -> web.Response:
        body = await self._body(request, models.ReposOwnerRepoDeploymentsPostBody)
        made = Deployment(
            self.state.next_id(),
            sha=body["ref"],
            environment=body.get("environment", "production"),
            task=body.get("task", "deploy"),
            description=body.get("description") or "",
            transient=body.get("transient_environment", False),
            created_at=now(),
        )
        self.state.deployments[made.id] = made
        self.state.environments.add(made.environment)
        return web.json_response(views.deployment(made), status=201)

    def _deployment(self, request: web.Request) -> Deployment:
        number = int(request.match_info["id"])
        if number not in self.state.deployments:
            raise _missing()
        return self.state.deployments[number]

    async def deployment_statuses(self, request: web.Request) -> web.Response:
        page, headers = _pages(request, reversed(self._deployment(request).statuses))
        return web.json_response(page, headers=headers)

    async def add_deployment_status(self, request: web.Request) -> web.Response:
        model = models.ReposOwnerRepoDeploymentsDeploymentIdStatusesPostBody
        body = await self._body(request, model)
        deployment = self._deployment(request)
        keep = ("state", "description", "environment_url", "log_url")
        made = answer(
            models.DeploymentStatus,
            id=self.state.next_id(),
            created_at=now().isoformat(),
            updated_at=now().isoformat(),
            environment=deployment.environment,
            **{key: body[key] for key in keep if key in body},
        )
        deployment.statuses.append(made)
        if body["state"] == "success" and body.get("auto_inactive", True):
            self._deactivate_others(deployment)
        return web.json_response(made, status=201)

    def _deactivate_others(self, deployment: Deployment) -> None:
        for other in self.state.deployments_to(deployment.environment):
            if other.id < deployment.id and other.is_active and not other.transient:
                other.statuses.append({**other.statuses[-1], "state": "inactive"})

    async def delete_deployment(self, request: web.Request) -> web.Response:
        deployment = self._deployment(request)
        if deployment.is_active:
            raise _refused("We cannot delete an active deployment.")
        del self.state.deployments[deployment.id]
        return web.Response(status=204)

    async def delete_environment(self, request: web.Request) -> web.Response:
        if not request[ADMINISTRATION]:
            message = {"message": "Resource not accessible by integration"}
            return web.json_response(message, status=403)
        name = request.match_info["name"]
        if name not in self.state.environments:
            raise _missing()
        self.state.environments.remove(name)
        gone = [d.id for d in self.state.deployments.values() if d.environment == name]
        for deployment in gone:
            del self.state.deployments[deployment]
        return web.Response(status=204)

    async def add_commit_status(self, request: web.Request) -> web.Response:
        body = await self._body(request, models.ReposOwnerRepoStatusesShaPostBody)
        made = answer(models.Status, **body, created_at=now().isoformat())
        self.state.commit_statuses.setdefault(request.match_info["sha"], []).append(made)
        return web.json_response(made, status=201)

    async def commit_statuses(self, request: web.Request) -> web.Response:
        made = self.state.commit_statuses.get(request.match_info["sha"], [])
        page, headers = _pages(request, reversed(made))
        return web.json_response(page, headers=headers)

    async def compare(self, request: web.Request) -> web.Response:
        base, _, head = request.match_info["basehead"].partition("...")
        if (base, head) not in self.state.comparisons:
            raise _missing()
        found = self.state.comparisons[base, head]
        # GitHub names 300 files at most, all of them on the first page of commits.
        shown = replace(found, files=found.files[:300])
        return web.json_response(views.comparison(shown))

    async def file(self, request: web.Request) -> web.Response:
        if "ref" not in request.query:
            return await self._contents(request)
        place = request.query.get("ref", ""), request.match_info["path"]
        if place not in self.state.files:
            raise _missing()
        return web.json_response(views.file(place[1], self.state.files[place]))

    async def changed_files(self, request: web.Request) -> web.Response:
        changed = self.state.changed.get(self._pull(request).number, [])
        page, headers = _pages(request, changed)
        return web.json_response([views.changed_file(path) for path in page], headers=headers)

    async def git_commit(self, request: web.Request) -> web.Response:
        sha = request.match_info["sha"]
        time = self.state.commit_times.get(sha, now())
        return web.json_response(views.git_commit(sha, time))

    # Runs and people

    async def run(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        if number not in self.state.runs:
            raise _missing()
        return web.json_response(views.run(self.state, self.state.runs[number]))

    async def approvals(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        if number not in self.state.runs:
            raise _missing()
        answers = self.state.runs[number].approvals
        return web.json_response([views.approval(*one) for one in answers])

    async def activity(self, request: web.Request) -> web.Response:
        branch = request.query["ref"].removeprefix("refs/heads/")
        found = [push for push in reversed(self.state.pushes) if push.branch == branch]
        return web.json_response([views.push(one) for one in found])

    async def start(self, request: web.Request) -> web.Response:
        model = models.ReposOwnerRepoActionsWorkflowsWorkflowIdDispatchesPostBody
        body = await self._body(request, model)
        self.state.started.append((request.match_info["file"], body["ref"], body["inputs"]))
        return web.Response(status=204)

    async def permission(self, request: web.Request) -> web.Response:
        login = request.match_info["login"]
        level = self.state.permissions.get(login, "read")
        return web.json_response(views.permission(login, level))


def routes(state: State) -> list[web.RouteDef]:
    """Every request that is understood; another one is an error of the test or the code."""
    api = _Api(state)
    root = f"/repos/{state.repository}"
    table = [
        ("GET", "/pulls", api.pulls),
        ("GET", r"/pulls/{number:\d+}", api.pull),
        ("GET", r"/pulls/{number:\d+}/files", api.changed_files),
        ("GET", "/contents/{path:.+}", api.file),
        ("GET", "/git/commits/{sha}", api.git_commit),
        ("POST", r"/issues/{number:\d+}/labels", api.add_labels),
        ("DELETE", r"/issues/{number:\d+}/labels/{name}", api.remove_label),
        ("GET", r"/issues/{number:\d+}/comments", api.comments),
        ("POST", r"/issues/{number:\d+}/comments", api.add_comment),
        ("PATCH", r"/issues/comments/{id:\d+}", api.edit_comment),
        ("DELETE", r"/issues/comments/{id:\d+}", api.delete_comment),
        ("POST", r"/issues/comments/{id:\d+}/reactions", api.react),
        ("GET", "/deployments", api.deployments),
        ("POST", "/deployments", api.add_deployment),
        ("GET", r"/deployments/{id:\d+}/statuses", api.deployment_statuses),
        ("POST", r"/deployments/{id:\d+}/statuses", api.add_deployment_status),
        ("DELETE", r"/deployments/{id:\d+}", api.delete_deployment),
        ("DELETE", "/environments/{name}", api.delete_environment),
        ("GET", "/commits/{sha}/statuses", api.commit_statuses),
        ("POST", "/statuses/{sha}", api.add_commit_status),
        ("GET", "/compare/{basehead}", api.compare),
        ("GET", r"/actions/runs/{id:\d+}", api.run),
        ("GET", r"/actions/runs/{id:\d+}/approvals", api.approvals),
        ("GET", "/activity", api.activity),
        ("POST", "/actions/workflows/{file}/dispatches", api.start),
        ("GET", "/collaborators/{login}/permission", api.permission),
    ]
    return [
        web.get("/repos/{owner}/{repo}", api.repository),
        web.get(f"/repositories/{REPOSITORY_ID}", api.repository_by_id),
        *(web.route(method, root + path, handler) for method, path, handler in table),
        *settings_routes(state),
    ]
