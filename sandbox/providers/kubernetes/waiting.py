"""Waiting for an object to work, or to be gone, with a reason whenever it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from sandbox.providers.base import Call, NotReadyError
from sandbox.providers.connection import InterruptedWaitError
from sandbox.providers.kubernetes import await_annotations, diagnosis, readiness
from sandbox.providers.kubernetes.api import Api, Object, Ref
from sandbox.providers.values import Properties

# The real provider's own limit.
_DEFAULT_SECONDS: Final = 600.0
# A Service and an Ingress change by what their endpoints do, which no watch of them tells.
_LOOK_AGAIN_SECONDS: Final = 0.1
_BY_OTHERS: Final = frozenset({("", "Service"), ("networking.k8s.io", "Ingress")})


async def shortfall(api: Api, ref: Ref, inputs: Properties, live: Object) -> str | None:
    """What the object still lacks to count as working; None when nothing.

    Raises:
        NotReadyError: When it never will.
    """
    if await_annotations.skips_await(inputs):
        return None
    if expected := await_annotations.expectations(inputs):
        return _unmet(expected, live)
    known = readiness.BY_KIND.get(readiness.group_kind(ref.api_version, ref.kind))
    return await known(api, ref, live) if known else None


async def until_ready(call: Call, api: Api, ref: Ref, inputs: Properties) -> Object:
    """Wait until the object works; returns it then.

    Raises:
        NotReadyError: With what is wrong, from the object down to its Pods.
    """
    latest: list[Object] = []

    async def watch() -> Object:
        shown = ""
        async with contextlib.aclosing(_changes(api, ref)) as changes:
            async for live in changes:
                if live is None:
                    raise NotReadyError(f"{ref} was deleted while it was waited for")
                latest[:] = [live]
                lacking = await shortfall(api, ref, inputs, live)
                if lacking is None:
                    return live
                if lacking != shown:
                    shown = lacking
                    await call.log(lacking, ephemeral=True)
        raise AssertionError(ref)  # The changes never end.

    try:
        return await call.wait(watch(), default_seconds=_limit(inputs), waiting_for=f"{ref}")
    except InterruptedWaitError as error:
        live = latest[0] if latest else None
        raise NotReadyError(str(error), *await _reasons(api, ref, inputs, live)) from error


async def until_gone(call: Call, api: Api, ref: Ref, inputs: Properties) -> None:
    """Wait until the object is really gone; another of the same name is not waited for.

    Raises:
        InterruptedWaitError: With what holds it.
    """
    latest: list[Object] = []

    async def watch() -> None:
        async with contextlib.aclosing(api.follow(ref)) as changes:
            async for live in changes:
                if live is None or (latest and _uid(live) != _uid(latest[0])):
                    return
                latest[:] = [live]

    try:
        await call.wait(watch(), default_seconds=_limit(inputs), waiting_for=f"{ref} to be gone")
    except InterruptedWaitError as error:
        held = _holders(latest[0]) if latest else []
        raise InterruptedWaitError(
            error.what, why="; ".join([error.why, *held]), remedy=error.remedy
        ) from error


async def _changes(api: Api, ref: Ref) -> AsyncGenerator[Object | None, None]:
    if readiness.group_kind(ref.api_version, ref.kind) not in _BY_OTHERS:
        async with contextlib.aclosing(api.follow(ref)) as changes:
            async for live in changes:
                yield live
    while True:
        yield await api.get(ref)
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _reasons(api: Api, ref: Ref, inputs: Properties, live: Object | None) -> list[str]:
    if live is None:
        return []
    lacking = await shortfall(api, ref, inputs, live)
    return [*([f"{ref}: {lacking}"] if lacking else []), *await readiness.explain(api, ref, live)]


def _unmet(expected: tuple[await_annotations.Expectation, ...], live: Object) -> str | None:
    status = live.get("status", {})
    if (
        status.get("observedGeneration", live["metadata"]["generation"])
        < (live["metadata"]["generation"])
    ):
        return "the controller has not seen this version yet"
    unmet = [it.text for it in expected if not it.is_met(live)]
    return f"waiting for {', '.join(unmet)}" if unmet else None


def _holders(live: Object) -> list[str]:
    metadata = live["metadata"]
    finalizers = [
        *(metadata.get("finalizers") or ()),
        *(live.get("spec", {}).get("finalizers") or ()),
    ]
    held = [f"finalizers {', '.join(finalizers)} hold it"] if finalizers else []
    return held + diagnosis.of_conditions(live)


def _limit(inputs: Properties) -> float:
    return await_annotations.timeout_seconds(inputs) or _DEFAULT_SECONDS


def _uid(live: Object) -> str:
    return str(live["metadata"]["uid"])
