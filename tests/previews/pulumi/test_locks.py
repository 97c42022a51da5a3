from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from previews.errors import PreviewsError
from previews.pulumi.lock_files import lock_files
from previews.pulumi.locks import TAG, LockOwner
from tests.github import LocalGitHub
from tests.previews.world import NOW, MemoryStacks, clients_of

LOCKS = ".pulumi/locks/organization/previews/pr-42"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        yield hub


@pytest.fixture
def stacks(tmp_path: Path) -> MemoryStacks:
    stacks = MemoryStacks(backend=f"file://{tmp_path}?metadata=skip")
    stacks.add("pr-42")
    return stacks


def lock(host: str = "runner-1", *, ago: float = 5) -> str:
    """A lock file, as Pulumi writes it."""
    at = (NOW - timedelta(minutes=ago)).isoformat()
    return json.dumps({"pid": 7, "username": "runner", "hostname": host, "timestamp": at})


def lay(tmp_path: Path, text: str, name: str = "a") -> Path:
    file = tmp_path / LOCKS / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def record(stacks: MemoryStacks, *, run: int = 9, attempt: int = 1, ago: float = 6) -> None:
    at = NOW - timedelta(minutes=ago)
    text = str(LockOwner(run=run, attempt=attempt, host="runner-1", at=at))
    stacks.kept_tags["pr-42"] = {TAG: text}


def break_stale(stacks: MemoryStacks) -> Any:
    return clients_of(stacks).locks.break_stale("pr-42")


def test_a_free_stack_is_left_alone(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    assert break_stale(stacks) == []
    assert hub.requests == []


def test_the_lock_of_a_run_that_is_over_is_broken(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path
) -> None:
    file = lay(tmp_path, lock())
    elsewhere = tmp_path / LOCKS.replace("pr-42", "pr-43") / "b.json"
    elsewhere.parent.mkdir()
    elsewhere.write_text(lock())
    record(stacks)
    hub.state.run(9, "completed", "cancelled")
    (broken,) = break_stale(stacks)
    assert (broken.run, broken.conclusion) == (9, "cancelled")
    assert not file.exists()
    assert elsewhere.exists()
    # `pulumi cancel` would take every lock, one that was made meanwhile too.
    assert not [call for call in stacks.calls if call.startswith("cancel")]


@pytest.mark.parametrize("status", ["in_progress", "queued", "waiting"])
def test_the_lock_of_a_run_that_lives_stays(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path, status: str
) -> None:
    file = lay(tmp_path, lock())
    record(stacks)
    hub.state.run(9, status)
    with pytest.raises(PreviewsError) as raised:
        break_stale(stacks)
    assert raised.value.code == "lock-run-alive"
    assert file.exists()


def test_an_earlier_attempt_of_the_run_is_over(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path
) -> None:
    file = lay(tmp_path, lock())
    record(stacks, attempt=1)
    hub.state.run(9, "in_progress").attempt = 2
    assert break_stale(stacks)[0].conclusion == "superseded"
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        pytest.param(lock("laptop"), True, id="another host"),
        pytest.param(lock(ago=60), True, id="older than the record"),
        pytest.param(lock(), False, id="no record"),
    ],
)
def test_the_lock_of_a_person_stays(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path, text: str, noted: bool
) -> None:
    file = lay(tmp_path, text)
    if noted:
        record(stacks)
    hub.state.run(9, "completed")
    with pytest.raises(PreviewsError) as raised:
        break_stale(stacks)
    assert raised.value.code == "lock-not-ours"
    assert file.exists()


def test_all_locks_stay_where_one_is_a_persons(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path
) -> None:
    files = [lay(tmp_path, lock(), "a"), lay(tmp_path, lock("laptop"), "b")]
    record(stacks)
    hub.state.run(9, "completed")
    with pytest.raises(PreviewsError):
        break_stale(stacks)
    assert all(file.exists() for file in files)


def test_a_run_that_github_does_not_know_is_not_known_to_be_over(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path
) -> None:
    file = lay(tmp_path, lock())
    record(stacks)
    with pytest.raises(PreviewsError) as raised:
        break_stale(stacks)
    assert raised.value.code == "lock-run-unknown"
    assert file.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": 1}'])
def test_a_lock_of_another_form_stays(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path, text: str
) -> None:
    file = lay(tmp_path, text)
    with pytest.raises(PreviewsError) as raised:
        break_stale(stacks)
    assert raised.value.code == "lock-unreadable"
    assert file.exists()


def test_a_run_leaves_a_note_with_which_its_lock_is_known(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path
) -> None:
    clients = clients_of(stacks, github_run_id=77, github_run_attempt=3)
    clients.locks.record_owner("pr-42")
    left = LockOwner.parse(stacks.kept_tags["pr-42"][TAG])
    assert left is not None
    assert (left.run, left.attempt, left.host) == (77, 3, socket.gethostname())
    # Its lock is from the same moment, however long ago this module was imported.
    lay(tmp_path, lock(socket.gethostname(), ago=(NOW - left.at) / timedelta(minutes=1)))
    (made,) = clients.locks.of("pr-42")
    assert left.owns(made)


def test_a_note_is_not_written_over_the_one_of_a_lock_that_is_there(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path
) -> None:
    lay(tmp_path, lock())
    record(stacks)
    hub.state.run(9, "in_progress")
    with pytest.raises(PreviewsError):
        clients_of(stacks, github_run_id=77).locks.record_owner("pr-42")
    assert stacks.kept_tags["pr-42"][TAG].startswith("9/1@runner-1 ")


def test_a_person_leaves_no_note(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    clients_of(stacks).locks.record_owner("pr-42")
    assert stacks.kept_tags == {}


def test_pulumi_cloud_says_itself_which_run_holds_the_stack(hub: LocalGitHub) -> None:
    stacks = MemoryStacks()
    stacks.add("pr-42")
    stacks.updates = [
        {
            "version": 3,
            "startTime": "2026-11-20T12:00:00.000Z",
            "result": "in-progress",
            "environment": {"ci.system": "GitHub Actions", "ci.build.id": "9"},
        }
    ]
    record(stacks)
    hub.state.run(9, "in_progress")
    with pytest.raises(PreviewsError, match="belongs to run 9"):
        break_stale(stacks)
    hub.state.run(9, "completed", "failure")
    assert [broken.run for broken in break_stale(stacks)] == [9]
    assert "cancel pr-42" in stacks.calls
    assert break_stale(stacks) == []


def test_locks_in_a_bucket_are_told_apart_too(
    hub: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="state")
        for key in ("pr-42/a", "pr-421/b"):
            name = f"team/{LOCKS.replace('pr-42', key)}.json"
            s3.put_object(Bucket="state", Key=name, Body=lock().encode())
        files = lock_files("s3://state/team?region=us-east-1&awssdk=v2", "previews")
        assert files is not None
        (found,) = files.of("pr-42")
        assert found.host == "runner-1"
        files.remove(found)
        assert files.of("pr-42") == []
        assert len(files.of("pr-421")) == 1


def test_a_backend_whose_locks_can_not_be_read_is_refused() -> None:
    with pytest.raises(PreviewsError) as raised:
        lock_files("gs://state", "previews")
    assert raised.value.code == "lock-backend"


NOT_A_PID = 2**22 + 1  # Above the kernel's largest (PID_MAX_LIMIT).
HERE = socket.gethostname()


def lock_of(pid: int, host: str = HERE) -> str:
    return json.dumps({**json.loads(lock(host)), "pid": pid})


def free_locally(stacks: MemoryStacks) -> Any:
    return clients_of(stacks, local=True).locks.break_stale("pr-42")


def test_without_github_the_lock_of_a_process_that_ended_is_broken(
    stacks: MemoryStacks, tmp_path: Path
) -> None:
    stale = lay(tmp_path, lock_of(NOT_A_PID))
    # Whatever an earlier run of a workflow had noted: nobody can be asked about it.
    record(stacks)
    folder = tmp_path / ".pulumi" / "stacks" / "previews"
    folder.mkdir(parents=True)
    for name in ("pr-42.json", "pr-42.json.18ea62cc.tmp", "pr-43.json.18ea62cc.tmp"):
        (folder / name).write_text("{")
    (broken,) = free_locally(stacks)
    assert str(broken) == f"process {NOT_A_PID} has ended"
    assert not stale.exists()
    # What the dead one was writing goes; what another may be writing stays.
    assert sorted(file.name for file in folder.iterdir()) == [
        "pr-42.json",
        "pr-43.json.18ea62cc.tmp",
    ]


def test_a_holder_that_ended_and_was_not_reaped_holds_nothing(
    stacks: MemoryStacks, tmp_path: Path
) -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    # Wait without reaping: the process stays in the table as a zombie.
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    lay(tmp_path, lock_of(ended.pid))
    assert len(free_locally(stacks)) == 1
    ended.wait()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(lock_of(os.getpid()), "lock-process-alive", id="of a process that runs"),
        pytest.param(lock_of(NOT_A_PID, "laptop"), "lock-elsewhere", id="of another machine"),
    ],
)
def test_without_github_a_lock_that_may_be_held_stays(
    stacks: MemoryStacks, tmp_path: Path, text: str, code: str
) -> None:
    held = lay(tmp_path, text)
    with pytest.raises(PreviewsError) as raised:
        free_locally(stacks)
    assert raised.value.code == code
    assert held.exists()


def test_without_github_no_note_is_left(stacks: MemoryStacks) -> None:
    clients_of(stacks, local=True, github_run_id=77).locks.record_owner("pr-42")
    assert stacks.kept_tags == {}


def test_staging_s_lock_is_broken_when_the_run_that_deploys_it_is_over(
    hub: LocalGitHub,
    tmp_path: Path,
    previews: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a preview's: while the run works on it, and of a person, it stays."""
    stacks = MemoryStacks(backend=f"file://{tmp_path}?metadata=skip")
    stacks.add("staging")
    monkeypatch.setattr("previews.clients.Clients.stacks", stacks)
    monkeypatch.setenv("GITHUB_RUN_ID", "9")
    clients_of(stacks).claim("staging")
    file = tmp_path / LOCKS.replace("pr-42", "staging") / "a.json"
    file.parent.mkdir(parents=True)
    file.write_text(lock(socket.gethostname(), ago=-600))
    hub.state.run(9)
    code, output, _ = previews("unlock", "staging", "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "lock-run-alive")
    assert file.exists()
    hub.state.run(9, "completed", "cancelled")
    code, output, _ = previews("unlock", "staging", "--json")
    document = json.loads(output)
    assert (code, document["stack"], document["broken"][0]["run"]) == (0, "staging", 9)
    assert not file.exists()
    file.write_text(lock("laptop", ago=-600))
    code, output, _ = previews("unlock", "staging", "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "lock-not-ours")
