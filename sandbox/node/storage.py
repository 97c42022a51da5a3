"""Ending Pods that write more to disk than they may, as the kubelet evicts them."""

from __future__ import annotations

import asyncio

from sandbox.kube.objects import Object
from sandbox.node import quantities
from sandbox.node.volumes import Volumes

CHECK_SECONDS = 10.0
"""The kubelet's housekeeping interval."""


async def until_exceeded(pod: Object, volumes: Volumes) -> str:
    """Return, with the message of the eviction, when the Pod holds more than a limit allows.

    What a container writes to its own root is in memory here and does not count;
    its logs are bounded by the node.
    """
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        # Walking a large folder takes a while, during which probes have to go on.
        usage = await asyncio.to_thread(volumes.usage)
        for name, size, limit in usage:
            if limit is not None and size > limit:
                return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
        total = _limit(pod)
        used = sum(size for _, size, _ in usage)
        if total is not None and used > total:
            return (
                f"Pod ephemeral local storage usage exceeds the total limit of containers {total}. "
            )


def _limit(pod: Object) -> int | None:
    total = 0
    for container in pod["spec"]["containers"]:
        limits = (container.get("resources") or {}).get("limits") or {}
        if "ephemeral-storage" not in limits:  # One without a limit leaves the Pod without one.
            return None
        total += quantities.to_bytes(limits["ephemeral-storage"])
    return total
