"""What a probe or a lifecycle hook does: exec, httpGet, tcpSocket or sleep."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import yarl

from sandbox.node import execution
from sandbox.node.instance import Instance

_SHOWN_BYTES = 300
_REDIRECTS = 10


@dataclass(frozen=True)
class Outcome:
    """Whether it succeeded, and what to tell a person when not."""

    success: bool
    detail: str = ""


class Handlers:
    """Carries out handlers for the containers of one Pod.

    Args:
        session: HTTP client that keeps no connection, as the kubelet's prober.
        address: The Pod's address.
    """

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._address = address

    async def run(
        self,
        action: Mapping[str, Any],
        container: Mapping[str, Any],
        instance: Instance,
        *,
        seconds: float | None,
    ) -> Outcome:
        """Carry out one handler; never raises for what the container does."""
        if "exec" in action:
            return await _exec(action["exec"]["command"], instance, seconds)
        if "httpGet" in action:
            return await self._http(action["httpGet"], container, seconds)
        if "tcpSocket" in action:
            return await self._tcp(action["tcpSocket"], container, seconds)
        await asyncio.sleep(action["sleep"]["seconds"])
        return Outcome(success=True)

    async def _http(
        self, get: Mapping[str, Any], container: Mapping[str, Any], seconds: float | None
    ) -> Outcome:
        host = get.get("host") or self._address
        scheme = str(get.get("scheme") or "HTTP").lower()
        path = get.get("path") or "/"
        try:
            port = _port(get["port"], container)
            url = yarl.URL(f"{scheme}://{host}:{port}/{path.lstrip('/')}", encoded=True)
        except ValueError as error:
            return Outcome(success=False, detail=str(error))
        headers = {"User-Agent": "kube-probe/1.36", "Accept": "*/*"}
        headers |= {header["name"]: header["value"] for header in get.get("httpHeaders") or ()}
        try:
            return await self._get(url, headers, seconds)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Outcome(success=False, detail=f'Get "{url}": {_reason(error)}')

    async def _get(
        self, url: yarl.URL, headers: Mapping[str, str], seconds: float | None
    ) -> Outcome:
        async with asyncio.timeout(seconds):
            for _ in range(_REDIRECTS):
                async with self._session.get(
                    url, headers=headers, allow_redirects=False
                ) as response:
                    target = response.headers.get("Location")
                    if target and response.status in {301, 302, 303, 307, 308}:
                        following = url.join(yarl.URL(target))
                        if following.host == url.host:
                            url = following
                            continue
                    if HTTPStatus.OK <= response.status < HTTPStatus.BAD_REQUEST:
                        return Outcome(success=True)
                    body = (await response.content.read(_SHOWN_BYTES)).decode(errors="replace")
                    detail = f"HTTP probe failed with statuscode: {response.status}"
                    return Outcome(success=False, detail=f"{detail}: {body}" if body else detail)
        return Outcome(success=False, detail=f'Get "{url}": stopped after {_REDIRECTS} redirects')

    async def _tcp(
        self, socket: Mapping[str, Any], container: Mapping[str, Any], seconds: float | None
    ) -> Outcome:
        host = socket.get("host") or self._address
        try:
            port = _port(socket["port"], container)
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except (OSError, TimeoutError, ValueError) as error:
            detail = f"dial tcp {host}:{socket['port']}: {_reason(error)}"
            return Outcome(success=False, detail=detail)
        return Outcome(success=True)


async def _exec(command: list[str], instance: Instance, seconds: float | None) -> Outcome:
    if not instance.alive:
        return Outcome(success=False, detail="container not running")
    try:
        result = await execution.run(instance, command, seconds=seconds)
    except OSError as error:
        return Outcome(success=False, detail=f"can't enter the container: {error}")
    if result.exit_code is None:
        return Outcome(success=False, detail=f"command timed out after {seconds:g}s")
    return Outcome(
        success=result.exit_code == 0,
        detail=result.output.strip() or f"command exited with {result.exit_code}",
    )


def _port(port: int | str, container: Mapping[str, Any]) -> int:
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for entry in container.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    msg = f"couldn't find port {port!r} among the ports of container {container['name']!r}"
    raise ValueError(msg)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "context deadline exceeded (timeout)"
    if isinstance(error, OSError) and error.errno:  # aiohttp's connection errors are such, too.
        return f"connect: {os.strerror(error.errno).lower()}"
    return str(error) or type(error).__name__
