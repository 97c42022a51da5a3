from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.cluster.certificates import Authority, Subject
from sandbox.postgres import roles
from sandbox.postgres.binaries import installation
from sandbox.postgres.folder import InstanceFolder
from sandbox.postgres.front import Endpoint, Front
from sandbox.postgres.server import Server

MASTER = "dbadmin"
PASSWORD = "correct-horse"


def connect(endpoint: Endpoint, authority: Path, **options: str) -> Connection:
    """As a client of RDS connects."""
    return psycopg2.connect(
        host=endpoint.address,
        port=endpoint.port,
        **{
            "user": MASTER,
            "password": PASSWORD,
            "dbname": "app",
            "sslmode": "verify-full",
            "sslrootcert": str(authority),
            **options,
        },
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with RDS's roles and a database ``app``."""
    made = Server(InstanceFolder(tmp_path_factory.mktemp("pg") / "staging"), installation("16"))
    made.initialise()
    made.start()
    with made.connect() as connection:
        roles.create_master(connection, username=MASTER, password=PASSWORD, database="app")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    Authority.ensure("test", folder / "ca.pem", folder / "ca.crt")
    return folder / "ca.crt"


@pytest.fixture(scope="module")
def endpoint(server: Server, authority: Path) -> Iterator[Endpoint]:
    """The server's address, open to clients."""
    address = free_address()
    signer = Authority.ensure("test", authority.with_name("ca.pem"), authority)
    signer.ensure_pair(server.folder.certificate, Subject("staging", addresses=(address,)))
    opened = Endpoint(address, 5432, server.folder)
    front = Front()
    front.open(opened)
    yield opened
    front.close(opened)


def free_address() -> str:
    for _ in range(50):
        address = f"127.{random.randint(100, 250)}.1.{random.randint(1, 254)}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 5432))
            except OSError:
                continue
            return address
    raise AssertionError("no loopback address is free")
