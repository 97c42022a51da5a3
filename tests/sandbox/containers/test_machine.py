from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.containers import runtime


@pytest.mark.parametrize(
    ("setting", "value", "command"),
    [
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            "kernel/unprivileged_userns_clone",
            "0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
    ],
)
def test_the_remedy_names_the_setting_that_refuses(
    tmp_path: Path, setting: str, value: str, command: str
) -> None:
    (tmp_path / setting).parent.mkdir(parents=True)
    (tmp_path / setting).write_text(f"{value}\n")
    assert command in runtime.remedy(str(tmp_path))


def test_without_such_a_setting_the_remedy_is_root(tmp_path: Path) -> None:
    assert "run as root" in runtime.remedy(str(tmp_path))


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
