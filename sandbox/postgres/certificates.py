"""The sandbox's certificate authority, and the certificates of its database servers."""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.processes import write_atomically

_YEARS_10 = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Authority:
    """Signs the servers' certificates, as Amazon's RDS authority does.

    Attributes:
        folder: Holds ``ca.crt``, which clients verify against, and ``ca.key``.
    """

    folder: Path

    @property
    def certificate_file(self) -> Path:
        """The bundle for ``sslrootcert``."""
        return self.folder / "ca.crt"

    def ensure(self) -> None:
        """Make the authority once. The key is written last: it marks that both are there."""
        if (self.folder / "ca.key").exists() and self.certificate_file.exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Preview sandbox database authority")
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        write_atomically(self.certificate_file, _pem(certificate))
        write_atomically(self.folder / "ca.key", _pem_key(key), mode=0o600)

    def issue(self, address: str, folder: Path) -> None:
        """Write ``server.crt`` and ``server.key`` for one IP address into ``folder``."""
        authority_key = serialization.load_pem_private_key(
            (self.folder / "ca.key").read_bytes(), password=None
        )
        assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
        authority = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName(address)]
        )
        certificate = (
            _builder(_name(address), authority.subject, key)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
            .sign(authority_key, hashes.SHA256())
        )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(folder / "server.crt", _pem(certificate))
        write_atomically(folder / "server.key", _pem_key(key), mode=0o600)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(os.urandom(16)) >> 1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _YEARS_10)
    )


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
