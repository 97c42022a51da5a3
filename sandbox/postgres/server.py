"""Lifecycle of a PostgreSQL server."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from sandbox.containers.runtime import ContainerSpec, Mount, popen
from sandbox.errors import SandboxError
from sandbox.postgres import configuration
from sandbox.postgres.binaries import Installation
from sandbox.postgres.configuration import ADMINISTRATOR, PORT
from sandbox.postgres.copying import remove
from sandbox.postgres.folder import (
    InstanceFolder,
    give_to_server,
    reachable_socket,
    server_group,
    server_user,
)

_LOG_LINES = 5
_LOG_LIMIT = 8 << 20
_POLL_SECONDS = 0.02
_PROGRAMS = "/usr/lib/postgresql"
_HOME = "/var/lib/postgresql"

# A child ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG), so all servers are
# started from this one, which lasts as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres-starter")


@dataclass(frozen=True)
class _Program:
    """A program of PostgreSQL in a container that contains only the server's folder.

    So it runs as a user who is not root even if the checkout, with the programs and the data, is
    in a folder that only root can access.

    Attributes:
        installation: Installed version of the program.
        folder: The server's folder.
        name: ``postgres`` or ``initdb``.
        arguments: Arguments without secrets; paths are relative to the data folder.
    """

    installation: Installation
    folder: InstanceFolder
    name: str
    arguments: tuple[str, ...] = ()

    def start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start it in the data folder; it ends with this process."""
        spec = ContainerSpec(
            layers=(),
            argv=(
                f"{_PROGRAMS}/bin/{self.name}",
                *self.arguments,
            ),
            env={"LC_ALL": "C.UTF-8", "TZ": "UTC"},
            cwd=f"{_HOME}/data",
            uid=server_user(),
            gid=server_group(),
            read_only_root=True,
            mounts=(
                Mount(self.installation.folder, _PROGRAMS),
                Mount(self.folder.data, f"{_HOME}/data", read_only=False),
                Mount(self.folder.run, f"{_HOME}/run", read_only=False),
            ),
        )
        return _starter.submit(popen, spec, stdout=output, stderr=output).result()


@dataclass
class Server:
    """A server with its folder.

    Attributes:
        folder: Folder of its files.
        installation: PostgreSQL version of its data.
        parameters: Settings of the DB parameter group, by name.
        address: Address for clients, with TLS and the folder's certificate; empty if only the
            administrator may connect, by the socket.
        port: Port of the address.
    """

    folder: InstanceFolder
    installation: Installation
    parameters: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    port: int = PORT
    _process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """True from its start until its container has ended, which is after its last process."""
        return self._process is not None and self._process.poll() is None

    def initialise(self) -> None:
        """Create an empty database cluster; remains of a killed attempt are deleted first.

        Raises:
            SandboxError: ``initdb`` fails; the error has its last lines.
        """
        remove(self.folder.data)
        self.folder.make()
        password = self.folder.run / "initdb-password"
        password.write_text(self.folder.administrator_password())
        password.chmod(0o600)
        give_to_server(password)
        try:
            with self.folder.log.open("ab") as log:
                code = (
                    _Program(
                        self.installation,
                        self.folder,
                        "initdb",
                        (
                            "--pgdata=.",
                            f"--username={ADMINISTRATOR}",
                            "--pwfile=../run/initdb-password",
                            "--auth=scram-sha-256",
                            "--encoding=UTF8",
                            "--locale=C.UTF-8",
                            # Small segments keep an idle server and its copies small.
                            "--wal-segsize=4",
                            "--data-checksums",
                            "--no-sync",
                            "--no-instructions",
                        ),
                    )
                    .start(log)
                    .wait()
                )
        finally:
            password.unlink()
        if code != 0:
            raise self._failed(f"initdb ended with {code}")

    def start(self, *, timeout: float = 60.0) -> None:
        """Start the server and wait until it accepts connections.

        Args:
            timeout: Seconds, including recovery after a kill.

        Raises:
            SandboxError: It ends or does not respond; the error has its last log lines.
        """
        self.folder.make()
        end_leftovers(self.folder)
        self._configure()
        with self.folder.log.open("ab") as log:
            if log.tell() > _LOG_LIMIT:
                log.truncate(0)
            process = _Program(self.installation, self.folder, "postgres", ("-D", ".")).start(log)
        self._process = process
        self._wait_until_it_answers(process, time.monotonic() + timeout)

    def _configure(self) -> None:
        settings = configuration.postgresql_conf(
            self.parameters, address=self.address, port=self.port
        )
        for name, text in (
            ("postgresql.conf", settings),
            ("postgresql.auto.conf", ""),
            ("pg_hba.conf", configuration.HOST_BASED_AUTHENTICATION),
        ):
            path = self.folder.data / name
            path.write_text(text)
            path.chmod(0o600)
            give_to_server(path)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        while True:
            code = process.poll()
            if code is not None:
                raise self._failed(f"the server ended with {code}")
            try:
                with self.connect():
                    return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    self.kill()
                    raise self._failed(f"the server does not answer: {error}") from error
            time.sleep(_POLL_SECONDS)

    def wait(self) -> None:
        """Wait until the server has ended, for whatever reason."""
        process = self._process
        if process is not None:
            process.wait()

    def stop(self, *, timeout: float = 20.0) -> None:
        """Shut down fast; after ``timeout`` seconds the server is killed, which loses nothing."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill the server and all its processes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def connect(self, database: str = "postgres") -> Iterator[Connection]:
        """Open the administrator's connection, in autocommit mode, over the server's socket."""
        with reachable_socket(self.folder.run) as folder:
            opened = psycopg2.connect(
                host=folder,
                port=self.port,
                dbname=database,
                user=ADMINISTRATOR,
                password=self.folder.administrator_password(),
                connect_timeout=10,
                application_name="sandbox",
            )
        opened.autocommit = True
        try:
            yield opened
        finally:
            opened.close()

    def _failed(self, why: str) -> SandboxError:
        with contextlib.suppress(FileNotFoundError):
            lines = self.folder.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            why = "\n  ".join([why, *lines])
        remedy = f"see {self.folder.log}; `sandbox reset` creates all databases again."
        if "could not bind" in why:
            remedy = (
                "stop the process that uses it, or set other addresses with"
                " SANDBOX_SUBNET=127.<2-254>.0.0/16."
            )
        return SandboxError(
            f"PostgreSQL {self.installation.major} in {self.folder.path}", why=why, remedy=remedy
        )


def end_leftovers(folder: InstanceFolder) -> None:
    """End remaining processes of a killed server, and delete its pid file and socket.

    PostgreSQL takes a reused pid in ``postmaster.pid`` for a running server and does not start.

    Raises:
        SandboxError: A process does not end.
    """
    left = processes_of(folder)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(left, timeout=10)
    if alive:
        raise SandboxError(
            f"the former server in {folder.path}",
            why=f"killed, but still there: {', '.join(str(process.pid) for process in alive)}",
            remedy="a disk that does not respond holds them; run the command again when it does.",
        )
    (folder.data / "postmaster.pid").unlink(missing_ok=True)
    for left_socket in folder.run.glob(".s.PGSQL.*"):
        left_socket.unlink()


def processes_of(folder: InstanceFolder) -> list[psutil.Process]:
    """Return the processes of a server: those whose working directory is its data folder."""
    return [process for process in psutil.process_iter() if _works_in(process, folder)]


def _works_in(process: psutil.Process, folder: InstanceFolder) -> bool:
    # By inode, since the folder has another path in a container.
    try:
        return Path(f"/proc/{process.pid}/cwd").samefile(folder.data)
    except (OSError, psutil.Error):
        return False
