"""The kinds of failure that are known by what they say; docs/runbook.md has each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class Cause(BaseModel):
    """A kind of failure that is known by what it says.

    Attributes:
        code: Its name in docs/runbook.md.
        why: What it means.
        remedy: What to do about it.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    why: str
    remedy: str


def _cause(pattern: str, code: str, why: str, remedy: str) -> tuple[re.Pattern[str], Cause]:
    return re.compile(pattern, re.IGNORECASE), named(code, why, remedy)


def named(code: str, why: str, remedy: str) -> Cause:
    """A cause by its parts."""
    return Cause.model_validate({"code": code, "why": why, "remedy": remedy})


CAUSES: tuple[tuple[re.Pattern[str], Cause], ...] = (
    _cause(
        r"expected one head, found",
        "migration-heads",
        "two migrations follow the same one",
        "rebase the later one: set its `down_revision` to the other, and push.",
    ),
    _cause(
        r"which this image does not have",
        "migration-unknown",
        "the preview's database was migrated by another version of this branch",
        "comment `/preview reset-db`, then `/preview`; or push a version that holds it.",
    ),
    _cause(
        r'extension "?[^"\n]+"? is not (?:available|supported by Amazon RDS)',
        "extension-missing",
        "this PostgreSQL does not have an extension that is to be created",
        "read its name below. RDS has those of its own list (`SHOW rds.extensions`), the sandbox"
        " PostgreSQL's contrib modules alone: what needs another can't be shown there.",
    ),
    _cause(
        r"migrate: step \S+ .*failed and was undone",
        "migration-failed",
        "a migration failed on staging's data, and was undone",
        "mend the migration and push; the database is as it was before.",
    ),
    _cause(
        r"step \S+ .*would hold .* wait meanwhile",
        "migration-lock",
        "a migration would keep others waiting for too long, and was undone",
        "split it into steps that lock for less, or label the pull request"
        " `preview-long-migration` if it is meant.",
    ),
    _cause(
        r"OOMKilled|exit code 137",
        "out-of-memory",
        "a container used more memory than it may",
        "use less, or raise `previews:service.memory`.",
    ),
    _cause(
        r"ImagePullBackOff|ErrImagePull|manifest unknown",
        "image-pull",
        "the cluster can't fetch the image",
        "run the workflow again; if it stays, look whether the image is in the registry and the"
        " nodes may read it.",
    ),
    _cause(
        r"exceeded quota|forbidden: maximum",
        "namespace-quota",
        "the preview asks for more than its namespace may have",
        "lower what the pods ask for: `previews:service.cpu`, `.memory`, `.maxReplicas`.",
    ),
    _cause(
        r"Insufficient (?:cpu|memory|pods)|FailedScheduling|Unschedulable",
        "no-node",
        "no node has room for a pod",
        "wait for a node to be added and run the workflow again, or remove a preview.",
    ),
    _cause(
        r"InstanceQuotaExceeded|quota .*DB instances|StorageQuotaExceeded",
        "database-quota",
        "the account may have no further database instance in this region",
        "remove a preview, or have the quota raised; the preview comes up with the next push or"
        " `/preview`.",
    ),
    _cause(
        r"DBSnapshotNotFound|no .*automated snapshot|snapshot .*not available",
        "snapshot-missing",
        "staging has no usable snapshot to restore",
        "wait for tonight's, or take one: see docs/runbook.md.",
    ),
    _cause(
        r"AccessDenied|not authorized to perform|UnauthorizedOperation|is forbidden: User",
        "permission",
        "the role of the workflow may not do this",
        "compare what is denied with the permissions of the preview role; a stack's names and tags"
        " must begin with `pr-`.",
    ),
    _cause(
        r"ExpiredToken|InvalidClientTokenId|credentials .*expired",
        "credentials-expired",
        "the credentials ended before the work did",
        "run the workflow again: it goes on where it stopped.",
    ),
    _cause(
        r"currently locked by|update is currently in progress|stack is locked",
        "stack-held",
        "another run holds the stack",
        "wait for it; when it is over and the lock stays: `previews unlock N`.",
    ),
    _cause(
        r"ExternalSecret|SecretStore|SecretSyncedError",
        "secret-not-synced",
        "a secret did not reach the cluster",
        "run the workflow again; if it stays, look at the External Secrets Operator's log.",
    ),
    _cause(
        r"\bprepare-?\w*.*(?:exit code|BackoffLimitExceeded|failed)|^prepare: ",
        "prepare-failed",
        "the copied database could not be prepared, so nothing was let onto it",
        "read what it says below; a preview never starts on data that was not prepared.",
    ),
    _cause(
        r"CrashLoopBackOff|exit code [1-9]|BackoffLimitExceeded",
        "crashed",
        "a container ends by itself",
        "read its last lines below, mend it and push.",
    ),
    _cause(
        r"failed to (?:solve|build)|executor failed running|Dockerfile",
        "image-build",
        "the image could not be built",
        "run `docker build .` on the branch, mend it and push.",
    ),
    _cause(
        r"\n  What to do: ",
        "program-refused",
        "the program stopped before it made anything",
        "do what it says below.",
    ),
    _cause(
        r"smoke test of ",
        "smoke",
        "it runs, and is not what it should be",
        "read which check failed below, mend it and push.",
    ),
    _cause(
        r"timed out|has timed out progressing|readiness probe failed",
        "not-ready",
        "it runs and does not become ready in time",
        "look at the last lines below: does `/health/ready` answer with 200 within"
        " `previews:service.startSeconds`?",
    ),
)
"""Known kinds of failure, the most telling first."""

UNKNOWN = named(
    "unknown",
    "it failed in a way that is not known yet",
    "read what it says below; running the workflow again goes on where it stopped.",
)


# Pulumi's provider says so of whatever it waited for, for whichever reason.
_VAGUE = "not-ready"


def most_likely(texts: Iterable[str]) -> Cause:
    """Return the cause that the first text tells of, a vague one only where no other is told."""
    told = [cause for text in texts if (cause := _told_by(text)) is not None]
    telling = [cause for cause in told if cause.code != _VAGUE]
    return next(iter([*telling, *told]), UNKNOWN)


def _told_by(text: str) -> Cause | None:
    return next((cause for pattern, cause in CAUSES if pattern.search(text)), None)
