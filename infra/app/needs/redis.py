"""Redis: one pod without a password and without persistence.

The network policies let only the app's own pods in, so that the many apps without a setting for a
password need none. What it holds is a cache or a queue of one preview: it is lost with its pod.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core

from contract.app.needs import REDIS
from contract.bounds import mebibytes
from infra.app.needs.need import NeedServer, ProvidedNeed, Server, checked_image

if TYPE_CHECKING:
    from contract.app.needs import Redis
    from infra.app.needs.need import NeedArgs

PORT = 6379
_PORT_NAME = "redis"


def provide_redis(need: Redis, args: NeedArgs, opts: pulumi.ResourceOptions) -> ProvidedNeed:
    """Declare Redis.

    A fresh copy of the database begins with an empty Redis: its keys are about the former rows.
    """
    server = NeedServer(
        REDIS,
        server=Server(
            name=REDIS,
            image=pulumi.Output.from_input(args.platform.images.redis).apply(
                lambda image: checked_image(REDIS, image)
            ),
            command=command(need),
            ports={_PORT_NAME: PORT},
            app_ports=[_PORT_NAME],
            probe=core.v1.ProbeArgs(
                tcp_socket=core.v1.TCPSocketActionArgs(port=_PORT_NAME),
                period_seconds=2,
                failure_threshold=3,
            ),
            restart_on={"checksum/database": args.database},
        ),
        args=args,
        opts=opts,
    )
    values = {
        "redis_url": f"redis://{REDIS}:{PORT}",
        "redis_host": REDIS,
        "redis_port": str(PORT),
    }
    return ProvidedNeed(values=values, ready=server.ready)


def command(need: Redis) -> list[str]:
    """Return the server's command: in memory alone, of which a quarter is left for itself."""
    # Keys without an expiry are a queue's: they are never evicted, and a full server refuses more.
    return [
        "redis-server",
        *("--bind", "0.0.0.0"),  # noqa: S104 - the pod's own address is not known before
        *("--protected-mode", "no"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--dir", "/tmp"),  # noqa: S108 - a folder of the container
        *("--maxmemory", f"{mebibytes(need.memory) * 3 // 4}mb"),
        *("--maxmemory-policy", "volatile-lru"),
    ]
