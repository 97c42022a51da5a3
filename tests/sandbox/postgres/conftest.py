from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.cluster.certificates import Authority, Subject
from sandbox.postgres import roles
from sandbox.postgres.binaries import installation
from sandbox.postgres.folder import InstanceFolder, give_to_server
from sandbox.postgres.server import PORT, Server
from tests.addresses import free_address

MASTER = "dbadmin"
PASSWORD = "correct-horse"


def connect(server: Server, authority: Path, **options: str) -> Connection:
    """As a client of RDS connects."""
    return psycopg2.connect(
        host=server.address,
        port=server.port,
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
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    Authority.ensure("test", folder / "ca.pem", folder / "ca.crt")
    return folder / "ca.crt"


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Server]:
    """A running server with RDS's roles and a database ``app``, open to clients."""
    folder = InstanceFolder(tmp_path_factory.mktemp("pg") / "staging")
    made = Server(folder, installation("16"), address=free_address(PORT))
    made.initialise()
    certify(made, authority)
    made.start()
    with made.connect() as connection:
        roles.create_master(connection, username=MASTER, password=PASSWORD, database="app")
    yield made
    made.stop()


@pytest.fixture
def server(module_server: Server) -> Iterator[Server]:
    """The module's server; whatever a test does to it, it runs again for the next."""
    yield module_server
    if not module_server.is_running:
        module_server.start()


def certify(server: Server, authority: Path) -> None:
    """Give a server a certificate for its address."""
    signer = Authority.ensure("test", authority.with_name("ca.pem"), authority)
    subject = Subject("staging", addresses=(server.address,))
    signer.ensure_pair(server.folder.certificate, subject)
    give_to_server(server.folder.certificate)
