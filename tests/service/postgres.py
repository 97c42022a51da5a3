"""A PostgreSQL server of one's own, on a free loopback address."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from sandbox.postgres.binaries import client_folder, installation
from tests.addresses import free_address
from tests.waiting import HANGS

BINARIES = installation("18").programs
CLIENTS = client_folder(18)
# Durability is of no use to data that is thrown away.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB")


@dataclass
class Server:
    """A server that runs until :meth:`stop`.

    Attributes:
        folder: Holds the data; not below a home, which other users can't enter.
        address: Loopback address; the port is 5432.
        password: Of the superuser ``master``.
    """

    folder: Path
    address: str
    password: str
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls) -> Server:
        """Make a data folder, and start a server on it."""
        folder = Path(tempfile.mkdtemp(prefix="service-tests-", dir="/tmp"))
        folder.chmod(0o755)
        server = cls(folder, free_address(5432), secrets.token_hex(8))
        password_file = folder / "password"
        password_file.write_text(server.password)
        user = _user()
        if user is not None:
            os.chown(folder, user, -1)
            os.chown(password_file, user, -1)
        subprocess.run(
            [
                BINARIES / "initdb", "-D", folder / "data", "-U", "master", "-A", "scram-sha-256",
                f"--pwfile={password_file}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
            ],
            check=True, capture_output=True, user=user,
        )  # fmt: skip
        server.start()
        return server

    def start(self) -> None:
        """Start, and return when it answers."""
        options = (f"listen_addresses={self.address}", "unix_socket_directories=", *FAST)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [BINARIES / "postgres", "-D", self.folder / "data",
                 *(part for option in options for part in ("-c", option))],
                stdout=log, stderr=log, user=_user(), start_new_session=True,
            )  # fmt: skip
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT ends sessions and then the server, SIGQUIT drops everything."""
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(HANGS)
        self.process = None

    def remove(self) -> None:
        """Stop, and forget the data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def connect(
        self, database: str = "postgres", *, user: str = "master", password: str | None = None
    ) -> psycopg2.extensions.connection:
        """A plain connection."""
        return psycopg2.connect(
            host=self.address,
            dbname=database,
            user=user,
            password=password or self.password,
            connect_timeout=5,
        )

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements outside of a transaction, as superuser."""
        with closing(self.connect(database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    @retry(
        retry=retry_if_exception_type(psycopg2.OperationalError),
        stop=stop_after_delay(HANGS),
        wait=wait_fixed(0.02),
        reraise=True,
    )
    def _wait(self) -> None:
        self.connect().close()


def _user() -> int | None:
    """Whom to run as: PostgreSQL refuses root."""
    return pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None
