"""Servers of RDS instances, with their addresses and data folders; independent of moto."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.aws.identity import database_authority
from sandbox.cluster.certificates import Authority, Subject
from sandbox.postgres import backup, roles
from sandbox.postgres.binaries import installation
from sandbox.postgres.copying import remove, remove_partial
from sandbox.postgres.folder import InstanceFolder, give_to_server
from sandbox.postgres.server import Server, end_leftovers
from sandbox.settings import Settings

_DATABASE_SUBNETS = range(1, 10)
_HOSTS = range(1, 255)


@dataclass(frozen=True)
class Machine:
    """Specification of an instance's server.

    Attributes:
        identifier: DB instance identifier, the name of its folder.
        address: Loopback address of its own.
        port: Port on it.
        engine_version: Version of PostgreSQL: ``16.14``.
        parameters: Parameters of its DB parameter group.
    """

    identifier: str
    address: str
    port: int
    engine_version: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class DatabaseServers:
    """The servers of all instances.

    Attributes:
        died: Called with an instance's identifier, from another thread, when its server ends
            unexpectedly.
    """

    died: Callable[[str], None]

    def __init__(self, settings: Settings) -> None:
        """Use the folders below ``settings.home``."""
        self._settings = settings
        self._instances = settings.home / "rds"
        self._snapshots = settings.home / "snapshots"
        self._servers: dict[str, Server] = {}
        self._authority = Authority.ensure(
            "Preview sandbox database authority",
            settings.home / "aws" / "database-authority.pem",
            database_authority(settings),
        )
        for folder in (self._instances, self._snapshots):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            remove_partial(folder)

    def free_address(self, taken: set[str], port: int) -> str | None:
        """Return the first address that no instance and no other process uses, or None."""
        for address in self._addresses():
            if address not in taken and _can_listen(address, port):
                return address
        return None

    def _addresses(self) -> Iterator[str]:
        return (
            self._settings.address(third, fourth)
            for third in _DATABASE_SUBNETS
            for fourth in _HOSTS
        )

    def create(self, machine: Machine, *, username: str, password: str, database: str) -> None:
        """Create a server with master user and first database; a repeated call starts over."""
        self.delete(machine)
        server = self._server(machine)
        server.initialise()
        server.start()
        try:
            with server.connect() as connection:
                roles.create_master(
                    connection, username=username, password=password, database=database
                )
        finally:
            server.stop()
        self.start(machine)

    def restore(self, machine: Machine, snapshot: str) -> None:
        """Create a server with a snapshot's data; a repeated call starts over."""
        self.delete(machine)
        backup.restore(self._snapshots / snapshot, self._folder(machine))
        self.start(machine)

    def start(self, machine: Machine) -> None:
        """Start the server and accept clients, unless it runs already."""
        server = self._server(machine)
        if not server.is_running:
            server.parameters = machine.parameters
            server.address, server.port = machine.address, machine.port
            self._certify(machine, server.folder)
            server.start()
            self._watch(machine.identifier, server)

    def _certify(self, machine: Machine, folder: InstanceFolder) -> None:
        folder.make()
        subject = Subject(machine.identifier, addresses=(machine.address,))
        self._authority.ensure_pair(folder.certificate, subject)
        give_to_server(folder.certificate)

    def stop(self, machine: Machine) -> None:
        """Shut the server down."""
        server = self._servers.pop(machine.identifier, None)
        if server is not None:
            server.stop()

    def delete(self, machine: Machine) -> None:
        """Stop the server and delete its folder, if they exist."""
        self.stop(machine)
        folder = self._folder(machine)
        end_leftovers(folder)
        remove(folder.path)

    def set_password(self, machine: Machine, username: str, password: str) -> None:
        """Change the master user's password on the running server."""
        with self._servers[machine.identifier].connect() as connection:
            roles.set_password(connection, username, password)

    def take_snapshot(self, machine: Machine, snapshot: str) -> None:
        """Copy the server's data to a snapshot; a repeated call starts over."""
        remove(self._snapshots / snapshot)
        backup.take_snapshot(self._server(machine), self._snapshots / snapshot)

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot, if it exists."""
        remove(self._snapshots / snapshot)

    def keep_only(self, instances: set[str], snapshots: set[str]) -> list[Path]:
        """Delete folders that belong to no instance or snapshot, and return them."""
        strays = [path for path in self._instances.iterdir() if path.name not in instances]
        strays += [path for path in self._snapshots.iterdir() if path.name not in snapshots]
        for path in strays:
            end_leftovers(InstanceFolder(path))
            remove(path)
        return strays

    def stop_all(self) -> None:
        """Shut all servers down concurrently."""
        stopping = [threading.Thread(target=server.stop) for server in self._servers.values()]
        self._servers.clear()
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def _folder(self, machine: Machine) -> InstanceFolder:
        return InstanceFolder(self._instances / machine.identifier)

    def _server(self, machine: Machine) -> Server:
        return self._servers.setdefault(
            machine.identifier, Server(self._folder(machine), installation(machine.engine_version))
        )

    def _watch(self, identifier: str, server: Server) -> None:
        def wait() -> None:
            server.wait()
            if self._servers.get(identifier) is server:
                self.died(identifier)

        threading.Thread(target=wait, name=f"watch-{identifier}", daemon=True).start()


def _can_listen(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
