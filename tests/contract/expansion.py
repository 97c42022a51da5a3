"""The kubelet's expansion of a container's environment and command, in Python.

Ported from Kubernetes, third_party/forked/golang/expansion/expand.go.
"""

from __future__ import annotations

from collections.abc import Mapping


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return a text as a container gets it: an unknown variable's reference stays."""
    result, at = "", 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            result, at = result + text[at], at + 1
        elif text[at + 1] == "(" and ")" in text[at:]:
            end = text.index(")", at)
            name = text[at + 2 : end]
            result, at = result + variables.get(name, f"$({name})"), end + 1
        elif text[at + 1] == "$":
            result, at = f"{result}$", at + 2
        else:
            result, at = result + text[at : at + 2], at + 2
    return result


def container_environment(
    entries: list[dict[str, str]], known: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment that a container gets: a value refers to earlier variables.

    Args:
        entries: ``env`` of the container.
        known: Values of the variables that have a ``valueFrom``.
    """
    variables: dict[str, str] = {}
    for entry in entries:
        name = entry["name"]
        variables[name] = (
            expand(entry["value"], variables) if "value" in entry else known.get(name, "")
        )
    return variables
