"""`previews unlock`: breaks the lock of a run that is over, and recovers what it had begun."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from previews.clients import Clients
from previews.commands._arguments import Stack
from previews.output import AsJson, show
from previews.pulumi.locks import Broken, Locks
from previews.pulumi.recovery import Recovered, recover


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)

    stack: str
    broken: list[Broken]
    recovered: Recovered

    def text(self) -> str:
        """What a person reads."""
        lines = [f"broken: {each.lock}: {each}" for each in self.broken] or [
            f"{self.stack} was not locked"
        ]
        lines += [f"taken over: {urn}" for urn in self.recovered.taken_over]
        lines += [f"not there, so forgotten: {urn}" for urn in self.recovered.absent]
        return "\n".join(lines)


def command(stack: Stack, as_json: AsJson = False) -> None:
    """Break a stack's lock if a run of a workflow made it that is over, and no other lock.

    What that run had begun is found again and taken over into the state, or proven not to be
    there: no live resource is forgotten.

    Example: previews unlock 42

    Exits with 0 when the stack is free, with 1 when its holder lives or is not known.
    """
    clients = Clients()
    broken = Locks(clients).free(stack.value)
    recovered = recover(clients, stack.value)
    result = _Result(stack=stack.value, broken=broken, recovered=recovered)
    show(result, result.text(), as_json=as_json)
