"""Why a preview did not come up, so that nobody needs access to the cluster to understand it.

A report is made from the engine's events and from the findings in the preview's namespace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from previews.diagnosis.cluster_diagnostics import ClusterDiagnostics, collect, last_lines
from previews.diagnosis.failure_patterns import FailurePattern, most_likely
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError
from previews.pulumi.events import EngineEvent, PolicyViolation, ResourceOperation
from previews.pulumi.progress import State, Step, step_of
from previews.reporting.wording import cell

if TYPE_CHECKING:
    from previews.kubernetes import Cluster
    from previews.pulumi.up import UpResult

# An error of Pulumi's Kubernetes provider: the reason and the output of a container that ended.
_CONTAINER_OUTPUT = re.compile(
    r"^[^\S\n]*+\* \[Pod [^\]]++\]: \[\w++\] (.++(?:\n(?![^\S\n]*+\* ).*+)*+)", re.MULTILINE
)
_REMEDY = re.compile(r"\s*What to do:")
# The engine's summary of every failure, whatever failed.
_CONSEQUENCE = re.compile(
    r"^(?:update|preview) failed$|resource monitor (?:shut down|has terminated)"
    r"|^an unhandled error occurred: program exited",
    re.IGNORECASE,
)


class FailedResource(BaseModel):
    """A resource that failed.

    Attributes:
        step: The step that it belongs to, if any.
        type: Its type token.
        name: Its name in the program.
        op: The operation that failed: ``create``, ``update`` ...
        message: The provider's error, without secrets.
    """

    model_config = ConfigDict(frozen=True)

    step: Step | None
    type: str
    name: str
    op: str
    message: str

    @property
    def gist(self) -> str:
        """The last line of its error that is no remedy; empty without an error.

        Of a Job it is the last line of its container's log, which has the reason; Kubernetes adds
        only that the Job failed.
        """
        output = _CONTAINER_OUTPUT.findall(self.message)
        message = output[-1] if output else self.message
        lines = [line for line in message.splitlines() if line.strip() and not _REMEDY.match(line)]
        return lines[-1].strip() if lines else ""


class FailureReport(BaseModel):
    """Why a preview did not come up.

    Attributes:
        cause: The most likely cause.
        failed: The resources that failed.
        diagnostics: The findings in its namespace.
    """

    model_config = ConfigDict(frozen=True)

    cause: FailurePattern
    failed: tuple[FailedResource, ...] = ()
    diagnostics: ClusterDiagnostics = ClusterDiagnostics()


class UpFailedError(PreviewsError):
    """A failed `up`; the presenter has shown its report."""

    @classmethod
    def of(cls, stack: str, report: FailureReport) -> UpFailedError:
        """Return the report as one message."""
        gist = report.failed[0].gist if report.failed else ""
        return cls(
            "up-failed",
            stack,
            why=f"{report.cause.why} ({report.cause.code})" + (f": {gist}" if gist else ""),
            remedy=report.cause.remedy,
        )


def diagnose(
    connect: Callable[[], Cluster], stack: str, result: UpResult, *, output: str
) -> FailureReport:
    """Return why an `up` failed.

    Args:
        connect: Returns the cluster.
        stack: The stack.
        result: The result of the `up`.
        output: As in `make_report`.
    """
    # Where Pulumi never came to the cluster, there is nothing in it to look at.
    reached = any(state.state is not State.WAITING for state in result.states)
    diagnostics = collect(connect, stack) if reached else ClusterDiagnostics()
    return make_report(result.events, diagnostics, output=output)


def make_report(
    events: Iterable[EngineEvent],
    diagnostics: ClusterDiagnostics = ClusterDiagnostics(),  # noqa: B008 - frozen
    *,
    output: str = "",
    known_secrets: Sequence[str] = (),
) -> FailureReport:
    """Return why a preview did not come up.

    Args:
        events: The engine's events.
        diagnostics: The findings in the namespace.
        output: Pulumi's output, for a failure without a failed resource (a program's error,
            a lock).
        known_secrets: Values to hide, whatever they look like.
    """
    failed = _failed(events, known_secrets)
    output = redact(output, known_secrets)
    if not failed and output:
        failed = (FailedResource(step=None, type="", name="", op="", message=_short(output)),)
    return FailureReport(
        cause=_most_likely(failed, diagnostics), failed=failed, diagnostics=diagnostics
    )


def report_error(error: PreviewsError) -> FailureReport:
    """Return the report of a failure outside of the engine and the cluster."""
    cause = FailurePattern(
        code=error.code, why=f"it stopped at {cell(error.what)}", remedy=cell(error.remedy)
    )
    why = _short(redact(error.why))
    failed = FailedResource(step=None, type="", name="", op="", message=why)
    return FailureReport(cause=cause, failed=(failed,))


def _most_likely(
    failed: Sequence[FailedResource], diagnostics: ClusterDiagnostics
) -> FailurePattern:
    """Return the cause by the failed resources' own errors, else by the namespace."""
    errors = "\n".join(f"{one.type} {one.name}\n{one.message}" for one in failed)
    findings = "\n".join(
        [
            *(f"{c.reason}\n" + "\n".join(c.log) for c in diagnostics.containers),
            *diagnostics.events,
        ]
    )
    return most_likely((errors, findings))


def _failed(
    events: Iterable[EngineEvent], known_secrets: Sequence[str]
) -> tuple[FailedResource, ...]:
    failed: dict[str, ResourceOperation] = {}
    messages: dict[str, list[str]] = {}
    for event in events:
        if event.failed is not None:
            failed[event.failed.metadata.urn] = event.failed.metadata
        if event.diagnostic is not None and event.diagnostic.severity == "error":
            text = event.diagnostic.message.strip()
            if text and not _CONSEQUENCE.search(text):
                messages.setdefault(event.diagnostic.urn, []).append(text)
        if event.violation is not None and event.violation.level == "mandatory":
            messages.setdefault(event.violation.urn, []).append(_violation(event.violation))
    found = [
        FailedResource(
            step=step_of(operation),
            type=operation.type,
            name=operation.name,
            op=operation.op,
            message=_short(redact("\n".join(messages.pop(urn, [])), known_secrets)),
        )
        for urn, operation in failed.items()
    ]
    # Errors of the program itself, or of a resource without an event of its failure: one that
    # violates a policy is not even begun.
    for urn, texts in messages.items():
        kind, name = _type_and_name(urn)
        message = _short(redact("\n".join(texts), known_secrets))
        found.append(FailedResource(step=None, type=kind, name=name, op="", message=message))
    return tuple(found)


def _violation(violation: PolicyViolation) -> str:
    """Return the reason of the policy, and a last line that stands alone."""
    # The engine puts the policy's description into a line before the violation.
    reason, _, complaint = violation.message.strip().partition("\n")
    kind, name = _type_and_name(violation.urn)
    resource = f"{kind.rpartition(':')[2]} {name}"
    # In brackets, since what follows `secret:` is hidden.
    return f"{reason}\npolicy {violation.rule} ({resource}): {' '.join(complaint.split())}"


def _type_and_name(urn: str) -> tuple[str, str]:
    """Return type and name of a resource; empty for the whole operation."""
    *_, kind, name = ("", *urn.split("::"))
    return kind.rpartition("$")[2], name


def _short(text: str) -> str:
    return "\n".join(last_lines(text.splitlines()))
