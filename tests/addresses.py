"""Free addresses and ports of this machine; two workers never draw the same address."""

from __future__ import annotations

import os
import random
import socket

import pytest

from sandbox.aws.identity import PORT as AWS_PORT
from sandbox.cluster.layout import Port
from sandbox.node.processes import KUBELET_PORT

_SECOND = range(100, 251)
_SANDBOX = (*(("0.1", port) for port in Port), ("0.2", AWS_PORT), ("0.3", KUBELET_PORT))
"""End of the address and port of whatever a sandbox listens at in its subnet."""


def free_subnet() -> str:
    """A loopback /16 of this worker's own, where no sandbox runs."""
    for second in _drawn():
        if all(_is_free(f"127.{second}.{end}", port) for end, port in _SANDBOX):
            return f"127.{second}.0.0/16"
    pytest.fail(f"a sandbox runs in each of the loopback subnets {_numbers()}: stop one")


def free_address(port: int) -> str:
    """A loopback address of this worker's own where the port is free.

    Its third octet is one that a sandbox gives to Pods, so that it is no sandbox's own.
    """
    for second in _drawn():
        address = f"127.{second}.{random.randint(10, 250)}.{random.randint(1, 250)}"
        if _is_free(address, port):
            return address
    pytest.fail(f"port {port} is taken in each of the loopback subnets {_numbers()}")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _numbers() -> range:
    """Return the second octets that are this worker's."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return _SECOND[worker % workers :: workers]


def _drawn() -> list[int]:
    numbers = _numbers()
    # Each time others, since the previous test's connections may linger for a minute.
    return random.sample(numbers, len(numbers))


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
