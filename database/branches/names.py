"""What everything on a shared server is called, and whose it is by its name."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

REGISTRY = "branches"
"""The database in which is written down which others were made here."""

TEMPLATE = "branch_template"
"""The scrubbed data that clones are made from; nobody can connect to it."""

_PREVIEW = re.compile(r"pr-([1-9][0-9]{0,8})", re.ASCII)
_OURS = re.compile(r"pr_[1-9][0-9]{0,8}|branch_(making|spare|former)_[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True)
class BranchNames:
    """Names of one preview's database and roles, without what SQL would have to quote.

    Attributes:
        namespace: The preview's namespace, ``pr-42``.
        database: ``pr_42``.
        migrator: The role that owns the schema.
        app: The role of the service.
    """

    namespace: str
    database: str
    migrator: str
    app: str

    @classmethod
    def of(cls, namespace: str) -> BranchNames | None:
        """The names that belong to a namespace; None for one that is no preview's."""
        match = _PREVIEW.fullmatch(namespace)
        if match is None:
            return None
        database = f"pr_{match[1]}"
        return cls(namespace, database, f"{database}_migrator", f"{database}_app")


def making() -> str:
    """A new name for a clone that is not whole yet."""
    return f"branch_making_{secrets.token_hex(6)}"


def spare() -> str:
    """A new name for a whole clone that is nobody's yet."""
    return f"branch_spare_{secrets.token_hex(6)}"


def former() -> str:
    """A new name for a database whose place another one takes."""
    return f"branch_former_{secrets.token_hex(6)}"


def may_be_dropped(database: str) -> bool:
    """Whether a database has a name that only this program gives.

    The template has none of them: it goes with its server and never alone.
    """
    return _OURS.fullmatch(database) is not None
