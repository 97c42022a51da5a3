"""Names of databases and roles on a shared server, by which their purpose can be recognized."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from contract.stack_name import StackKind, StackName

REGISTRY = "branches"
"""The database that records which others were created by this program."""

TEMPLATE = "branch_template"
"""The scrubbed database that clones are copied from; it accepts no connections."""

# "making" and "former" are what "pending" and "retired" were called in earlier registries.
_OWN = re.compile("branch_(pending|spare|retired|making|former)_[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True)
class BranchNames:
    """Names of one preview's database and roles, none of which SQL has to quote.

    Attributes:
        namespace: The preview's namespace, ``orders-pr-42``, or ``pr-42`` without an app.
        database: ``orders_pr_42``.
        migrator: The role that owns the schema.
        app: The role of the service.
    """

    namespace: str
    database: str
    migrator: str
    app: str

    @classmethod
    def of(cls, namespace: str) -> BranchNames | None:
        """Return the names that belong to a namespace, None if it is not a preview's."""
        stack = StackName.of_resource(namespace)
        if stack is None or stack.kind is not StackKind.PREVIEW:
            return None
        return cls(namespace, stack.branch, stack.branch_migrator, stack.branch_app)


def pending() -> str:
    """Return a new name for a clone that is being prepared."""
    return f"branch_pending_{secrets.token_hex(6)}"


def spare() -> str:
    """Return a new name for a finished clone that is not assigned yet."""
    return f"branch_spare_{secrets.token_hex(6)}"


def retired() -> str:
    """Return a new name for a database that is replaced and about to be dropped."""
    return f"branch_retired_{secrets.token_hex(6)}"


def may_be_dropped(database: str) -> bool:
    """Return whether only this program gives such a name.

    The template's is not among them: it is removed with its server, never alone.
    """
    return StackName.of_branch(database) is not None or _OWN.fullmatch(database) is not None
