from __future__ import annotations

import asyncio

import pytest

from sandbox.providers.base import Connection, InterruptedWaitError


async def test_a_wait_returns_what_was_waited_for() -> None:
    assert await Connection().wait(asyncio.sleep(0, "done"), 5, waiting_for="it") == "done"


async def test_a_wait_ends_with_its_time_limit_and_says_so() -> None:
    waiting = asyncio.Event()
    with pytest.raises(InterruptedWaitError, match=r"Job x: not reached after 0\.01 s"):
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
    await connection.log("urn", "unheard")
    connection.engine_address = "127.0.0.1:1"
    await connection.log("urn", "unheard")
    await connection.close()
