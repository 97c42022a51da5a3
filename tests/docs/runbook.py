"""The generated tables of docs/runbook.md: the messages of every room except ``previews``.

Each message of ``previews`` has a code, and a row by hand (tests/previews/test_runbook.py).
"""

from __future__ import annotations

from infra.policies.catalogue import RULES, STACK_RULES
from sandbox.tools import failures
from tests.docs.messages import PLACEHOLDER, Message, sentences, structured, table

PREPARING = (
    *("database/access", "database/scrub", "database/settings.py"),
    *("service/gate", "service/migrate.py", "service/settings.py"),
)
PREPARING_ERRORS = frozenset(
    {"AccessError", "ConfigurationError", "MigrationError", "RefusedError"}
    | {"RulesError", "ScrubError"}
)
BRANCHING_ERRORS = frozenset(
    {"BranchError", "DatabaseMissingError", "NotReadyError"}
    | {"ServerBusyError", "ServerFullError"}
)
PROGRAM_ERRORS = frozenset({"StackNameError", "UpdateError"})


def is_passed_on(message: Message) -> bool:
    """Return whether a message only repeats another one."""
    return {message.why, message.remedy} == {PLACEHOLDER}


def tables() -> dict[str, str]:
    """Return each table by the name of its marks."""
    sandbox = [message for message in structured("sandbox") if not is_passed_on(message)]
    building = [
        Message("", f"building {PLACEHOLDER}", cause, remedy.rstrip("."))
        for _, cause, remedy in failures.CAUSES
    ]
    return {
        "program messages": table(structured("contract", "infra")),
        "program sentences": table(sentences("contract", "infra", errors=PROGRAM_ERRORS)),
        "policies": _policies(),
        "preparing messages": table(sentences(*PREPARING, errors=PREPARING_ERRORS)),
        "branching messages": table(sentences("database/branches", errors=BRANCHING_ERRORS)),
        "sandbox messages": table([*sandbox, *building]),
    }


def _policies() -> str:
    rules = sorted({(rule.name, rule.description) for rule in (*RULES, *STACK_RULES)})
    rows = [f"| `{name}` | {sentence} |" for name, sentence in rules]
    return "\n".join(["| policy | requirement |", "|---|---|", *rows])
