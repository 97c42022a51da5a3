"""Names of apps and stacks, parsed once, and every name that is made from them.

A stack's name within its project is ``staging``, ``pr-<n>`` or ``data-<n>``. Several apps share one
account and one cluster, so the names of their resources carry the app's: ``orders-pr-42``. The
platform's own app has none in front of its names.

This module imports neither Pulumi nor AWS, since the command lines around the
program use it too and must start quickly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

PLATFORM_PROJECT = "previews"
"""Pulumi project of the platform and of its own app."""

LONGEST_APP = 32
"""Most characters of an app's name: ``<app>_pr_999999999_migrator`` stays below the 63 characters
of a PostgreSQL role, the narrowest limit that a name made from it meets."""

RESERVED = frozenset(
    {"pr", "data", "staging", "branches", "database", "secrets", "tests", PLATFORM_PROJECT}
)
"""Words that are no segment of an app's name.

The words of stacks are among them, so that a wildcard such as ``pr-*`` or ``orders-pr-*`` matches
no other app's name; so is the platform's project, with which the names of what all apps share
begin. ``preview/tests`` is the status of the tests of the platform's own app.
"""

_SHOWN = 80
_NUMBER = "[1-9][0-9]{0,8}"
_PREVIEW = re.compile(f"pr-{_NUMBER}", re.ASCII)
_DATA = re.compile("data-[1-9][0-9]{0,5}", re.ASCII)
_APP = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_RESOURCE = re.compile(
    rf"((?P<app>{_APP.pattern})-)?(?P<stack>staging|{_PREVIEW.pattern}|{_DATA.pattern})", re.ASCII
)
# What `StackName.image_tag` makes: the stack, and a commit's hash as infra/source.py writes it.
_IMAGE_TAG = re.compile(
    rf"(?P<stack>{_PREVIEW.pattern})-[0-9a-f]{{7,}}(-[0-9a-f]+)*(\.[a-z0-9-]+)?", re.ASCII
)


class StackKind(Enum):
    """Kind of a stack, by what it holds."""

    STAGING = "staging"
    PREVIEW = "preview"
    DATA = "data"
    """A server from whose template previews get their databases in mode ``branch``."""


_WORDS = {StackKind.STAGING: "staging", StackKind.PREVIEW: "pr", StackKind.DATA: "data"}


class AppNameError(ValueError):
    """A text that can't be an app's name; the message has the reason and the rule."""


class StackNameError(ValueError):
    """An unknown stack name; the message lists the known ones."""


@dataclass(frozen=True, order=True)
class AppName:
    """An app's name, which is also its Pulumi project's and its image repository's.

    Attributes:
        value: The name; empty for the platform's own app.
    """

    value: str

    def __post_init__(self) -> None:
        if self.value and (reason := _fault(self.value)):
            msg = (
                f"app {_shortened(self.value)!r}: {reason}\n"
                f"  What to do: use 1 to {LONGEST_APP} lower-case letters, digits and single"
                " hyphens, beginning with a letter, none of whose parts is"
                f" {', '.join(sorted(RESERVED))}; for example `orders`"
            )
            raise AppNameError(msg)

    @classmethod
    def parse(cls, text: str) -> AppName:
        """Return the name of an app other than the platform's own.

        Raises:
            AppNameError: It has another form, or a word that is reserved.
        """
        if not text:
            msg = "app '': it has no name\n  What to do: name it, for example `orders`"
            raise AppNameError(msg)
        return cls(text)

    @classmethod
    def of_project(cls, project: str) -> AppName:
        """Return the app of a Pulumi project.

        Raises:
            AppNameError: The project has a name that no app can have.
        """
        return PLATFORM_APP if project == PLATFORM_PROJECT else cls.parse(project)

    def __str__(self) -> str:
        """Return the name for people and for tags."""
        return self.value or PLATFORM_PROJECT

    @property
    def is_platform(self) -> bool:
        """True for the platform's own app."""
        return not self.value

    @property
    def project(self) -> str:
        """Name of the Pulumi project."""
        return self.value or PLATFORM_PROJECT

    @property
    def prefix(self) -> str:
        """Beginning of the names of the app's resources, with its hyphen."""
        return f"{self.value}-" if self.value else ""

    @property
    def secrets_prefix(self) -> str:
        """Beginning of the names of the app's own secrets in Secrets Manager, with its slash."""
        return f"{PLATFORM_PROJECT}/{self}/"

    @property
    def preview_pattern(self) -> str:
        """Regular expression of its previews' names, in the syntax that Python and CEL share."""
        return f"{self.prefix}{_PREVIEW.pattern}"

    @property
    def branch_pattern(self) -> str:
        """Regular expression of its previews' databases on a shared server."""
        return f"{self.prefix.replace('-', '_')}pr_{_NUMBER}"

    @property
    def branches_namespace(self) -> str:
        """Namespace of the controller that provides databases in mode ``branch``."""
        return f"{self.prefix}branches"

    @property
    def branches_cluster_role(self) -> str:
        """Name of that controller's ClusterRole and its binding."""
        return f"{self.prefix}{PLATFORM_PROJECT}-branches"

    @property
    def deployer(self) -> str:
        """Name of the cluster's rules for CI's role of previews."""
        return f"{self.prefix}{PLATFORM_PROJECT}-deployer"

    def bucket_glob(self, kind: StackKind, account: str) -> str:
        """Return the wildcard for the names of the buckets of its stacks of a kind.

        Args:
            kind: Kind of the stacks.
            account: As in `StackName.bucket`; a wildcard's own hyphen never ends a number.
        """
        return f"{self.glob(kind)}-{account}"

    def glob(self, kind: StackKind) -> str:
        """Return the wildcard in IAM policies for resources of its stacks of a kind."""
        return f"{self.prefix}{stack_glob(kind)}"


PLATFORM_APP = AppName("")
"""The app that the platform's own project holds besides the platform."""


def stack_glob(kind: StackKind) -> str:
    """Return the wildcard for names of stacks of a kind within their project."""
    return f"{_WORDS[kind]}{'*' if kind is StackKind.STAGING else '-*'}"


@dataclass(frozen=True)
class StackName:
    """A stack's name and every name that is derived from it.

    With an app of 32 characters and a pull request of nine digits the longest role of PostgreSQL is
    54 characters long, the longest IAM role 57 and the longest identifier in RDS 54, below their
    limits of 63, 64 and 63; the others have 63 or more (a Kubernetes namespace, a DNS label) or 128
    (an image's tag). A name starts with a letter and has neither capitals nor two hyphens in a row,
    as RDS requires.

    Attributes:
        value: The name within its project, as Pulumi has it: ``pr-42``.
        kind: Kind of the stack.
        pull_request: The pull request's number, None for other stacks.
        generation: The number of a server of templates, None for other stacks.
        app: App whose stack it is.
    """

    value: str
    kind: StackKind
    pull_request: int | None
    generation: int | None = None
    app: AppName = PLATFORM_APP

    @classmethod
    def parse(cls, value: str, app: AppName = PLATFORM_APP) -> StackName:
        """Return the parsed name of a stack of an app.

        Raises:
            StackNameError: The name has none of the three forms.
        """
        if value == "staging":
            return cls(value, StackKind.STAGING, None, app=app)
        if _PREVIEW.fullmatch(value):
            return cls(value, StackKind.PREVIEW, _number(value), app=app)
        if _DATA.fullmatch(value):
            return cls(value, StackKind.DATA, None, _number(value), app=app)
        msg = (
            f"stack {_shortened(value)!r}: unknown name\n"
            "  What to do: use `staging` for the platform, or `pr-<n>` for the preview of pull "
            "request n (1 to 999999999, no leading zero), for example "
            "`pulumi stack select --create pr-42`; `data-<n>` is made by `previews refresh`"
        )
        raise StackNameError(msg)

    @classmethod
    def find(cls, value: str, app: AppName = PLATFORM_APP) -> StackName | None:
        """Return the parsed name, None for an unknown one."""
        try:
            return cls.parse(value, app)
        except StackNameError:
            return None

    @classmethod
    def of_resource(cls, name: str, *suffixes: str) -> StackName | None:
        """Return the stack of any app that a resource is named after; None for other names.

        Args:
            name: Name of the resource, ``orders-pr-42`` or ``orders-pr-42-database``.
            suffixes: Endings that the stack's name may have, such as ``-database``.
        """
        for suffix in ("", *suffixes):
            match = _RESOURCE.fullmatch(name.removesuffix(suffix))
            if match is not None and name.endswith(suffix) and not _fault(match["app"] or "x"):
                return cls.parse(match["stack"], AppName(match["app"] or ""))
        return None

    @classmethod
    def of_branch(cls, database: str) -> StackName | None:
        """Return the preview whose database on a shared server has a name; None for others."""
        found = None if "-" in database else cls.of_resource(database.replace("_", "-"))
        return found if found is not None and found.kind is StackKind.PREVIEW else None

    @classmethod
    def of_image_tag(cls, tag: str, app: AppName = PLATFORM_APP) -> StackName | None:
        """Return the preview whose image has a tag in the app's repository; None for others."""
        match = _IMAGE_TAG.fullmatch(tag)
        return None if match is None else cls.parse(match["stack"], app)

    def __str__(self) -> str:
        """Return the name that no other app's stack has."""
        return self.name

    @property
    def name(self) -> str:
        """Name of the stack among those of all apps: ``orders-pr-42``, or ``pr-42``."""
        return f"{self.app.prefix}{self.value}"

    @property
    def namespace(self) -> str:
        """Kubernetes namespace of the stack's pods."""
        return self.name

    @property
    def database_identifier(self) -> str:
        """Identifier of the RDS instance."""
        return self.name

    @property
    def database_security_group(self) -> str:
        """Name of the security group around the database."""
        return f"{self.name}-database"

    @property
    def database_subnet_group(self) -> str:
        """Name of the RDS subnet group."""
        return f"{self.name}-database"

    @property
    def final_snapshot(self) -> str:
        """Identifier of the snapshot that remains when the database is deleted."""
        return f"{self.name}-final"

    @property
    def secrets_role(self) -> str:
        """Name of the IAM role that the stack's SecretStore assumes."""
        return f"{self.name}-secrets"

    @property
    def app_secrets_role(self) -> str:
        """Name of the IAM role that reads the app's own secrets in Secrets Manager."""
        return f"{self.name}-app-secrets"

    @property
    def app_role(self) -> str:
        """Name of the IAM role that the app's pods assume."""
        return f"{self.name}-app"

    def bucket(self, account: str) -> str:
        """Return the name of the app's bucket, which no other bucket in AWS has.

        At most 58 characters, of S3's 63.

        Args:
            account: Number of the AWS account.
        """
        return f"{self.name}-{account}"

    def managed_secret(self, name: str) -> str:
        """Return the name in Secrets Manager of a secret of the app, which its stacks share."""
        return f"{self.app.secrets_prefix}{name}"

    @property
    def branch(self) -> str:
        """Name of the database on a shared server, which SQL need not quote."""
        return self.name.replace("-", "_")

    @property
    def branch_migrator(self) -> str:
        """Role that owns the schema of `branch`."""
        return f"{self.branch}_migrator"

    @property
    def branch_app(self) -> str:
        """Role of the service on `branch`."""
        return f"{self.branch}_app"

    def image_tag(self, commit: str, part: str = "") -> str:
        """Return an image's tag. Stacks of an app share one repository: the stack comes first.

        Args:
            commit: Hash of the commit.
            part: Name of a further image of the app; empty for its own.
        """
        return f"{self.value}-{commit}.{part}" if part else f"{self.value}-{commit}"

    def host(self, domain: str) -> str:
        """Return the host name of the stack's service."""
        return f"{self.name}.{domain}"


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _fault(app: str) -> str:
    """Return why a text is no app's name; empty if it is one."""
    if len(app) > LONGEST_APP:
        return f"it has {len(app)} characters"
    if not _APP.fullmatch(app):
        return "it is no DNS label that begins with a letter and has single hyphens"
    taken = sorted(RESERVED.intersection(app.split("-")))
    return f"its part {taken[0]!r} is reserved" if taken else ""


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
