"""Result of an app's own tests: a small JSON file, which a pull request's code can write at will.

So it is read like an attacker's: of limited size, by a strict model, without following links. Its
text has no secret and no control character, whoever wrote it.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from previews.diagnosis.redaction import redact
from previews.files import read_untrusted
from previews.reporting.wording import duration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LINES = 30
"""Most lines of output that a result has."""

WIDTH = 200
"""Most characters of one of them."""

_LARGEST = 64 * 1024
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Outcome(StrEnum):
    """Outcome of the tests."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"


class AppTestsResult(BaseModel):
    """Result of the tests of an app.

    Attributes:
        outcome: The outcome.
        seconds: Duration.
        why: Why they have not passed; empty where they have.
        lines: The last lines of their output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    seconds: float = Field(default=0, ge=0, le=86_400, allow_inf_nan=False)
    why: str = Field(default="", max_length=2000)
    lines: tuple[str, ...] = Field(default=(), max_length=LINES)

    @field_validator("why")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return " ".join(clean_lines([" ".join(text.split())]))

    @field_validator("lines")
    @classmethod
    def _clean(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        return clean_lines(lines)

    @property
    def passed(self) -> bool:
        """True if they passed."""
        return self.outcome is Outcome.PASSED

    def text(self) -> str:
        """Return it in one line, without its output."""
        reason = f": {self.why}" if self.why else ""
        return f"{self.outcome} after {duration(self.seconds)}{reason}"


class AppTests(BaseModel):
    """Tests of a preview as its comment keeps them.

    Attributes:
        commit: Commit whose tests they are.
        result: Their result; None while they run.
        run: URL of the workflow run.
        shown: Commit that the comment is about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    result: AppTestsResult | None = None
    run: str = ""
    shown: str = ""

    @property
    def stale(self) -> bool:
        """True if they are of an earlier commit than the comment."""
        return bool(self.shown) and self.shown != self.commit

    def give_way_to(self, commit: str) -> bool:
        """Return True if those of a commit may replace them: none of the shown commit are lost."""
        return self.stale or commit == self.commit

    def about(self, commit: str) -> AppTests:
        """Return the same in a comment about a commit."""
        return self.model_copy(update={"shown": commit})


def failed(why: str) -> AppTestsResult:
    """Return the result of tests that were not run, or whose result is not known."""
    return AppTestsResult(outcome=Outcome.FAILED, why=why[:2000])


def clean_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """Return lines for people: no secret, no colour, no control character, none too long."""
    # Together: a private key has several lines.
    shown = redact("".join(f"{_plain(line)}\n" for line in lines)).split("\n")
    return tuple(line[:WIDTH] for line in shown[:-1])


def _plain(line: str) -> str:
    """Return a line as a terminal shows it in the end."""
    last = _TERMINAL.sub("", line).rstrip("\r\n").rpartition("\r")[2]
    return "".join(c for c in last.replace("\t", "    ") if not _is_control(c))


def _is_control(character: str) -> bool:
    """Return True for controls, for marks of a text's direction, and for ends of lines."""
    category = unicodedata.category(character)
    return category.startswith("C") or category in {"Zl", "Zp"}


def read_result(file: Path) -> AppTestsResult:
    """Return the result that a file has; a file that can't be read is a failure with that reason.

    Args:
        file: A file that a pull request's code may have written.
    """
    try:
        return AppTestsResult.model_validate_json(read_untrusted(file, largest=_LARGEST))
    except FileNotFoundError:
        return failed("they left no result: the machine was lost, or the tests removed it")
    except (OSError, UnicodeError) as error:
        return failed(f"their result can't be read: {error}")
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in wrong["loc"]) or "the file"
        return failed(f"their result is not valid: {where}: {wrong['msg']}")
