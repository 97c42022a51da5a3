from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from service.database import connect_arguments, connection_url
from service.database.connection import RDS_AUTHORITIES
from service.settings import DatabaseSettings


def settings(**values: object) -> DatabaseSettings:
    return DatabaseSettings(host="db", name="shop", user="app", password="p@ss/word:#", **values)


def test_the_bundle_holds_amazons_roots_and_nothing_else() -> None:
    authorities = x509.load_pem_x509_certificates(RDS_AUTHORITIES.read_bytes())
    assert len({authority.serial_number for authority in authorities}) > 50
    for authority in authorities:
        authority.verify_directly_issued_by(authority)
        assert authority.not_valid_after_utc > datetime(2030, 1, 1, tzinfo=UTC)
        (name,) = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert str(name.value).startswith("Amazon RDS ")
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.value.ca


@pytest.mark.parametrize(
    ("mode", "configured", "expected"),
    [
        ("require", None, None),
        ("verify-full", None, RDS_AUTHORITIES),
        ("verify-ca", None, RDS_AUTHORITIES),
        ("verify-full", Path("/certs/ca.pem"), Path("/certs/ca.pem")),
    ],
)
def test_who_is_trusted(mode: str, configured: Path | None, expected: Path | None) -> None:
    arguments = connect_arguments(settings(sslmode=mode, sslrootcert=configured), application="x")
    assert arguments["sslmode"] == mode
    assert arguments.get("sslrootcert") == (None if expected is None else str(expected))


def test_a_password_may_hold_anything_and_is_not_shown() -> None:
    url = connection_url(settings())
    assert url.password == "p@ss/word:#"
    assert "p@ss" not in f"{url!r} {settings()!r} {settings()}"
