"""Requests through a running balancer to real targets."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.sandbox.balancer.world import (
    HOST,
    INGRESSES,
    SLICES,
    World,
    balancing,
    endpoints,
    ingress,
    target,
)
from tests.waiting import HANGS, eventually_beside


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with balancing(tmp_path) as world:
        yield world


async def test_a_request_reaches_the_target_as_it_was_sent(world: World) -> None:
    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.seen.clear()
        path = "/a%2Fb/c%20d?x=1&x=2&y=%C3%A9"
        sent = {"X-Custom": "1", "Cookie": "a=b", "X-Forwarded-For": "6.6.6.6",
                "X-Forwarded-Proto": "https", "Connection": "X-Secret-Hop", "X-Secret-Hop": "1",
                "User-Agent": "me"}  # fmt: skip
        async with world.request("DELETE", path, headers=sent) as response:
            assert response.status == 200
        (seen,) = pod.seen
        assert (seen.method, seen.raw_path) == ("DELETE", path)
        assert seen.headers["Host"] == f"{HOST}:{world.port}"
        assert seen.headers["X-Custom"] == "1"
        assert seen.headers["Cookie"] == "a=b"
        assert seen.headers["User-Agent"] == "me"
        # What a client claims stays before what the load balancer saw.
        assert seen.headers["X-Forwarded-For"] == "6.6.6.6, 127.0.0.1"
        assert seen.headers["X-Forwarded-Proto"] == "http"
        assert seen.headers["X-Forwarded-Port"] == str(world.port)
        assert seen.headers["X-Amzn-Trace-Id"].startswith("Root=1-")
        assert "X-Secret-Hop" not in seen.headers


async def test_an_answer_comes_back_as_it_was_given(world: World) -> None:
    packed = gzip.compress(b"packed")

    async def answer(_: web.Request) -> web.Response:
        response = web.Response(status=418, reason="Short And Stout", body=packed)
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Location"] = "/elsewhere"
        return response

    async with target() as pod:
        pod.handler = answer
        world.serve(pod)
        await world.until_status(418)
        async with world.request(allow_redirects=False) as response:
            assert (response.status, response.reason) == (418, "Short And Stout")
            assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert response.headers["Content-Length"] == str(len(packed))
            assert await response.read() == packed
        async with world.request("HEAD") as response:
            assert response.headers["Content-Length"] == str(len(packed))


async def test_bodies_stream_both_ways_at_once(world: World) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk.upper())
        return response

    async with target() as pod:
        pod.handler = echo
        world.serve(pod)
        await world.until_status(200)
        answered = asyncio.Queue[bytes]()

        async def body() -> AsyncIterator[bytes]:
            for word in (b"one", b"two", b"three"):
                yield word
                # The next part is only sent when this one has come back.
                assert await asyncio.wait_for(answered.get(), HANGS) == word.upper()

        async with world.request("POST", data=body()) as response:
            async for chunk in response.content.iter_any():
                answered.put_nowait(chunk)


async def test_large_bodies_pass(world: World) -> None:
    async def count(request: web.Request) -> web.Response:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.Response(text=f"{size} {request.headers.get('Content-Length')}")

    async with target() as pod:
        pod.handler = count
        world.serve(pod)
        await world.until_status(200)
        size = 30 * 2**20
        expect = {"Expect": "100-continue"}
        async with world.request("PUT", data=b"x" * size, headers=expect) as response:
            assert await response.text() == f"{size} {size}"


async def test_websockets_pass_both_ways(world: World) -> None:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["chat"])
        await socket.prepare(request)
        await socket.send_str(request.headers["X-Forwarded-For"])
        async for message in socket:
            if message.data == "end":
                await socket.close(code=4001, message=b"as asked")
            elif message.type == aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data[::-1])
            else:
                await socket.send_str(message.data.upper())
        return socket

    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.handler = serve
        async with world.client.ws_connect(
            world.url, headers={"Host": HOST}, protocols=["other", "chat"]
        ) as socket:
            assert socket.protocol == "chat"
            assert await socket.receive_str() == "127.0.0.1"
            await socket.send_str("hello")
            assert await socket.receive_str() == "HELLO"
            await socket.send_bytes(b"abc")
            assert await socket.receive_bytes() == b"cba"
            await socket.send_str("end")
            closed = await socket.receive()
            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4001)


async def test_a_refused_websocket_is_the_targets_answer(world: World) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403)

    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.handler = refuse
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await world.client.ws_connect(world.url, headers={"Host": HOST})
        assert caught.value.status == 403


async def test_requests_go_round_and_follow_the_endpoints(world: World) -> None:
    async with target("one") as one, target("two", one.port) as two:
        world.serve(one, two)
        await until_healthy(world, 2)
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(world.status())
        assert len(one.seen) == len(two.seen)
        world.api.put(SLICES, "web-1", **endpoints("web", two))
        await until_healthy(world, 1)
        one.seen.clear()
        for _ in range(4):
            assert await world.status() == 200
        assert not one.seen


async def until_healthy(world: World, count: int) -> None:
    """By what the page of an unknown host says."""
    async with asyncio.timeout(HANGS):
        while True:
            html = {"Accept": "text/html"}
            async with world.request(host="unknown.localhost", headers=html) as response:
                if f"{count} of {count} healthy" in await response.text():
                    return
            await asyncio.sleep(0.02)


async def test_the_least_busy_target_gets_the_request_when_asked(world: World) -> None:
    held = asyncio.Event()

    async def hold(_: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    async with target("one") as one, target("two", one.port) as two:
        attributes = "load_balancing.algorithm.type=least_outstanding_requests"
        world.serve(one, two, **{"target-group-attributes": attributes})
        await until_healthy(world, 2)
        one.handler = two.handler = hold
        first = asyncio.create_task(world.status())
        await eventually_beside(lambda: one.seen or two.seen)
        busy, idle = (one, two) if one.seen else (two, one)
        idle.handler = None
        for _ in range(4):
            assert await world.status() == 200
        assert (len(busy.seen), len(idle.seen)) == (1, 4)
        held.set()
        assert await first == 200


async def test_a_removed_endpoint_finishes_what_it_works_on(world: World) -> None:
    released = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response(text="finished")

    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.handler = slow

        async def ask() -> str:
            async with world.request() as response:
                return str(await response.text())

        pod.seen.clear()
        running = asyncio.create_task(ask())
        await eventually_beside(lambda: pod.seen)
        world.api.put(SLICES, "web-1", **endpoints("web", pod, ready=False, serving=True))
        await world.until_status(503)
        assert len(pod.seen) == 1
        released.set()
        assert await running == "finished"


@pytest.mark.parametrize("html", [True, False])
async def test_an_unknown_host_is_shown_the_previews(world: World, html: bool) -> None:
    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        host = "<i>.preview.localhost"
        headers = {"Accept": "text/html"} if html else {}
        async with world.request(host=host, headers=headers) as response:
            assert response.status == 404
            text = await response.text()
        url = f"http://{HOST}:{world.port}/"
        if html:
            assert response.content_type == "text/html"
            assert f'<a href="{url}">{HOST}</a>' in text
            assert "<i>" not in text
        else:
            assert f"{url}  (ready)" in text


async def test_without_any_preview_the_page_says_how_to_make_one(world: World) -> None:
    async with world.request(headers={"Accept": "text/html"}) as response:
        assert response.status == 404
        assert "make preview" in await response.text()


async def test_503_without_a_healthy_target_says_why(world: World) -> None:
    async with target() as pod:
        pod.healthy = False
        world.serve(pod)
        await world.until_status(503)
        reason = "not checked yet"
        while "not checked yet" in reason:
            async with world.request() as response:
                assert "503 Service Temporarily Unavailable" in await response.text()
                assert response.headers["Server"] == "awselb/2.0"
                reason = response.headers["X-Sandbox-Reason"]
        assert "/health answers 500" in reason
        # It does not fail open: the target that is not healthy has seen no request.
        assert not pod.seen
        pod.healthy = True
        await world.until_status(200)


async def test_a_target_that_fails_its_checks_gets_no_more_requests(world: World) -> None:
    async with target() as pod:
        world.serve(pod, **{"healthcheck-interval-seconds": "0.1"})
        await world.until_status(200)
        pod.healthy = False
        await world.until_status(503)
        pod.healthy = True
        await world.until_status(200)


async def test_502_when_the_target_refuses_or_breaks_off(world: World) -> None:
    async def vanish(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.handler = vanish
        async with world.request("POST") as response:
            assert response.status == 502
            assert response.headers["X-Sandbox-Reason"].startswith(pod.address)
    async with world.request("POST") as response:  # Nobody listens there now.
        assert response.status == 502
        assert "502 Bad Gateway" in await response.text()


async def test_an_answer_that_breaks_off_does_not_look_complete(world: World) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.handler = half
        with pytest.raises(aiohttp.ClientPayloadError):
            async with world.request() as response:
                await response.read()


async def test_504_when_the_target_says_nothing(world: World) -> None:
    never = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with target() as pod:
        idle = {"load-balancer-attributes": "idle_timeout.timeout_seconds=0.3"}
        world.serve(pod, **idle)
        await world.until_status(200)
        pod.handler = silent
        async with world.request() as response:
            assert response.status == 504
            assert "504 Gateway Time-out" in await response.text()
        never.set()


async def test_408_when_the_client_says_nothing(world: World) -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async with target() as pod:
        pod.handler = read
        world.serve(pod, **{"load-balancer-attributes": "idle_timeout.timeout_seconds=0.3"})
        await world.until_status(200)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\nxx".encode())
        line = await asyncio.wait_for(reader.readline(), HANGS)
        assert line.split()[1] == b"408"
        writer.close()


async def test_a_client_that_goes_away_frees_the_target(world: World) -> None:
    came, gone = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        came.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return web.Response()

    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.handler = wait
        client = asyncio.create_task(world.status())
        await asyncio.wait_for(came.wait(), HANGS)
        client.cancel()
        await asyncio.wait_for(gone.wait(), HANGS)


async def test_nonsense_is_answered_and_does_no_harm(world: World) -> None:
    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        for raw in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: "):
            _, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(raw)
            await writer.drain()
            writer.close()
        assert await world.status() == 200


async def test_absolute_request_targets_are_understood(world: World) -> None:
    async with target() as pod:
        world.serve(pod)
        await world.until_status(200)
        pod.seen.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        lines = [f"GET http://{HOST}/x?y=1 HTTP/1.1", f"Host: {HOST}", "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode())
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        assert pod.seen[0].raw_path == "/x?y=1"


async def test_paths_are_routed_by_their_rules(world: World) -> None:
    async with target("one") as one, target("two", one.port) as two:
        world.serve(one)
        world.api.put(SLICES, "other-1", **endpoints("other", two))
        other: dict[str, Any] = ingress(world.port, service="other", **{"group.order": "-1"})
        other["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/admin"
        world.api.put("/api/v1/services", "other", metadata={"namespace": "pr-1"},
                      spec={"ports": [{"name": "http", "port": 80}]})  # fmt: skip
        world.api.put(INGRESSES, "other", **other)
        await world.until_status(200)
        await world.until_status(200, "/admin")
        for path, name in (("/", "one"), ("/adminx", "one"), ("/admin/x?a=/", "two")):
            async with world.request(path=path) as response:
                assert await response.text() == name


async def test_a_slow_upload_and_a_slow_answer_are_no_silence(world: World) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        size = len(await request.read())
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(4):
            await asyncio.sleep(0.7)
            await response.write(b"%d " % size)
        return response

    async def body() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.7)
            yield b"x"

    async with target() as pod:
        world.serve(pod, **{"load-balancer-attributes": "idle_timeout.timeout_seconds=2"})
        await world.until_status(200)
        pod.handler = slow
        async with world.request("POST", data=body()) as response:
            assert await response.text() == "4 4 4 4 "
