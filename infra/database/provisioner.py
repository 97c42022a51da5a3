"""The one step in which stacks differ: how a database comes to be ready for migrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from infra.app.preview_namespace import PreviewNamespace
    from infra.database.database import Database


@dataclass(frozen=True)
class HandedOver:
    """A database that is safe to hand to the code of this commit.

    Attributes:
        database: How it is reached.
        ready: What migrations come after.
        checksum: Changes when the app's login is made differently, so that pods are replaced.
        snapshot: The snapshot that the data comes from, None where there is none.
        snapshot_created: When that was taken, RFC 3339.
        prepared_with: The image with which the database was prepared, known once it was; None
            where the platform prepares it.
    """

    database: Database
    ready: Sequence[pulumi.Resource]
    checksum: str
    snapshot: pulumi.Output[str] | None = None
    snapshot_created: pulumi.Output[str] | None = None
    prepared_with: pulumi.Output[str] | None = None


class HandOver(Protocol):
    """Hands a database over to the namespace of a stack."""

    def __call__(self, namespace: PreviewNamespace, parent: pulumi.Resource) -> HandedOver:
        """Declare what it takes.

        Args:
            namespace: Where the passwords go, with the guard rails that pods come after.
            parent: The component that it all belongs to.
        """
        ...
