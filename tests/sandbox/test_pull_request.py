"""The sandbox's calls of the lifecycle, with a fake Pulumi that records its arguments."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from contract.preview import Preview
from previews.clients import Clients
from previews.errors import PreviewsError
from sandbox import pull_request
from sandbox.errors import SandboxError
from tests.contract.platform import PLATFORM
from tests.previews.world import MemoryPlace, thing

NAMESPACE = {
    "urn": "urn:pulumi:pr-42::previews::kubernetes:core/v1:Namespace::namespace",
    "type": "kubernetes:core/v1:Namespace",
    "id": "pr-42",
    "custom": True,
}
STATE = {
    "version": 3,
    "deployment": {
        "resources": [NAMESPACE],
        "pending_operations": [{"type": "deleting", "resource": NAMESPACE}],
    },
}
_PULUMI = """#!/bin/sh
echo "$@" >> {calls}
case "$1 $2" in
  "stack export") cat {state} ;;
  "stack output") echo '{{}}' ;;
  "stack tag") echo '{{}}' ;;
  "destroy --yes") exit {code} ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # What is set for this process is taken back at the end.
    for name in ("PATH", "PULUMI_BACKEND_URL", "PREVIEWS_THROUGH", "PREVIEWS_LABELS"):
        monkeypatch.setenv(name, os.environ.get(name, "[]"))
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    return tmp_path


def clients(folder: Path, place: MemoryPlace, *, code: int = 0) -> Clients:
    pulumi = folder / "pulumi"
    calls, state = folder / "calls", folder / "state.json"
    pulumi.write_text(_PULUMI.format(calls=calls, state=state, code=code))
    pulumi.chmod(0o755)
    made = pull_request.clients(
        {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{folder}",
            "PREVIEWS_THROUGH": "http://127.0.0.1:1",
        }
    )
    made.__dict__["places"] = (place,)
    made.__dict__["platform"] = PLATFORM
    return made


def calls(folder: Path) -> list[str]:
    """The commands that Pulumi got, without their options."""
    words = [line.split() for line in (folder / "calls").read_text().splitlines()]
    return [" ".join(word for word in line[:2] if not word.startswith("-")) for line in words]


def test_a_destroy_that_was_interrupted_is_finished_by_a_destroy_and_makes_nothing(
    folder: Path,
) -> None:
    """It ran an `up` first, which restored a database into a namespace that was being removed."""
    pull_request.destroy(Preview(42), clients(folder, MemoryPlace()))
    assert "destroy" in calls(folder)
    assert "up" not in calls(folder)


def test_what_is_left_is_named(folder: Path) -> None:
    with pytest.raises(SandboxError, match="RDS instance pr-42"):
        pull_request.destroy(Preview(42), clients(folder, MemoryPlace([thing("pr-42")])))


def test_pulumi_s_failure_is_passed_on_and_the_stack_stays(folder: Path) -> None:
    failing = clients(folder, MemoryPlace(), code=1)
    failing.__dict__["cluster"] = None
    with pytest.raises(PreviewsError) as raised:
        failing.stacks.destroy("pr-42")
    assert raised.value.code == "pulumi-failed"
    assert not any(
        line.startswith("stack rm") for line in (folder / "calls").read_text().splitlines()
    )


@pytest.mark.parametrize(
    ("mode", "labels"),
    [
        (pull_request.Mode.BRANCH, {"preview-db-branch"}),
        (pull_request.Mode.SNAPSHOT, {"preview-db-snapshot"}),
        (None, set()),
    ],
)
def test_a_mode_is_asked_for_by_its_label(
    folder: Path, mode: pull_request.Mode | None, labels: set[str]
) -> None:
    made = pull_request.clients({}, mode)
    pull = made.pulls.read(42)
    assert pull.labels == labels
    assert pull.is_open
    assert len(pull.head_sha) >= 12


def described(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Clients:
    (folder / "preview.yaml").write_text(f"app: orders\n{text}")
    monkeypatch.setenv("PREVIEWS_APP", str(folder))
    return clients(folder, MemoryPlace())


def test_the_tests_get_what_the_person_has_and_not_what_the_sandbox_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    command = 'test "$PATH" = /usr/bin:/bin -a -z "$PULUMI_BACKEND_URL" -a -n "$BASE_URL"'
    made = described(folder, monkeypatch, f"tests: {{command: '{command}'}}")
    machine = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    preview = made.preview(42)
    pull_request.test(preview, "http://127.0.0.1:1", made, machine)
    assert "tests of orders-pr-42 passed after" in capfd.readouterr().err


def test_tests_that_fail_are_an_error_and_none_are_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = described(folder, monkeypatch, "tests: {command: exit 3}")
    with pytest.raises(PreviewsError, match="`exit 3` ended with exit code 3"):
        pull_request.test(made.preview(42), "http://127.0.0.1:1", made, os.environ)
    made = described(folder, monkeypatch, "")
    pull_request.test(made.preview(42), "http://127.0.0.1:1", made, os.environ)
