"""The annotations by which a manifest tells the provider how to wait for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.providers.kubernetes.api import Object
from sandbox.providers.schema import Problem

_PREFIX: Final = "pulumi.com/"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
WAIT_FOR: Final = "pulumi.com/waitFor"
REPLACE_UNREADY: Final = "pulumi.com/replaceUnready"
_KNOWN: Final = frozenset({SKIP_AWAIT, TIMEOUT, WAIT_FOR, REPLACE_UNREADY})
_BOOLEANS: Final = frozenset({"true", "false"})
_CONDITION: Final = re.compile(r"condition=(?P<type>[A-Za-z0-9.-]+)(?:=(?P<status>\w+))?")
_JSONPATH: Final = re.compile(
    r"jsonpath=\{(?P<path>(?:\.[A-Za-z0-9_-]+|\[\d+\])+)\}(?:=(?P<value>.*))?"
)
_STEP: Final = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]")


@dataclass(frozen=True)
class Expectation:
    """One thing that must be so before a resource counts as ready."""

    text: str

    def is_met(self, live: Object) -> bool:
        """Whether it is so of the live object."""
        if match := _CONDITION.fullmatch(self.text):
            wanted = match["status"] or "True"
            conditions = live.get("status", {}).get("conditions") or ()
            return any(
                it.get("type") == match["type"] and it.get("status") == wanted for it in conditions
            )
        match = _JSONPATH.fullmatch(self.text)
        if match is None:
            return False
        found = _at(live, match["path"])
        if match["value"] is None:
            return found is not None
        return found is not None and _text(found) == match["value"]

    @property
    def is_known(self) -> bool:
        """Whether it is written in a way that the stand-in understands."""
        return bool(_CONDITION.fullmatch(self.text) or _JSONPATH.fullmatch(self.text))


def problems(inputs: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the ``pulumi.com`` annotations of a manifest."""
    found = []
    for key, value in sorted(_annotations(inputs).items()):
        if key.startswith(_PREFIX) and isinstance(value, str):
            reason = _problem(key, value, str(inputs.get("kind")))
            if reason:
                found.append(Problem(f'metadata.annotations["{key}"]', reason))
    return found


def skips_await(inputs: Mapping[str, Any]) -> bool:
    """Whether the provider returns as soon as the API server took the object."""
    return _annotations(inputs).get(SKIP_AWAIT) == "true"


def replaces_unready(inputs: Mapping[str, Any]) -> bool:
    """Whether an object that failed is replaced by the next update."""
    return _annotations(inputs).get(REPLACE_UNREADY) == "true"


def timeout_seconds(inputs: Mapping[str, Any]) -> float | None:
    """The manifest's own limit of waiting."""
    value = _annotations(inputs).get(TIMEOUT)
    return float(value) if isinstance(value, str) else None


def expectations(inputs: Mapping[str, Any]) -> tuple[Expectation, ...]:
    """What the manifest wants to be waited for; empty for the kind's usual."""
    value = _annotations(inputs).get(WAIT_FOR)
    return tuple(map(Expectation, _texts(value))) if isinstance(value, str) else ()


def _problem(key: str, value: str, kind: str) -> str | None:
    if key not in _KNOWN:
        return f"is not known to this stand-in, only {', '.join(sorted(_KNOWN))}"
    if key in (SKIP_AWAIT, REPLACE_UNREADY) and value not in _BOOLEANS:
        return f'must be "true" or "false", not {value!r}'
    if key == REPLACE_UNREADY and kind != "Job":
        return f"is known for a Job only, not for a {kind}"
    if key == TIMEOUT and not value.isdecimal():
        return f"must be a whole number of seconds, not {value!r}"
    if key == WAIT_FOR and not all(Expectation(text).is_known for text in _texts(value)):
        return f"must be condition=<type>[=<status>] or jsonpath={{.a.b}}[=<value>], not {value!r}"
    return None


def _annotations(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = inputs.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return annotations if isinstance(annotations, Mapping) else {}


def _texts(value: str) -> list[str]:
    if value.startswith("["):
        try:
            return [str(item) for item in json.loads(value)]
        except json.JSONDecodeError:
            pass  # Refused below, as text that is no expectation.
    return [value]


def _at(live: Any, path: str) -> Any:
    for key, index in _STEP.findall(path):
        if key:
            live = live.get(key) if isinstance(live, Mapping) else None
        else:
            live = live[int(index)] if isinstance(live, list) and int(index) < len(live) else None
    return live


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
