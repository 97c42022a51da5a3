"""The length of a comment: what GitHub takes, and what is left out of a longer one. No I/O.

Any comment can be cut, whatever it is about, since this reads the Markdown itself: code blocks,
lists and tables lose lines in their middle, the longest first, and keep their ends and their marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

MOST = 65_536
"""Characters of a comment, of which an emoji is one or several, as Unicode has it."""

_FENCE = re.compile(r"`{3,}")
_ROW = re.compile(r"\||- ")
_HIDDEN = "<!--"
_NOTE = "> This comment is cut, "
_LONGEST_LINE = 1_000
_KEPT_AT_TOP = 0.25
"""Share of a cut block that is its beginning; what went wrong is mostly at the end of a log."""


@dataclass
class _Block:
    """Lines that belong together.

    Attributes:
        lines: The lines.
        mark: Form of the line that stands for those left out; empty if none may be.
    """

    lines: list[str]
    mark: str = ""

    @property
    def length(self) -> int:
        """Its characters, with the ends of its lines."""
        return sum(len(line) + 1 for line in self.lines)

    def shorten(self, most: int) -> None:
        """Leave lines out of the middle, so that at most so many characters are left."""
        if not self.mark or self.length <= most:
            return
        room = most - len(self.mark.format(len(self.lines))) - 1
        above = _fitting(self.lines, int(room * _KEPT_AT_TOP))
        rest = self.lines[len(above) :]
        below = _fitting(rest[::-1], room - _Block(above).length)[::-1]
        left_out = len(rest) - len(below)
        self.lines = [*above, self.mark.format(left_out), *below]


def shortened(text: str, run: str = "") -> str:
    """Return a comment that is not too long for GitHub.

    Args:
        text: The comment.
        run: URL of the workflow run, whose log has the whole; empty outside CI.
    """
    if len(text) <= MOST:
        return text
    log = f"[the run's log]({run})" if run else "the command's own output"
    note = f"{_NOTE}since GitHub takes {MOST} characters; the whole is in {log}."
    marks, lines = _marks(text.split("\n"))
    blocks = list(_blocks(lines))
    _cut_lines(blocks)
    _share(blocks, MOST - len("\n".join([*marks, "", note, ""])))
    cut = [line for block in blocks for line in block.lines]
    return "\n".join([*marks, "", note, *cut])[:MOST]


def _marks(lines: list[str]) -> tuple[list[str], list[str]]:
    """Split off the first lines, by which the comment and its tests are found again.

    The note of an earlier cut is dropped.
    """
    count = next(n for n, line in enumerate(lines) if not line.startswith(_HIDDEN))
    return lines[:count], [line for line in lines[count:] if not line.startswith(_NOTE)]


def _blocks(lines: list[str]) -> Iterator[_Block]:
    """Yield the blocks of a text: code, rows of lists and tables, and what is never cut."""
    fence = ""
    code: list[str] = []
    plain: list[str] = []
    for line in lines:
        if fence and line != fence:
            code.append(line)
            continue
        if fence:
            yield _Block(code, "… {} lines are left out …")
            fence, code = "", []
        elif (found := _FENCE.match(line)) is not None:
            yield from _rows(plain)
            fence, plain = found[0], []
            yield _Block([line])
            continue
        plain.append(line)
    yield from _rows([*plain, *code])


def _rows(lines: list[str]) -> Iterator[_Block]:
    for is_row, group in groupby(lines, lambda line: _ROW.match(line) is not None):
        found = list(group)
        head = next((n for n, line in enumerate(found) if line.startswith("|--")), -1) + 1
        if head:
            yield _Block(found[:head])
        mark = "| … | {} rows are left out |" if head else "- … {} lines are left out …"
        yield _Block(found[head:], mark if is_row else "")


def _share(blocks: list[_Block], most: int) -> None:
    """Shorten the longest blocks to one length, so that the shorter ones stay whole."""
    room = most - sum(block.length for block in blocks if not block.mark)
    lengths = sorted(block.length for block in blocks if block.mark)
    share = 0
    for place, length in enumerate(lengths):
        share = max(room, 0) // (len(lengths) - place)
        if length > share:
            break
        room -= length
    for block in blocks:
        block.shorten(share)


def _cut_lines(blocks: list[_Block]) -> None:
    """Cut lines that are long by themselves, in their middle; what is hidden stays whole."""
    half = _LONGEST_LINE // 2
    for block in blocks:
        block.lines = [
            line
            if len(line) <= _LONGEST_LINE or line.startswith(_HIDDEN)
            else f"{line[:half]} … {line[-half:]}"
            for line in block.lines
        ]


def _fitting(lines: list[str], room: int) -> list[str]:
    """Return the first lines, as many as there is room for."""
    fitting: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        fitting.append(line)
    return fitting
