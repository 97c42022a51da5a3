"""The repository's settings, and how GitHub answers those who may read them and those who may not.

A repository that is guarded as docs/getting-started-aws.md asks for: tests take away from it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from githubkit_schemas.latest import models

from tests.github.schema import answer

if TYPE_CHECKING:
    from tests.github.state import State

REPOSITORY_ID = 4217
CODE_OWNERS = "* @acme/platform\n"

_VARIABLES = {
    "AWS_REGION": "us-east-1",
    "EKS_CLUSTER": "previews",
    "IMAGE_REPOSITORY": "123456789012.dkr.ecr.us-east-1.amazonaws.com/previews",
    "PULUMI_BACKEND_URL": "s3://acme-previews-state",
}
_ROLES = {
    "preview": "previews-deploy-preview",
    "staging": "previews-deploy-staging",
    "preview-infra-plan": "previews-plan-preview-infra",
    "preview-infra": "previews-deploy-preview-infra",
}
_WORKFLOWS = (
    "ci.yml",
    "preview.yml",
    "preview-command.yml",
    "preview-destroy.yml",
    "preview-infra-diff.yml",
    "preview-refresh.yml",
    "preview-sweep.yml",
    "staging.yml",
)
_PULL_REQUEST = {
    "required_approving_review_count": 1,
    "require_code_owner_review": True,
    "dismiss_stale_reviews_on_push": True,
    "require_last_push_approval": True,
    "required_review_thread_resolution": False,
}


@dataclass
class GuardedEnvironment:
    """An environment: what it waits for, whom it is open to, what it gives to jobs."""

    branches: set[str] | None = field(default_factory=lambda: {"main"})
    reviewers: list[str] = field(default_factory=list)
    prevent_self_review: bool = False
    wait_minutes: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)


def _environments() -> dict[str, GuardedEnvironment]:
    made = {
        name: GuardedEnvironment(
            variables={"AWS_ROLE_ARN": f"arn:aws:iam::123456789012:role/{role}", **_VARIABLES}
        )
        for name, role in _ROLES.items()
    }
    made["preview-infra"].reviewers = ["platform"]
    made["preview-infra"].prevent_self_review = True
    return made


@dataclass
class Settings:
    """The settings of one repository.

    Attributes:
        hidden: Permissions that the token lacks: GitHub answers 403 to what needs them.
        invisible: The same, but GitHub answers 404, as to a token that may not know of it.
    """

    private: bool = False
    rules: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"type": "pull_request", "parameters": dict(_PULL_REQUEST)},
            {"type": "non_fast_forward"},
            {"type": "deletion"},
        ]
    )
    protection: dict[str, Any] | None = None
    environments: dict[str, GuardedEnvironment] = field(default_factory=_environments)
    variables: dict[str, str] = field(default_factory=lambda: {"PREVIEWS_RUNNER": "in-the-vpc"})
    organization_variables: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    organization_secrets: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=lambda: {"preview", "preview-keep", "preview-infra"})
    workflows: dict[str, str] = field(default_factory=lambda: dict.fromkeys(_WORKFLOWS, "active"))
    files: dict[str, str] = field(default_factory=lambda: {".github/CODEOWNERS": CODE_OWNERS})
    code_owners_errors: list[dict[str, Any]] = field(default_factory=list)
    default_permissions: str = "read"
    may_approve: bool = False
    fork_approval: str = "all_external_contributors"
    fork_secrets: bool = False
    subject_prefix: str = "repo:acme/orders"
    use_default_subject: bool = True
    plan: str | None = None
    hidden: set[str] = field(default_factory=set)
    invisible: set[str] = field(default_factory=set)


Handler = Callable[[web.Request], Any]
Respond = Callable[[web.Request], Awaitable[web.Response]]


class _Api:
    def __init__(self, state: State) -> None:
        self._state = state
        self._settings = state.settings

    def profile(self, _request: web.Request) -> Any:
        # It may have been renamed meanwhile.
        owner, _, name = self._state.repository.partition("/")
        return answer(
            models.FullRepository,
            id=REPOSITORY_ID,
            name=name,
            full_name=self._state.repository,
            private=self._settings.private,
            default_branch=self._state.default_branch,
            owner={"login": owner, "type": "Organization"},
        )

    def rules(self, _request: web.Request) -> Any:
        return self._settings.rules

    def branch(self, request: web.Request) -> Any:
        is_protected = self._settings.protection is not None
        name = request.match_info["branch"]
        return answer(models.BranchWithProtection, name=name, protected=is_protected)

    def protection(self, _request: web.Request) -> Any:
        if self._settings.protection is None:
            return None
        return answer(models.BranchProtection, **self._settings.protection)

    def environments(self, _request: web.Request) -> Any:
        # A deployment makes an environment without any setting.
        plain = dict.fromkeys(sorted(self._state.environments), GuardedEnvironment(branches=None))
        found = {**plain, **self._settings.environments}
        return {
            "total_count": len(found),
            "environments": [_environment(name, one) for name, one in found.items()],
        }

    def _environment(self, request: web.Request) -> GuardedEnvironment:
        return self._settings.environments[request.match_info["environment"]]

    def branches(self, request: web.Request) -> Any:
        named = sorted(self._environment(request).branches or ())
        policies = [answer(models.DeploymentBranchPolicy, name=name) for name in named]
        return {"total_count": len(policies), "branch_policies": policies}

    def environment_variables(self, request: web.Request) -> Any:
        return _variables(self._environment(request).variables)

    def environment_secrets(self, request: web.Request) -> Any:
        return _secrets(self._environment(request).secrets)

    def variables(self, _request: web.Request) -> Any:
        return _variables(self._settings.variables)

    def organization_variables(self, _request: web.Request) -> Any:
        return _variables(self._settings.organization_variables)

    def secrets(self, _request: web.Request) -> Any:
        return _secrets(self._settings.secrets)

    def organization_secrets(self, _request: web.Request) -> Any:
        return _secrets(self._settings.organization_secrets)

    def labels(self, _request: web.Request) -> Any:
        return [answer(models.Label, name=name) for name in sorted(self._settings.labels)]

    def workflows(self, _request: web.Request) -> Any:
        found = [
            answer(models.Workflow, path=f".github/workflows/{file}", state=state)
            for file, state in self._settings.workflows.items()
        ]
        return {"total_count": len(found), "workflows": found}

    def contents(self, request: web.Request) -> Any:
        path = request.match_info["path"]
        if path == ".github/workflows":
            return [
                answer(models.ContentDirectoryItems, name=file, type="file")
                for file in self._settings.workflows
            ]
        if path not in self._settings.files:
            return None
        text = self._settings.files[path].encode()
        content = base64.b64encode(text).decode()
        return answer(
            models.ContentFile,
            type="file",
            size=len(text),
            path=path,
            encoding="base64",
            content=content,
        )

    def code_owners_errors(self, _request: web.Request) -> Any:
        return answer(models.CodeownersErrors, errors=self._settings.code_owners_errors)

    def token_permissions(self, _request: web.Request) -> Any:
        return answer(
            models.ActionsGetDefaultWorkflowPermissions,
            default_workflow_permissions=self._settings.default_permissions,
            can_approve_pull_request_reviews=self._settings.may_approve,
        )

    def fork_approval(self, _request: web.Request) -> Any:
        policy = self._settings.fork_approval
        return answer(models.ActionsForkPrContributorApproval, approval_policy=policy)

    def private_forks(self, _request: web.Request) -> Any:
        return answer(
            models.ActionsForkPrWorkflowsPrivateRepos,
            run_workflows_from_fork_pull_requests=True,
            send_write_tokens_to_workflows=False,
            send_secrets_and_variables=self._settings.fork_secrets,
            require_approval_for_fork_pr_workflows=True,
        )

    def subject(self, _request: web.Request) -> Any:
        return answer(
            models.OidcCustomSubRepo,
            use_default=self._settings.use_default_subject,
            sub_claim_prefix=self._settings.subject_prefix,
        )

    def organization(self, _request: web.Request) -> Any:
        plan = self._settings.plan
        shown = {} if plan is None else {"plan": {"name": plan}}
        return answer(models.OrganizationFull, **shown)


def _environment(name: str, one: GuardedEnvironment) -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    if one.branches is not None:
        rules.append({"id": 1, "node_id": "", "type": "branch_policy"})
    if one.wait_minutes:
        rules.append({"id": 2, "node_id": "", "type": "wait_timer", "wait_timer": one.wait_minutes})
    if one.reviewers:
        people = [{"type": "Team", "reviewer": {"slug": team}} for team in one.reviewers]
        rules.append(
            {
                "id": 3,
                "node_id": "",
                "type": "required_reviewers",
                "prevent_self_review": one.prevent_self_review,
                "reviewers": people,
            }
        )
    is_custom = one.branches is not None
    policy = {"protected_branches": False, "custom_branch_policies": True} if is_custom else None
    made = answer(models.Environment, name=name)
    return {**made, "protection_rules": rules, "deployment_branch_policy": policy}


def _variables(found: dict[str, str]) -> dict[str, Any]:
    listed = [answer(models.ActionsVariable, name=n, value=v) for n, v in sorted(found.items())]
    return {"total_count": len(listed), "variables": listed}


def _secrets(found: Iterable[str]) -> dict[str, Any]:
    listed = [answer(models.ActionsSecret, name=name) for name in sorted(found)]
    return {"total_count": len(listed), "secrets": listed}


def settings_routes(state: State) -> list[web.RouteDef]:
    """Return the requests about settings, each with the permission that GitHub documents for it."""
    api, settings = _Api(state), state.settings
    environment = "/environments/{environment}"
    table: list[tuple[str, str, Handler]] = [
        ("/rules/branches/{branch}", "metadata", api.rules),
        ("/branches/{branch}", "contents", api.branch),
        ("/branches/{branch}/protection", "administration", api.protection),
        ("/environments", "actions", api.environments),
        (f"{environment}/deployment-branch-policies", "actions", api.branches),
        (f"{environment}/variables", "environments", api.environment_variables),
        (f"{environment}/secrets", "environments", api.environment_secrets),
        ("/actions/variables", "variables", api.variables),
        ("/actions/organization-variables", "variables", api.organization_variables),
        ("/actions/secrets", "secrets", api.secrets),
        ("/actions/organization-secrets", "secrets", api.organization_secrets),
        ("/labels", "issues", api.labels),
        ("/actions/workflows", "actions", api.workflows),
        ("/codeowners/errors", "contents", api.code_owners_errors),
        ("/actions/permissions/workflow", "administration", api.token_permissions),
        (
            "/actions/permissions/fork-pr-contributor-approval",
            "administration",
            api.fork_approval,
        ),
        (
            "/actions/permissions/fork-pr-workflows-private-repos",
            "administration",
            api.private_forks,
        ),
        ("/actions/oidc/customization/sub", "actions", api.subject),
    ]
    root = f"/repos/{state.repository}"
    owner = state.repository.partition("/")[0]
    return [
        *(
            web.get(root + path, _guarded(settings, permission, handler))
            for path, permission, handler in table
        ),
        web.get(f"/orgs/{owner}", _guarded(settings, "metadata", api.organization)),
    ]


def profile_of(state: State) -> Respond:
    """Return what answers about the repository itself."""
    return _guarded(state.settings, "metadata", _Api(state).profile)


def contents_of(state: State) -> Respond:
    """Return what answers about files of the default branch."""
    return _guarded(state.settings, "contents", _Api(state).contents)


def _guarded(settings: Settings, permission: str, handler: Handler) -> Respond:
    async def respond(request: web.Request) -> web.Response:
        if permission in settings.hidden:
            message = {"message": "Resource not accessible by personal access token"}
            header = {"X-Accepted-GitHub-Permissions": f"{permission}=read"}
            return web.json_response(message, status=403, headers=header)
        found = None if permission in settings.invisible else handler(request)
        if found is None:
            text = json.dumps({"message": "Not Found"})
            return web.Response(text=text, status=404, content_type="application/json")
        return web.json_response(found)

    return respond
