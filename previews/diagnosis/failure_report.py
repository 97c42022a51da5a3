"""Why a preview did not come up, so that nobody needs access to the cluster to understand it.

Pure: from the engine's events, and from what was found in the preview's namespace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from previews.diagnosis.failure_patterns import Cause, most_likely, named
from previews.diagnosis.migration_report import MARK
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError
from previews.pulumi.events import About, EngineEvent
from previews.pulumi.progress import Step, step_of
from previews.reporting.wording import cell

_MOST_LINES = 30
_LONGEST_LINE = 400
_MOST_EVENTS = 10
_REMEDY = re.compile(r"\s*What to do:")
# What the engine says of every failure, whatever failed.
_OTHERS_FAULT = re.compile(
    r"^(?:update|preview) failed$|resource monitor shut down"
    r"|^an unhandled error occurred: program exited",
    re.IGNORECASE,
)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class FailedResource(_Model):
    """A resource that failed.

    Attributes:
        step: The step that it belongs to, if any.
        type: Its type token.
        name: Its name in the program.
        op: What was being done to it.
        message: What the provider said, without secrets.
    """

    step: Step | None
    type: str
    name: str
    op: str
    message: str

    @property
    def gist(self) -> str:
        """Its last line that says what is wrong and not what to do; empty where it said nothing."""
        lines = [line for line in self.message.splitlines() if not _REMEDY.match(line)]
        return lines[-1].strip() if lines else ""


class ContainerTrouble(_Model):
    """A container that is not well.

    Attributes:
        pod: Its pod.
        container: Its name.
        reason: Why Kubernetes says it is not well, with exit code and restarts.
        log: Its last lines, without secrets.
    """

    pod: str
    container: str
    reason: str
    log: tuple[str, ...] = ()


class Evidence(_Model):
    """What was found in the preview's namespace.

    Attributes:
        containers: Containers that are not well.
        events: Kubernetes' warnings, oldest first.
        missing: Why nothing could be looked at; empty where it could.
    """

    containers: tuple[ContainerTrouble, ...] = ()
    events: tuple[str, ...] = ()
    missing: str = ""


class Autopsy(_Model):
    """Why a preview did not come up.

    Attributes:
        cause: What it most likely is.
        failed: The resources that failed.
        evidence: What was found in its namespace.
    """

    cause: Cause
    failed: tuple[FailedResource, ...] = ()
    evidence: Evidence = Evidence()


def perform(
    events: Iterable[EngineEvent],
    evidence: Evidence = Evidence(),  # noqa: B008 - frozen
    *,
    said: str = "",
    known_secrets: Sequence[str] = (),
) -> Autopsy:
    """Find out why a preview did not come up.

    Args:
        events: What the engine said.
        evidence: What was found in the namespace.
        said: What was said otherwise, where no resource failed (a program's error, a lock).
        known_secrets: Secrets that are never shown, whatever they look like.
    """
    failed = _failed(events, known_secrets)
    said = redact(said, known_secrets)
    if not failed and said:
        failed = (FailedResource(step=None, type="", name="", op="", message=_short(said)),)
    return Autopsy(cause=_most_likely(failed, evidence), failed=failed, evidence=evidence)


def of_error(error: PreviewsError) -> Autopsy:
    """What stopped it where neither the engine nor the cluster was to blame."""
    cause = named(error.code, f"it stopped at {cell(error.what)}", cell(error.remedy))
    said = FailedResource(step=None, type="", name="", op="", message=_short(redact(error.why)))
    return Autopsy(cause=cause, failed=(said,))


def _most_likely(failed: Sequence[FailedResource], evidence: Evidence) -> Cause:
    """What the failure itself says comes before what else is wrong in the namespace."""
    told = "\n".join(f"{one.type} {one.name}\n{one.message}" for one in failed)
    found = "\n".join(
        [
            *(f"{c.reason}\n" + "\n".join(c.log) for c in evidence.containers),
            *evidence.events,
        ]
    )
    return most_likely((told, found))


def _failed(
    events: Iterable[EngineEvent], known_secrets: Sequence[str]
) -> tuple[FailedResource, ...]:
    failed: dict[str, About] = {}
    messages: dict[str, list[str]] = {}
    for event in events:
        if event.fails is not None:
            failed[event.fails.metadata.urn] = event.fails.metadata
        if event.says is not None and event.says.severity == "error":
            text = event.says.message.strip()
            if text and not _OTHERS_FAULT.search(text):
                messages.setdefault(event.says.urn, []).append(text)
    found = [
        FailedResource(
            step=step_of(about),
            type=about.type,
            name=about.name,
            op=about.op,
            message=_short(redact("\n".join(messages.pop(urn, [])), known_secrets)),
        )
        for urn, about in failed.items()
    ]
    # What the program itself says, or a resource whose failure was not announced.
    for urn, texts in messages.items():
        *_, kind, name = ("", *urn.split("::"))
        kind = kind.rpartition("$")[2]
        message = _short(redact("\n".join(texts), known_secrets))
        found.append(FailedResource(step=None, type=kind, name=name, op="", message=message))
    return tuple(found)


def _short(text: str) -> str:
    return "\n".join(last_lines(text.splitlines(), _MOST_LINES))


def last_lines(lines: Iterable[str], most: int = _MOST_LINES) -> list[str]:
    """The last lines of a log, each cut where it is too long to read."""
    # A migration's report is for machines, and shown as a table of its own.
    kept = [line.rstrip() for line in lines if line.strip() and MARK not in line][-most:]
    return [line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…" for line in kept]


def newest(events: Sequence[str], most: int = _MOST_EVENTS) -> tuple[str, ...]:
    """The newest of Kubernetes' warnings, each once."""
    return tuple(dict.fromkeys(events))[-most:]
