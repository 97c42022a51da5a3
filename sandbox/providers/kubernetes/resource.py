"""Any object of any kind, from manifest to live object and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.base import Call, Existing, NotReadyError, Resource
from sandbox.providers.changes import Change, Diff, Kind, compare
from sandbox.providers.kubernetes import await_annotations, manifests, readiness, rules, waiting
from sandbox.providers.kubernetes.api import Api, ApiError, Object, Ref
from sandbox.providers.schema import Problem
from sandbox.providers.values import Properties, reveal

_MANAGER_KEY = "__fieldManager"
_CONFLICT = 409
_INVALID = 422
_IMMUTABLE = "field is immutable"


class KubernetesObject(Resource):
    """One object; its identity is ``namespace/name``, or ``name`` outside namespaces.

    Each Pulumi resource applies its object under a field manager of its own, made of its
    URN, so that the live object itself says whose it is.
    """

    @override
    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        return new, [*manifests.problems(new), *await_annotations.problems(new), *_awaitable(new)]

    @override
    async def diff(self, call: Call, identity: str, old: Properties, new: Properties) -> Diff:
        api_version, kind = str(old.get("apiVersion")), str(old.get("kind"))
        changes = compare(old, new, replacing=rules.replacing_paths(api_version, kind))
        if not any(it.replaces for it in changes) and await self._failed(call, old, new):
            path = ("metadata", "annotations", await_annotations.REPLACE_UNREADY)
            changes = (*changes, Change(path, Kind.UPDATE, replaces=True))
        same_name = manifests.location(old) == manifests.location(new)
        return Diff(changes, delete_before_replace=same_name)

    @override
    async def create(self, call: Call, inputs: Properties) -> Existing:
        api, ref = await self._find(call, inputs)
        manager = _manager(call.urn)
        live = await api.get(ref)
        if live is not None and "deletionTimestamp" in live["metadata"]:
            await waiting.until_gone(call, api, ref, inputs)
        elif live is not None and not _is_managed(live, manager):
            raise SandboxError(
                f"{ref}",
                why="it exists already, and this stack's resource did not make it",
                remedy="choose another name, delete the other one, or take it over with "
                "`pulumi import`",
            )
        live = await self._adopt_or_apply(call, ref, inputs, manager)
        return Existing(manifests.identity(ref), _outputs(live, manager))

    async def _adopt_or_apply(
        self, call: Call, ref: Ref, inputs: Properties, manager: str
    ) -> Object:
        api: Api = call.config
        try:
            return await _apply(api, ref, inputs, manager)
        except ApiError as error:
            if error.code != _INVALID or _IMMUTABLE not in error.why:
                raise
        # An interrupted run made it with what cannot be changed; no state knows of that one.
        await api.delete(ref)
        await waiting.until_gone(call, api, ref, inputs)
        return await _apply(api, ref, inputs, manager)

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        api, ref = await self._find(call, inputs)
        manager = outputs[_MANAGER_KEY]
        try:
            live = await waiting.until_ready(call, api, ref, inputs)
        except NotReadyError as error:
            live_now = await api.get(ref)
            now = _outputs(live_now, manager) if live_now else outputs
            raise NotReadyError(*error.reasons, outputs=now) from error
        return _outputs(live, manager)

    @override
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        known = inputs or outputs or manifests.of_import(call.type, identity)
        api, ref = await self._find(call, known)
        live = await api.get(ref)
        if live is None:
            return None
        manager = outputs.get(_MANAGER_KEY) or _manager(call.urn)
        now = _outputs(live, manager)
        current = manifests.live_inputs(inputs, outputs, live)
        return Existing(identity, now, current, await _unready(api, ref, current, live))

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        api, ref = await self._find(call, new)
        manager = outputs.get(_MANAGER_KEY) or _manager(call.urn)
        return _outputs(await _apply(api, ref, new, manager), manager)

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        known = inputs or outputs
        api, ref = await self._find(call, known)
        if await api.delete(ref) and not await_annotations.skips_await(known):
            await waiting.until_gone(call, api, ref, known)

    async def _find(self, call: Call, inputs: Mapping[str, Any]) -> tuple[Api, Ref]:
        api: Api = call.config
        namespace, name = manifests.location(inputs)
        return api, await api.ref(inputs["apiVersion"], inputs["kind"], namespace, name)

    async def _failed(self, call: Call, old: Properties, new: Properties) -> bool:
        """Whether it is a Job that failed and is to be made anew."""
        if not await_annotations.replaces_unready(new):
            return False
        api, ref = await self._find(call, old)
        live = await api.get(ref)
        if live is None:
            return False
        try:
            await readiness.job(api, ref, live)
        except NotReadyError:
            return True
        return False


async def _apply(api: Api, ref: Ref, inputs: Properties, manager: str) -> Object:
    try:
        return await api.apply(ref, manifests.to_apply(reveal(inputs)), manager)
    except ApiError as error:
        if error.code != _CONFLICT:
            raise
        raise SandboxError(
            f"{ref}",
            why=f"another field manager holds what the program sets: {error.why}",
            remedy="leave those fields out of the program, or delete the object",
        ) from error


async def _unready(api: Api, ref: Ref, inputs: Properties, live: Object) -> tuple[str, ...]:
    try:
        lacking = await waiting.shortfall(api, ref, inputs, live)
    except NotReadyError as error:
        return error.reasons
    return (f"{ref}: {lacking}",) if lacking else ()


def _awaitable(inputs: Properties) -> list[Problem]:
    kind = readiness.group_kind(str(inputs.get("apiVersion")), str(inputs.get("kind")))
    if kind not in readiness.UNKNOWN or await_annotations.skips_await(inputs):
        return []
    reason = (
        f"the stand-in does not know when a {kind[1]} is ready; "
        f'annotate it with {await_annotations.SKIP_AWAIT}: "true" or use the real plugin'
    )
    return [Problem("kind", reason)]


def _manager(urn: str) -> str:
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def _is_managed(live: Object, manager: str) -> bool:
    return any(it.get("manager") == manager for it in live["metadata"].get("managedFields") or ())


def _outputs(live: Object, manager: str) -> Properties:
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    return {**live, "metadata": metadata, _MANAGER_KEY: manager}
