"""`previews unlock`: breaks the lock of a run that has ended, and completes the state."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from contract.stack_name import StackName
from previews.clients import Clients
from previews.commands._arguments import stack_of
from previews.output import AsJson, show
from previews.pulumi.locks import BrokenLock
from previews.pulumi.recovery import Recovered


class UnlockReport(BaseModel):
    """Locks that were broken, and resources that the ended run had not recorded."""

    model_config = ConfigDict(frozen=True)

    stack: str
    broken: list[BrokenLock]
    recovered: Recovered

    def text(self) -> str:
        """Return the report for people."""
        lines = [f"broken: {each.lock}: {each}" for each in self.broken] or [
            f"{self.stack} was not locked"
        ]
        lines += [f"adopted: {urn}" for urn in self.recovered.adopted]
        lines += [f"not found, so removed from the state: {urn}" for urn in self.recovered.absent]
        return "\n".join(lines)


def command(
    stack: Annotated[
        StackName,
        typer.Argument(
            parser=stack_of, metavar="N|STACK", help="Number of the pull request, or staging."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Break a stack's lock if a workflow run holds it that has ended, and no other lock.

    Resources that the run had begun to create are looked for, and adopted into the state if they
    exist: no live resource is forgotten.

    Example: previews unlock 42, or: previews unlock staging

    Exits with 0 when the stack is unlocked, with 1 when its holder runs or is unknown.
    """
    clients = Clients()
    broken = clients.locks.break_stale(stack.value)
    recovered, _ = clients.recover(stack.value)
    report = UnlockReport(stack=stack.name, broken=broken, recovered=recovered)
    show(report, report.text(), as_json=as_json)
