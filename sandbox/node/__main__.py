"""``python -m sandbox.node``: the container runtime and the load balancer, in one event loop.

One process for both saves the 40 MB that a second interpreter takes.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import signal
import sys
from pathlib import Path

import grpc.aio

from sandbox.balancer.controller import Balancer, BalancerConfig
from sandbox.containers.runtime import check_machine
from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError
from sandbox.node.addresses import Addresses
from sandbox.node.image_service import ImageService
from sandbox.node.messages import Messages
from sandbox.node.network import Network, Surroundings, name_servers
from sandbox.node.runtime_service import RuntimeService

_LOG = logging.getLogger(__name__)
_SHUTDOWN_SECONDS = 3.0
_POLL_SECONDS = 0.05


def main() -> None:
    """Run until SIGTERM or SIGINT; a SandboxError is printed, and the exit code is 1."""
    options = _arguments()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        check_machine()
        asyncio.run(_run(options))
    except SandboxError as error:
        sys.exit(str(error))


async def _run(options: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    messages = Messages.of(options.cri_descriptors)
    store = ImageStore(options.images)
    around = Surroundings(options.network, options.api, options.aws, name_servers())
    network = Network(around)
    network.check()
    addresses = Addresses(options.network, options.home / "last-address")
    runtime = RuntimeService(messages, options.home, store, addresses, network, options.api)
    runtime.recover()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            messages.handler("RuntimeService", runtime),
            messages.handler("ImageService", ImageService(messages, store)),
        )
    )
    options.socket.unlink(missing_ok=True)
    server.add_insecure_port(f"unix:{options.socket}")
    balancer = Balancer(BalancerConfig(options.balancer_kubeconfig, options.http_port))
    # No Pod starts before the policies are known.
    async with network.running(options.network_policy_kubeconfig), balancer.running():
        while balancer.healthy() is not None:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(_POLL_SECONDS)
        await server.start()
        _LOG.info("the container runtime listens on %s", options.socket)
        await stopping.wait()
        # Before the containers, so that the kubelet does not report their end as failures.
        await server.stop(grace=None)
        await runtime.shut_down(_SHUTDOWN_SECONDS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.node", description=__doc__)
    paths = ("home", "images", "socket", "cri-descriptors", "balancer-kubeconfig")
    for name in (*paths, "network-policy-kubeconfig"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--network", type=ipaddress.IPv4Network, required=True)
    parser.add_argument("--api", type=_endpoint, required=True, help="host:port of the API server")
    parser.add_argument("--aws", type=_endpoint, required=True, help="host:port of the AWS APIs")
    parser.add_argument("--http-port", type=int, required=True)
    return parser.parse_args()


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
