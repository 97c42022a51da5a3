"""Certificates: an authority and the certificates that it signs."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.errors import SandboxError
from sandbox.system import write_atomically

_VALID = dt.timedelta(days=3650)
_RENEW_BEFORE = dt.timedelta(days=30)
# Valid a little earlier, in case a clock is set back.
_BACKDATED = dt.timedelta(hours=1)
_PRIVATE = 0o600

Key = ec.EllipticCurvePrivateKey
Pair = tuple[x509.Certificate, Key]


@dataclass(frozen=True)
class Subject:
    """Subject of a certificate.

    Attributes:
        common_name: User name in Kubernetes.
        organisations: Groups in Kubernetes.
        names: DNS names of the server.
        addresses: IP addresses of the server; without names and addresses, for clients only.
    """

    common_name: str
    organisations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def name(self) -> x509.Name:
        """The distinguished name."""
        organisations = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in self.organisations
        ]
        return x509.Name(
            [*organisations, x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)]
        )

    @property
    def extensions(self) -> list[x509.ExtensionType]:
        """Extensions: key usage, and the names that a client checks."""
        alternatives: list[x509.GeneralName] = [
            *(x509.DNSName(name) for name in self.names),
            *(x509.IPAddress(ipaddress.ip_address(each)) for each in self.addresses),
        ]
        client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        both = x509.ExtendedKeyUsage([*client, ExtendedKeyUsageOID.SERVER_AUTH])
        return [both, x509.SubjectAlternativeName(alternatives)] if alternatives else [client]


# Python 3.13 and later take no other authority with a path length (VERIFY_X509_STRICT).
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Certificate authority, kept in one file; created if that is missing."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    @classmethod
    def ensure(cls, name: str, pair: Path, certificate_file: Path) -> Authority:
        """Read the authority from ``pair``, or create it, and write its certificate."""
        found = _read(pair)
        if found is None or _expires_soon(found[0]) or not _may_sign(found[0]):
            found = _new_pair(Subject(name))
            _write(pair, found)
        text = _pem(found[0])
        if not certificate_file.exists() or certificate_file.read_text() != text:
            write_atomically(certificate_file, text)
        return cls(found)

    def ensure_pair(self, pair: Path, subject: Subject) -> None:
        """Write a certificate and its key for ``subject`` to ``pair``, unless that exists."""
        found = _read(pair)
        if found is None or not self._is_for(subject, found[0]):
            _write(pair, _new_pair(subject, self._pair))

    def _is_for(self, subject: Subject, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._pair[0])
        except (ValueError, TypeError, InvalidSignature):
            return False
        found = [extension.value for extension in certificate.extensions]
        wanted = subject.extensions
        return (
            certificate.subject == subject.name
            and found[: len(wanted)] == wanted
            and not _expires_soon(certificate)
        )


def ensure_signing_key(path: Path) -> None:
    """Write the RSA key that signs service accounts' tokens, unless it exists.

    RSA, since EKS signs with RS256, the only algorithm that some verifiers accept.
    """
    if path.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_atomically(path, _key_pem(key), mode=_PRIVATE)


def _new_pair(subject: Subject, authority: Pair | None = None) -> Pair:
    """Create a certificate signed by ``authority``, or the one of a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority[0].subject if authority else subject.name
    issuer_key = authority[1] if authority else key
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        subject_name=subject.name,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _BACKDATED,
        not_valid_after=now + _VALID,
    )
    constraints = x509.BasicConstraints(ca=authority is None, path_length=None if authority else 0)
    for extension in (
        *(subject.extensions if authority else ()),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
    ):
        builder = builder.add_extension(extension, critical=False)
    builder = builder.add_extension(constraints, critical=True)
    if authority is None:
        builder = builder.add_extension(_SIGNS, critical=True)
    return builder.sign(issuer_key, hashes.SHA256()), key


def _read(pair: Path) -> Pair | None:
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
            remedy="delete the file; the next start creates it again.",
        ) from error
    return (certificate, key) if isinstance(key, Key) else None


def _write(file: Path, pair: Pair) -> None:
    certificate, key = pair
    write_atomically(file, _pem(certificate) + _key_pem(key), mode=_PRIVATE)


def _may_sign(certificate: x509.Certificate) -> bool:
    return any(extension.value == _SIGNS for extension in certificate.extensions)


def _expires_soon(certificate: x509.Certificate) -> bool:
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    return left < _RENEW_BEFORE


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Key | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
