"""The app's rules of the scrub: published by staging, mounted into the Jobs that scrub a copy."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core

from infra.errors import ProgramError
from infra.kubernetes.pod import MountedConfig

if TYPE_CHECKING:
    from pathlib import Path

    from infra.kubernetes.namespace_scope import NamespaceScope

FOLDER = "/etc/previews"
"""Folder of a Job's container in which the rules are mounted."""

_KEY = "scrub.yaml"
VARIABLES = {"SCRUB_RULES": f"{FOLDER}/{_KEY}"}
"""Variable with the path of the rules in a Job's container."""

# A ConfigMap has at most 1 MiB, its other fields included.
_MOST_BYTES = 1000 * 1024


class ScrubRules(pulumi.ComponentResource):
    """A ConfigMap with the rules, which never changes: other rules are another one.

    So a Job that mounts it is replaced when the rules change.

    Attributes:
        name: Name of the ConfigMap.
        ready: Resource that users of the ConfigMap depend on.
    """

    name: pulumi.Output[str]
    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        text: pulumi.Input[str],
        prefix: str,
        scope: NamespaceScope,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the ConfigMap.

        Args:
            text: The rules.
            prefix: Beginning of its name.
            scope: Namespace of the ConfigMap.
        """
        super().__init__("previews:service:ScrubRules", name, None, opts)
        self.name = pulumi.Output.from_input(text).apply(
            lambda rules: f"{prefix}-{hashlib.sha256(rules.encode()).hexdigest()[:10]}"
        )
        self.ready = core.v1.ConfigMap(
            prefix,
            metadata=scope.metadata(self.name),
            data={_KEY: text},
            immutable=True,
            opts=scope.deleted_with_namespace(self),
        )
        self.register_outputs({"name": self.name})


def mounted_rules(config_map: pulumi.Input[str]) -> MountedConfig:
    """Return the mount of the rules in a Job's container."""
    return MountedConfig("rules", config_map, FOLDER)


def read_rules(path: Path) -> str:
    """Return the text of the app's rules.

    Raises:
        ProgramError: The file can't be read, is empty, or is too large to be mounted.
    """
    what = f"rules of the scrub, {path.name}"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(
            what,
            why=f"can't be read: {error}",
            remedy="commit the file with a rule for each column of staging's tables"
            " (docs/scrub.md)",
        ) from error
    if not text.strip():
        raise ProgramError(
            what,
            why="is empty, so no copy of staging's data could be scrubbed",
            remedy="add a rule for each column of staging's tables (docs/scrub.md)",
        )
    if len(text.encode()) > _MOST_BYTES:
        raise ProgramError(
            what,
            why=f"has {len(text.encode())} bytes, and a ConfigMap holds {_MOST_BYTES}",
            remedy="shorten it: a table that no preview needs can be emptied with `truncate`",
        )
    return text
