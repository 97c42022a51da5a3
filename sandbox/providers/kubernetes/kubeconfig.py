"""Which API server a provider's settings mean, and with which credentials."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import SandboxError

# Anything else in an entry is refused, never ignored.
_SERVER = frozenset({"server", "certificate-authority", "certificate-authority-data"})
_CREDENTIALS = frozenset(
    {
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "token",
    }
)


@dataclass(frozen=True)
class Cluster:
    """An API server as seen by one user.

    Attributes:
        server: Its URL.
        context: The kubeconfig's name of it.
        namespace: The context's namespace.
        authority: Certificates to trust, PEM; empty for the machine's own.
        certificate: The client's certificate, PEM, or empty.
        key: The client's key, PEM, or empty.
        token: The client's bearer token, or empty.
    """

    server: str
    context: str
    namespace: str
    authority: str
    certificate: str
    key: str = field(repr=False)
    token: str = field(repr=False)

    def tls(self) -> ssl.SSLContext:
        """A TLS context with the authority and the client's certificate."""
        context = ssl.create_default_context(cadata=self.authority or None)
        if self.certificate:
            # OpenSSL reads a client's key from a file only; this one is 0600 and short-lived.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
                pem.write(f"{self.certificate}\n{self.key}\n")
                pem.flush()
                context.load_cert_chain(pem.name)
        return context


def resolve(kubeconfig: str | None, context: str | None) -> Cluster:
    """Find the cluster.

    Args:
        kubeconfig: Contents of a kubeconfig or a path to one; None for ``KUBECONFIG``,
            else ``~/.kube/config``.
        context: Name of a context; None for the current one.

    Raises:
        SandboxError: When there is no such file or context, or it asks for what is not known here.
    """
    document, folder, source = _load(kubeconfig)
    name = context or document.get("current-context") or ""
    entry = _entry(document, "contexts", "context", name, source)
    cluster = _entry(document, "clusters", "cluster", entry.get("cluster", ""), source)
    user = _entry(document, "users", "user", entry.get("user", ""), source)
    _refuse_unknown(f"user {entry.get('user')} of {source}", user, _CREDENTIALS)
    _refuse_unknown(f"cluster {entry.get('cluster')} of {source}", cluster, _SERVER)
    return Cluster(
        server=cluster["server"],
        context=name,
        namespace=entry.get("namespace") or "default",
        authority=_pem(cluster, "certificate-authority", folder),
        certificate=_pem(user, "client-certificate", folder),
        key=_pem(user, "client-key", folder),
        token=user.get("token", ""),
    )


def _load(kubeconfig: str | None) -> tuple[dict[str, Any], Path, str]:
    if kubeconfig and "\n" in kubeconfig.strip():
        return _parsed(kubeconfig, "the kubeconfig of the program"), Path.cwd(), "the program"
    path = Path(kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
    try:
        text = path.read_text()
    except OSError as error:
        raise SandboxError(
            f"kubeconfig {path}",
            why=error.strerror or str(error),
            remedy="start the sandbox (`sandbox up`), or set KUBECONFIG to one file that is there",
        ) from error
    return _parsed(text, str(path)), path.parent, str(path)


def _parsed(text: str, source: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        document, reason = None, str(error)
    else:
        reason = "it is not a YAML object"
    if not isinstance(document, dict):
        raise SandboxError(source, why=reason, remedy="write it again with `sandbox up`")
    return document


def _entry(
    document: Mapping[str, Any], list_: str, key: str, name: str, source: str
) -> Mapping[str, Any]:
    entries: Iterable[Mapping[str, Any]] = document.get(list_) or ()
    for entry in entries:
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry.get(key) or {}
            return found
    known = ", ".join(str(entry.get("name")) for entry in entries) or "none"
    raise SandboxError(
        f"{key} {name!r} of {source}",
        why=f"there is none of that name; there are: {known}",
        remedy=f"name one of them, or add the {key}",
    )


def _pem(entry: Mapping[str, Any], key: str, folder: Path) -> str:
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(data).decode()
    if path := entry.get(key):
        return (folder / str(path)).read_text()
    return ""


def _refuse_unknown(what: str, entry: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(entry.keys() - known):
        raise SandboxError(
            what,
            why=f"the stand-in does not know {', '.join(unknown)}, only {', '.join(sorted(known))}",
            remedy="write it with what is known, or install the kubernetes plugin",
        )
