"""A stack's own file, ``Pulumi.<stack>.yaml``: its settings beside the program.

It names the provider that encrypts the secrets in the stack's state: a key of KMS, where that is
not Pulumi Cloud. Staging's file is committed; a preview's is not, so each run's checkout lacks
it, and Pulumi would require a passphrase.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from previews.pulumi.yaml_file import read_mapping

if TYPE_CHECKING:
    from previews.pulumi.state import EncryptedKey

_PROVIDER = "secretsprovider"
_KEY = "encryptedkey"
_SALT = "encryptionsalt"


def unset(project: Path, stack: str, keys: Collection[str]) -> None:
    """Remove keys from the stack's configuration, where an earlier `up` stored them."""
    settings = _read(project, stack)
    config = dict(settings.get("config") or {})
    if config.keys().isdisjoint(keys):
        return
    kept = {key: value for key, value in config.items() if key not in keys}
    others = {key: value for key, value in settings.items() if key != "config"}
    _write(project, stack, {**others, **({"config": kept} if kept else {})})


def read_secrets_provider(project: Path, stack: str) -> str:
    """Return the URL of a stack's secrets provider; empty for the backend's default."""
    return str(_read(project, stack).get(_PROVIDER, ""))


def set_secrets_provider(project: Path, stack: str, provider: str) -> None:
    """Name the secrets provider in a stack's file, unless it names one.

    The state itself holds the key that it is encrypted with, so the next update can read it,
    and encrypts it with a new one.
    """
    settings = _read(project, stack)
    if _PROVIDER not in settings:
        _write(project, stack, {_PROVIDER: provider, **settings})


def set_key(project: Path, stack: str, key: EncryptedKey) -> None:
    """Name the key of a stack's secrets in its file, so that a command needs no new one."""
    named = {_PROVIDER: key.url, _KEY: key.encrypted}
    settings = _read(project, stack)
    if not named.items() <= settings.items():
        _write(project, stack, {**settings, **named})


def remove_salt(project: Path, stack: str) -> None:
    """Remove the salt of a deleted stack: Pulumi rejects it with another passphrase."""
    settings = _read(project, stack)
    if _SALT in settings:
        _write(project, stack, {key: settings[key] for key in settings if key != _SALT})


def _read(project: Path, stack: str) -> dict[str, Any]:
    file = _path(project, stack)
    return read_mapping(file) if file.exists() else {}


def _write(project: Path, stack: str, settings: dict[str, Any]) -> None:
    file = _path(project, stack)
    if settings:
        file.write_text(yaml.safe_dump(settings, sort_keys=False))
    else:
        file.unlink(missing_ok=True)


def _path(project: Path, stack: str) -> Path:
    return project / f"Pulumi.{stack}.yaml"
