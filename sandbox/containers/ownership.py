"""Seccomp filter that makes changes of ownership succeed without root.

A user can map one uid into a container, so ``chown`` to any other fails. Every file of an image
then appears as the container user's anyway, so the filter lets such calls return success
without effect.
"""

from __future__ import annotations

import os
import struct

# <asm/unistd.h>: chown, fchown, lchown, fchownat, setgroups.
_CALLS = {
    "x86_64": (92, 93, 94, 260, 116),
    "aarch64": (55, 54, 159),
}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# <linux/filter.h> and <linux/seccomp.h>.
_LOAD_WORD = 0x20
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06
_OFFSET_OF_NUMBER = 0
_OFFSET_OF_ARCH = 4
_RET_ALLOW = 0x7FFF0000
_RET_SUCCESS = 0x00050000  # SECCOMP_RET_ERRNO with error 0


def pretending() -> bytes:
    """Return the compiled filter for ``bwrap --seccomp``; empty on other architectures."""
    machine = os.uname().machine
    calls = _CALLS.get(machine)
    if calls is None:
        return b""
    steps = [
        (_LOAD_WORD, 0, 0, _OFFSET_OF_ARCH),
        (_JUMP_IF_EQUAL, 0, len(calls) + 1, _AUDIT_ARCH[machine]),
        (_LOAD_WORD, 0, 0, _OFFSET_OF_NUMBER),
        # The last instruction is "success", the one before it "allow".
        *(
            (_JUMP_IF_EQUAL, len(calls) - position, 0, number)
            for position, number in enumerate(calls)
        ),
        (_RETURN, 0, 0, _RET_ALLOW),
        (_RETURN, 0, 0, _RET_SUCCESS),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
