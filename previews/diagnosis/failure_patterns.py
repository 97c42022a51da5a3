"""Known kinds of failure, recognized by their errors; docs/runbook.md lists them all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class FailurePattern(BaseModel):
    """A known kind of failure.

    Attributes:
        code: Its name in docs/runbook.md.
        why: Its meaning.
        remedy: The instruction that resolves it.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    why: str
    remedy: str


def _pattern(
    regex: str, code: str, why: str, remedy: str
) -> tuple[re.Pattern[str], FailurePattern]:
    return re.compile(regex, re.IGNORECASE), FailurePattern(code=code, why=why, remedy=remedy)


FAILURE_PATTERNS: tuple[tuple[re.Pattern[str], FailurePattern], ...] = (
    _pattern(
        r"(?m:^policy [\w-]+ \()",
        "policy-violated",
        "a resource violates a policy of the platform, and was not deployed",
        "read below which, and change it: mostly in `preview.yaml`. Policies are in"
        " `infra/policies`, each with its reason; no configuration turns them off.",
    ),
    _pattern(
        r"expected one head, found",
        "migration-heads",
        "two migrations have the same parent",
        "rebase the later one: set its `down_revision` to the other, and push.",
    ),
    _pattern(
        r"which this image does not have",
        "migration-unknown",
        "the preview's database was migrated by another version of this branch",
        "comment `/preview reset-db`, then `/preview`; or push a version that holds it.",
    ),
    _pattern(
        r'extension "?[^"\n]+"? is not (?:available|supported by Amazon RDS)',
        "extension-missing",
        "PostgreSQL lacks an extension that a migration creates",
        "read its name below. RDS has the extensions of `SHOW rds.extensions`, the sandbox only"
        " PostgreSQL's contrib modules: what needs another can't run there.",
    ),
    _pattern(
        r"migrate: step \S+ .*failed and was undone",
        "migration-failed",
        "a migration failed on staging's data and was rolled back",
        "fix the migration and push; the database is unchanged.",
    ),
    _pattern(
        r"step \S+ .*would hold .* wait meanwhile",
        "migration-lock",
        "a migration holds a lock for too long, and was rolled back",
        "split it into steps with shorter locks, or label the pull request"
        " `preview-long-migration` if the lock is intended.",
    ),
    _pattern(
        r"OOMKilled|exit code 137",
        "out-of-memory",
        "a container exceeded its memory limit",
        "use less, or raise `previews:service.memory`.",
    ),
    _pattern(
        r"ImagePullBackOff|ErrImagePull|manifest unknown",
        "image-pull",
        "the cluster can't pull the image",
        "run the workflow again; if it fails again, check that the image is in the registry and"
        " that the nodes may pull it.",
    ),
    _pattern(
        r"exceeded quota|forbidden: maximum",
        "namespace-quota",
        "the preview requests more than the quota of its namespace",
        "lower the requests of the pods: `previews:service.cpu`, `.memory`, `.maxReplicas`.",
    ),
    _pattern(
        r"Insufficient (?:cpu|memory|pods)|FailedScheduling|Unschedulable",
        "no-node",
        "no node has room for a pod",
        "wait for a node to be added and run the workflow again, or remove a preview.",
    ),
    _pattern(
        r"InstanceQuotaExceeded|quota .*DB instances|StorageQuotaExceeded",
        "database-quota",
        "the account's quota of database instances in this region is used up",
        "remove a preview, or raise the quota; the preview comes up with the next push or"
        " `/preview`.",
    ),
    _pattern(
        r"DBSnapshotNotFound|no .*automated snapshot|snapshot .*not available",
        "snapshot-missing",
        "staging has no usable snapshot to restore",
        "wait for tonight's snapshot, or take one: see docs/runbook.md.",
    ),
    _pattern(
        r"AccessDenied|not authorized to perform|UnauthorizedOperation|is forbidden: User",
        "permission",
        "the workflow's role lacks a permission",
        "compare the denied action with the permissions of the preview role; a stack's names and"
        " tags must begin with `pr-`.",
    ),
    _pattern(
        r"ExpiredToken|InvalidClientTokenId|credentials .*expired",
        "credentials-expired",
        "the credentials expired during the run",
        "run the workflow again: it continues where it stopped.",
    ),
    _pattern(
        r"currently locked by|update is currently in progress|stack is locked",
        "stack-held",
        "another run holds the lock of the stack",
        "wait for it; if the lock remains after it: `previews unlock N`.",
    ),
    _pattern(
        r"ExternalSecret|SecretStore|SecretSyncedError",
        "secret-not-synced",
        "a secret was not synced to the cluster",
        "run the workflow again; if it fails again, read the External Secrets Operator's log.",
    ),
    _pattern(
        r"\bprepare-?\w*.*(?:exit code|BackoffLimitExceeded|failed)|^prepare: ",
        "prepare-failed",
        "preparing the copied database failed, so nothing may connect to it",
        "read the error; a preview never starts on data that was not prepared. If it is a rule of"
        " the scrub, correct scrub.yaml on the default branch and bring staging up: the next"
        " deployment uses it.",
    ),
    _pattern(
        r'no matches for kind "?ApplicationNetworkPolicy',
        "egress-by-name",
        "this cluster can't tell hosts by name: only EKS Auto Mode can, and the sandbox can't",
        "set `previews:egressBy` to `address`.",
    ),
    _pattern(
        r"NetworkPolicyDenied",
        "egress-denied",
        "the app connects to something that no network policy allows",
        "read below where to; if the app needs it, name its host and port under `egress` in"
        " preview.yaml.",
    ),
    _pattern(
        r"Read-only file system|\[Errno 13\] Permission denied: '/|\bEROFS\b",
        "read-only",
        "the app writes to a folder of its image, and a preview's root is read-only",
        "read the path below, and name its folder under `service.scratch` in preview.yaml; it is"
        " relative to the image's WORKDIR if it has no slash at its beginning.",
    ),
    _pattern(
        r"(?m:batch/v1:Job migrate$)",
        "migrate-failed",
        "the command `database.migrate` of `preview.yaml` failed; nothing after it was touched",
        "read the last lines of its log below and fix it, then push; the next `up` runs it again.",
    ),
    _pattern(
        r"(?m:batch/v1:Job (?:seed|after-deploy)$)",
        "hook-failed",
        "a hook of `preview.yaml` failed; the service is up and serves this version",
        "read the last lines of its log below and fix it, then push; the next `up` runs it again.",
    ),
    _pattern(
        r"CrashLoopBackOff|exit code [1-9]|BackoffLimitExceeded",
        "crashed",
        "a container is crash-looping",
        "read its last log lines below, fix it and push.",
    ),
    _pattern(
        r"failed to (?:solve|build)|executor failed running|Dockerfile",
        "image-build",
        "the image could not be built",
        "run `docker build .` on the branch, fix it and push.",
    ),
    _pattern(
        r"\n  What to do: ",
        "program-refused",
        "the program stopped before it created anything",
        "follow the instruction below.",
    ),
    _pattern(
        r"smoke test of ",
        "smoke",
        "the service runs and fails a check",
        "read below which check failed, fix it and push.",
    ),
    _pattern(
        r"timed out|has timed out progressing|readiness probe failed",
        "not-ready",
        "the service runs and did not become ready in time",
        "read the last log lines below: `/health/ready` has to return 200 within"
        " `previews:service.startSeconds`.",
    ),
)
"""Known kinds of failure, the most specific first."""

UNKNOWN = FailurePattern(
    code="unknown",
    why="the cause is not known",
    remedy="read the error below; running the workflow again continues where it stopped.",
)
# Pulumi's provider reports it for whatever it waited for, for whichever reason.
_UNSPECIFIC = "not-ready"
_CRASHED, _EXPLAINS_A_CRASH = "crashed", frozenset({"egress-denied", "read-only"})


def most_likely(texts: Iterable[str]) -> FailurePattern:
    """Return the pattern of the first text that matches one, an unspecific one only at last.

    A crash is explained by a connection or a file that was denied, where there is one.
    """
    found = [pattern for text in texts if (pattern := _match(text)) is not None]
    specific = [pattern for pattern in found if pattern.code != _UNSPECIFIC]
    likely = next(iter([*specific, *found]), UNKNOWN)
    if likely.code == _CRASHED:
        return next((one for one in found if one.code in _EXPLAINS_A_CRASH), likely)
    return likely


def _match(text: str) -> FailurePattern | None:
    return next((pattern for regex, pattern in FAILURE_PATTERNS if regex.search(text)), None)
