"""The runbook has every failure that a person can meet."""

from __future__ import annotations

import re
from pathlib import Path

from previews.diagnosis.failure_patterns import FAILURE_PATTERNS, UNKNOWN
from tests.previews.messages import codes

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
_ROW = re.compile(r"^\| `([a-z-]+)` \| (.+) \| (.+) \|$", re.MULTILINE)


def test_every_message_of_failure_has_its_remedy() -> None:
    rows = {code: (means, remedy) for code, means, remedy in _ROW.findall(RUNBOOK.read_text())}
    assert codes() - set(rows) == set()
    assert all(len(means) > 5 and len(remedy) > 5 for means, remedy in rows.values())


def test_every_cause_is_there_as_the_comment_words_it() -> None:
    text = " ".join(RUNBOOK.read_text().split())
    for cause in [*(cause for _, cause in FAILURE_PATTERNS), UNKNOWN]:
        assert f"| `{cause.code}` | {cause.why} |" in text
