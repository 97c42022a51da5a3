"""Judges GitHub's settings that deployments need: labels, variables, secrets, workflows, runners.

As in `guards`, each function gets what was read and returns what is missing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from previews.doctor.expected import ATTEST, BACKEND, IMAGES, RUNNER, TOKEN, VARIABLES
from previews.doctor.finding import Problem, Verdict, verdict
from previews.doctor.guards import absent
from previews.pulumi.lock_files import is_pulumi_cloud

if TYPE_CHECKING:
    from previews.doctor.expected import Expected
    from previews.github.repository import Identity

_S3 = "s3://"
_ACTIVE = "active"
_EVERYWHERE = "0.0.0.0/0"
_ENTERPRISE = "enterprise"


def labels(
    repository: Identity, expected: Expected, found: frozenset[str], shared: Mapping[str, str]
) -> Verdict:
    """Judge whether the labels exist; GitHub's are unique without regard to case.

    Args:
        repository: Its identity.
        expected: Its labels.
        found: Labels that exist, in lower case.
        shared: Variables of the repository and the organization, which may name others.
    """
    wanted = [shared.get(variable) or label for variable, label in expected.labels.items()]
    return verdict(
        ", ".join(wanted),
        (
            Problem(
                f"label {label} is missing",
                f"gh label create {shlex.quote(label)} --repo {repository.full_name}",
            )
            for label in wanted
            if label.casefold() not in found
        ),
    )


def workflows(expected: Expected, found: frozenset[str], needed: frozenset[str]) -> Verdict:
    """Judge whether the workflows' files are on the default branch.

    Args:
        expected: What tells which files are those of previews.
        found: Files on the default branch.
        needed: Files that must be there; empty where one of any name is enough.
    """
    own = sorted(file for file in found if expected.runs_previews(file))
    lacking = sorted(needed - found)
    if lacking:
        why = f"not on the default branch: {', '.join(lacking)}"
        return verdict("", [Problem(why, "merge the platform's workflows to the default branch.")])
    if not own:
        why = "the default branch has no workflow preview*.yml"
        return verdict("", [Problem(why, "run `previews adopt`, and merge what it writes.")])
    return verdict(f"{len(own)} files on the default branch", [])


def schedules(repository: Identity, expected: Expected, states: Mapping[str, str]) -> Verdict:
    """Judge whether GitHub runs the workflows: it stops schedules of quiet repositories.

    In a public repository that is after 60 days without activity, and expired previews stay.
    """
    own = {file: state for file, state in states.items() if expected.runs_previews(file)}
    stopped = {file: state for file, state in own.items() if state != _ACTIVE}
    if not own:
        return verdict("", [Problem("GitHub lists no workflow of previews")])
    return verdict(
        f"{len(own)} workflows are active",
        (
            Problem(
                f"{file} is {state}", f"gh workflow enable {file} --repo {repository.full_name}"
            )
            for file, state in sorted(stopped.items())
        ),
    )


def variables(
    repository: Identity,
    expected: Expected,
    own: Mapping[str, Mapping[str, str]],
    shared: Mapping[str, str],
) -> Verdict:
    """Judge the variables of each environment.

    Args:
        repository: Its identity.
        expected: Its environments.
        own: Variables of each environment that exists.
        shared: Those of the repository and the organization.
    """

    def problems() -> Iterator[Problem]:
        for kind in expected.kinds:
            name = expected.environment(kind)
            if name not in own:
                yield absent(repository, name)
                continue
            found = {**shared, **own[name]}
            needed = (*VARIABLES, IMAGES) if kind == "staging" else VARIABLES
            for variable in needed:
                if not found.get(variable):
                    yield Problem(f"{name} has no {variable}", _set(repository, name, variable))
            role = found.get("AWS_ROLE_ARN", "")
            if role and not role.endswith(f":role/{expected.role(kind)}"):
                yield Problem(
                    f"AWS_ROLE_ARN of {name} is {role}, and not role {expected.role(kind)}",
                    _set(repository, name, "AWS_ROLE_ARN"),
                )
            yield from _bucket(expected, name, found.get(BACKEND, ""))

    return verdict("each environment has its own", problems())


def _bucket(expected: Expected, environment: str, backend: str) -> Iterator[Problem]:
    """Yield a bucket that the roles have no right for."""
    platform = expected.file.github
    configured = platform.state_bucket if platform is not None else None
    bucket = urlsplit(backend).netloc
    if backend.startswith(_S3) and bucket != configured:
        yield Problem(
            f"{BACKEND} of {environment} is {backend}, and github.stateBucket {configured}",
            f"pulumi config set --stack staging --path previews:github.stateBucket {bucket}",
        )


def _set(repository: Identity, environment: str, variable: str) -> str:
    return (
        f"gh variable set {variable} --env {environment} --repo {repository.full_name} --body VALUE"
    )


def secrets(
    repository: Identity,
    expected: Expected,
    own: Mapping[str, frozenset[str]],
    shared: frozenset[str],
    backends: Mapping[str, str],
) -> Verdict:
    """Judge who gets a token of Pulumi Cloud: one that writes staging is in no preview's reach.

    Args:
        repository: Its identity.
        expected: Its environments.
        own: Names of the secrets of each environment that exists.
        shared: Names of those that every workflow gets.
        backends: PULUMI_BACKEND_URL of each environment; empty where it is not set.
    """

    def problems() -> Iterator[Problem]:
        if TOKEN in shared:
            yield Problem(
                f"{TOKEN} is a secret of the repository or organization: previews get what"
                " staging has",
                f"gh secret delete {TOKEN} --repo {repository.full_name}",
            )
        for name in expected.environments:
            if name not in own:
                yield absent(repository, name)
            elif TOKEN in own[name] and backends[name] and not is_pulumi_cloud(backends[name]):
                yield Problem(
                    f"{name} has {TOKEN}, and its state is in {backends[name]}",
                    f"gh secret delete {TOKEN} --env {name} --repo {repository.full_name}",
                )
            elif TOKEN not in own[name] and not backends[name]:
                yield Problem(
                    f"{name} has neither {BACKEND} nor {TOKEN}",
                    f"gh variable set {BACKEND} --env {name} --repo {repository.full_name} --body"
                    f" s3://BUCKET; or, with Pulumi Cloud: gh secret set {TOKEN} --env {name}"
                    f" --repo {repository.full_name}",
                )

    return verdict("each environment reaches Pulumi's state by its own right", problems())


def runner(repository: Identity, networks: tuple[str, ...], shared: Mapping[str, str]) -> Verdict:
    """Judge whether CI's machines can be among those that reach the cluster's API.

    Args:
        repository: Its identity.
        networks: Networks that may reach it.
        shared: Variables of the repository and the organization.
    """
    own = shared.get(RUNNER)
    if own:
        return verdict(f"{RUNNER} is {own}", [])
    if networks and _EVERYWHERE not in networks:
        why = (
            f"jobs run on GitHub's runners, whose addresses are not in cluster.apiCidrs"
            f" ({', '.join(networks)})"
        )
        command = f"gh variable set {RUNNER} --repo {repository.full_name} --body LABEL"
        return verdict("", [Problem(why, command)])
    return verdict("GitHub's runners, and the cluster's API is open to them", [])


def attestations(repository: Identity, plan: str | None, shared: Mapping[str, str]) -> Verdict:
    """Judge whether GitHub attests images: in a private repository only on Enterprise Cloud."""
    if shared.get(ATTEST, "").casefold() == "false":
        return verdict(f"off: {ATTEST} is false", [])
    if not repository.private:
        return verdict("on, the repository is public", [])
    if plan == _ENTERPRISE:
        return verdict("on, the plan is Enterprise Cloud", [])
    return verdict(
        "",
        [
            Problem(
                "the repository is private, and its plan"
                f" {'is hidden from this token' if plan is None else f'({plan})'}: without"
                " Enterprise Cloud GitHub attests nothing, and the step fails",
                f"gh variable set {ATTEST} --repo {repository.full_name} --body false",
            )
        ],
    )
