"""The state as GitHub's answers show it."""

from __future__ import annotations

from base64 import encodebytes
from datetime import datetime
from typing import Any

from githubkit_schemas.latest import models

from tests.github.schema import answer
from tests.github.state import Comment, Comparison, Deployment, File, PullRequest, Push, Run, State


def user(login: str, kind: str = "User") -> dict[str, Any]:
    return {"login": login, "type": kind, "html_url": f"https://github.com/{login}"}


def repository(full_name: str) -> dict[str, Any]:
    owner, _, name = full_name.partition("/")
    return {"full_name": full_name, "name": name, "owner": user(owner)}


def full_repository(state: State, name: str, number: int) -> dict[str, Any]:
    return answer(
        models.FullRepository, **repository(name), id=number, default_branch=state.default_branch
    )


def _branch(pull: PullRequest, name: str, repo: str | None, sha: str) -> dict[str, Any]:
    owner = (repo or "unknown/repository").partition("/")[0]
    return {
        "label": f"{owner}:{name}",
        "ref": name,
        "sha": sha,
        "user": user(owner),
        "repo": repository(repo) if repo else None,
    }


def pull_request(state: State, pull: PullRequest, *, simple: bool = False) -> dict[str, Any]:
    """One pull request; a list holds simpler ones, without what GitHub computes."""
    closed = pull.updated_at.isoformat() if pull.state == "closed" else None
    document = {
        "id": 10_000 + pull.number,
        "number": pull.number,
        "html_url": f"https://github.com/{state.repository}/pull/{pull.number}",
        "title": pull.title,
        "state": pull.state,
        "draft": pull.draft,
        "user": user(pull.author, pull.author_type),
        "labels": [
            answer(models.PullRequestPropLabelsItems, id=1, name=name, color="5319e7")
            for name in pull.labels
        ],
        "head": _branch(pull, pull.head_ref, pull.head_repository, pull.head_sha),
        "base": _branch(pull, pull.base_ref, state.repository, "b" * 40),
        "created_at": pull.updated_at.isoformat(),
        "updated_at": pull.updated_at.isoformat(),
        "closed_at": closed,
        "merged_at": closed if pull.merged else None,
    }
    if simple:
        return answer(models.PullRequestSimple, **document)
    conflicts = "dirty" if pull.mergeable is False else "clean"
    return answer(
        models.PullRequest,
        **document,
        merged=pull.merged,
        mergeable=pull.mergeable,
        mergeable_state="unknown" if pull.mergeable is None else conflicts,
    )


def comment(state: State, found: Comment) -> dict[str, Any]:
    page = f"https://github.com/{state.repository}/pull/{found.number}"
    return answer(
        models.IssueComment,
        id=found.id,
        body=found.body,
        user=user(found.author, "Bot" if found.author.endswith("[bot]") else "User"),
        html_url=f"{page}#issuecomment-{found.id}",
        created_at=found.created_at.isoformat(),
        updated_at=found.updated_at.isoformat(),
    )


def deployment(found: Deployment) -> dict[str, Any]:
    return answer(
        models.Deployment,
        id=found.id,
        sha=found.sha,
        ref=found.sha,
        task=found.task,
        payload={},
        environment=found.environment,
        description=found.description,
        transient_environment=found.transient,
        created_at=found.created_at.isoformat(),
        updated_at=found.created_at.isoformat(),
    )


def comparison(found: Comparison) -> dict[str, Any]:
    files = [
        answer(
            models.DiffEntry,
            filename=file,
            status="renamed" if former else "modified",
            **({"previous_filename": former} if former else {}),
        )
        for file, former in found.files
    ]
    return answer(models.CommitComparison, status=found.status, files=files)


def file(path: str, found: File) -> Any:
    """A file of a commit: its content up to 1 MiB, as GitHub answers."""
    if found.type == "dir":
        return [answer(models.ContentDirectoryItems, type="file", name="x", path=f"{path}/x")]
    small = len(found.content) <= 1024 * 1024
    document = {
        "type": found.type,
        "size": len(found.content),
        "name": path.rpartition("/")[2],
        "path": path,
    }
    if found.type == "submodule":
        return answer(models.ContentSubmodule, **document)
    if found.type == "symlink":
        return answer(models.ContentSymlink, **document, target=found.content.decode())
    return answer(
        models.ContentFile,
        **document,
        encoding="base64" if small else "none",
        content=encodebytes(found.content).decode() if small else "",
    )


def changed_file(path: str) -> dict[str, Any]:
    return answer(models.DiffEntry, filename=path, status="modified")


def git_commit(sha: str, time: datetime) -> dict[str, Any]:
    person = {"name": "ada", "email": "ada@example.com", "date": time.isoformat()}
    return answer(models.GitCommit, sha=sha, committer=person, author=person)


def run(state: State, found: Run) -> dict[str, Any]:
    return answer(
        models.WorkflowRun,
        id=found.id,
        run_attempt=found.attempt,
        status=found.status,
        conclusion=found.conclusion,
        html_url=f"https://github.com/{state.repository}/actions/runs/{found.id}",
        repository=repository(state.repository),
        head_repository=repository(state.repository),
    )


def approval(environment: str, login: str, answer_given: str) -> dict[str, Any]:
    kind = "Bot" if login.endswith("[bot]") else "User"
    return answer(
        models.EnvironmentApprovals,
        environments=[{"name": environment}],
        state=answer_given,
        user=user(login, kind),
    )


def push(found: Push) -> dict[str, Any]:
    return answer(
        models.Activity,
        ref=f"refs/heads/{found.branch}",
        after=found.after,
        before="0" * 40,
        activity_type="push",
        actor=user(found.actor),
    )


def permission(login: str, level: str) -> dict[str, Any]:
    return answer(
        models.RepositoryCollaboratorPermission,
        permission=level,
        role_name=level,
        user={"login": login},
    )
