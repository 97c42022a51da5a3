from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.containers import runtime
from sandbox.containers.runtime import ContainerSpec, Mount
from sandbox.errors import SandboxError

pytestmark = pytest.mark.sandbox

NOBODY = 10001


def run(
    command: str,
    *,
    layers: tuple[Path, ...] = (),
    env: Mapping[str, str] | None = None,
    mounts: tuple[Mount, ...] = (),
    **options: object,
) -> tuple[int, str]:
    spec = ContainerSpec(
        layers=layers,
        argv=("/bin/sh", "-c", command),
        env=env or {},
        mounts=mounts,
        **options,  # type: ignore[arg-type]
    )
    process = runtime.popen(spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that another uid may write to, below one that it can't enter."""
    folder = tmp_path / "locked" / "a,b:c"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    folder.parent.chmod(0o700)
    return folder


def test_the_process_is_alone_in_its_namespace() -> None:
    script = "ls -d /proc/[0-9]* | wc -l; exit 7"  # bubblewrap, the shell, ls and wc.
    spec = ContainerSpec(layers=(), argv=("/bin/sh", "-c", script), env={})
    process = runtime.popen(spec, stdout=subprocess.PIPE, stderr=None)
    output, _ = process.communicate(timeout=60)
    assert int(output) <= 4
    assert process.returncode == 7


def test_a_signal_reaches_the_program_and_its_end_takes_what_it_started() -> None:
    script = "trap 'exit 5' TERM; sleep 1000 & echo up; wait"
    spec = ContainerSpec(layers=(), argv=("/bin/sh", "-c", script), env={})
    process = runtime.popen(spec, stdout=subprocess.PIPE, stderr=None)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 5
    assert process.stdout.read() == b"", "what it started still holds the pipe"


def test_killing_it_is_reported_as_a_container_engine_does() -> None:
    spec = ContainerSpec(layers=(), argv=("/bin/sleep", "60"), env={})
    process = runtime.popen(spec, stdout=None, stderr=None)
    process.kill()
    assert process.wait(timeout=60) == 128 + signal.SIGKILL


def test_the_process_has_the_identity_asked_for_and_no_privilege() -> None:
    code, output = run(
        "id -u; id -g; id -G; grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs' /proc/self/status;"
        " grep -c : /etc/passwd; whoami",
        uid=NOBODY,
        gid=NOBODY + 1,
    )
    lines = output.splitlines()
    assert (code, lines[0], lines[1]) == (0, str(NOBODY), str(NOBODY + 1))
    assert lines[2].split()[0] == str(NOBODY + 1)
    assert [line.split()[1] for line in lines[3:7]] == ["0000000000000000"] * 4
    assert lines[7] == "NoNewPrivs:\t1"
    assert lines[-1] == f"uid{NOBODY}"


def test_uid_0_inside_holds_no_capability_either() -> None:
    code, output = run("id -u; grep -E 'Cap(Eff|Bnd)' /proc/self/status; chown 1 /tmp")
    lines = output.splitlines()
    assert lines[:3] == ["0", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"]
    assert code != 0


def test_the_environment_is_the_specs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_OF_THE_CALLER", "hidden")
    code, output = run("env", env={"DATABASE_NAME": "app"}, uid=NOBODY, gid=NOBODY)
    names = {line.partition("=")[0] for line in output.splitlines()}
    assert code == 0
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME", "DATABASE_NAME"}


def test_no_secret_is_ever_an_argument(folder: Path) -> None:
    fifo = folder / "ready"
    os.mkfifo(fifo)
    spec = ContainerSpec(
        layers=(),
        argv=("/bin/sh", "-c", "read line < /f/ready"),
        env={"TOKEN": "dGhlIHRva2Vu"},
        mounts=(Mount(folder, "/f"),),
    )
    # The launcher's command line is the one that the caller built.
    process = runtime.popen(spec, stdout=None, stderr=None)
    assert isinstance(process.args, list)
    assert not any("dGhlIHRva2Vu" in str(argument) for argument in process.args)
    fifo.write_text("go\n")
    assert process.wait(timeout=60) == 0


def test_nothing_of_the_machines_data_is_visible() -> None:
    checkout = Path(__file__).resolve().parents[3]
    code, output = run(f"ls -A /root /home /var/lib /opt /tmp /run; ls -d {checkout} /work")
    assert code != 0
    listed = [line for line in output.splitlines() if line and not line.endswith(":")]
    # What apt needs to know of /usr.
    assert all("No such file" in line or line == "dpkg" for line in listed), listed


def test_shadowed_passwords_are_locked() -> None:
    code, output = run("cat /etc/shadow")
    assert code == 0
    assert {line.split(":")[1] for line in output.splitlines()} == {"*"}


def test_the_interpreter_is_the_sandboxes_own_and_lacks_its_packages() -> None:
    code, output = run(
        "command -v python; command -v python3; python -c 'import sys; print(sys.version)';"
        "python3 -c 'import importlib.util as u; print(u.find_spec(\"moto\"))'; pip --version",
        uid=NOBODY,
        gid=NOBODY,
    )
    lines = output.splitlines()
    assert code == 0, output
    assert lines[:2] == ["/usr/local/bin/python", "/usr/local/bin/python3"]
    assert lines[2] == sys.version.splitlines()[0].strip() or sys.version in output
    assert "None" in lines


def test_layers_cover_the_machine_and_each_other(folder: Path) -> None:
    lower, upper = folder / "lower", folder / "upper"
    for layer, text in ((lower, "lower"), (upper, "upper")):
        for path in ("app/both", "usr/share/both", "etc/both", f"app/{text}", f"etc/{text}"):
            (layer / path).parent.mkdir(parents=True, exist_ok=True)
            (layer / path).write_text(text)
    code, output = run(
        "cat /app/both /usr/share/both /etc/both /app/lower /app/upper /etc/lower /etc/upper;"
        "ls /usr/bin/env /etc/passwd",
        layers=(upper, lower),
        uid=NOBODY,
        gid=NOBODY,
    )
    assert code == 0, output
    assert output.startswith("upperupperupperlowerupperlowerupper/")


def test_an_image_may_have_the_same_layer_twice(folder: Path) -> None:
    """Two instructions with the same result make the same layer, which overlayfs takes once."""
    one, other = folder / "one", folder / "other"
    for layer in (one, other):
        for path in ("app/which", "usr/share/which"):
            (layer / path).parent.mkdir(parents=True, exist_ok=True)
            (layer / path).write_text(layer.name)
    (other / "app/more").write_text("more")
    code, output = run(
        "cat /app/which /usr/share/which /app/more", layers=(one, one, other, one), uid=NOBODY
    )
    assert (code, output) == (0, "oneonemore")


def test_writes_go_to_memory_and_are_forgotten(folder: Path) -> None:
    (folder / "app").mkdir()
    (folder / "app/file").write_text("image\n")
    command = "echo changed > /app/file && echo x > /tmp/new && cat /app/file"
    for _ in range(2):
        assert run(f"ls /tmp; {command}", layers=(folder,)) == (0, "changed\n")
    assert (folder / "app/file").read_text() == "image\n"
    assert sorted(path.name for path in folder.rglob("*")) == ["app", "file"]


def test_a_read_only_root_leaves_only_mounts_and_tmpfs_writable(folder: Path) -> None:
    (folder / "data").mkdir(mode=0o777)
    (folder / "data").chmod(0o777)
    code, output = run(
        "for f in / /tmp /etc /usr/local /usr /run /var/lib /readable /scratch /data; do"
        ' touch $f/file 2>/dev/null && echo "$f"; done; true',
        read_only_root=True,
        tmpfs=("/scratch",),
        mounts=(
            Mount(folder, "/readable"),
            Mount(folder / "data", "/data", read_only=False),
        ),
        uid=NOBODY,
        gid=NOBODY,
    )
    assert (code, output.split()) == (0, ["/scratch", "/data"])
    assert (folder / "data/file").exists()
    assert not (folder / "file").exists()


def test_files_and_nested_targets_can_be_mounted_where_the_image_has_nothing(folder: Path) -> None:
    (folder / "token").write_text("secret")
    code, output = run(
        "cat /var/run/secrets/token /etc/ssl/inner/deep/token /run/secrets/token",
        mounts=(
            Mount(folder / "token", "/var/run/secrets/token"),
            Mount(folder, "/etc/ssl/inner/deep"),
        ),
        uid=NOBODY,
        gid=NOBODY,
    )
    assert (code, output) == (0, "secret" * 3)


def test_devices_work_and_disks_are_absent() -> None:
    code, output = run(
        "echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c"
        " && touch /dev/shm/x && echo out > /dev/stdout && ls /dev",
        uid=NOBODY,
        gid=NOBODY,
    )
    assert code == 0, output
    assert output.split()[:3] == ["4", "4", "out"]
    assert not {name for name in output.split() if name.startswith(("vd", "sd", "nvme", "mem"))}


def test_hostname_and_working_directory(folder: Path) -> None:
    code, output = run(
        "hostname; pwd",
        hostname="pod-1",
        cwd="/work-here",
        mounts=(Mount(folder, "/work-here"),),
    )
    assert (code, output.split()) == (0, ["pod-1", "/work-here"])
    assert os.uname().nodename != "pod-1"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away")
def test_the_working_directory_may_be_the_users_alone(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    folder.chmod(0o700)
    code, output = run(
        "pwd; touch file",
        cwd="/own",
        mounts=(Mount(folder, "/own", read_only=False),),
        uid=NOBODY,
        gid=NOBODY,
    )
    assert (code, output) == (0, "/own\n")
    assert (folder / "file").stat().st_uid == NOBODY


def test_a_broken_pipe_kills_as_it_does_outside() -> None:
    code, output = run("(yes; echo $? >&2) | head -n 1 >/dev/null; grep SigIgn /proc/self/status")
    ended, _, ignored = output.split()
    assert (code, int(ended)) == (0, 128 + signal.SIGPIPE)
    # What else may be ignored was so before Python started, by whoever started it.
    by_python = {signal.SIGPIPE, signal.SIGXFSZ}
    assert not {number for number in by_python if int(ignored, 16) >> (number - 1) & 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"argv": ("nosuch",)}, "nosuch: not found"),
        ({"argv": ("/nosuch",)}, "/nosuch: not found"),
        ({"argv": ("/etc/passwd",)}, "/etc/passwd: Permission denied"),
        ({"cwd": "/nowhere"}, "/nowhere: No such file or directory"),
        ({"layers": (Path("/no/layer"),)}, "/no/layer: No such file or directory"),
        ({"mounts": (Mount(Path("/no/volume"), "/v"),)}, "/no/volume: No such file or directory"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(options: dict[str, object], message: str) -> None:
    spec = ContainerSpec(**{"layers": (), "argv": ("/bin/true",), "env": {}} | options)  # type: ignore[arg-type]
    process = runtime.popen(spec, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert message in (runtime.start_error(stderr) or "")
    assert stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"argv": ()}, "argv"),
        ({"env": {"A=B": "x"}}, "env"),
        ({"env": {"A": "x\0"}}, "NUL"),
        ({"cwd": "app"}, "cwd"),
        ({"tmpfs": ("/a/../b",)}, "tmpfs"),
        ({"uid": -1}, "uid"),
        ({"hostname": "a b"}, "hostname"),
    ],
)
def test_a_spec_that_cannot_be_honoured_is_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(SandboxError, match=named):
        ContainerSpec(**{"layers": (), "argv": ("true",), "env": {}} | options)  # type: ignore[arg-type]


def test_it_dies_with_its_parent() -> None:
    script = (
        "import subprocess, sys\n"
        "from sandbox.containers.runtime import ContainerSpec, popen\n"
        "spec = ContainerSpec(layers=(), argv=('/bin/sh', '-c', 'echo up; sleep 60'), env={},"
        f" uid={NOBODY}, gid={NOBODY})\n"
        "process = popen(spec, stdout=subprocess.PIPE, stderr=None)\n"
        "process.stdout.readline()\n"
        "print(process.init, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait(timeout=60)
    assert _ends(child), "the container outlived its parent"


@pytest.mark.parametrize("moment", ["until_bound", "_program"])
def test_it_never_begins_when_its_parent_dies_while_it_is_started(
    moment: str, folder: Path
) -> None:
    begun = folder / "begun"
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from sandbox.containers.runtime import ContainerProcess, ContainerSpec, Mount, popen\n"
        "def die(container):\n"
        "    print(container.init, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"ContainerProcess.{moment} = die\n"
        "mount = Mount(Path(sys.argv[1]), '/shared', read_only=False)\n"
        "argv = ('/bin/sh', '-c', 'touch /shared/begun; sleep 60')\n"
        "popen(ContainerSpec(layers=(), argv=argv, env={}, mounts=(mount,)), stdout=None,"
        " stderr=None)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, timeout=60, check=False
    )
    assert parent.returncode == -signal.SIGKILL
    assert _ends(int(parent.stdout)), "the container outlived its parent"
    assert not begun.exists()


def test_what_bubblewrap_leaves_when_it_is_killed_with_its_parent_ends(tmp_path: Path) -> None:
    """Bubblewrap's child waits forever for one that was killed between clone and its word."""
    killed = tmp_path / "bwrap"
    killed.write_text(
        f"#!{sys.executable}\n"
        "import json, os, signal, subprocess, sys\n"
        "options = open(int(sys.argv[2])).read().split(chr(0))\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "with open(int(options[options.index('--info-fd') + 1]), 'w') as information:\n"
        "    json.dump({'child-pid': child.pid}, information)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed.chmod(0o755)
    script = (
        "import os, signal, sys\n"
        "from sandbox.containers import runtime\n"
        "def die(container):\n"
        "    print(container.init, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "runtime.ContainerProcess.until_bound = die\n"
        "runtime.bwrap_path = lambda: sys.argv[1]\n"
        "spec = runtime.ContainerSpec(layers=(), argv=('/bin/true',), env={})\n"
        "runtime.popen(spec, stdout=None, stderr=None)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", script, str(killed)],
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert parent.returncode == -signal.SIGKILL
    assert _ends(int(parent.stdout)), "bubblewrap's child outlived its parent"


def _ends(pid: int) -> bool:
    """Return True if a process has ended, or ends within a minute."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        # An orphan is reaped by whoever adopts it; its end can be seen all the same.
        return bool(select.select([descriptor], [], [], 60)[0])
    finally:
        os.close(descriptor)


def test_a_command_is_run_inside_with_the_containers_identity() -> None:
    spec = ContainerSpec(
        layers=(), argv=("/bin/sleep", "60"), env={}, uid=NOBODY, gid=NOBODY, hostname="pod-1"
    )
    container = runtime.popen(spec, stdout=None, stderr=None)
    while not container.executes():
        assert container.poll() is None
    command = runtime.enter(container, spec, ("sh", "-c", "id -u; grep -c . /proc/1/comm; pwd"))
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.split() == [str(NOBODY), "1", "/"]
    container.kill()
    container.wait(60)


def test_starting_costs_little() -> None:
    runtime.check_machine()
    spec = ContainerSpec(layers=(), argv=("/bin/true",), env={}, uid=NOBODY, gid=NOBODY)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(10):
        assert runtime.popen(spec, stdout=None, stderr=None).wait(timeout=60) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time, which does not depend on what else the machine does; 20 ms when measured.
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used / 10 < 0.060
