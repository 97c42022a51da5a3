"""Judges GitHub's settings that guard what runs with a credential.

Each function gets what was read and returns what is missing, with the command that mends it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from previews.doctor.code_owners import LOCATIONS, without_owner
from previews.doctor.expected import APPROVED, RUNNER
from previews.doctor.finding import Problem, Verdict, verdict

if TYPE_CHECKING:
    from previews.doctor.expected import Expected, Source
    from previews.github.repository import Identity
    from previews.github.settings import (
        BranchProtection,
        CodeOwnersError,
        Environment,
        PrivateForks,
        ProtectionRule,
        Rule,
        Subject,
        TokenPermissions,
    )

_ALL_OUTSIDERS = "all_external_contributors"
_WEAKEST = "first_time_contributors_new_to_github"


def branch(
    repository: Identity, rules: Sequence[Rule], protection: BranchProtection | None
) -> Verdict:
    """Judge the default branch, whose code holds the roles.

    Args:
        repository: Its identity.
        rules: Active rules of its rulesets.
        protection: The branch's older protection.
    """
    held = {rule.type for rule in rules}
    parameters = [rule.parameters for rule in rules if rule.type == "pull_request"]
    approved = any(p is not None and p.required_approving_review_count for p in parameters)
    by_owners = any(p is not None and p.require_code_owner_review for p in parameters)
    if protection is not None:
        if not protection.allow_force_pushes.enabled:
            held.add("non_fast_forward")
        if not protection.allow_deletions.enabled:
            held.add("deletion")
        reviews = protection.required_pull_request_reviews
        approved |= reviews is not None and reviews.required_approving_review_count > 0
        by_owners |= reviews is not None and reviews.require_code_owner_reviews
    lacking = {
        "anybody with write access pushes to it without an approved pull request": not approved,
        "no owner of the changed files has to approve": not by_owners,
        "force pushes are allowed": "non_fast_forward" not in held,
        "it can be deleted": "deletion" not in held,
    }
    name = repository.default_branch
    return verdict(
        f"{name}: approved pull requests alone, an owner's approval among them",
        (
            Problem(f"{name}: {why}", _protect(repository.full_name))
            for why, is_lacking in lacking.items()
            if is_lacking
        ),
    )


def _protect(repository: str) -> str:
    rule = {
        "required_approving_review_count": 1,
        "require_code_owner_review": True,
        "dismiss_stale_reviews_on_push": True,
        "require_last_push_approval": True,
        "required_review_thread_resolution": False,
    }
    ruleset = {
        "name": "default branch",
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}},
        "rules": [
            {"type": "pull_request", "parameters": rule},
            {"type": "non_fast_forward"},
            {"type": "deletion"},
        ],
    }
    return f"{_send('POST', f'repos/{repository}/rulesets', ruleset)}"


def code_owners(expected: Expected, text: str | None, errors: Sequence[CodeOwnersError]) -> Verdict:
    """Judge CODEOWNERS of the default branch.

    Args:
        expected: Its files that need an owner.
        text: The file's text; None where there is none.
        errors: The errors that GitHub finds in it.
    """
    if text is None:
        why = f"none of {', '.join(LOCATIONS)} is on the default branch"
        return verdict("", [Problem(why, "commit .github/CODEOWNERS, as the platform's own.")])
    problems = [
        Problem(
            f"line {error.line}: {error.kind}, so GitHub ignores it",
            f"name a user, or a team with write access, in line {error.line} of CODEOWNERS"
            + (f": {error.source.strip()}" if error.source else "."),
        )
        for error in errors
    ]
    lacking = without_owner(text, expected.guarded)
    if lacking:
        problems.append(
            Problem(f"no owner: {', '.join(lacking)}", "add a line for each of them to CODEOWNERS.")
        )
    return verdict(f"{len(expected.guarded)} guarded paths have an owner", problems)


def environments(
    repository: Identity, expected: Expected, found: Mapping[str, Environment]
) -> Verdict:
    """Judge whether the environments exist."""
    return verdict(
        ", ".join(expected.environments),
        (absent(repository, name) for name in expected.environments if name not in found),
    )


def absent(repository: Identity, environment: str) -> Problem:
    """Return the problem of an environment that does not exist, of which nothing can be right."""
    where = f"repos/{repository.full_name}/environments/{environment}"
    return Problem(
        f"{environment} is missing", f"{_open_to_named(where)} && {_name(repository, where)}"
    )


def environment_branches(
    repository: Identity,
    expected: Expected,
    found: Mapping[str, Environment],
    open_to: Mapping[str, frozenset[str]],
) -> Verdict:
    """Judge whether the environments are open to the default branch alone.

    Args:
        repository: Its identity.
        expected: Its environments.
        found: The environments that exist.
        open_to: Branches and tags that each of them names.
    """
    only = repository.default_branch

    def problems() -> Iterator[Problem]:
        for name in expected.environments:
            if name not in found:
                yield absent(repository, name)
                continue
            where = f"repos/{repository.full_name}/environments/{name}"
            policy = found[name].deployment_branch_policy
            if policy is None or not policy.custom_branch_policies:
                kind = "every branch" if policy is None else "every protected branch"
                command = f"{_open_to_named(where)} && {_name(repository, where)}"
                yield Problem(f"{name} is open to {kind}", command)
            elif only not in open_to[name]:
                yield Problem(f"{name} is not open to {only}", _name(repository, where))
            for other in sorted(open_to[name] - {only}):
                yield Problem(f"{name} is open to {other}", _close(where, other))

    return verdict(f"open to {only} alone", problems())


def _open_to_named(where: str) -> str:
    return (
        f"gh api -X PUT {where} -F 'deployment_branch_policy[protected_branches]=false'"
        " -F 'deployment_branch_policy[custom_branch_policies]=true'"
    )


def _name(repository: Identity, where: str) -> str:
    return f"gh api {where}/deployment-branch-policies -f name={repository.default_branch}"


def _close(where: str, other: str) -> str:
    policies = f"{where}/deployment-branch-policies"
    chosen = shlex.quote(f'.branch_policies[] | select(.name == "{other}") | .id')
    return f'gh api -X DELETE {policies}/"$(gh api {policies} --jq {chosen})"'


def reviewers(
    repository: Identity, expected: Expected, found: Mapping[str, Environment]
) -> Verdict:
    """Judge who approves what: a pull request's program a second person, all else nobody."""
    guarded = expected.environment(APPROVED)

    def problems() -> Iterator[Problem]:
        for name in expected.environments:
            if name not in found:
                yield absent(repository, name)
                continue
            rules = {rule.type: rule for rule in found[name].protection_rules}
            review = rules.get("required_reviewers")
            if name != guarded:
                yield from _waits(repository, name, rules)
            elif review is None or not review.reviewers:
                yield Problem(f"{name} needs nobody's approval", _require_review(repository, name))
            elif not review.prevent_self_review:
                why = f"{name} can be approved by whoever started the run"
                yield Problem(why, _require_review(repository, name))

    fact = f"{guarded} needs a second person" if expected.app.is_platform else "nothing waits"
    return verdict(fact, problems())


def _waits(
    repository: Identity, name: str, rules: Mapping[str, ProtectionRule]
) -> Iterator[Problem]:
    waits = sorted(rules.keys() & {"required_reviewers", "wait_timer"})
    if waits:
        settings = {"reviewers": [], "wait_timer": 0, **_CUSTOM}
        yield Problem(
            f"{name} waits ({', '.join(waits)}), and so do its deletions and sweeps",
            _send("PUT", f"repos/{repository.full_name}/environments/{name}", settings),
        )


_CUSTOM = {
    "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}
}


def _require_review(repository: Identity, environment: str) -> str:
    settings = {
        "prevent_self_review": True,
        "reviewers": [{"type": "Team", "id": 0}],
        **_CUSTOM,
    }
    command = _send("PUT", f"repos/{repository.full_name}/environments/{environment}", settings)
    owner = repository.full_name.partition("/")[0]
    return f"{command}, with the id from: gh api orgs/{owner}/teams/TEAM --jq .id"


def token_permissions(repository: Identity, found: TokenPermissions) -> Verdict:
    """Judge the rights of a job that asks for none."""
    command = (
        f"gh api -X PUT repos/{repository.full_name}/actions/permissions/workflow"
        " -f default_workflow_permissions=read -F can_approve_pull_request_reviews=false"
    )
    faults = {
        "the token of a job that asks for no right may write": found.default_workflow_permissions
        != "read",
        "a workflow may approve pull requests": found.can_approve_pull_request_reviews,
    }
    return verdict(
        "read, and no approval of pull requests",
        (Problem(why, command) for why, is_so in faults.items() if is_so),
    )


def outsiders(repository: Identity, policy: str, variables: Mapping[str, str]) -> Verdict:
    """Judge whose runs wait for an approval in a public repository.

    With runners of one's own, code of anybody would run in their network.
    """
    own_runner = bool(variables.get(RUNNER))
    if policy != _WEAKEST and (policy == _ALL_OUTSIDERS or not own_runner):
        return verdict(f"approval: {policy}", [])
    command = (
        f"gh api -X PUT repos/{repository.full_name}/actions/permissions"
        f"/fork-pr-contributor-approval -f approval_policy={_ALL_OUTSIDERS}"
    )
    runner = f", and {RUNNER} names a runner of your own" if own_runner else ""
    return verdict(
        "", [Problem(f"outsiders' runs need too little approval ({policy}){runner}", command)]
    )


def private_forks(repository: Identity, found: PrivateForks) -> Verdict:
    """Judge what runs of forks get in a private repository."""
    faults = {
        "a write token": found.send_write_tokens_to_workflows,
        "secrets": found.send_secrets_and_variables,
    }
    given = [name for name, is_so in faults.items() if is_so]
    command = (
        f"gh api -X PUT repos/{repository.full_name}/actions/permissions"
        "/fork-pr-workflows-private-repos -F run_workflows_from_fork_pull_requests=false"
        " -F send_write_tokens_to_workflows=false -F send_secrets_and_variables=false"
    )
    if found.run_workflows_from_fork_pull_requests and given:
        return verdict("", [Problem(f"forks' runs get {' and '.join(given)}", command)])
    return verdict("forks' runs get no secret and no right to write", [])


def identity(repository: Identity, subject: Subject, source: Source | None) -> Verdict:
    """Judge whether AWS's configuration names this repository as its tokens do."""
    if source is None:
        return verdict(
            "", [Problem("the configuration names no repository", _configure(repository))]
        )
    pairs = {
        "repository": (source.repository, repository.full_name),
        "repositoryId": (source.repository_id, str(repository.id)),
        "branch": (source.branch, repository.default_branch),
    }
    if subject.sub_claim_prefix is not None:
        pairs["subjectPrefix"] = (source.subject_prefix, subject.sub_claim_prefix)

    def problems() -> Iterator[Problem]:
        for key, (configured, actual) in pairs.items():
            if configured != actual:
                yield Problem(
                    f"{key} is {configured!r}, and GitHub has {actual!r}",
                    f"pulumi config set --stack staging --path previews:github.{key} {actual}"
                    if not source.name
                    else f"set {key} of app {source.name} to {actual} in Pulumi.staging.yaml,"
                    " previews:apps",
                )
        if not subject.use_default:
            yield Problem(
                "the subject of its tokens has a form of its own",
                f"gh api -X PUT repos/{repository.full_name}/actions/oidc/customization/sub"
                " -F use_default=true",
            )

    return verdict(f"{repository.full_name}, number {repository.id}", problems())


def _configure(repository: Identity) -> str:
    return (
        "pulumi config set --stack staging --path previews:github.repository"
        f" {repository.full_name}; then the other keys of step 6 in docs/getting-started-aws.md"
    )


def _send(method: str, path: str, document: object) -> str:
    return f"gh api -X {method} {path} --input - <<< {shlex.quote(json.dumps(document))}"
