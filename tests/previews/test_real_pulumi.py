"""What is assumed of Pulumi's own command line, shown by the real one on a folder."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from previews.clients import Clients
from previews.errors import PreviewsError
from previews.live import Live
from previews.locks import TAG, Locks, Note
from previews.recovery import recover

pytestmark = pytest.mark.sandbox

PENDING: dict[str, Any] = {
    "type": "creating",
    "resource": {
        "urn": "urn:pulumi:pr-42::previews::aws:rds/instance:Instance::instance",
        "type": "aws:rds/instance:Instance",
        "custom": True,
        "inputs": {"identifier": "pr-42"},
    },
}


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clients:
    from sandbox.settings import Settings as SandboxSettings
    from sandbox.tools import ensure

    for folder in ("backend", "project"):
        (tmp_path / folder).mkdir()
    (tmp_path / "project" / "Pulumi.yaml").write_text("name: previews\nruntime: python\n")
    tools = ensure(SandboxSettings(home=tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tools.bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/backend?metadata=skip")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "only-for-tests")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.setenv("PULUMI_SKIP_UPDATE_CHECK", "true")
    monkeypatch.setenv("PREVIEWS_PROJECT", str(tmp_path / "project"))
    monkeypatch.setenv("GITHUB_RUN_ID", "77")
    return Clients()


def test_a_stack_comes_is_noted_locked_and_goes(clients: Clients, tmp_path: Path) -> None:
    stacks, locks = clients.stacks, Locks(clients)
    stacks.create("pr-42")
    stacks.create("pr-42")
    assert (stacks.exists("pr-42"), stacks.exists("pr-43")) == (True, False)
    assert [summary.name for summary in stacks.all()] == ["pr-42"]
    locks.take_note("pr-42")
    note = Note.read(stacks.tags("pr-42")[TAG])
    assert note is not None
    assert note.run == 77

    folder = tmp_path / "backend" / ".pulumi" / "locks" / "organization" / "previews" / "pr-42"
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat()
    held = {"pid": 1, "username": "ci", "hostname": socket.gethostname(), "timestamp": at}
    (folder / "held.json").write_text(json.dumps(held))
    with pytest.raises(PreviewsError) as raised:
        stacks.destroy("pr-42")
    assert raised.value.code == "stack-locked"
    (lock,) = locks.of("pr-42")
    assert note.made(lock)
    (folder / "held.json").unlink()

    stacks.destroy("pr-42")
    stacks.remove("pr-42")
    assert not stacks.exists("pr-42")


def test_a_creation_that_is_proven_absent_is_no_longer_pending(
    clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks = clients.stacks
    stacks.create("pr-42")
    # As a killed run leaves it: `pulumi stack import` would drop what is pending.
    file = tmp_path / "backend" / ".pulumi" / "stacks" / "previews" / "pr-42.json"
    document = json.loads(file.read_text())
    document["checkpoint"]["latest"]["pending_operations"] = [PENDING]
    file.write_text(json.dumps(document))
    assert len(stacks.state("pr-42").pending) == 1

    monkeypatch.setattr(Live, "identify", lambda *_: "")
    recovered = recover(clients, "pr-42")
    assert recovered.absent == [PENDING["resource"]["urn"]]
    assert stacks.state("pr-42").pending == []
