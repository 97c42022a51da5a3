"""A stack's name, parsed once: ``staging``, ``pr-<n>`` or ``data-<n>``, and what is named by it.

This module imports neither Pulumi nor AWS, since the command lines around the
program use it too and must start quickly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_SHOWN = 80
_PREVIEW = re.compile(r"pr-([1-9][0-9]{0,8})", re.ASCII)
_DATA = re.compile(r"data-([1-9][0-9]{0,5})", re.ASCII)


class StackKind(Enum):
    """What a stack holds."""

    STAGING = "staging"
    PREVIEW = "preview"
    DATA = "data"
    """A server from whose template previews get their databases in mode ``branch``."""


class StackNameError(ValueError):
    """A stack's name is none that the program knows; the message says which are."""


@dataclass(frozen=True)
class StackName:
    """A stack's name and what is named after it.

    With at most nine digits the longest is ``pr-999999999-database``: 21 characters, far
    below every limit that it meets (63 for a Kubernetes namespace, a DNS label and an RDS
    identifier, 64 for an IAM role, 128 for an image's tag). It starts with a letter and has
    neither capitals nor two hyphens in a row, as RDS asks.

    Attributes:
        value: The name itself.
        kind: What the stack holds.
        pull_request: The pull request's number, None for other stacks.
        generation: The number of a server of templates, None for other stacks.
    """

    value: str
    kind: StackKind
    pull_request: int | None
    generation: int | None = None

    @classmethod
    def parse(cls, value: str) -> StackName:
        """Read a stack's name.

        Raises:
            StackNameError: The name is none of those three.
        """
        if value == "staging":
            return cls(value, StackKind.STAGING, None)
        if match := _PREVIEW.fullmatch(value):
            return cls(value, StackKind.PREVIEW, int(match[1]))
        if match := _DATA.fullmatch(value):
            return cls(value, StackKind.DATA, None, int(match[1]))
        shown = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 3]}..."
        msg = (
            f"stack {shown!r}: not a name that this program knows\n"
            "  What to do: use `staging` for the platform, or `pr-<n>` for the preview of pull "
            "request n (1 to 999999999, no leading zero), for example "
            "`pulumi stack select --create pr-42`; `data-<n>` is made by `previews refresh`"
        )
        raise StackNameError(msg)

    @classmethod
    def find(cls, value: str) -> StackName | None:
        """Read a stack's name; None for one that this program doesn't know."""
        try:
            return cls.parse(value)
        except StackNameError:
            return None

    def __str__(self) -> str:
        """The name itself, as Pulumi has it."""
        return self.value

    @property
    def namespace(self) -> str:
        """The Kubernetes namespace of the stack's pods."""
        return self.value

    @property
    def database_identifier(self) -> str:
        """The RDS instance's identifier."""
        return self.value

    @property
    def database_security_group(self) -> str:
        """Name of the security group around the database."""
        return f"{self.value}-database"

    @property
    def database_subnet_group(self) -> str:
        """Name of the RDS subnet group."""
        return f"{self.value}-database"

    @property
    def final_snapshot(self) -> str:
        """Identifier of the snapshot that is left when the database is deleted."""
        return f"{self.value}-final"

    @property
    def secrets_role(self) -> str:
        """Name of the IAM role with which the stack's SecretStore reads."""
        return f"{self.value}-secrets"

    @property
    def branch(self) -> str:
        """The database on a shared server, without what SQL would have to quote."""
        return self.value.replace("-", "_")

    def image_tag(self, commit: str) -> str:
        """The image's tag: stacks share one repository, so the stack comes first."""
        return f"{self.value}-{commit}"

    def host(self, domain: str) -> str:
        """The name under which the stack's service is reached."""
        return f"{self.value}.{domain}"
