"""AWS resources and look-ups as tables: which API calls there are, and one engine that makes them.

Every parameter of a call, and every output, is a JMESPath expression, as in the AWS CLI's
``--query``: parameters over the inputs, outputs over the answers. Parameters see besides:

* ``id``, the identity, ``idParts``, it split at colons, and ``live``, the resource as it is now;
* ``tagList``, the tags as most APIs take them, and ``removedTags``, the keys that are to go.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath
from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.aws.clients import AwsError, Clients
from sandbox.providers.base import Call, Existing, Function, Resource
from sandbox.providers.inputs import Equality, Input, Schema, Type, compare, same
from sandbox.providers.values import Properties

TAGS = Input(Type.MAP)
# The real provider waits as long for what still uses a security group, an instance say.
_IN_USE_SECONDS = 900.0

_compiled = functools.lru_cache(maxsize=1024)(jmespath.compile)


def search(expression: str, document: Any) -> Any:
    """The expression's value in the document."""
    return _compiled(expression).search(document)


@dataclass(frozen=True)
class Request:
    """One API call; parameters whose expression is null are left out.

    Attributes:
        operation: boto3's name of it.
        parameters: Each parameter's expression.
        when: Whether an update needs the call at all.
        always: For an update that sends only what changed: what it sends besides.
    """

    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    when: str = "`true`"
    always: frozenset[str] | None = None

    def arguments(self, document: Properties) -> Properties:
        """The parameters over a document."""
        values = {name: search(text, document) for name, text in self.parameters.items()}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Api:
    """One AWS service.

    Attributes:
        service: boto3's name of it.
        missing: Its codes for what is not there.
        tag: Writes ``tagList``.
        untag: Removes ``removedTags``.
    """

    service: str
    missing: frozenset[str]
    tag: Request | None = None
    untag: Request | None = None


@dataclass(frozen=True)
class Property:
    """An input, as a parameter of the call that creates and as an output.

    Attributes:
        input: What it may be.
        parameter: The API's name of it, None when the call has none.
        value: The parameter's expression, the property itself without.
        output: The output's expression, the parameter's name without.
    """

    input: Input
    parameter: str | None = None
    value: str | None = None
    output: str | None = None


@dataclass
class AwsResource(Resource):
    """A resource type.

    Attributes:
        properties: Its inputs.
        create_call: The operation that creates it.
        identity: Expression of its id over the inputs and the answer of that call.
        read_calls: The calls that describe it, each with the answers before it.
        found: Expression of the resource in the answers, null when it is gone; its fields
            are seen by outputs beside the answers. ``$id`` stands for the id.
        outputs: What AWS alone decides.
        updates: What changes it in place; called when a parameter differs from the live one.
        creates_again: The call that creates it also changes it.
        taken: Code of the API's error when the name is in use; None when creating
            again means writing the same thing again.
        locate: The call that finds one by its name, and the expression of its id.
        looks_first: The API overwrites what has the same name, where AWS's own refuses.
        in_use: Code of the API's error while something else still needs it.
    """

    api: Api
    properties: Mapping[str, Property]
    create_call: str
    identity: str
    read_calls: tuple[Request, ...]
    delete_call: Request
    found: str = "@"
    outputs: Mapping[str, str] = field(default_factory=dict)
    updates: tuple[Request, ...] = ()
    creates_again: bool = False
    name_input: str | None = None
    taken: str | None = None
    locate: tuple[Request, str] | None = None
    looks_first: bool = False
    in_use: str | None = None

    def __post_init__(self) -> None:
        self.schema = {name: it.input for name, it in self.properties.items()}
        if self.creates_again:
            self.updates = (self.creating({}),)

    @override
    async def create(self, call: Call, inputs: Properties) -> Existing:
        """Make it, or adopt this stack's own of the same name."""
        if self.looks_first and await self.describe(call, inputs[self.name_input or ""]):
            return await self.adopt(call, inputs)
        try:
            answer = await self._call(call, self.creating(inputs), _document(inputs))
        except AwsError as error:
            if error.code != self.taken:
                raise
            return await self.adopt(call, inputs)
        return Existing(str(search(self.identity, {**inputs, **answer})), inputs)

    def creating(self, inputs: Properties) -> Request:  # noqa: ARG002 - one has two
        """The call that creates it."""
        parameters = {
            it.parameter: it.value or name for name, it in self.properties.items() if it.parameter
        }
        return Request(self.create_call, parameters)

    async def adopt(self, call: Call, inputs: Properties) -> Existing:
        """Take over what an interrupted run of this stack made; ``settle`` makes the rest of it.

        Raises:
            SandboxError: When it is not this stack's, or differs in what cannot be changed.
        """
        identity = await self._locate(call, inputs)
        live = await self.live(call, identity)
        require_ours(call, identity, inputs.get("tags"), live.get("tags"))
        diff = compare(self.schema, self.as_recorded(inputs, live), inputs)
        if diff.replaces:
            raise SandboxError(
                f"{call.type} {identity}",
                why=f"an interrupted run made it with another {', '.join(sorted(diff.replacing))},"
                " which cannot be changed",
                remedy="delete it, then run the same command again",
            )
        return Existing(identity, {**inputs, **live})

    async def _locate(self, call: Call, inputs: Properties) -> str:
        name = str(inputs[self.name_input or ""])
        if self.locate is None:
            return name
        request, expression = self.locate
        answer = await self._call(call, request, inputs)
        return str(search(expression.replace("$id", name.removeprefix("https://")), answer))

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Make it what the inputs ask for; here and not in ``create``, so that nothing is lost."""
        live = await self.ready(call, identity)
        if await self.converge(call, identity, inputs, live):
            live = await self.ready(call, identity)
        return {**inputs, **live}

    async def converge(
        self, call: Call, identity: str, inputs: Properties, live: Properties
    ) -> bool:
        """Make the calls that change what differs; report if there were any."""
        recorded = self.as_recorded(inputs, live)
        wanted = {**_document(inputs, identity), "live": live}
        current = {**wanted, **live, **recorded}
        changed = await self._tag(call, wanted, live)
        for request in self.updates:
            arguments, before = request.arguments(wanted), request.arguments(current)
            changes = {key: it for key, it in arguments.items() if before.get(key) != it}
            begins = not search(request.when, current)
            if search(request.when, wanted) and (begins or changes):
                if request.always is not None:
                    arguments = {key: arguments[key] for key in request.always} | changes
                await clients(call).call(self.api.service, request.operation, **arguments)
                changed = True
        return changed

    async def _tag(self, call: Call, wanted: Properties, live: Properties) -> bool:
        tags, found = wanted.get("tags") or {}, live.get("tags") or {}
        if self.api.tag is None or self.api.untag is None or tags == found:
            return False
        removed = sorted(found.keys() - tags.keys())
        if removed:
            await self._call(call, self.api.untag, {**wanted, "removedTags": removed})
        if tags:
            await self._call(call, self.api.tag, wanted)
        return True

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        """Leave it to ``settle``, which compares with the live resource."""
        return {**outputs, **new}

    @override
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        live = await self.describe(call, identity)
        if live is None:
            return None
        return Existing(identity, {**outputs, **live}, self.as_recorded(inputs, live))

    def as_recorded(self, inputs: Properties, live: Properties) -> Properties:
        """The inputs as AWS has them now, written as they are recorded where both mean the same."""
        return live_inputs(self.schema, inputs, live)

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        async def deleted() -> bool | None:
            try:
                await self._call(call, self.delete_call, _document(inputs, identity))
            except AwsError as error:
                if error.code not in self.api.missing | {self.in_use}:
                    raise
                return True if error.code in self.api.missing else None
            return True

        await call.poll(
            deleted,
            default_seconds=_IN_USE_SECONDS,
            waiting_for=f"{call.type} {identity} to be used by nothing",
        )

    async def describe(self, call: Call, identity: str) -> Properties | None:
        """The outputs as AWS has them; None when there is none."""
        answers = {**_document({}, identity), "region": clients(call).region}
        for request in self.read_calls:
            try:
                answers |= await self._call(call, request, answers)
            except AwsError as error:
                if error.code in self.api.missing:
                    return None
                raise
        found = search(self.found.replace("$id", identity), answers)
        return None if found is None else self._outputs({**answers, **found})

    def _outputs(self, answers: Properties) -> Properties:
        values = {name: search(text, answers) for name, text in self.outputs.items()}
        for name, it in self.properties.items():
            if it.output or it.parameter:
                values[name] = search(it.output or it.parameter or "", answers)
            if it.input.equality is Equality.JSON and isinstance(values[name], dict):
                values[name] = json.dumps(values[name], sort_keys=True)
        if "tags" in values:
            values["tags"] = values["tagsAll"] = tag_map(values["tags"])
        return values

    async def ready(self, call: Call, identity: str) -> Properties:
        """The outputs once it can be changed."""
        return await self.live(call, identity)

    async def live(self, call: Call, identity: str) -> Properties:
        """The outputs as AWS has them.

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
        return live

    async def _call(self, call: Call, request: Request, document: Properties) -> Properties:
        arguments = request.arguments(document)
        return await clients(call).call(self.api.service, request.operation, **arguments)


@dataclass(frozen=True)
class AwsFunction(Function):
    """A look-up; attributes as those of ``AwsResource``.

    Attributes:
        named: The noun of an error, when nothing is found; None when that is no error.
    """

    api: Api
    schema: Schema
    request: Request
    found: str
    outputs: Mapping[str, str]
    named: str | None = None

    @override
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        try:
            answer = await clients(call).call(
                self.api.service, self.request.operation, **self.request.arguments(arguments)
            )
        except AwsError as error:
            if error.code not in self.api.missing:
                raise
            answer = {}
        found = search(self.found, answer)
        if found is None and self.named:
            [wanted, *_] = arguments.values()
            raise SandboxError(
                f"{self.named} {wanted}",
                why="AWS has none that matches",
                remedy="change the search criteria, or make what is missing, and run it again",
            )
        document = {**arguments, **(found or {}), "region": clients(call).region}
        outputs = {name: search(text, document) for name, text in self.outputs.items()}
        if isinstance(outputs.get("tags"), list):
            outputs["tags"] = tag_map(outputs["tags"])
        return outputs


def _document(inputs: Properties, identity: str = "") -> Properties:
    tags = sorted((inputs.get("tags") or {}).items())
    return {
        **inputs,
        "id": identity,
        "idParts": identity.split(":"),
        "tagList": [{"Key": key, "Value": value} for key, value in tags] or None,
    }


def clients(call: Call) -> Clients:
    """The AWS APIs of the call's provider."""
    config: Clients = call.connection.config
    return config


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as the program writes them, without those that AWS keeps for itself."""
    return {tag["Key"]: tag["Value"] for tag in tags or () if not tag["Key"].startswith("aws:")}


def require_ours(
    call: Call, identity: str, wanted: Mapping[str, str] | None, found: Mapping[str, str] | None
) -> None:
    """Refuse to adopt what does not carry this stack's tags.

    The tags that hold the stack's name tell whose it is; the others, like the commit,
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
        key: _recorded(schema.get(key, TAGS), value, live[key]) if key in live else value
        for key, value in inputs.items()
    }


def _recorded(known: Input, recorded: Any, live: Any) -> Any:
    if isinstance(recorded, Mapping) and isinstance(live, Mapping) and known.fields:
        return {key: live.get(key) for key in recorded}
    return recorded if same(known, recorded, live) else live
