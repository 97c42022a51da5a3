"""Check a deployed stack: ``python -m infra.policies.check <export>``.

The export is what ``pulumi stack export --file`` writes.

The engine runs the pack before it creates anything, but doesn't pass it everything: only a state
contains the resource that each one is deleted with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from infra.policies.catalogue import violations
from infra.policies.declared import Declared, below

_STACK = "pulumi:pulumi:Stack"


def main(arguments: Sequence[str]) -> int:
    """Report each violation on a line of its own.

    Args:
        arguments: Path of the export.

    Returns:
        Exit code: 0 without violations, 1 with some, 2 when there is nothing to check.
    """
    if len(arguments) != 1:
        return _refuse("python -m infra.policies.check", "expected the path of an export")
    [path] = arguments
    try:
        resources = read_export(json.loads(Path(path).read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return _refuse(path, f"it is no stack's export ({error})")
    if not resources:
        return _refuse(path, "the stack holds nothing; bring it up first")
    found = violations(resources)
    for violation in found:
        sys.stderr.write(f"{violation}\n")
    sys.stdout.write(f"{len(resources)} resources, {len(found)} violations\n")
    return 1 if found else 0


def read_export(export: Mapping[str, Any]) -> list[Declared]:
    """Return the resources in the output of `pulumi stack export`."""
    held = cast("Iterable[Mapping[str, Any]]", export["deployment"].get("resources") or ())
    return [_declared(resource) for resource in held]


def _refuse(what: str, why: str) -> int:
    sys.stderr.write(
        f"{what}: {why}\n  What to do: pulumi stack export --stack pr-42 --file pr-42.json, "
        "then python -m infra.policies.check pr-42.json\n"
    )
    return 2


def _declared(resource: Mapping[str, Any]) -> Declared:
    # A stack has no inputs; its outputs are readable.
    kind = "outputs" if resource["type"] == _STACK else "inputs"
    return Declared(
        urn=resource["urn"],
        type=resource["type"],
        name=resource["urn"].rpartition("::")[2],
        properties=below(resource, kind),
        deleted_with=resource.get("deletedWith", ""),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
