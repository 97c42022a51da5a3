from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.containers import runtime


@pytest.mark.parametrize(
    ("setting", "value", "change"),
    [
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            "kernel/unprivileged_userns_clone",
            "0",
            "kernel.unprivileged_userns_clone=1",
        ),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ],
)
def test_the_setting_that_refuses_is_found(
    tmp_path: Path, setting: str, value: str, change: str
) -> None:
    (tmp_path / setting).parent.mkdir(parents=True)
    (tmp_path / setting).write_text(f"{value}\n")
    assert runtime.setting_to_change(str(tmp_path)) == change


def test_a_machine_may_have_no_such_setting(tmp_path: Path) -> None:
    assert runtime.setting_to_change(str(tmp_path)) is None


def test_a_kernel_that_refuses_namespaces_is_reported_by_the_first_container() -> None:
    # A user namespace has limits of its own, so that the machine's can stay as they are.
    script = (
        "from sandbox.containers.runtime import check_machine\n"
        "from sandbox.errors import SandboxError\n"
        "try:\n    check_machine()\nexcept SandboxError as error:\n    print(error)\n"
    )
    refusing = 'echo 0 > /proc/sys/user/max_mnt_namespaces && exec "$0" -c "$1"'
    output = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", refusing, sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    first, second = output.splitlines()
    assert first.startswith("containers on this machine: bwrap: ")
    assert "sudo sysctl -w user.max_mnt_namespaces=15000" in second
