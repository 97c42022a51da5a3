"""TLS in front of a PostgreSQL, by which handshakes are seen, and authorities of one's own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# PostgreSQL documentation, 54.7 "Message Formats": length 8, then the code.
SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Signs certificates.

    Attributes:
        key: Its private key.
        certificate: Its own.
    """

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        builder = _builder(subject, subject, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        return cls(key, builder.sign(key, hashes.SHA256()))

    def bundle(self, path: Path) -> Path:
        """Write what clients trust."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, host: str, path: Path) -> Path:
        """Write a certificate for ``host`` with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(host), self.certificate.subject, key).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


@dataclass
class Front:
    """Ends TLS, and passes the bytes on as they are.

    Attributes:
        context: Holds the certificate.
        upstream: Address of the server behind.
        port: On 127.0.0.1.
        versions: TLS version of each handshake that was completed.
        plain: Clients that opened without asking for TLS.
    """

    context: ssl.SSLContext
    upstream: str
    port: int
    versions: list[str]
    plain: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        with (
            closing(writer),
            suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError),
        ):
            if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                self.plain += 1
                return
            writer.write(b"S")
            await writer.start_tls(self.context)
            self.versions.append(writer.get_extra_info("ssl_object").version())
            behind, ahead = await asyncio.open_connection(self.upstream, 5432)
            with closing(ahead):
                await asyncio.gather(_pump(reader, ahead), _pump(behind, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def front(certificate: Path, upstream: str) -> Iterator[Front]:
    """Listen on a free port of 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = Front(context, upstream, 0, [])
    started = threading.Event()
    stop: asyncio.Event
    loop: asyncio.AbstractEventLoop

    async def listen() -> None:
        nonlocal stop, loop
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(listen(),), daemon=True)
    thread.start()
    if not started.wait(20):
        raise TimeoutError
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
