"""Everything that the AWS account holds, on disk before an answer is sent.

The state is one file, so that what one request changes in several services (an
instance and its secret) is kept together or not at all.
"""

from __future__ import annotations

import contextlib
import copyreg
import io
import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from moto.backends import get_backend
from moto.core.base_backend import BackendDict

from sandbox.errors import SandboxError

# Raise it when a class that is kept here changes its shape.
_FORMAT = 3

_Backends = dict[str, dict[str, dict[str, Any]]]


class AccountState:
    """The backends of all of moto's services in this process.

    Attributes:
        lock: Held while a request or a job reads or changes the state.
    """

    def __init__(self, path: Path) -> None:
        """Use the file at ``path``; nothing is read yet."""
        self.lock = threading.RLock()
        self._path = path

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """The state for a job to change; it is saved at the end."""
        with self.lock:
            yield
            self.save()

    def save(self) -> None:
        """Write the state, whole or not at all; milliseconds for a whole account."""
        with self.lock:
            content = io.BytesIO()
            content.write(json.dumps(_stamp()).encode() + b"\n")
            _Pickler(content, pickle.HIGHEST_PROTOCOL).dump(_collect())
            temporary = self._path.with_suffix(".partial")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            # No fsync: a kill can't lose what the kernel has taken over.
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.getbuffer())
            temporary.replace(self._path)

    def load(self) -> bool:
        """Read the state into moto's backends.

        Returns:
            Whether there was one.

        Raises:
            SandboxError: When it was written by other versions than are here now, or is damaged.
        """
        try:
            content = self._path.open("rb")
        except FileNotFoundError:
            return False
        with content:
            self._require_same_versions(content.readline())
            try:
                backends: _Backends = pickle.load(content)  # noqa: S301 - our own, mode 0600
            except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
                raise self._unreadable(f"it is damaged: {error}") from error
        for service, accounts in backends.items():
            for account, regions in accounts.items():
                get_backend(service)[account].update(regions)
        return True

    def _require_same_versions(self, stamp: bytes) -> None:
        try:
            found = json.loads(stamp)
        except ValueError as error:
            raise self._unreadable("it does not begin with its version") from error
        if found != _stamp():
            raise self._unreadable(f"it was written by {found}, and here is {_stamp()}")

    def _unreadable(self, why: str) -> SandboxError:
        return SandboxError(
            f"state of the AWS account in {self._path}",
            why=why,
            remedy="go back to the versions that wrote it, or begin anew with `sandbox reset`.",
        )


def _stamp() -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "moto": version("moto"),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }


def _collect() -> _Backends:
    return {
        backends.service_name: {
            account: dict(regions.items()) for account, regions in backends.items()
        }
        for backends in list(BackendDict._instances)  # noqa: SLF001 - the only list of them
    }


class _Pickler(pickle.Pickler):
    """Knows the two kinds of things in moto's state that ``pickle`` refuses."""

    dispatch_table = copyreg.dispatch_table.copy()


def _lock(_: object) -> tuple[Callable[[], object], tuple[()]]:
    return threading.RLock, ()


def _key(key: RSAPrivateKey) -> tuple[Callable[[bytes], object], tuple[bytes]]:
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _load_key, (der,)


def _load_key(content: bytes) -> object:
    return serialization.load_der_private_key(content, password=None)


_Pickler.dispatch_table |= {type(threading.RLock()): _lock, openssl.rsa.RSAPrivateKey: _key}
