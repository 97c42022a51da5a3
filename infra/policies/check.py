"""Hold a stack as it stands to the rules: ``pulumi stack export | python -m infra.policies.check``.

The engine asks the pack before it makes anything, but does not tell it everything: a state
says what each resource is deleted with, too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO, cast

from infra.policies.catalogue import violations
from infra.policies.declared import Declared, below

_STACK = "pulumi:pulumi:Stack"


def main(source: TextIO = sys.stdin) -> int:
    """Report each violation on a line of its own.

    Returns:
        The exit code: 0 when there is none, 1 when there are, 2 when there is nothing to check.
    """
    try:
        resources = read_export(json.load(source))
    except (ValueError, KeyError, TypeError) as error:
        sys.stderr.write(
            f"standard input: it is not a stack's export ({error})\n"
            "  What to do: pulumi stack export --stack pr-42 | python -m infra.policies.check\n"
        )
        return 2
    if not resources:
        sys.stderr.write(
            "standard input: the stack holds nothing\n  What to do: bring it up first\n"
        )
        return 2
    found = violations(resources)
    for violation in found:
        sys.stderr.write(f"{violation}\n")
    sys.stdout.write(f"{len(resources)} resources, {len(found)} violations\n")
    return 1 if found else 0


def read_export(export: Mapping[str, Any]) -> list[Declared]:
    """The resources in what `pulumi stack export` prints."""
    held = cast("Iterable[Mapping[str, Any]]", export["deployment"].get("resources") or ())
    return [_declared(resource) for resource in held]


def _declared(resource: Mapping[str, Any]) -> Declared:
    # A stack is asked for nothing; what it puts out is what may be read.
    kind = "outputs" if resource["type"] == _STACK else "inputs"
    return Declared(
        urn=resource["urn"],
        type=resource["type"],
        name=resource["urn"].rpartition("::")[2],
        properties=below(resource, kind),
        deleted_with=resource.get("deletedWith", ""),
    )


if __name__ == "__main__":
    sys.exit(main())
