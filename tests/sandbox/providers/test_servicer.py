from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import Mock

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from sandbox.providers.servicer import Servicer
from sandbox.providers.values import UNKNOWN, from_struct, to_struct
from tests.sandbox.providers.toy import THING, Toy, connected, served

_URN = f"urn:pulumi:pr-42::previews::{THING}::thing"
_NOTHING = empty_pb2.Empty()


@pytest.fixture
async def toy() -> AsyncIterator[tuple[Toy, int]]:
    provider = Toy()
    async with served(provider) as port:
        yield provider, port


@pytest.fixture
async def engine(toy: tuple[Toy, int]) -> AsyncIterator[Any]:
    async with connected(toy[1]) as stub:
        await _configure(stub, place="here")
        yield stub


async def _configure(stub: Any, **settings: Any) -> None:
    await stub.Handshake(provider_pb2.ProviderHandshakeRequest())
    await stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(settings)))


def _create(preview: bool = False, **inputs: Any) -> provider_pb2.CreateRequest:
    return provider_pb2.CreateRequest(
        urn=_URN, type=THING, properties=to_struct(inputs), preview=preview
    )


def _partial(error: grpc.aio.AioRpcError) -> provider_pb2.ErrorResourceInitFailed:
    """Return the engine's state of a resource that exists but does not work."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


async def test_check_names_an_unknown_input(engine: Any) -> None:
    request = provider_pb2.CheckRequest(
        urn=_URN, type=THING, news=to_struct({"name": "a", "colour": "red"})
    )
    [failure] = (await engine.Check(request)).failures
    assert failure.property == "colour"
    assert "does not support 'colour'" in failure.reason


async def test_an_unknown_type_is_named_with_those_that_are_known(engine: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await engine.Check(provider_pb2.CheckRequest(urn=_URN, type="toy:index:Other"))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "toy:index:Other" in str(caught.value.details())
    assert THING in str(caught.value.details())


async def test_an_unknown_function_is_named(engine: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="toy:index:guess"):
        await engine.Invoke(provider_pb2.InvokeRequest(tok="toy:index:guess"))


async def test_a_function_answers_and_refuses_unknown_arguments(engine: Any) -> None:
    request = provider_pb2.InvokeRequest(tok="toy:index:look", args=to_struct({"name": "a"}))
    answer = await engine.Invoke(request)
    assert from_struct(getattr(answer, "return")) == {"place": "here", "name": "a"}
    request = provider_pb2.InvokeRequest(tok="toy:index:look", args=to_struct({"nam": "a"}))
    assert {it.property for it in (await engine.Invoke(request)).failures} == {"nam", "name"}


async def test_diff_tells_paths_kinds_and_order_of_replacement(engine: Any) -> None:
    request = provider_pb2.DiffRequest(
        urn=_URN,
        type=THING,
        old_inputs=to_struct({"name": "a", "size": 1, "fate": "x"}),
        news=to_struct({"name": "b", "size": 2}),
    )
    answer = await engine.Diff(request)
    kinds = {path: it.kind for path, it in answer.detailedDiff.items()}
    assert kinds == {
        "name": provider_pb2.PropertyDiff.UPDATE_REPLACE,
        "size": provider_pb2.PropertyDiff.UPDATE,
        "fate": provider_pb2.PropertyDiff.DELETE,
    }
    assert list(answer.replaces) == ["name"]
    assert not answer.deleteBeforeReplace
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME


async def test_a_replacement_under_the_same_name_deletes_first(engine: Any) -> None:
    same = to_struct({"name": "a"})
    request = provider_pb2.DiffRequest(urn=_URN, type=THING, old_inputs=same, news=same)
    answer = await engine.Diff(request)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_NONE
    assert answer.deleteBeforeReplace


async def test_a_preview_calls_nothing_and_keeps_what_is_known(
    engine: Any, toy: tuple[Toy, int]
) -> None:
    answer = await engine.Create(_create(preview=True, name="a", size=UNKNOWN))
    assert from_struct(answer.properties) == {"name": "a", "size": UNKNOWN}
    update = provider_pb2.UpdateRequest(
        id="a",
        urn=_URN,
        type=THING,
        olds=to_struct({"name": "a", "size": 1, "state": "ready"}),
        news=to_struct({"name": "a", "size": 2}),
        preview=True,
    )
    answer = await engine.Update(update)
    assert from_struct(answer.properties) == {"name": "a", "size": 2, "state": "ready"}
    assert toy[0].remote == {}


async def test_create_read_update_delete(engine: Any, toy: tuple[Toy, int]) -> None:
    made = await engine.Create(_create(name="a"))
    assert made.id == "a"
    assert from_struct(made.properties) == {"name": "a", "state": "ready"}
    found = await engine.Read(provider_pb2.ReadRequest(id="a", urn=_URN, type=THING))
    assert from_struct(found.properties)["place"] == "here"
    changed = await engine.Update(
        provider_pb2.UpdateRequest(
            id="a",
            urn=_URN,
            type=THING,
            olds=made.properties,
            news=to_struct({"name": "a", "size": 2}),
        )
    )
    assert from_struct(changed.properties)["size"] == 2
    await engine.Delete(provider_pb2.DeleteRequest(id="a", urn=_URN, type=THING))
    assert toy[0].remote == {}
    gone = await engine.Read(provider_pb2.ReadRequest(id="a", urn=_URN, type=THING))
    assert gone.id == ""


async def test_what_exists_but_does_not_work_stays_with_the_engine(engine: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await engine.Create(_create(name="a", fate="unready"))
    kept = _partial(caught.value)
    assert kept.id == "a"
    [reason] = kept.reasons
    assert "it crashed" in reason
    assert from_struct(kept.properties) == {"name": "a", "fate": "unready", "state": "made"}
    assert from_struct(kept.inputs) == {"name": "a", "fate": "unready"}


async def test_a_bug_after_creation_does_not_lose_the_resource(engine: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await engine.Create(_create(name="a", fate="settle-bug"))
    kept = _partial(caught.value)
    assert kept.id == "a"
    assert "ZeroDivisionError" in kept.reasons[0]


@pytest.mark.parametrize(
    ("fate", "code", "text"),
    [
        ("refused", grpc.StatusCode.FAILED_PRECONDITION, "What to do: ask nicely"),
        ("bug", grpc.StatusCode.UNKNOWN, "ZeroDivisionError"),
    ],
)
async def test_an_error_before_creation_keeps_nothing(
    engine: Any, fate: str, code: grpc.StatusCode, text: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await engine.Create(_create(name="a", fate=fate))
    assert caught.value.code() is code
    assert text in str(caught.value.details())
    assert "grpc-status-details-bin" not in dict(caught.value.trailing_metadata() or ())


async def test_cancelling_ends_the_wait_and_keeps_the_resource(
    engine: Any, toy: tuple[Toy, int]
) -> None:
    creating = asyncio.ensure_future(engine.Create(_create(name="a", fate="waits")))
    await asyncio.wait_for(toy[0].thing.settling.wait(), 10)
    await engine.Cancel(_NOTHING)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await creating
    kept = _partial(caught.value)
    assert kept.id == "a"
    assert "cancelled" in kept.reasons[0]


async def test_each_connection_has_its_own_configuration(toy: tuple[Toy, int]) -> None:
    provider, port = toy
    async with connected(port) as one, connected(port) as two:
        await _configure(one, place="one")
        await _configure(two, place="two")
        await asyncio.gather(one.Create(_create(name="a")), two.Create(_create(name="b")))
    assert provider.remote["a"]["place"] == "one"
    assert provider.remote["b"]["place"] == "two"


async def test_a_peer_that_shakes_hands_again_starts_afresh(engine: Any) -> None:
    await engine.Handshake(provider_pb2.ProviderHandshakeRequest())
    with pytest.raises(grpc.aio.AioRpcError, match="it was restarted"):
        await engine.Create(_create(name="a"))


async def test_the_connections_that_are_remembered_are_bounded() -> None:
    servicer = Servicer(Toy())
    for number in range(257):
        context = Mock(peer=lambda number=number: f"peer:{number}")
        await servicer.Handshake(provider_pb2.ProviderHandshakeRequest(), context)
    assert list(servicer._connections) == [f"peer:{number}" for number in range(1, 257)]


async def test_a_connection_that_was_not_configured_is_refused(toy: tuple[Toy, int]) -> None:
    async with connected(toy[1]) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="it was restarted"):
            await stub.Create(_create(name="a"))


async def test_settings_are_checked_by_name(engine: Any) -> None:
    settings = to_struct({"place": "a", "deep": "true", "version": "1.2.3", "colour": "red"})
    answer = await engine.CheckConfig(provider_pb2.CheckRequest(news=settings))
    assert [it.property for it in answer.failures] == ["colour"]


async def test_only_settings_that_mean_another_place_replace_everything(engine: Any) -> None:
    async def replaced(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
        request = provider_pb2.DiffRequest(old_inputs=to_struct(old), news=to_struct(new))
        return list((await engine.DiffConfig(request)).replaces)

    assert await replaced({"place": "a"}, {"place": "b"}) == ["place"]
    assert await replaced({"place": "a"}, {"place": "a", "deep": "true"}) == []
    assert await replaced({"place": "a"}, {"place": UNKNOWN}) == []


async def test_the_plugins_version_is_told(engine: Any) -> None:
    assert (await engine.GetPluginInfo(_NOTHING)).version == "1.2.3"
