"""Settings of the repository, as its administrators made them; they are read alone.

GitHub answers 404 both for what does not exist and for what the token may not read. So nothing
here takes a 404 for "there is none", but where a list that can be read shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from previews.github.connection import Connection, Model, read
from previews.github.contents import Contents

WORKFLOWS = ".github/workflows"

_M = TypeVar("_M", bound=Model)


class PullRequestRule(Model):
    """Parameters of a rule that asks for pull requests.

    Attributes:
        require_code_owner_review: True if an owner of the changed files has to approve.
        required_approving_review_count: People who have to approve.
    """

    require_code_owner_review: bool = False
    required_approving_review_count: int = 0


class Rule(Model):
    """A rule of a ruleset that is active for a branch.

    Attributes:
        type: ``pull_request``, ``non_fast_forward``, ``deletion`` or another one.
        parameters: Those of ``pull_request``; other rules' are not read.
    """

    type: str
    parameters: PullRequestRule | None = None


class _Switch(Model):
    enabled: bool = False


class _Reviews(Model):
    require_code_owner_reviews: bool = False
    required_approving_review_count: int = 0


class BranchProtection(Model):
    """The older protection of one branch.

    Attributes:
        required_pull_request_reviews: Reviews of a pull request; None where none is required.
        allow_force_pushes: Permission of force pushes.
        allow_deletions: Permission to delete the branch.
    """

    required_pull_request_reviews: _Reviews | None = None
    allow_force_pushes: _Switch = _Switch()
    allow_deletions: _Switch = _Switch()


class _Branch(Model):
    protected: bool


class ProtectionRule(Model):
    """A rule of an environment.

    Attributes:
        type: ``required_reviewers``, ``wait_timer``, ``branch_policy``, or an app's own.
        prevent_self_review: True if nobody approves the run that they started.
        reviewers: People and teams of whom one has to approve.
    """

    type: str
    prevent_self_review: bool = False
    reviewers: tuple[dict[str, Any], ...] = ()


class BranchPolicy(Model):
    """The branches that an environment is open to.

    Attributes:
        protected_branches: True for all protected branches.
        custom_branch_policies: True for those that a list names.
    """

    protected_branches: bool
    custom_branch_policies: bool


class Environment(Model):
    """An environment.

    Attributes:
        name: Its name.
        protection_rules: Its rules.
        deployment_branch_policy: The branches that it is open to; None for every branch.
    """

    name: str
    protection_rules: tuple[ProtectionRule, ...] = ()
    deployment_branch_policy: BranchPolicy | None = None


class Workflow(Model):
    """A workflow.

    Attributes:
        path: Path of its file.
        state: ``active``, or the reason why it does not run.
    """

    path: str
    state: str


class TokenPermissions(Model):
    """Rights of the token of a job that asks for none.

    Attributes:
        default_workflow_permissions: ``read`` or ``write``.
        can_approve_pull_request_reviews: True if a workflow may approve a pull request.
    """

    default_workflow_permissions: Literal["read", "write"]
    can_approve_pull_request_reviews: bool


class PrivateForks(Model):
    """Runs of forks' pull requests in a private repository.

    Attributes:
        run_workflows_from_fork_pull_requests: True if they run at all.
        send_write_tokens_to_workflows: True if their token may write.
        send_secrets_and_variables: True if they get secrets.
    """

    run_workflows_from_fork_pull_requests: bool
    send_write_tokens_to_workflows: bool
    send_secrets_and_variables: bool


class Subject(Model):
    """Form of the subject in the repository's OIDC tokens.

    Attributes:
        use_default: True unless the repository has a form of its own.
        sub_claim_prefix: Its beginning; None where GitHub does not report it.
    """

    use_default: bool = True
    sub_claim_prefix: str | None = None


class CodeOwnersError(Model):
    """An error in CODEOWNERS, for which GitHub ignores the line.

    Attributes:
        line: Number of the line.
        kind: Kind of the error.
        source: The line.
    """

    line: int
    kind: str
    source: str | None = None


class _Approval(Model):
    approval_policy: str


class _Name(Model):
    name: str


class _Variable(Model):
    name: str
    value: str


class _File(Model):
    name: str
    type: str


class _CodeOwnersErrors(Model):
    errors: tuple[CodeOwnersError, ...]


class _Plan(Model):
    name: str


class _Organization(Model):
    plan: _Plan | None = None


class RepositorySettings:
    """Settings of one repository. What several checks need is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._repos = connection.kit.rest.repos
        self._actions = connection.kit.rest.actions
        self._orgs = connection.kit.rest.orgs
        self._contents = Contents(connection)

    def rules(self, branch: str) -> tuple[Rule, ...]:
        """Return the active rules of a branch, of the repository's and organization's rulesets."""
        what = f"rules of branch {branch}"
        return tuple(self._each(Rule, what, self._repos.get_branch_rules, branch=branch))

    def protection(self, branch: str) -> BranchProtection | None:
        """Return the older protection of a branch; None where it has none."""
        what = f"branch {branch}"
        if not self._read(_Branch, what, self._repos.get_branch, branch=branch).protected:
            return None
        return self._read(
            BranchProtection,
            f"protection of branch {branch}",
            self._repos.get_branch_protection,
            branch=branch,
        )

    @cached_property
    def environments(self) -> dict[str, Environment]:
        """Each environment by its name."""
        call = self._repos.get_all_environments
        found = self._each(Environment, "environments", call, key="environments")
        return {environment.name: environment for environment in found}

    def deployment_branches(self, environment: str) -> frozenset[str]:
        """Return the names and patterns of branches and tags that an environment is open to."""
        call = self._repos.list_deployment_branch_policies
        found = self._of(environment, _Name, "branches", call, key="branch_policies")
        return frozenset(policy.name for policy in found)

    def variables(self, environment: str) -> dict[str, str]:
        """Return an environment's own variables."""
        call = self._actions.list_environment_variables
        found = self._of(environment, _Variable, "variables", call, key="variables")
        return {variable.name: variable.value for variable in found}

    @cached_property
    def shared_variables(self) -> dict[str, str]:
        """Variables of the organization and of the repository, which precede those."""
        calls = {
            "variables of the organization": self._actions.list_repo_organization_variables,
            "variables of the repository": self._actions.list_repo_variables,
        }
        return {
            variable.name: variable.value
            for what, call in calls.items()
            for variable in self._each(_Variable, what, call, key="variables")
        }

    def secrets(self, environment: str) -> frozenset[str]:
        """Return the names of an environment's own secrets."""
        call = self._actions.list_environment_secrets
        found = self._of(environment, _Name, "secrets", call, key="secrets")
        return frozenset(secret.name for secret in found)

    @cached_property
    def shared_secrets(self) -> frozenset[str]:
        """Names of the secrets that every workflow gets, of the repository or organization."""
        calls = {
            "secrets of the organization": self._actions.list_repo_organization_secrets,
            "secrets of the repository": self._actions.list_repo_secrets,
        }
        return frozenset(
            secret.name
            for what, call in calls.items()
            for secret in self._each(_Name, what, call, key="secrets")
        )

    def workflows(self) -> dict[str, str]:
        """Return the state of each workflow by the name of its file."""
        found = self._each(
            Workflow, "workflows", self._actions.list_repo_workflows, key="workflows"
        )
        return {workflow.path.rpartition("/")[2]: workflow.state for workflow in found}

    def workflow_files(self) -> frozenset[str]:
        """Return the names of the workflows' files on the default branch."""
        what = f"{WORKFLOWS} of the default branch"
        response = self._connection.request(what, self._repos.get_content, path=WORKFLOWS)
        entries = response if isinstance(response, list) else [response]
        files = [read(_File, what, entry) for entry in entries]
        return frozenset(file.name for file in files if file.type == "file")

    def text(self, path: str) -> str | None:
        """Return the text of a file of the default branch; None where there is none."""
        content = self._contents.find(path)
        if content is None:
            # Without the right to read files, GitHub hides the repository's other files, too.
            self.workflow_files()
            return None
        return content.decode("utf-8", errors="replace")

    def code_owners_errors(self) -> tuple[CodeOwnersError, ...]:
        """Return the errors that GitHub finds in CODEOWNERS of the default branch."""
        what = "errors of CODEOWNERS"
        return self._read(_CodeOwnersErrors, what, self._repos.codeowners_errors).errors

    def token_permissions(self) -> TokenPermissions:
        """Return the rights of a job that asks for none."""
        call = self._actions.get_github_actions_default_workflow_permissions_repository
        return self._read(TokenPermissions, "default permissions of workflows", call)

    def fork_approval(self) -> str:
        """Return which outsiders' runs wait for an approval, in a public repository."""
        call = self._actions.get_fork_pr_contributor_approval_permissions_repository
        return self._read(_Approval, "approval of forks' runs", call).approval_policy

    def private_forks(self) -> PrivateForks:
        """Return what forks' runs get in a private repository."""
        call = self._actions.get_private_repo_fork_pr_workflows_settings_repository
        return self._read(PrivateForks, "runs of forks", call)

    def subject(self) -> Subject:
        """Return the form of the subject in OIDC tokens."""
        call = self._actions.get_custom_oidc_sub_claim_for_repo
        return self._read(Subject, "subject of OIDC tokens", call)

    def plan(self) -> str | None:
        """Return the name of the organization's plan; None where the token may not see it."""
        found = self._read(
            _Organization,
            f"organization {self._connection.owner}",
            lambda owner, repo: self._orgs.get(org=owner),  # noqa: ARG005 - `request` passes both.
        )
        return None if found.plan is None else found.plan.name

    def _read(self, model: type[_M], what: str, call: Any, **arguments: Any) -> _M:
        return read(model, what, self._connection.request(what, call, **arguments))

    def _of(
        self, environment: str, model: type[_M], what: str, call: Any, *, key: str
    ) -> Iterator[_M]:
        """Yield what belongs to an environment, whose name may have any character."""
        name = quote(environment, safe="")
        what = f"{what} of environment {environment}"
        return self._each(model, what, call, key=key, environment_name=name)

    def _each(
        self, model: type[_M], what: str, call: Any, *, key: str = "", **arguments: Any
    ) -> Iterator[_M]:
        for response in self._connection.each(what, call, key=key, **arguments):
            yield read(model, what, response)
