"""Making certificates: an authority, and what it signs."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.errors import SandboxError
from sandbox.processes import write_atomically

_VALID = dt.timedelta(days=3650)
_RENEW_BEFORE = dt.timedelta(days=30)
# A clock that is set back a little must not make a new certificate invalid.
_BACKDATED = dt.timedelta(hours=1)
_PRIVATE = 0o600

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Subject:
    """Whom a certificate is for.

    Attributes:
        common_name: The user, to Kubernetes.
        organisations: The groups, to Kubernetes.
        names: DNS names that it serves.
        addresses: IP addresses that it serves; with neither it is a client's alone.
    """

    common_name: str
    organisations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def name(self) -> x509.Name:
        """As a distinguished name."""
        organisations = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in self.organisations
        ]
        return x509.Name(
            [*organisations, x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)]
        )

    @property
    def alternatives(self) -> list[x509.GeneralName]:
        """The names that a client checks."""
        return [
            *(x509.DNSName(name) for name in self.names),
            *(x509.IPAddress(ipaddress.ip_address(each)) for each in self.addresses),
        ]


class Authority:
    """Signs certificates. Kept in one file, and made when that is not there."""

    def __init__(self, certificate: x509.Certificate, key: Key) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def ensure(cls, name: str, pair: Path, certificate_file: Path) -> Authority:
        """Read the authority from ``pair``, or make it, and publish its certificate."""
        found = _read(pair)
        if found is None or _expires_soon(found[0]):
            found = _new_authority(Subject(name))
            _write(pair, *found)
        text = _pem(found[0])
        if not certificate_file.exists() or certificate_file.read_text() != text:
            write_atomically(certificate_file, text)
        return cls(*found)

    def ensure_pair(self, pair: Path, subject: Subject) -> None:
        """Write a certificate and its key for ``subject`` to ``pair``, unless they are there."""
        found = _read(pair)
        if found is not None and self._is_for(subject, found[0]):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject.name, self._certificate.subject, key)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if subject.alternatives:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(
                x509.SubjectAlternativeName(subject.alternatives), critical=False
            )
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
            critical=False,
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        _write(pair, builder.sign(self._key, hashes.SHA256()), key)

    def _is_for(self, subject: Subject, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return (
            certificate.subject == subject.name
            and _alternatives(certificate) == subject.alternatives
            and not _expires_soon(certificate)
        )


def ensure_signing_key(path: Path) -> None:
    """Write the RSA key that signs the service accounts' tokens, unless it is there.

    RSA because EKS signs with RS256, which is all that some verifiers accept.
    """
    if path.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_atomically(path, _key_pem(key), mode=_PRIVATE)


def _new_authority(subject: Subject) -> tuple[x509.Certificate, Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(subject.name, subject.name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID)
    )


def _read(pair: Path) -> tuple[x509.Certificate, Key] | None:
    try:
        content = pair.read_bytes()
    except FileNotFoundError:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, password=None)
    except ValueError as error:
        raise SandboxError(
            f"certificate {pair}",
            why=f"it is not a certificate with its key: {error}",
            remedy="remove the file; the next start makes it anew.",
        ) from error
    return (certificate, key) if isinstance(key, Key) else None


def _write(pair: Path, certificate: x509.Certificate, key: Key) -> None:
    write_atomically(pair, _pem(certificate) + _key_pem(key), mode=_PRIVATE)


def _expires_soon(certificate: x509.Certificate) -> bool:
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    return left < _RENEW_BEFORE


def _alternatives(certificate: x509.Certificate) -> Sequence[x509.GeneralName]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(extension.value)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Key | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
