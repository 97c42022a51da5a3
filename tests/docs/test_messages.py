"""The runbook's tables contain every message of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import messages
from tests.docs.messages import PLACEHOLDER, Message, sentences, structured, table
from tests.docs.runbook import is_passed_on

_CODE = """
SUFFIX = "or wait"

def refuse(what, *, remedy):
    raise Refused(what, why=f"found {what!r}", remedy=remedy)

def one(error, many):
    why = "it is empty"
    if many:
        why = "it holds " + str(many)
    raise Refused("box", why=why, remedy="fill it.")

def two():
    refuse("lid", remedy="close it, " + SUFFIX)
    raise Plain(f"port {PORT} is taken. Choose another.")
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "code.py").write_text(_CODE)
    monkeypatch.setattr(messages, "ROOT", tmp_path)
    return "room"


def test_a_message_is_read_with_all_its_wordings(room: str) -> None:
    refused, box = structured(room)
    assert refused == Message("room/code.py:5", "lid", f"found {PLACEHOLDER}", "close it, or wait")
    assert box == Message(
        "room/code.py:11", "box", f"it is empty; or it holds {PLACEHOLDER}", "fill it"
    )


def test_an_error_of_one_sentence_is_read(room: str) -> None:
    (plain,) = sentences(room, errors=frozenset({"Plain"}))
    assert plain.what == f"port {PLACEHOLDER} is taken. Choose another"
    assert table([plain]).splitlines()[2] == f"| port {PLACEHOLDER} is taken. Choose another |"


@pytest.mark.parametrize("room", ["infra", "sandbox"])
def test_every_message_says_what_to_do(room: str) -> None:
    """But for those that pass on another one, in its own words."""
    found = structured(room)
    unknown = {m.place.rpartition(":")[0] for m in found if m.remedy == PLACEHOLDER}
    passed_on = {m.place.rpartition(":")[0] for m in found if is_passed_on(m)}
    assert unknown == passed_on
    assert (
        passed_on
        == {
            "infra": set(),
            "sandbox": {
                "sandbox/aws/client.py",  # What the sandbox's AWS answered.
                "sandbox/containers/build.py",  # What was wrong with the file, as a problem of it.
                "sandbox/containers/dockerfile.py",  # The same error, with the line that has it.
                "sandbox/tools/failures.py",  # Its causes are a table, which is read as one.
                "sandbox/pull_request.py",  # All problems of an app's Dockerfiles at once.
            },
        }[room]
    )
