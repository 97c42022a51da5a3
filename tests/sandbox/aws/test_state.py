from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest
from moto.core.base_backend import BackendDict

from sandbox.aws import state as module
from sandbox.aws.catalogue import without_instance_types
from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.errors import SandboxError

with without_instance_types():
    from moto.kms.models import kms_backends
    from moto.secretsmanager.models import secretsmanager_backends


@pytest.fixture(autouse=True)
def _own_backends() -> Any:
    BackendDict.reset()
    yield
    BackendDict.reset()


def add_secret(name: str) -> None:
    secretsmanager_backends[ACCOUNT][REGION].create_managed_secret("rds", name, "text")


def secrets() -> list[str]:
    return list(secretsmanager_backends[ACCOUNT][REGION].secrets)


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    state = module.AccountState(tmp_path / "aws" / "state")
    add_secret("kept")
    key = kms_backends[ACCOUNT][REGION].describe_key("alias/aws/rds")
    state.save()
    BackendDict.reset()
    assert secrets() == []

    assert state.load()

    assert secrets() == ["kept"]
    found = kms_backends[ACCOUNT][REGION].describe_key("alias/aws/rds")
    assert found.id == key.id
    signature = key.private_key.sign(b"text", "RSASSA_PKCS1_V1_5_SHA_256")
    found.private_key.verify(b"text", signature, "RSASSA_PKCS1_V1_5_SHA_256")


def test_there_may_be_none(tmp_path: Path) -> None:
    assert not module.AccountState(tmp_path / "state").load()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    state = module.AccountState(tmp_path / "state")
    state.save()

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600


def test_a_change_is_saved_at_its_end(tmp_path: Path) -> None:
    state = module.AccountState(tmp_path / "state")
    with state.change():
        add_secret("changed")
    BackendDict.reset()

    state.load()

    assert secrets() == ["changed"]


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = module.AccountState(tmp_path / "state")
    add_secret("before")
    state.save()
    add_secret("after")

    class Full(io.BytesIO):
        def write(self, *_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fdopen", lambda *_: Full())
    with pytest.raises(OSError, match="No space left"):
        state.save()
    monkeypatch.undo()
    BackendDict.reset()

    state.load()
    assert secrets() == ["before"]


@pytest.mark.parametrize("damage", [lambda raw: raw[:-40], lambda raw: raw[:60], lambda _: b"{}"])
def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path, damage: Any) -> None:
    state = module.AccountState(tmp_path / "state")
    add_secret("kept")
    state.save()
    path = tmp_path / "state"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(SandboxError, match="sandbox reset"):
        state.load()
