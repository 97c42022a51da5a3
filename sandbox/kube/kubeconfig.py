"""A kubeconfig's current context, as what a TLS client needs."""

from __future__ import annotations

import base64
import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import SandboxError


@dataclass(frozen=True)
class Connection:
    """Where an API server is and how to prove who asks.

    Attributes:
        server: URL without a trailing slash.
        tls: Context with the cluster's CA and the client's certificate; None for plain HTTP.
        token: Bearer token, when that is how the user authenticates.
    """

    server: str
    tls: ssl.SSLContext | None = None
    token: str | None = None


def read(path: Path) -> Connection:
    """Read the current context of the kubeconfig at ``path``.

    Raises:
        SandboxError: When the file is missing, is no kubeconfig, or names what it does not hold.
    """
    try:
        document = yaml.safe_load(path.read_text())
        context = _entry(document, "contexts", "context", document["current-context"])
        cluster = _entry(document, "clusters", "cluster", context["cluster"])
        user = _entry(document, "users", "user", context["user"])
        return Connection(
            server=cluster["server"].rstrip("/"),
            tls=_tls(cluster, user, path.parent),
            token=user.get("token"),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SandboxError(
            f"kubeconfig {path}",
            why=f"it can't be used: {type(error).__name__}: {error}",
            remedy="run `sandbox down` and `sandbox up`, which write it anew",
        ) from error


def _entry(document: Any, section: str, kind: str, name: str) -> dict[str, Any]:
    for entry in document[section]:
        if entry["name"] == name:
            return dict(entry[kind])
    msg = f"{section} has no entry named {name!r}"
    raise KeyError(msg)


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https:"):
        return None
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    authority = _bytes(cluster, "certificate-authority", folder)
    if authority:
        context.load_verify_locations(cadata=authority.decode())
    certificate = _bytes(user, "client-certificate", folder)
    key = _bytes(user, "client-key", folder)
    if certificate and key:
        with _private_file(certificate + b"\n" + key) as pair:
            context.load_cert_chain(pair)
    return context


def _bytes(section: dict[str, Any], field: str, folder: Path) -> bytes | None:
    if f"{field}-data" in section:
        return base64.b64decode(section[f"{field}-data"])
    if field in section:
        return (folder / str(section[field])).read_bytes()
    return None


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    # OpenSSL's binding takes a client certificate from a file only.
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name
