"""Comparison of a pull request's program with its preview, which changes nothing."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from previews.diagnosis.failure_report import make_report
from previews.diagnosis.redaction import HIDDEN, redact
from previews.errors import PreviewsError
from previews.lifecycle.image_archives import Images
from previews.pull_request.program_diff import (
    MOST_CHANGES,
    MOST_LINES,
    MOST_PROPERTIES,
    Op,
    ProgramDiff,
    PropertyChange,
    ResourceChange,
    one_line,
)
from previews.pulumi.events import EngineEvent, ResourceOperation, read
from previews.pulumi.up import event_log_allowed

if TYPE_CHECKING:
    from contract.preview import Preview
    from previews.pulumi.stacks import Stacks

# In the engine's log: a value that only the deployment knows (resource/sig/sig.go of its SDK).
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_KEY = re.compile(r'\["((?:[^"\\]|\\.)*+)"\]|\[(\d++)\]|([^.\[\]]++)')


def compare(stacks: Stacks, stack: str, commit: str) -> ProgramDiff:
    """Return what the program of a project would change in a stack.

    Args:
        stacks: The project's stacks.
        stack: The stack, which is only read.
        commit: Commit of the program.

    Raises:
        PreviewsError: The backend gives no answer.
    """
    if not stacks.exists(stack):
        return ProgramDiff(commit=commit, exists=False)
    config = _config(stacks.outputs(stack))
    if not config:
        return ProgramDiff(commit=commit, exists=False)
    with tempfile.TemporaryDirectory(prefix="previews-diff-") as folder:
        log = Path(folder) / "events.jsonl"
        values = [word for key, value in config.items() for word in ("--config", f"{key}={value}")]
        with event_log_allowed():
            result = stacks.preview(stack, ["--event-log", str(log), "--config-path", *values])
        events = tuple(read(log))
    refused = _reason(events, result.error or result.output) if result.code else ()
    return diff_of(events, commit, error=refused)


def require_compared(diff: ProgramDiff, preview: Preview) -> None:
    """Raise the failure of a comparison.

    Raises:
        PreviewsError: It failed.
    """
    if diff.error:
        raise PreviewsError(
            "program-diff",
            f"program of {preview}",
            why="; ".join(diff.error),
            remedy="correct it in `infra/`, and push.",
        )


def diff_of(
    events: Sequence[EngineEvent], commit: str, *, error: Sequence[str] = ()
) -> ProgramDiff:
    """Return the changes that the events of a `pulumi preview` announce.

    Args:
        events: The events.
        commit: Commit of the program.
        error: Why it failed; the changes are then those that came before.
    """
    changes = [
        _change(Op(event.began.metadata.op), event.began.metadata)
        for event in events
        if event.began is not None and _is_shown(event.began.metadata)
    ]
    return ProgramDiff(
        commit=commit,
        changes=tuple(changes[:MOST_CHANGES]),
        omitted=max(0, len(changes) - MOST_CHANGES),
        error=tuple(error),
    )


def _is_shown(operation: ResourceOperation) -> bool:
    """Return True for a change of a resource, and not of one of Pulumi's own."""
    return operation.op in set(Op) and not operation.type.startswith("pulumi:")


def _config(outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the configuration of what is deployed, so that the program alone differs.

    A fresh checkout has no configuration of the stack: each run sets its own.
    """
    image = outputs.get("image")
    if not image:
        return {}
    known = {
        **Images(image, outputs.get("webImages", {})).config(),
        "previews:commit": outputs.get("commit"),
        "previews:expires": outputs.get("expires"),
        "previews:database.mode": outputs.get("databaseMode"),
    }
    return {key: str(value) for key, value in known.items() if value}


def _reason(events: Sequence[EngineEvent], output: str) -> tuple[str, ...]:
    """Return why the program was refused or failed, resource by resource."""
    report = make_report(events, output=output)
    messages = "\n".join(one.message for one in report.failed).splitlines()
    return (f"{report.cause.why} ({report.cause.code})", *messages)[:MOST_LINES]


def _change(op: Op, operation: ResourceOperation) -> ResourceChange:
    properties = list(_properties(operation)) if op in {Op.UPDATE, Op.REPLACE} else []
    return ResourceChange(
        op=op,
        type=one_line(operation.type),
        name=one_line(operation.name),
        properties=tuple(properties[:MOST_PROPERTIES]),
        omitted=max(0, len(properties) - MOST_PROPERTIES),
    )


def _properties(operation: ResourceOperation) -> Iterator[PropertyChange]:
    old, new = operation.old, operation.new
    before = {} if old is None else old.inputs or {}
    outputs = {} if old is None else old.outputs or {}
    after = {} if new is None else new.inputs or {}
    if not operation.detailed:
        for name in operation.diffs or ():
            yield from _differences(name, before.get(name), after.get(name))
        return
    for path, diff in operation.detailed.items():
        compared = before if diff.of_inputs else outputs
        yield from _differences(
            path,
            _at(compared, path),
            _at(after, path),
            replaces=diff.kind.endswith("-replace"),
        )


def _differences(
    path: str, before: object, after: object, *, replaces: bool = False
) -> Iterator[PropertyChange]:
    """Yield the change of a property; of an object, only what differs in it."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                yield from _differences(
                    f"{path}.{key}", before.get(key), after.get(key), replaces=replaces
                )
        return
    yield PropertyChange(
        path=one_line(path),
        before=_shown(path, before),
        after=_shown(path, after),
        replaces=replaces,
    )


def _at(value: Any, path: str) -> Any:
    """Return the value at the path of a property; None where there is none."""
    for quoted, index, name in _KEY.findall(path):
        key = name or quoted.replace('\\"', '"')
        if index and isinstance(value, list):
            value = value[int(index)] if int(index) < len(value) else None
        elif not index and isinstance(value, dict):
            value = value.get(key)
        else:
            return None
    return value


def _shown(path: str, value: Any) -> str:
    """Return a value for people, in one line; a secret stays hidden, by its mark or its name."""
    if value is None:
        return ""
    if redact(f"{path.rpartition('.')[2]}=value").endswith(HIDDEN):
        return HIDDEN
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return one_line(text.replace(_UNKNOWN, "[known after the deployment]"))
