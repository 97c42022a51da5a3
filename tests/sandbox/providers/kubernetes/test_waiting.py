from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from sandbox.providers.base import Call, NotReadyError
from sandbox.providers.connection import Connection, InterruptedWaitError
from sandbox.providers.kubernetes import waiting
from sandbox.providers.kubernetes.api import Api, Object, Ref

_SECRET = Ref(
    "external-secrets.io/v1",
    "ExternalSecret",
    "/apis/external-secrets.io/v1/namespaces/pr-42/externalsecrets",
    "database",
)
_INPUTS: dict[str, Any] = {"metadata": {"annotations": {"pulumi.com/waitFor": "condition=Ready"}}}


class _Api:
    """Shows one object after the other, then nothing new for ever."""

    def __init__(self, *states: Object | None) -> None:
        self._states = states

    async def follow(self, ref: Ref) -> AsyncGenerator[Object | None, None]:
        for state in self._states:
            yield state
        await asyncio.Event().wait()


def _api(*states: Object | None) -> Api:
    return cast("Api", _Api(*states))


def _call(seconds: float) -> Call:
    return Call(Connection(), "urn", "type", seconds)


def _live(ready: str, *, uid: str = "1", **status: Any) -> Object:
    condition = {"type": "Ready", "status": ready, "reason": "SecretSyncedError", "message": "why"}
    return {
        "metadata": {"name": "database", "uid": uid, "generation": 2},
        "status": {"conditions": [condition], **status},
    }


async def test_an_object_is_ready_once_its_condition_is() -> None:
    api = _api(_live("False"), _live("True", observedGeneration=1), _live("True"))
    live = await waiting.until_ready(_call(5), api, _SECRET, _INPUTS)
    assert live == _live("True")


async def test_a_condition_that_never_comes_shows_the_objects_own_complaint() -> None:
    with pytest.raises(NotReadyError) as caught:
        await waiting.until_ready(_call(0.05), _api(_live("False")), _SECRET, _INPUTS)
    text = "\n".join(caught.value.reasons)
    assert "not so after 0.05 s" in text
    assert "waiting for condition=Ready" in text
    assert "Ready=False: SecretSyncedError: why" in text


async def test_an_object_that_is_not_to_be_awaited_is_ready_at_once() -> None:
    inputs = {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}
    live = await waiting.until_ready(_call(5), _api(_live("False")), _SECRET, inputs)
    assert live == _live("False")


async def test_an_object_that_is_deleted_meanwhile_is_named() -> None:
    with pytest.raises(NotReadyError, match="ExternalSecret pr-42/database was deleted"):
        await waiting.until_ready(_call(5), _api(_live("False"), None), _SECRET, _INPUTS)


@pytest.mark.parametrize("last", [None, _live("True", uid="2")])
async def test_an_object_is_gone_when_it_or_its_like_is(last: Object | None) -> None:
    await waiting.until_gone(_call(5), _api(_live("True"), last), _SECRET, {})


async def test_a_namespace_that_does_not_go_names_what_remains() -> None:
    remains = {
        "type": "NamespaceContentRemaining",
        "status": "True",
        "reason": "SomeResourcesRemain",
        "message": "ingresses.networking.k8s.io has 1 resource instances",
    }
    live: Object = {
        "metadata": {"name": "pr-42", "uid": "1"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"conditions": [remains]},
    }
    namespace = Ref("v1", "Namespace", "/api/v1/namespaces", "pr-42")
    with pytest.raises(InterruptedWaitError) as caught:
        await waiting.until_gone(_call(0.05), _api(live), namespace, {})
    text = str(caught.value)
    assert "Namespace pr-42 to be gone" in text
    assert "finalizers kubernetes hold it" in text
    assert "ingresses.networking.k8s.io has 1 resource instances" in text
