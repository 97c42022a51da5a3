from __future__ import annotations

import asyncio

import pytest

from sandbox.providers.connection import Connection, Connections, InterruptedWaitError


async def test_a_wait_returns_what_was_waited_for() -> None:
    assert await Connection().wait(asyncio.sleep(0, "done"), 5, waiting_for="it") == "done"


async def test_a_wait_ends_with_its_time_limit_and_says_so() -> None:
    waiting = asyncio.Event()
    with pytest.raises(InterruptedWaitError, match=r"Job x: not so after 0\.01 s"):
        await Connection().wait(waiting.wait(), 0.01, waiting_for="Job x")


async def test_cancellation_ends_every_wait_of_the_connection_and_of_no_other() -> None:
    cancelled, other = Connection(), Connection()
    done = asyncio.Event()
    waits = [
        asyncio.ensure_future(cancelled.wait(done.wait(), 60, waiting_for=f"wait {number}"))
        for number in range(3)
    ]
    untouched = asyncio.ensure_future(other.wait(done.wait(), 60, waiting_for="other"))
    await asyncio.sleep(0)
    cancelled.cancelled.set()
    for error in await asyncio.gather(*waits, return_exceptions=True):
        assert isinstance(error, InterruptedWaitError)
        assert "cancelled" in str(error)
    assert not untouched.done()
    done.set()
    assert await untouched


async def test_what_was_waited_for_is_ended_too() -> None:
    ended = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(InterruptedWaitError):
        await Connection().wait(forever(), 0.01, waiting_for="it")
    assert ended.is_set()


async def test_an_error_of_what_is_waited_for_is_its_own() -> None:
    async def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await Connection().wait(fails(), 5, waiting_for="it")


async def test_an_engine_that_is_gone_is_no_error() -> None:
    connection = Connection()
    await connection.log("urn", "unheard", level="INFO", ephemeral=True)
    connection.attach("127.0.0.1:1")
    await connection.log("urn", "unheard", level="INFO", ephemeral=True)
    await connection.close()


async def test_a_peer_that_shakes_hands_again_starts_afresh() -> None:
    connections = Connections()
    first = await connections.open("ipv4:127.0.0.1:1")
    assert await connections.get("ipv4:127.0.0.1:1") is first
    assert await connections.open("ipv4:127.0.0.1:1") is not first


async def test_the_connections_that_are_remembered_are_bounded() -> None:
    connections = Connections()
    opened = [await connections.open(f"peer:{number}") for number in range(257)]
    assert await connections.get("peer:256") is opened[256]
    assert await connections.get("peer:0") is not opened[0]
