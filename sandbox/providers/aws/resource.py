"""What all AWS resources of the stand-in have in common: tags, reading, adopting."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.aws.clients import AwsError, Clients
from sandbox.providers.base import Call, Existing, Resource
from sandbox.providers.changes import format_path
from sandbox.providers.schema import Input, Schema, Type, canonical
from sandbox.providers.values import Properties

TAGS = Input(Type.MAP)


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Tags as most AWS APIs take them."""
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as the program writes them, without those that AWS keeps for itself."""
    return {tag["Key"]: tag["Value"] for tag in tags or () if not tag["Key"].startswith("aws:")}


def tag_changes(
    before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> tuple[list[str], dict[str, str]]:
    """What makes the tags that are there those that are wanted.

    Returns:
        The keys to remove, sorted, and the tags to write; each empty when there is nothing to do.
    """
    was, wanted = dict(before or {}), dict(after or {})
    return sorted(was.keys() - wanted.keys()), wanted if was != wanted else {}


def clients(call: Call) -> Clients:
    """The AWS APIs of the call's provider."""
    config: Clients = call.config
    return config


class AwsResource(Resource):
    """A resource of AWS that can be described by its identity.

    Attributes:
        taken: Code of the API's error when the name is in use; None when creating
            again means writing the same thing again.
    """

    taken: str | None = None

    @abc.abstractmethod
    async def make(self, call: Call, inputs: Properties) -> str:
        """Create it; returns its identity."""

    @abc.abstractmethod
    async def describe(self, call: Call, identity: str) -> Properties | None:
        """What AWS says of it, under Pulumi's names; None when there is none."""

    async def locate(self, call: Call, inputs: Properties) -> str:  # noqa: ARG002 - some ask AWS
        """The identity of the one that has these inputs' name."""
        identity: str = inputs[self.name_input or "name"]
        return identity

    @override
    async def create(self, call: Call, inputs: Properties) -> Existing:
        """Make it, or adopt this stack's own of the same name."""
        try:
            identity = await self.make(call, inputs)
        except AwsError as error:
            if error.code != self.taken:
                raise
            return await self.adopt(call, await self.locate(call, inputs), inputs)
        return Existing(identity, inputs)

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Describe it; here and not in ``create``, so that a failure loses nothing."""
        return await self.outputs(call, identity, inputs)

    async def adopt(self, call: Call, identity: str, inputs: Properties) -> Existing:
        """Take over what an interrupted run of this stack made, as the inputs now want it.

        Raises:
            SandboxError: When it is not this stack's, or differs in what cannot be changed.
        """
        live = await self.outputs(call, identity, {})
        require_ours(call, identity, inputs.get("tags"), live.get("tags"))
        current = live_inputs(self.schema, inputs, live)
        diff = await self.diff(call, identity, current, inputs)
        if diff.replaces:
            paths = ", ".join(format_path(c.path) for c in diff.changes if c.replaces)
            raise SandboxError(
                f"{call.type} {identity}",
                why=f"an interrupted run made it with another {paths}, which cannot be changed",
                remedy="delete it, then run the same command again",
            )
        if not diff.changes:
            return Existing(identity, live)
        return Existing(identity, await self.update(call, identity, current, live, inputs))

    async def outputs(self, call: Call, identity: str, inputs: Properties) -> Properties:
        """The inputs, over them what AWS says now.

        Raises:
            SandboxError: When it is gone.
        """
        live = await self.describe(call, identity)
        if live is None:
            raise SandboxError(
                f"{call.type} {identity}",
                why="AWS does not know it any more: something else deleted it",
                remedy="run `pulumi refresh`, then the same command again",
            )
        return {**inputs, **live}

    @override
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        """Look it up."""
        live = await self.describe(call, identity)
        if live is None:
            return None
        return Existing(identity, {**outputs, **live}, live_inputs(self.schema, inputs, live))


def require_ours(
    call: Call, identity: str, wanted: Mapping[str, str] | None, found: Mapping[str, str] | None
) -> None:
    """Refuse to adopt what does not carry this stack's tags.

    The tags that hold the stack's name say whose it is; the others, like the commit,
    may have changed between the interrupted run and this one.
    """
    marks = {key: value for key, value in (wanted or {}).items() if value == call.stack}
    if marks and all((found or {}).get(key) == value for key, value in marks.items()):
        return
    expected = ", ".join(f"{key}={value}" for key, value in marks.items())
    raise SandboxError(
        f"{call.type} {identity}",
        why="it exists already and is not this stack's: "
        + (f"it lacks the tag {expected}" if marks else f"no tag says {call.stack}"),
        remedy="choose another name, delete the other one, or take it over with `pulumi import`",
    )


def live_inputs(schema: Schema, inputs: Properties, live: Properties) -> Properties:
    """The inputs as AWS has them now; all known ones when none are recorded (an import)."""
    if not inputs:
        return {key: live[key] for key in schema if live.get(key) not in (None, [], {})}
    return {
        key: _live(schema.get(key, TAGS), value, live[key]) if key in live else value
        for key, value in inputs.items()
    }


def _live(known: Input, recorded: Any, live: Any) -> Any:
    """The live value, written as it is recorded where both mean the same."""
    if isinstance(recorded, Mapping) and isinstance(live, Mapping) and known.fields:
        return {key: live.get(key) for key in recorded}
    pair = {"recorded": recorded}, {"recorded": live}
    same = {"recorded": known}
    return recorded if canonical(same, pair[0]) == canonical(same, pair[1]) else live
