"""Secrets of apps in the sandbox's Secrets Manager, which a team's people set in AWS."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress

from contract.app.model import App, Secret
from contract.stack_name import StackName
from previews.clients import Clients
from sandbox.aws.client import client
from sandbox.errors import SandboxError
from sandbox.settings import Settings

_STAGING = "staging"


def require(settings: Settings, clients: Clients) -> None:
    """Check that every secret that ``preview.yaml`` names has a value, before anything is made.

    Raises:
        SandboxError: Some have none; it names them, and the commands that set them.
    """
    values = _Values(settings, clients)
    missing = dict(_missing(clients.app, values))
    if missing:
        commands = dict.fromkeys(f"`{_command(clients, name)}`" for name in missing.values())
        raise SandboxError(
            f"secrets of {clients.settings.app_name}",
            why=", ".join(f"{variable} has no value" for variable in missing),
            remedy=f"run {', '.join(commands)}, which asks for the value or reads it from"
            " standard input; a made-up one will do where the app does not use it.",
        )


def store(settings: Settings, clients: Clients, name: str) -> None:
    """Set a secret to what is typed, or to standard input without its last line end.

    Raises:
        SandboxError: ``preview.yaml`` does not name it, or the value is not what it needs.
    """
    named = {one.name: one for one in clients.app.secrets.values() if one.name is not None}
    if name not in named:
        known = ", ".join(sorted(named)) or "none"
        raise SandboxError(
            f"secret {name!r}",
            why=f"the app's preview.yaml names no such one, but {known}",
            remedy="name it first, for example `secrets: {STRIPE_KEY: {name: stripe-test-key}}`.",
        )
    value = _read(name)
    parts = [one.property for one in clients.app.secrets.values() if one.name == name]
    lacking = [part for part in parts if part is not None and part not in _parts(value)]
    if not value or lacking:
        raise SandboxError(
            f"secret {name!r}",
            why=f"it lacks {', '.join(lacking)}" if lacking else "the value is empty",
            remedy='pass a JSON object, such as {"api_key": "x"}.' if lacking else "pass one.",
        )
    _Values(settings, clients).write(name, value)


class _Values:
    """The app's secrets at the sandbox's Secrets Manager."""

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._manager = client(settings, "secretsmanager")
        self._stack = StackName.parse(_STAGING, clients.settings.app_name)

    def read(self, name: str) -> str | None:
        """Return a secret's value; None if there is none."""
        with suppress(self._manager.exceptions.ResourceNotFoundException):
            found = self._manager.get_secret_value(SecretId=self._stack.managed_secret(name))
            return str(found.get("SecretString", ""))
        return None

    def write(self, name: str, value: str) -> None:
        """Create a secret, or replace its value."""
        known = self._stack.managed_secret(name)
        try:
            self._manager.create_secret(Name=known, SecretString=value)
        except self._manager.exceptions.ResourceExistsException:
            self._manager.put_secret_value(SecretId=known, SecretString=value)


def _missing(app: App, values: _Values) -> Iterator[tuple[str, str]]:
    """Yield variables without a value, with the names of their secrets."""
    secrets: Mapping[str, Secret] = app.secrets
    for variable, secret in sorted(secrets.items()):
        if secret.name is None:
            continue
        value = values.read(secret.name)
        if not value or (secret.property is not None and secret.property not in _parts(value)):
            yield variable, secret.name


def _parts(value: str) -> set[str]:
    """Return the keys of a value that is a JSON object."""
    try:
        found = json.loads(value)
    except ValueError:
        return set()
    return set(found) if isinstance(found, dict) else set()


def _read(name: str) -> str:
    """Return the value; never from the command line, which others and the history see."""
    if sys.stdin.isatty():
        return getpass.getpass(f"value of {name} (not shown): ")
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _command(clients: Clients, name: str) -> str:
    folder = clients.settings.app_folder
    app = "" if clients.settings.app_name.is_platform else f"--app {folder} "
    return f".venv/bin/sandbox {app}secret set {name}"
