"""``python -m sandbox.node``: the node and the load balancer, in one event loop.

One process for both saves the 40 MB that a second interpreter with aiohttp takes.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import signal
import sys
from pathlib import Path

from sandbox.balancer.controller import Balancer, BalancerConfig
from sandbox.errors import SandboxError
from sandbox.node.agent import Agent
from sandbox.node.config import NodeConfig
from sandbox.node.images import StoredImages


def main() -> None:
    """Run until SIGTERM or SIGINT; a SandboxError is shown as text and ends it with 1."""
    options = _arguments()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if sys.version_info < (3, 12):
        # From 3.12 on this is the default; before, each child costs a thread.
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    try:
        asyncio.run(_run(options))
    except SandboxError as error:
        sys.exit(str(error))


async def _run(options: argparse.Namespace) -> None:
    balancer = Balancer(_balancer_config(options))
    agent = Agent(
        _node_config(options), StoredImages(options.images), also_waits_for=balancer.healthy
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    async with balancer.running():
        await agent.run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.node", description=__doc__)
    for name in ("home", "images", "kubeconfig", "certificate", "client-ca", "balancer-kubeconfig"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--network", type=ipaddress.IPv4Network, required=True)
    parser.add_argument("--api", required=True, help="host:port of the API server")
    parser.add_argument("--http-port", type=int, required=True)
    return parser.parse_args()


def _node_config(options: argparse.Namespace) -> NodeConfig:
    host, _, port = options.api.rpartition(":")
    return NodeConfig(
        name=options.name,
        home=options.home,
        images=options.images,
        kubeconfig=options.kubeconfig,
        address=options.address,
        network=options.network,
        certificate=options.certificate,
        client_ca=options.client_ca,
        api=(host, int(port)),
    )


def _balancer_config(options: argparse.Namespace) -> BalancerConfig:
    return BalancerConfig(kubeconfig=options.balancer_kubeconfig, port=options.http_port)


if __name__ == "__main__":
    main()
