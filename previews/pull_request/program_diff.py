"""Changes that a pull request's program would make to its preview: a small JSON file.

The job that writes it runs the pull request's program, which can write anything into it. So it is
read like an attacker's: of limited size, by a strict model, and each of its texts is escaped.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from previews.files import read_untrusted
from previews.pull_request.tests_result import clean_lines
from previews.reporting.wording import cell, code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_CHANGES = 40
"""Most resources that a difference lists."""

MOST_PROPERTIES = 8
"""Most properties that it lists of one of them."""

MOST_LINES = 30
"""Most lines of an error."""

LONGEST = 120
"""Most characters of a name or a value."""

LONGEST_MARKDOWN = 12_000
"""Most characters of the difference in a comment, which holds it twice and has other parts."""

# Of what depends on the number of changes, in the title and at the end.
_SUMMARY = 200
_TRUST = "This was computed by the pull request's own code; read the commit."
_LARGEST = 256 * 1024

_Name = Annotated[str, Field(max_length=LONGEST)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def one_line(text: str) -> str:
    """Return a text in one line that is not too long: no secret, no control character."""
    cleaned = " ".join(clean_lines([" ".join(text.split())]))
    return cleaned if len(cleaned) <= LONGEST else f"{cleaned[: LONGEST - 1]}…"


class Op(StrEnum):
    """Change of a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


_SIGNS = {Op.CREATE: "🆕", Op.UPDATE: "✏️", Op.REPLACE: "♻️", Op.DELETE: "🗑️"}


class PropertyChange(_Model):
    """A change of one property.

    Attributes:
        path: Its path.
        before: Its value; empty where there was none.
        after: Its value afterwards; empty where there is none.
        replaces: True if it replaces the resource.
    """

    path: _Name
    before: _Name = ""
    after: _Name = ""
    replaces: bool = False

    @field_validator("path", "before", "after")
    @classmethod
    def _clean(cls, text: str) -> str:
        return one_line(text)


class ResourceChange(_Model):
    """A change of one resource.

    Attributes:
        op: The change.
        type: The resource's type token.
        name: Its name in the program.
        properties: Properties that change; none of a resource that comes or goes.
        omitted: Number of those that are not listed.
    """

    op: Op
    type: _Name
    name: _Name
    properties: tuple[PropertyChange, ...] = Field(default=(), max_length=MOST_PROPERTIES)
    omitted: int = Field(default=0, ge=0, le=10_000)

    @field_validator("type", "name")
    @classmethod
    def _clean(cls, text: str) -> str:
        return one_line(text)


class ProgramDiff(_Model):
    """Changes that a program would make.

    Attributes:
        commit: Commit of the program.
        exists: False if there is no preview to compare with.
        changes: Resources that change.
        omitted: Number of those that are not listed.
        error: Why the comparison failed; empty where it has not. The changes are then those that
            were found before.
    """

    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    exists: bool = True
    changes: tuple[ResourceChange, ...] = Field(default=(), max_length=MOST_CHANGES)
    omitted: int = Field(default=0, ge=0, le=10_000)
    error: tuple[str, ...] = Field(default=(), max_length=MOST_LINES)

    @field_validator("error")
    @classmethod
    def _clean(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        return clean_lines(lines)


def failed(commit: str, why: str) -> ProgramDiff:
    """Return the difference of a program that could not be compared."""
    return ProgramDiff(commit=commit, error=tuple(why.splitlines()[-MOST_LINES:]))


def read_diff(file: Path, commit: str) -> ProgramDiff:
    """Return the difference that a file has; one that can't be read is a failure with that reason.

    Args:
        file: A file that a pull request's program may have written.
        commit: Commit whose difference is expected.
    """
    try:
        found = ProgramDiff.model_validate_json(read_untrusted(file, largest=_LARGEST))
    except FileNotFoundError:
        return failed(commit, "the job left no result; its log has the reason")
    except (OSError, UnicodeError) as error:
        return failed(commit, f"the result can't be read: {error}")
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in wrong["loc"]) or "the file"
        return failed(commit, f"the result is not valid: {where}: {wrong['msg']}")
    if found.commit != commit:
        return failed(commit, "the result is of another commit")
    return found


def fitted(diff: ProgramDiff) -> ProgramDiff:
    """Return a difference without the last changes, if it is too long for a comment."""
    rest = diff.model_copy(update={"changes": ()})
    left = LONGEST_MARKDOWN - len(markdown(rest)) - _SUMMARY
    fitting = 0
    for change in diff.changes:
        left -= len("\n".join(_lines(change))) + 2
        if left < 0:
            break
        fitting += 1
    omitted = diff.omitted + len(diff.changes) - fitting
    return diff.model_copy(update={"changes": diff.changes[:fitting], "omitted": omitted})


def markdown(diff: ProgramDiff) -> str:
    """Render a difference as a folded section."""
    title = f"Changes of the program at `{diff.commit[:12]}`: {_summary(diff)}"
    parts = [f"<details><summary>{title}</summary>", _TRUST, *_body(diff), "</details>"]
    return "\n\n".join(parts)


def _summary(diff: ProgramDiff) -> str:
    if diff.error:
        return "the comparison failed"
    if not diff.exists:
        return "there is no preview to compare with"
    counts = [(op, sum(change.op is op for change in diff.changes)) for op in Op]
    listed = ", ".join(f"{count} to {op}" for op, count in counts if count)
    more = f", {diff.omitted} more" if diff.omitted else ""
    return f"{listed}{more}" if listed else "none"


def _body(diff: ProgramDiff) -> Iterator[str]:
    if diff.error:
        # Not even a mark of this comment may stand in it.
        yield code("\n".join(diff.error).replace("<!--", "<!\u200b--"))
    if not diff.exists:
        yield "It is compared with the first push after the preview is up."
    for change in diff.changes:
        yield "\n".join(_lines(change))
    if diff.omitted:
        yield f"{diff.omitted} further resources are not listed; `previews infra-diff` lists more."


def _lines(change: ResourceChange) -> Iterator[str]:
    kind = change.type.rpartition(":")[2]
    yield f"- {_SIGNS[change.op]} {change.op} **{cell(kind)}** {cell(change.name)}"
    for one in change.properties:
        replaces = ", which replaces it" if one.replaces else ""
        before, after = (cell(value) or "nothing" for value in (one.before, one.after))
        yield f"  - {cell(one.path)}: {before} → {after}{replaces}"
    if change.omitted:
        yield f"  - {change.omitted} further properties"
