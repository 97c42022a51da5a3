"""State of the AWS account, written to disk before each response.

The state is one file, so that a request's changes in several services (an instance and its
secret) are saved together or not at all.
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

# Increase it when a class in the state gets other attributes or another name.
_FORMAT = 3

_Backends = dict[str, dict[str, dict[str, Any]]]


class AccountState:
    """Backends of all of moto's services in this process.

    Attributes:
        lock: Lock of requests and jobs that read or change the state.
    """

    def __init__(self, path: Path) -> None:
        """Use the file at ``path``, without reading it."""
        self.lock = threading.RLock()
        self._path = path

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Lock the state for a change by a job, and save it at the end."""
        with self.lock:
            yield
            self.save()

    def save(self) -> None:
        """Write the state atomically; this takes milliseconds."""
        with self.lock:
            content = io.BytesIO()
            content.write(json.dumps(_stamp()).encode() + b"\n")
            _Pickler(content, pickle.HIGHEST_PROTOCOL).dump(_collect())
            temporary = self._path.with_suffix(".partial")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            # No fsync: a kill does not lose what was written to the kernel.
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.getbuffer())
            temporary.replace(self._path)

    def load(self) -> bool:
        """Read the state into moto's backends.

        Returns:
            True if there was one.

        Raises:
            SandboxError: It was written by other versions, or is damaged.
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
            raise self._unreadable("its first line is not its version") from error
        if found != _stamp():
            raise self._unreadable(f"its versions are {found}, expected {_stamp()}")

    def _unreadable(self, why: str) -> SandboxError:
        return SandboxError(
            f"state of the AWS account in {self._path}",
            why=why,
            remedy="use the versions that wrote it, or delete all state with `sandbox reset`.",
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
    """Pickler with support for two types in moto's state that ``pickle`` rejects."""

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
