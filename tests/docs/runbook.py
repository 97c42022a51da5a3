"""What docs/runbook.md takes from the code: the messages of every room but ``previews``.

Those of ``previews`` have a code each, and are written by hand (tests/previews/test_runbook.py).
"""

from __future__ import annotations

from infra.policies.catalogue import RULES, STACK_RULES
from sandbox.tools import failures
from tests.docs.messages import SAID_THEN, Message, sentences, structured, table

PREPARING = ("service/prepare", "service/gate", "service/migrate.py", "service/settings.py")
PREPARING_ERRORS = frozenset(
    {"ConfigurationError", "MigrationError", "PrepareError", "RefusedError"}
    | {"RulesError", "ScrubError"}
)
BRANCHING_ERRORS = frozenset(
    {"BranchError", "DatabaseMissingError", "NotReadyError", "ScrubFailedError"}
    | {"ServerBusyError", "ServerFullError"}
)
PROGRAM_ERRORS = frozenset({"StackNameError", "UpdateError"})


def is_passed_on(message: Message) -> bool:
    """Whether it says what another one says, in that one's words."""
    return {message.why, message.remedy} == {SAID_THEN}


def tables() -> dict[str, str]:
    """Each table by the name of its marks."""
    sandbox = [message for message in structured("sandbox") if not is_passed_on(message)]
    building = [
        Message("", f"building {SAID_THEN}", cause, remedy.rstrip("."))
        for _, cause, remedy in failures.CAUSES
    ]
    return {
        "program messages": table(structured("contract", "infra")),
        "program sentences": table(sentences("contract", "infra", errors=PROGRAM_ERRORS)),
        "policies": _policies(),
        "preparing messages": table(
            sentences(*PREPARING, "database/scrub", errors=PREPARING_ERRORS)
        ),
        "branching messages": table(sentences("database/branches", errors=BRANCHING_ERRORS)),
        "sandbox messages": table([*sandbox, *building]),
    }


def _policies() -> str:
    rules = sorted({(rule.name, rule.description) for rule in (*RULES, *STACK_RULES)})
    rows = [f"| `{name}` | {sentence} |" for name, sentence in rules]
    return "\n".join(["| policy | what has to hold |", "|---|---|", *rows])
