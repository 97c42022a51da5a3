"""A few clones made ahead, for templates that take long to copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from database.branches import copying, names
from database.branches.registry import Kind

if TYPE_CHECKING:
    from database.branches.registry import Session


@dataclass(frozen=True)
class Pool:
    """How many spare clones there are to be.

    Attributes:
        spares: As many, of a large template.
        above_bytes: A template is large from this size on.
    """

    spares: int = 2
    above_bytes: int = 2 << 30


def add_one(session: Session, pool: Pool) -> bool:
    """Make one spare clone, if there are too few.

    Returns:
        Whether one was made; then there may be another one to make.
    """
    held = sum(entry.kind is Kind.SPARE and entry.exists for entry in session.entries())
    if held >= pool.spares or copying.size(session, names.TEMPLATE) < pool.above_bytes:
        return False
    made = copying.copy_template(session)
    with session.transaction():
        session.renamed(made, names.spare(), Kind.SPARE)
    return True
