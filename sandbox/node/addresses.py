"""One loopback address for each Pod."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from sandbox.errors import SandboxError

FIRST_THIRD_OCTET = 10
"""Lower ones are the control plane's (0) and the databases' (1-9)."""


class Addresses:
    """Allocator that reuses a released address as late as possible.

    A client of a deleted Pod then gets a refused connection, not another Pod. The last allocated
    address is kept in a file, as in the CNI's host-local plugin.
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
        """Allocate a Pod's former address; return False if it is taken or outside the range."""
        try:
            offset = int(ipaddress.IPv4Address(address)) - self._first
        except ValueError:
            return False
        if not 0 <= offset < self._count or address in self._taken:
            return False
        self._taken.add(address)
        return True

    def allocate(self) -> str:
        """Allocate and return the next free address.

        Raises:
            SandboxError: All addresses are in use.
        """
        for _ in range(self._count):
            offset = self._next
            self._next = (offset + 1) % self._count
            address = str(ipaddress.IPv4Address(self._first + offset))
            # .0 and .255 work on loopback, but look like network and broadcast addresses.
            if offset % 256 in {0, 255} or address in self._taken:
                continue
            self._taken.add(address)
            # Not atomic or synced: without a readable file, allocation starts from the first.
            self._cursor.write_text(str(self._next))
            return address
        raise SandboxError(
            "address of a Pod",
            why=f"all {len(self._taken)} addresses of the node are in use",
            remedy="destroy previews that are not needed",
        )

    def release(self, address: str) -> None:
        """Release a Pod's address; releasing it twice has no effect."""
        self._taken.discard(address)
