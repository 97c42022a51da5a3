"""Who answers is proven: real handshakes, by the libpq that the service brings."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.database import connect_arguments
from service.settings import DatabaseSettings, Settings
from tests.service.conftest import PASSWORD
from tests.service.tls import Authority, Front, front

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.conftest import PreparedDatabase

HOST = "localhost"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def trusted(folder: Path) -> Authority:
    return Authority.create("Right Authority")


@pytest.fixture(scope="module")
def encrypted(migrated: PreparedDatabase, trusted: Authority, folder: Path) -> Iterator[Front]:
    """The shared database behind TLS, with a certificate for HOST alone."""
    with front(trusted.issue(HOST, folder / "server.pem"), migrated.server.address) as opened:
        yield opened


def settings(
    encrypted: Front, database: PreparedDatabase, bundle: Path | None, *, host: str = HOST
) -> DatabaseSettings:
    return DatabaseSettings(
        host=host,
        port=encrypted.port,
        name=database.name,
        user="app",
        password=PASSWORD,
        sslmode="verify-full",
        sslrootcert=bundle,
    )


def test_with_the_right_authority_and_name_it_connects(
    encrypted: Front, migrated: PreparedDatabase, trusted: Authority, folder: Path
) -> None:
    bundle = trusted.bundle(folder / "right.pem")
    before = len(encrypted.versions)
    with TestClient(create_app(Settings(), settings(encrypted, migrated, bundle))) as client:
        assert client.get("/health/ready").status_code == 200
        assert client.get("/customers").status_code == 200
    # Health and requests have connections of their own; both went through TLS.
    assert len(encrypted.versions) - before >= 2
    assert set(encrypted.versions) <= {"TLSv1.2", "TLSv1.3"}
    assert encrypted.plain == 0


@pytest.mark.parametrize(
    ("authority", "host", "said_by_libpq"),
    [
        ("another", HOST, "certificate verify failed"),
        # Amazon's, which are the default, did not sign it either.
        (None, HOST, "certificate verify failed"),
        ("right", "127.0.0.1", "does not match host name"),
    ],
)
def test_another_authority_or_name_is_refused_and_told_as_a_class(
    encrypted: Front,
    migrated: PreparedDatabase,
    trusted: Authority,
    folder: Path,
    authority: str | None,
    host: str,
    said_by_libpq: str,
) -> None:
    signers = {"right": trusted, "another": Authority.create("Another Authority")}
    bundle = signers[authority].bundle(folder / f"{authority}.pem") if authority else None
    refused = settings(encrypted, migrated, bundle, host=host)

    # It is this check that refuses, and not something before it.
    with pytest.raises(psycopg2.OperationalError, match=said_by_libpq):
        connect(refused)

    with TestClient(create_app(Settings(), refused)) as client:
        response = client.get("/health/ready")
        assert response.status_code == 503
        assert response.json()["database"] == "tls_failed"
        for detail in ("certificate", "Authority", host, PASSWORD, str(encrypted.port)):
            assert detail not in response.text
        assert client.get("/customers").status_code == 503


def test_what_verify_full_refuses_require_accepts(
    encrypted: Front, migrated: PreparedDatabase
) -> None:
    """The front itself serves such a client, so the refusals above are the client's."""
    found = settings(encrypted, migrated, None, host="127.0.0.1")
    with closing(connect(found.model_copy(update={"sslmode": "require"}))) as connection:
        assert connection.info.ssl_in_use


def connect(found: DatabaseSettings) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=found.host,
        port=found.port,
        dbname=found.name,
        user=found.user,
        password=found.password.get_secret_value(),
        **connect_arguments(found, application="test"),
    )
