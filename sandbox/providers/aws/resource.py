"""AWS resources and functions as tables of API calls, and the code that executes them.

Each parameter of a call, and each output, is a JMESPath expression, as in the AWS CLI's
``--query``: parameters over the inputs, outputs over the responses. Parameters also have:

* ``id``, the ID; ``idParts``, the ID split at colons; ``live``, the resource's current outputs;
* ``tagList``, the tags in most APIs' format; ``removedTags``, the keys of tags to remove.
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
# The real provider's time limit for a security group that is still in use.
_IN_USE_SECONDS = 900.0

_compiled = functools.lru_cache(maxsize=1024)(jmespath.compile)


def search(expression: str, document: Any) -> Any:
    """Return the value of an expression over a document."""
    return _compiled(expression).search(document)


@dataclass(frozen=True)
class Request:
    """An API call; parameters whose value is null are omitted.

    Attributes:
        operation: boto3's name of the operation.
        parameters: Expressions of the parameters.
        when: Expression that is true if an update needs the call.
        always: For an update that sends changed parameters only: those that it always sends.
    """

    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    when: str = "`true`"
    always: frozenset[str] | None = None

    def arguments(self, document: Properties) -> Properties:
        """Return the parameters' values over a document."""
        values = {name: search(text, document) for name, text in self.parameters.items()}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Api:
    """An AWS service.

    Attributes:
        service: boto3's name of the service.
        missing: Error codes for a missing resource.
        tag: Call that sets ``tagList``.
        untag: Call that removes ``removedTags``.
    """

    service: str
    missing: frozenset[str]
    tag: Request | None = None
    untag: Request | None = None


@dataclass(frozen=True)
class Property:
    """An input with its parameter of the create call and its output.

    Attributes:
        input: Schema of the input.
        parameter: The API's name of it; None if the create call lacks it.
        value: Expression of the parameter; by default the property itself.
        output: Expression of the output; by default the parameter's name.
    """

    input: Input
    parameter: str | None = None
    value: str | None = None
    output: str | None = None


@dataclass
class AwsResource(Resource):
    """A resource type.

    Attributes:
        properties: Inputs.
        create_call: Operation that creates it.
        identity: Expression of its ID over the inputs and the response of that call.
        read_calls: Calls that describe it, each with the responses of those before it.
        found: Expression of the resource in the responses, null if it does not exist; outputs
            can use its fields and the responses. ``$id`` is the ID.
        outputs: Outputs that only AWS sets.
        updates: Calls that change it in place, made if a parameter differs from the live one.
        creates_again: True if the call that creates it also changes it.
        taken: Error code for a name in use; None if to create again writes the same again.
        locate: Call that finds one by its name, and the expression of its ID.
        looks_first: True if the API overwrites a resource of the same name, where AWS's rejects.
        in_use: Error code while something else still uses it.
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
        """Create it, or adopt this stack's own of the same name."""
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
        """Return the call that creates it."""
        parameters = {
            it.parameter: it.value or name for name, it in self.properties.items() if it.parameter
        }
        return Request(self.create_call, parameters)

    async def adopt(self, call: Call, inputs: Properties) -> Existing:
        """Adopt what an interrupted run of this stack created; ``settle`` completes it.

        Raises:
            SandboxError: It is not this stack's, or differs in an input that can't be changed.
        """
        identity = await self._locate(call, inputs)
        live = await self.live(call, identity)
        require_ours(call, identity, inputs.get("tags"), live.get("tags"))
        diff = compare(self.schema, self.as_recorded(inputs, live), inputs)
        if diff.replaces:
            raise SandboxError(
                f"{call.type} {identity}",
                why="an interrupted run created it with another"
                f" {', '.join(sorted(diff.replacing))}, which can't be changed",
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
        """Change it to the inputs; not in ``create``, so that a failure does not lose it."""
        live = await self.ready(call, identity)
        if await self.converge(call, identity, inputs, live):
            live = await self.ready(call, identity)
        return {**inputs, **live}

    async def converge(
        self, call: Call, identity: str, inputs: Properties, live: Properties
    ) -> bool:
        """Make the calls that change what differs; return True if there were any."""
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
        """Return the outputs; ``settle`` makes the changes by the live resource."""
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
        """Return AWS's current inputs, in the recorded form where both are equal."""
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
        """Return the current outputs; None if it does not exist."""
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
        """Return the outputs once it can be changed."""
        return await self.live(call, identity)

    async def live(self, call: Call, identity: str) -> Properties:
        """Return the current outputs.

        Raises:
            SandboxError: It does not exist.
        """
        live = await self.describe(call, identity)
        if live is None:
            raise SandboxError(
                f"{call.type} {identity}",
                why="it no longer exists in AWS: something else deleted it",
                remedy="run `pulumi refresh`, then the same command again",
            )
        return live

    async def _call(self, call: Call, request: Request, document: Properties) -> Properties:
        arguments = request.arguments(document)
        return await clients(call).call(self.api.service, request.operation, **arguments)


@dataclass(frozen=True)
class AwsFunction(Function):
    """A function; attributes as those of ``AwsResource``.

    Attributes:
        named: Noun for the error if nothing is found; None if that is no error.
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
                why="nothing in AWS matches",
                remedy="change the search criteria or create it, and run the same command again",
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
    """Return the AWS APIs of the call's provider."""
    config: Clients = call.connection.config
    return config


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Return tags in the program's form, without AWS's own."""
    return {tag["Key"]: tag["Value"] for tag in tags or () if not tag["Key"].startswith("aws:")}


def require_ours(
    call: Call, identity: str, wanted: Mapping[str, str] | None, found: Mapping[str, str] | None
) -> None:
    """Check that a resource has this stack's tags before it is adopted.

    Only the tags that contain the stack's name count; others, like the commit, may have changed
    since the interrupted run.
    """
    marks = {key: value for key, value in (wanted or {}).items() if value == call.stack}
    if marks and all((found or {}).get(key) == value for key, value in marks.items()):
        return
    expected = ", ".join(f"{key}={value}" for key, value in marks.items())
    raise SandboxError(
        f"{call.type} {identity}",
        why="it exists and is not this stack's: "
        + (f"it lacks the tag {expected}" if marks else f"no tag contains {call.stack}"),
        remedy="choose another name, delete it, or adopt it with `pulumi import`",
    )


def live_inputs(schema: Schema, inputs: Properties, live: Properties) -> Properties:
    """Return AWS's current inputs; all of them if none are recorded (an import)."""
    if not inputs:
        return {key: live[key] for key in schema if live.get(key) not in (None, [], {})}
    return {
        key: _recorded(schema.get(key, TAGS), value, live[key]) if key in live else value
        for key, value in inputs.items()
    }


def _recorded(expected: Input, recorded: Any, live: Any) -> Any:
    if isinstance(recorded, Mapping) and isinstance(live, Mapping) and expected.fields:
        return {key: live.get(key) for key in recorded}
    return recorded if same(expected, recorded, live) else live
