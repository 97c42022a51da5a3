"""Processes in real containers ask before they connect, by every call that names a destination."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from sandbox.containers import runtime
from sandbox.containers.connections import Call, Destination
from sandbox.containers.runtime import ContainerSpec
from sandbox.node.gate import Gate, Judge, Launcher, Redirect

pytestmark = pytest.mark.sandbox

ADDRESS = "127.0.0.1"


class Asked:
    """A judge that refuses chosen ports, and remembers what it was asked."""

    def __init__(self, *refused: int, error: int = errno.ETIMEDOUT) -> None:
        self.calls: list[tuple[Destination, str]] = []
        self._refused = refused
        self._error = error

    def __call__(self, call: Call) -> int:
        for destination in call.destinations:
            self.calls.append((destination, call.protocol()))
            if destination.port in self._refused:
                return self._error
        return 0


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@contextmanager
def launching(gate: Gate, judge: Judge) -> Iterator[Launcher]:
    launcher = gate.launcher(judge)
    try:
        yield launcher
    finally:
        launcher.close()


def python(launcher: Launcher, script: str, uid: int = 10001) -> list[str]:
    """Lines that a script prints in a container."""
    spec = ContainerSpec(layers=(), argv=("python3", "-c", script), env={}, uid=uid, gid=uid)
    process = launcher.call(
        lambda: runtime.popen(spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    )
    output, _ = process.communicate(timeout=60)
    return output.decode().splitlines()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((ADDRESS, 0)) as listening:
        yield listening


def port_of(server: socket.socket) -> int:
    found: int = server.getsockname()[1]
    return found


TRY = """
import socket
def attempt(port, kind=socket.SOCK_STREAM, how="connect", host="127.0.0.1", family=socket.AF_INET):
    with socket.socket(family, kind) as s:
        try:
            match how:
                case "connect": s.connect((host, port))
                case "sendto": s.sendto(b"x", (host, port))
                case "sendmsg": s.sendmsg([b"x"], [], 0, (host, port))
                case "fast": s.sendto(b"x", socket.MSG_FASTOPEN, (host, port))
        except OSError as error:
            print(how, error.strerror, flush=True)
        else:
            print(how, "done", flush=True)
"""


def test_a_connection_is_allowed_or_ends_with_the_error_chosen(
    gate: Gate, server: socket.socket
) -> None:
    allowed, refused = port_of(server), 6379
    asked = Asked(refused)
    with launching(gate, asked) as launcher:
        lines = python(launcher, f"{TRY}\nattempt({allowed}); attempt({refused})")
    assert lines == ["connect done", "connect Connection timed out"]
    assert asked.calls == [
        (Destination(ip_address(ADDRESS), allowed), "TCP"),
        (Destination(ip_address(ADDRESS), refused), "TCP"),
    ]


@pytest.mark.parametrize(("family", "host"), [("AF_INET", "0.0.0.0"), ("AF_INET6", "::")])
def test_a_call_is_made_with_another_address(gate: Gate, family: str, host: str) -> None:
    own = "127.99.0.7"

    def redirect(call: Call) -> int | Redirect:
        elsewhere = any(one.address.is_unspecified for one in call.destinations)
        return Redirect(own) if elsewhere or (call.connects and call.destinations) else 0

    script = f"""
import errno, socket
with socket.socket(socket.{family}) as listening, socket.socket() as client:
    if socket.{family} == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listening.bind(("{host}", 18099))
    listening.listen()
    print(listening.getsockname()[0])
    client.connect(("127.0.0.1", 18099))
    print(client.getpeername()[0])
    try:
        socket.create_server(("{own}", 18099))
    except OSError as error:
        print(error.errno == errno.EADDRINUSE)
"""
    with launching(gate, redirect) as launcher:
        lines = python(launcher, script)
    mapped = "::ffff:" if family == "AF_INET6" else ""
    assert lines == [f"{mapped}{own}", own, "True"]


def test_a_call_that_can_not_be_made_ends_with_its_own_error(gate: Gate) -> None:
    script = """
import socket
try:
    socket.socket().bind(("0.0.0.0", 18098))
except OSError as error:
    print(error.strerror)
"""

    def judge(call: Call) -> int | Redirect:
        return Redirect("192.0.2.1") if call.binds and call.destinations else 0

    with launching(gate, judge) as launcher:
        assert python(launcher, script) == ["Cannot assign requested address"]


@pytest.mark.parametrize("how", ["connect", "sendto", "sendmsg"])
def test_a_datagram_asks_by_each_call(gate: Gate, how: str) -> None:
    asked = Asked(53, error=errno.EPERM)
    with launching(gate, asked) as launcher:
        lines = python(launcher, f"{TRY}\nattempt(53, socket.SOCK_DGRAM, {how!r})")
    assert lines == [f"{how} Operation not permitted"]
    assert asked.calls == [(Destination(ip_address(ADDRESS), 53), "UDP")]


def test_a_message_that_opens_a_connection_asks(gate: Gate, server: socket.socket) -> None:
    asked = Asked(port_of(server))
    with launching(gate, asked) as launcher:
        lines = python(launcher, f"{TRY}\nattempt({port_of(server)}, how='fast')")
    assert lines == ["fast Connection timed out"]
    assert asked.calls[0][1] == "TCP"


def test_addresses_of_version_6_are_read_and_mapped_ones_are_of_version_4(gate: Gate) -> None:
    script = f"{TRY}\nfor host in '::1', '::ffff:10.0.0.9': attempt(80, host=host, family=10)"
    asked = Asked(80)
    with launching(gate, asked) as launcher:
        python(launcher, script)
    assert [str(destination.address) for destination, _ in asked.calls] == ["::1", "10.0.0.9"]


def test_several_messages_in_one_call_ask_for_each(gate: Gate) -> None:
    script = """
import ctypes, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
keep, messages = [], b""
for port in 1000, 1001:
    name = ctypes.create_string_buffer(struct.pack("=H", 2) + struct.pack("!H4s8x", port, b"\\x7f\\0\\0\\1"), 16)
    data = ctypes.create_string_buffer(b"x")
    vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(data), 1), 16)
    keep += [name, data, vector]
    messages += struct.pack("=QIxxxxQQQQixxxxIxxxx", ctypes.addressof(name), 16, ctypes.addressof(vector), 1, 0, 0, 0, 0)
s = socket.socket(type=socket.SOCK_DGRAM)
print(libc.sendmmsg(s.fileno(), ctypes.create_string_buffer(messages), 2, 0), ctypes.get_errno())
"""  # noqa: E501 - structures of the kernel
    asked = Asked(1001, error=errno.EPERM)
    with launching(gate, asked) as launcher:
        assert python(launcher, script) == [f"-1 {errno.EPERM}"]
    assert [destination.port for destination, _ in asked.calls] == [1000, 1001]


def test_what_has_no_destination_of_the_internet_does_not_ask(gate: Gate) -> None:
    script = """
import socket
a, b = socket.socketpair()
a.send(b"1"); a.sendmsg([b"2"]); print(b.recv(2))
try:
    socket.socket(socket.AF_UNIX).connect("/nowhere")
except OSError as error:
    print(error.strerror)
"""
    asked = Asked()
    with launching(gate, asked) as launcher:
        assert python(launcher, script) == ["b'12'", "No such file or directory"]
    assert asked.calls == []


def test_an_address_that_can_not_be_read_is_the_kernels_to_refuse(gate: Gate) -> None:
    script = """
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket()
print(libc.connect(s.fileno(), ctypes.c_void_p(8), 16), ctypes.get_errno())
"""
    with launching(gate, Asked()) as launcher:
        assert python(launcher, script) == [f"-1 {errno.EFAULT}"]


def test_there_is_no_way_around_by_io_uring(gate: Gate) -> None:
    script = "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(425, 1, 0), ctypes.get_errno())"  # noqa: E501 - one line of a script
    with launching(gate, Asked()) as launcher:
        assert python(launcher, script) == [f"-1 {errno.ENOSYS}"]


def test_a_judge_that_fails_lets_nothing_through(gate: Gate, server: socket.socket) -> None:
    def broken(_call: Call) -> int:
        raise ValueError

    with launching(gate, broken) as launcher:
        lines = python(launcher, f"{TRY}\nattempt({port_of(server)})")
    assert lines == ["connect Operation not permitted"]


def test_threads_and_children_ask_too(gate: Gate) -> None:
    script = f"""{TRY}
import os, threading
thread = threading.Thread(target=attempt, args=(1,)); thread.start(); thread.join()
if os.fork() == 0:
    attempt(2)
else:
    os.wait()
"""
    asked = Asked(1, 2)
    with launching(gate, asked) as launcher:
        assert python(launcher, script) == ["connect Connection timed out"] * 2
    assert [(destination.port, kind) for destination, kind in asked.calls] == [
        (1, "TCP"),
        (2, "TCP"),
    ]


def test_nothing_is_left_of_a_launcher_that_is_closed(gate: Gate) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    def settled() -> bool:
        return gate.watched == 0

    deadline = time.monotonic() + 10
    while not settled():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    before = descriptors(), threads()
    spec = ContainerSpec(layers=(), argv=("sleep", "1000"), env={})
    launchers = [gate.launcher(Asked()) for _ in range(5)]
    started = [
        launcher.call(lambda: runtime.popen(spec, stdout=None, stderr=None))
        for launcher in launchers
    ]
    for launcher in launchers:
        launcher.close()
    # They end with the thread that started them.
    assert {process.wait(timeout=30) for process in started} <= {-9, 128 + signal.SIGKILL}
    while not settled():
        assert time.monotonic() < deadline + 30
        time.sleep(0.01)
    # Those of earlier tests may have been closed meanwhile.
    assert descriptors() <= before[0]
    assert threads() <= before[1]


def test_without_a_holder_each_call_fails_and_none_gets_through(
    server: socket.socket, tmp_path: Path
) -> None:
    script = f"""
import os, subprocess, sys, threading
from sandbox.containers import connections
listener = connections.listen()
child = subprocess.Popen([sys.executable, "-c", {f"{TRY}{chr(10)}input(); attempt({port_of(server)})"!r}], stdin=subprocess.PIPE)
os.close(listener)
child.communicate(b"go\\n")
"""  # noqa: E501 - a script
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.splitlines() == ["connect Function not implemented"]


def test_a_launcher_that_is_closed_starts_nothing(gate: Gate) -> None:
    launcher = gate.launcher(Asked())
    launcher.close()
    with pytest.raises(RuntimeError, match="have ended"):
        launcher.call(lambda: None)
