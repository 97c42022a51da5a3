"""Certificates that are made once, kept while they fit, and always in pairs."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cluster import certificates
from sandbox.cluster.certificates import Authority, Subject, ensure_signing_key
from sandbox.errors import SandboxError

SERVER = Subject("server", names=("localhost",), addresses=("127.42.0.1",))
CLIENT = Subject("somebody", ("a-group",))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return _authority(tmp_path)


def _authority(folder: Path) -> Authority:
    return Authority.ensure("test authority", folder / "ca.pem", folder / "ca.crt")


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A handshake in memory; returns the server's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server, server_hostname=name)

    def steps() -> Iterator[bool]:
        for _ in range(4):
            for side in (asking, serving):
                try:
                    side.do_handshake()
                    yield True
                except ssl.SSLWantReadError:
                    yield False

    list(steps())
    asking.write(b"x")
    assert serving.read(1) == b"x"
    return serving


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.crt")
    server.load_cert_chain(folder / "server.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=folder / "ca.crt")
    client.load_cert_chain(folder / "client.pem")
    for context in (server, client):
        # Python's own choice from 3.13 on.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return server, client


@pytest.mark.parametrize("name", ["localhost", "127.42.0.1"])
def test_server_and_client_trust_each_other(
    tmp_path: Path, authority: Authority, name: str
) -> None:
    authority.ensure_pair(tmp_path / "server.pem", SERVER)
    authority.ensure_pair(tmp_path / "client.pem", CLIENT)
    seen = _shake_hands(*_contexts(tmp_path), name).getpeercert()
    assert seen is not None
    subject = {key: value for part in seen["subject"] for key, value in part}  # type: ignore[misc, union-attr]
    assert subject == {"commonName": "somebody", "organizationName": "a-group"}


def test_another_name_is_refused(tmp_path: Path, authority: Authority) -> None:
    authority.ensure_pair(tmp_path / "server.pem", SERVER)
    authority.ensure_pair(tmp_path / "client.pem", CLIENT)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(*_contexts(tmp_path), "127.42.0.2")


def test_what_fits_is_kept(tmp_path: Path, authority: Authority) -> None:
    authority.ensure_pair(tmp_path / "server.pem", SERVER)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    _authority(tmp_path).ensure_pair(tmp_path / "server.pem", SERVER)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "other",
    [
        Subject("server", names=("localhost",), addresses=("127.43.0.1",)),
        Subject("other", names=("localhost",), addresses=("127.42.0.1",)),
        Subject("server", ("system:masters",), ("localhost",), ("127.42.0.1",)),
    ],
)
def test_what_no_longer_fits_is_made_anew(
    tmp_path: Path, authority: Authority, other: Subject
) -> None:
    authority.ensure_pair(tmp_path / "server.pem", SERVER)
    before = (tmp_path / "server.pem").read_bytes()
    authority.ensure_pair(tmp_path / "server.pem", other)
    assert (tmp_path / "server.pem").read_bytes() != before


def test_a_new_authority_signs_anew(tmp_path: Path, authority: Authority) -> None:
    authority.ensure_pair(tmp_path / "server.pem", SERVER)
    before = (tmp_path / "server.pem").read_bytes()
    (tmp_path / "ca.pem").unlink()
    _authority(tmp_path).ensure_pair(tmp_path / "server.pem", SERVER)
    assert (tmp_path / "server.pem").read_bytes() != before


def test_what_is_about_to_expire_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "_VALID", dt.timedelta(days=29))
    _authority(tmp_path).ensure_pair(tmp_path / "server.pem", SERVER)
    before = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()
    monkeypatch.setattr(certificates, "_VALID", dt.timedelta(days=365))
    _authority(tmp_path).ensure_pair(tmp_path / "server.pem", SERVER)
    after = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_keys_are_for_their_owner_alone(tmp_path: Path, authority: Authority) -> None:
    authority.ensure_pair(tmp_path / "server.pem", SERVER)
    ensure_signing_key(tmp_path / "sign.key")
    for name in ("ca.pem", "server.pem", "sign.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in (tmp_path / "ca.crt").read_text()


def test_the_signing_key_is_made_once(tmp_path: Path) -> None:
    ensure_signing_key(tmp_path / "sign.key")
    before = (tmp_path / "sign.key").read_bytes()
    ensure_signing_key(tmp_path / "sign.key")
    assert (tmp_path / "sign.key").read_bytes() == before


def test_a_broken_file_is_named_with_what_to_do(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "server.pem").write_text("half a certi")
    with pytest.raises(SandboxError, match=r"(?s)certificate .*server\.pem.*delete the file"):
        authority.ensure_pair(tmp_path / "server.pem", SERVER)
