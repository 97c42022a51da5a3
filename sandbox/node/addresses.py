"""One loopback address for each Pod."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from sandbox.errors import SandboxError

FIRST_THIRD_OCTET = 10
"""Below are the control plane (0) and the databases (1-9)."""


class Addresses:
    """Hands out addresses in turn, so that one just given back is not used again at once.

    What still talks to a Pod that is gone then gets a refused connection, not another Pod.
    The last address given is kept in a file, as the CNI's host-local plugin does.
    """

    def __init__(self, network: ipaddress.IPv4Network, cursor: Path) -> None:
        self._first = int(network.network_address) + FIRST_THIRD_OCTET * 256
        self._count = network.num_addresses - FIRST_THIRD_OCTET * 256
        self._cursor = cursor
        self._taken: set[str] = set()
        try:
            self._next = int(cursor.read_text()) % self._count
        except (OSError, ValueError):
            self._next = 0

    def reserve(self, address: str) -> bool:
        """Take the very address that a Pod had before; False when it is taken or not ours."""
        try:
            offset = int(ipaddress.IPv4Address(address)) - self._first
        except ValueError:
            return False
        if not 0 <= offset < self._count or address in self._taken:
            return False
        self._taken.add(address)
        return True

    def take(self) -> str:
        """The next free address.

        Raises:
            SandboxError: When every address is in use.
        """
        for _ in range(self._count):
            offset = self._next
            self._next = (offset + 1) % self._count
            address = str(ipaddress.IPv4Address(self._first + offset))
            # .0 and .255 work on loopback, but look wrong to whoever reads them.
            if offset % 256 in {0, 255} or address in self._taken:
                continue
            self._taken.add(address)
            # Not atomic, not synced: an unreadable cursor only begins anew.
            self._cursor.write_text(str(self._next))
            return address
        raise SandboxError(
            "address for a Pod",
            why=f"all {len(self._taken)} addresses of the node are in use",
            remedy="delete Pods that are not needed",
        )

    def give_back(self, address: str) -> None:
        """The Pod is gone; giving back twice is harmless."""
        self._taken.discard(address)
