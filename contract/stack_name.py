"""A stack's name, parsed once: ``staging``, ``pr-<n>`` or ``data-<n>``, and what is named by it.

This module imports neither Pulumi nor AWS, since the command lines around the
program use it too and must start quickly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

PREVIEW_PATTERN = "pr-[1-9][0-9]{0,8}"
"""Regular expression of a preview's stack name and namespace, in the syntax that Python and CEL
share."""

BRANCH_PATTERN = "pr_[1-9][0-9]{0,8}"
"""Regular expression of a preview's database on a shared server."""

PREVIEW_GLOB = "pr-*"
"""Wildcard that matches the names of previews' resources in IAM policies."""

DATA_GLOB = "data-*"
"""Wildcard that matches the names of shared servers' resources in IAM policies."""

SECRETS_PREFIX = "previews/app"
"""Prefix of the names of an app's own secrets in Secrets Manager."""

_SHOWN = 80
_PREVIEW = re.compile(PREVIEW_PATTERN, re.ASCII)
_DATA = re.compile("data-[1-9][0-9]{0,5}", re.ASCII)
# What `StackName.image_tag` makes: the name, and a commit's hash as infra/source.py writes it.
_IMAGE_TAG = re.compile(
    rf"(?P<stack>{PREVIEW_PATTERN})-[0-9a-f]{{7,}}(-[0-9a-f]+)*(\.[a-z0-9-]+)?", re.ASCII
)


class StackKind(Enum):
    """Kind of a stack, by what it holds."""

    STAGING = "staging"
    PREVIEW = "preview"
    DATA = "data"
    """A server from whose template previews get their databases in mode ``branch``."""


class StackNameError(ValueError):
    """An unknown stack name; the message lists the known ones."""


@dataclass(frozen=True)
class StackName:
    """A stack's name and every name that is derived from it.

    With at most nine digits the longest is ``pr-999999999-database``: 21 characters, far
    below every limit that it meets (63 for a Kubernetes namespace, a DNS label and an RDS
    identifier, 64 for an IAM role, 128 for an image's tag). It starts with a letter and has
    neither capitals nor two hyphens in a row, as RDS requires.

    Attributes:
        value: The name itself.
        kind: Kind of the stack.
        pull_request: The pull request's number, None for other stacks.
        generation: The number of a server of templates, None for other stacks.
    """

    value: str
    kind: StackKind
    pull_request: int | None
    generation: int | None = None

    @classmethod
    def parse(cls, value: str) -> StackName:
        """Return the parsed name.

        Raises:
            StackNameError: The name has none of the three forms.
        """
        if value == "staging":
            return cls(value, StackKind.STAGING, None)
        if _PREVIEW.fullmatch(value):
            return cls(value, StackKind.PREVIEW, _number(value))
        if _DATA.fullmatch(value):
            return cls(value, StackKind.DATA, None, _number(value))
        shown = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 3]}..."
        msg = (
            f"stack {shown!r}: unknown name\n"
            "  What to do: use `staging` for the platform, or `pr-<n>` for the preview of pull "
            "request n (1 to 999999999, no leading zero), for example "
            "`pulumi stack select --create pr-42`; `data-<n>` is made by `previews refresh`"
        )
        raise StackNameError(msg)

    @classmethod
    def find(cls, value: str) -> StackName | None:
        """Return the parsed name, None for an unknown one."""
        try:
            return cls.parse(value)
        except StackNameError:
            return None

    @classmethod
    def of_image_tag(cls, tag: str) -> StackName | None:
        """Return the preview whose image has a tag; None for any other tag."""
        match = _IMAGE_TAG.fullmatch(tag)
        return None if match is None else cls.parse(match["stack"])

    def __str__(self) -> str:
        """Return the name itself, as Pulumi has it."""
        return self.value

    @property
    def namespace(self) -> str:
        """Kubernetes namespace of the stack's pods."""
        return self.value

    @property
    def database_identifier(self) -> str:
        """Identifier of the RDS instance."""
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
        """Identifier of the snapshot that remains when the database is deleted."""
        return f"{self.value}-final"

    @property
    def secrets_role(self) -> str:
        """Name of the IAM role that the stack's SecretStore assumes."""
        return f"{self.value}-secrets"

    @property
    def app_secrets_role(self) -> str:
        """Name of the IAM role that reads the app's own secrets in Secrets Manager."""
        return f"{self.value}-app-secrets"

    def managed_secret(self, name: str) -> str:
        """Return the name in Secrets Manager of a secret of the app, which its stacks share."""
        return f"{SECRETS_PREFIX}/{name}"

    @property
    def branch(self) -> str:
        """Name of the database on a shared server, which SQL need not quote."""
        return self.value.replace("-", "_")

    @property
    def branch_migrator(self) -> str:
        """Role that owns the schema of `branch`."""
        return f"{self.branch}_migrator"

    @property
    def branch_app(self) -> str:
        """Role of the service on `branch`."""
        return f"{self.branch}_app"

    def image_tag(self, commit: str, part: str = "") -> str:
        """Return an image's tag. Stacks share one repository, so the stack comes first.

        Args:
            commit: Hash of the commit.
            part: Name of a further image of the app; empty for its own.
        """
        return f"{self.value}-{commit}.{part}" if part else f"{self.value}-{commit}"

    def host(self, domain: str) -> str:
        """Return the host name of the stack's service."""
        return f"{self.value}.{domain}"


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
