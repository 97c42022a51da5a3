"""Secrets of an app: missing ones are named first, and a value is never an argument."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from previews.clients import Clients
from previews.settings import Settings as PreviewsSettings
from sandbox import secrets
from sandbox.errors import SandboxError
from sandbox.settings import Settings

DESCRIBED = """
app: orders
secrets:
  SECRET_KEY: generate
  STRIPE_KEY: { name: stripe }
  MAIL_USER: { name: mail, property: user }
  MAIL_PASSWORD: { name: mail, property: password }
"""


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        found = boto3.client("secretsmanager", region_name="us-east-1")
        monkeypatch.setattr(secrets, "client", lambda *_: found)
        yield found


@pytest.fixture
def clients(manager: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clients:
    (tmp_path / "preview.yaml").write_text(DESCRIBED)
    monkeypatch.setenv("PREVIEWS_APP", str(tmp_path))
    return Clients(PreviewsSettings.read(local=True))


def set_to(monkeypatch: pytest.MonkeyPatch, clients: Clients, name: str, value: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(value))
    secrets.store(Settings(), clients, name)


def test_all_that_are_missing_are_named_with_the_commands(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(SandboxError) as error:
        secrets.require(Settings(), clients)
    message = str(error.value)
    assert "MAIL_PASSWORD has no value, MAIL_USER has no value, STRIPE_KEY has no value" in message
    command = f"`.venv/bin/sandbox --app {tmp_path} secret set"
    assert message.count(f"{command} mail`") == message.count(f"{command} stripe`") == 1


def test_it_has_them_once_they_are_set_and_a_second_value_replaces_the_first(
    clients: Clients, manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, clients, "stripe", "sk_test\n")
    set_to(monkeypatch, clients, "mail", '{"user": "u", "password": "p"}')
    secrets.require(Settings(), clients)
    set_to(monkeypatch, clients, "stripe", "sk_other \r\n")
    found = manager.get_secret_value(SecretId="previews/orders/stripe")
    assert found["SecretString"] == "sk_other "


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("strype", "x", "names no such one, but mail, stripe"),
        ("stripe", "\n", "the value is empty"),
        ("mail", "p", "it lacks user, password"),
        ("mail", '{"user": "u"}', "it lacks password"),
    ],
)
def test_what_is_no_value_of_a_secret_is_refused(
    clients: Clients,
    manager: Any,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    says: str,
) -> None:
    with pytest.raises(SandboxError, match=says):
        set_to(monkeypatch, clients, name, value)
    assert manager.list_secrets()["SecretList"] == []


def test_one_that_lost_a_property_is_missing_again(
    clients: Clients, manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, clients, "stripe", "x")
    manager.create_secret(Name="previews/orders/mail", SecretString='{"user": "u"}')
    with pytest.raises(SandboxError, match="MAIL_PASSWORD has no value\n"):
        secrets.require(Settings(), clients)


def test_on_a_terminal_the_value_is_asked_for_without_an_echo(
    clients: Clients, manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("getpass.getpass", lambda _: "typed")
    secrets.store(Settings(), clients, "stripe")
    found = manager.get_secret_value(SecretId="previews/orders/stripe")
    assert found["SecretString"] == "typed"
