"""Addresses that processes use, as calls that wait for this program's answer.

The kernel stops a process at each call that names a destination, and asks the holder of a
descriptor whether it may go on (seccomp_unotify(2)). This needs neither root nor a network
namespace, and fails closed: without a holder each such call ends with ENOSYS. It is a filter
against mistakes, not against attacks: a process could change the address in its memory after it
was read.

Only `bind`, `connect`, `sendmsg`, `sendmmsg`, and `sendto` with an address stop. What is sent over
a connection does not, nor what is received. `io_uring` and the calls of 32-bit programs, which
would get around it, end with ENOSYS as on a kernel that lacks them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.errors import SandboxError


@dataclass(frozen=True)
class _Machine:
    """Numbers of <asm/unistd.h>, and the architecture's of <linux/audit.h>."""

    arch: int
    seccomp: int
    bind: int
    connect: int
    sendto: int
    sendmsg: int
    sendmmsg: int


_MACHINES: Final = {
    "x86_64": _Machine(0xC000003E, 317, 49, 42, 44, 46, 307),
    "aarch64": _Machine(0xC00000B7, 277, 200, 203, 206, 211, 269),
}
_IO_URING_SETUP: Final = 425
_PIDFD_GETFD: Final = 438
_X32_CALLS: Final = 0x40000000

# <linux/filter.h> and <linux/seccomp.h>.
_LOAD_WORD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_OFFSET_OF_NUMBER: Final = 0
_OFFSET_OF_ARCH: Final = 4
_OFFSET_OF_ARGUMENTS: Final = 16
_RET_ALLOW: Final = 0x7FFF0000
_RET_USER_NOTIF: Final = 0x7FC00000
_RET_ENOSYS: Final = 0x00050000 | errno.ENOSYS
_SET_MODE_FILTER: Final = 1
_SPEC_ALLOW: Final = 1 << 2
_NEW_LISTENER: Final = 1 << 3
# From Linux 5.19 on: signals other than deadly ones don't restart a call that was read.
_WAIT_KILLABLE: Final = 1 << 5
_IOCTL_RECEIVE: Final = 0xC0502100
_IOCTL_SEND: Final = 0xC0182101
_CONTINUE: Final = 1
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")
_PR_SET_NO_NEW_PRIVS: Final = 38

_MSG_FASTOPEN: Final = 0x20000000
_MESSAGE_BYTES: Final = 56  # struct msghdr
_NUMBERED_MESSAGE_BYTES: Final = 64  # struct mmsghdr
_MOST_MESSAGES: Final = 1024
_MOST_ADDRESS_BYTES: Final = 128
_IPV4_BYTES: Final = 8
_IPV6_BYTES: Final = 24

_LIBC: Final = ctypes.CDLL(None, use_errno=True)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


@dataclass(frozen=True)
class Destination:
    """Where a call wants to connect or send to."""

    address: Address
    port: int


@dataclass(frozen=True)
class Call:
    """A call of a process that waits for an answer.

    Attributes:
        thread: Identifier of the calling thread.
        descriptor: Its socket, in the calling process.
        destinations: Where it wants to get to; none for other kinds of sockets.
        binds: True for bind(2), whose address is the socket's own.
        connects: True for connect(2), False for a message.
        opens: True if a message opens a TCP connection (MSG_FASTOPEN).
    """

    identifier: int
    thread: int
    descriptor: int
    destinations: tuple[Destination, ...]
    binds: bool
    connects: bool
    opens: bool

    @property
    def is_on_open_connection(self) -> bool:
        """True for a message that on a TCP socket needs an open connection."""
        return not self.connects and not self.opens

    def protocol(self) -> str:
        """Return ``TCP`` or ``UDP``; other sockets have no destination of the Internet.

        Raises:
            OSError: The process has ended, or may not be looked into.
        """
        with self._socket() as found:
            return "TCP" if found.type == socket.SOCK_STREAM else "UDP"

    def make(self, address: str, port: int | None = None) -> int:
        """Make the call itself, with another address, and with the same port unless one is given.

        Returns:
            The number of the error that it ended with; 0 for none.

        Raises:
            OSError: The process has ended, or may not be looked into.
        """
        with self._socket() as found:
            host = f"::ffff:{address}" if found.family == socket.AF_INET6 else address
            place = (host, self.destinations[0].port if port is None else port)
            try:
                if self.binds:
                    found.bind(place)
                else:
                    found.connect(place)
            except OSError as error:
                return error.errno or errno.EINVAL
            return 0

    def _socket(self) -> socket.socket:
        """Return the calling process's socket, which has to be closed."""
        status = Path(f"/proc/{self.thread}/status").read_text()
        process = os.pidfd_open(int(status.partition("\nTgid:")[2].split(None, 1)[0]))
        try:
            return socket.socket(fileno=_call(_PIDFD_GETFD, process, self.descriptor, 0))
        finally:
            os.close(process)


def listen() -> int:
    """Make all later children of the calling thread ask, and return the descriptor that is asked.

    The thread itself asks too, and can't stop to.

    Raises:
        SandboxError: This kernel or container does not offer it.
    """
    machine = _MACHINES.get(os.uname().machine)
    try:
        if machine is None:
            raise OSError(errno.ENOSYS, f"the calls of {os.uname().machine} are not known")
        code = ctypes.create_string_buffer(_filter(machine))
        program = _Program((len(code) - 1) // 8, ctypes.addressof(code))
        _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        flags = _NEW_LISTENER | _SPEC_ALLOW
        try:
            return _call(
                machine.seccomp, _SET_MODE_FILTER, flags | _WAIT_KILLABLE, ctypes.byref(program)
            )
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return _call(machine.seccomp, _SET_MODE_FILTER, flags, ctypes.byref(program))
    except OSError as error:
        raise SandboxError(
            "NetworkPolicies on this machine",
            why=f"the kernel can't ask about connections: {error.strerror}",
            remedy="use Linux 5.10 or later, outside of a container that uses seccomp's"
            " notifications itself (LXD, sysbox, gVisor)",
        ) from error


def receive(listener: int) -> Call | None:
    """Return the next waiting call; None if its process has ended meanwhile."""
    notification = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _IOCTL_RECEIVE, notification)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EINTR}:
            return None
        raise
    identifier, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(notification)
    machine = _MACHINES[os.uname().machine]
    try:
        found = tuple(_destinations(machine, number, thread, arguments))
    except OSError as error:
        # The kernel itself says what is wrong with an address that can't be read.
        answer(listener, identifier, 0 if error.errno == errno.EFAULT else errno.EPERM)
        return None
    flags = {machine.sendto: 3, machine.sendmsg: 2, machine.sendmmsg: 3}.get(number)
    opens = flags is not None and bool(arguments[flags] & _MSG_FASTOPEN)
    descriptor = arguments[0] & 0x7FFFFFFF
    binds, connects = number == machine.bind, number == machine.connect
    return Call(identifier, thread, descriptor, found, binds, connects, opens)


def answer(listener: int, identifier: int, error: int, *, made: bool = False) -> None:
    """Let a call go on, or end it with an error's number.

    Args:
        listener: The descriptor that was asked.
        identifier: The call's.
        error: Number of the error, 0 for none.
        made: True if the call was made already, so that it ends without an error too.
    """
    response = _RESPONSE.pack(identifier, 0, -error, 0 if error or made else _CONTINUE)
    try:
        fcntl.ioctl(listener, _IOCTL_SEND, response)
    except OSError as reason:
        if reason.errno != errno.ENOENT:  # Its process has ended.
            raise


def _filter(machine: _Machine) -> bytes:
    """Return the compiled filter."""
    address = _OFFSET_OF_ARGUMENTS + 8 * 4
    asked = (_RETURN, 0, 0, _RET_USER_NOTIF)
    absent = (_RETURN, 0, 0, _RET_ENOSYS)
    steps = (
        (_LOAD_WORD, 0, 0, _OFFSET_OF_ARCH),
        (_JUMP_IF_EQUAL, 1, 0, machine.arch),
        absent,
        (_LOAD_WORD, 0, 0, _OFFSET_OF_NUMBER),
        (_JUMP_IF_AT_LEAST, 0, 1, _X32_CALLS),
        absent,
        (_JUMP_IF_EQUAL, 0, 1, _IO_URING_SETUP),
        absent,
        *(
            step
            for number in (machine.bind, machine.connect, machine.sendmsg, machine.sendmmsg)
            for step in ((_JUMP_IF_EQUAL, 0, 1, number), asked)
        ),
        # send(2) is sendto without an address, in either half of the pointer.
        (_JUMP_IF_EQUAL, 0, 5, machine.sendto),
        (_LOAD_WORD, 0, 0, address),
        (_JUMP_IF_EQUAL, 0, 2, 0),
        (_LOAD_WORD, 0, 0, address + 4),
        (_JUMP_IF_EQUAL, 1, 0, 0),
        asked,
        (_RETURN, 0, 0, _RET_ALLOW),
    )
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _destinations(
    machine: _Machine, number: int, thread: int, arguments: list[int]
) -> Iterator[Destination]:
    if number in {machine.bind, machine.connect}:
        places = [(arguments[1], arguments[2])]
    elif number == machine.sendto:
        places = [(arguments[4], arguments[5])]
    elif number == machine.sendmsg:
        places = [_name(_read(thread, arguments[1], _MESSAGE_BYTES))]
    else:
        count = min(arguments[2] & 0xFFFFFFFF, _MOST_MESSAGES)
        size = _NUMBERED_MESSAGE_BYTES
        messages = _read(thread, arguments[1], count * size) if count else b""
        places = [_name(messages[start : start + size]) for start in range(0, count * size, size)]
    for pointer, length in places:
        if pointer and length:
            content = _read(thread, pointer, min(length & 0xFFFFFFFF, _MOST_ADDRESS_BYTES))
            found = _parse(content)
            if found is not None:
                yield found


def _name(message: bytes) -> tuple[int, int]:
    """Return pointer and length of the address of a ``struct msghdr``."""
    pointer, length = struct.unpack_from("=QI", message)
    return pointer, length


def _parse(content: bytes) -> Destination | None:
    """Return the destination of a ``struct sockaddr``; None for other families."""
    (family,) = struct.unpack_from("=H", content) if len(content) >= 2 else (0,)  # noqa: PLR2004 - its own size
    if family == socket.AF_INET and len(content) >= _IPV4_BYTES:
        port, raw = struct.unpack_from("!2xH4s", content)
        return Destination(ipaddress.IPv4Address(raw), port)
    if family == socket.AF_INET6 and len(content) >= _IPV6_BYTES:
        port, raw = struct.unpack_from("!2xH4x16s", content)
        address = ipaddress.IPv6Address(raw)
        return Destination(address.ipv4_mapped or address, port)
    return None


def _read(thread: int, pointer: int, length: int) -> bytes:
    """Return memory of a process, as much of it as there is."""
    content = ctypes.create_string_buffer(length)
    mine = _Vector(ctypes.addressof(content), length)
    theirs = _Vector(pointer, length)
    count = _check(
        _LIBC.process_vm_readv(thread, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    )
    if count < length:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
    return content.raw


def _call(number: int, *arguments: object) -> int:
    return _check(
        _LIBC.syscall(
            ctypes.c_long(number),
            *(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments),
        )
    )


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
