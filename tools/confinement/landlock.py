"""Confinement without bubblewrap: Landlock for files, TCP and other processes, a system call filter for sockets.

Landlock (landlock(7), Linux 5.13) takes rights away from the process that asks, and from all that it starts, without
any privilege. It can't hide path sockets such as Docker's or a database's, nor UDP: so a small seccomp filter refuses
to make sockets at all (and io_uring, which could make them behind its back).

Part of the launcher, and so free of the product's modules and of packages. The numbers are those of the kernel's
headers linux/landlock.h, linux/seccomp.h, linux/audit.h.
"""

import contextlib
import ctypes
import os
import platform
import stat
import struct
from collections.abc import Sequence

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG = 1
RULE_PATH_BENEATH = 1
NO_NEW_PRIVS, SET_SECCOMP, SECCOMP_FILTER, DROP_FROM_BOUND = 38, 22, 2, 24
CAPABILITIES, CAPABILITIES_VERSION = 64, 0x20080522

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
# The rights over files that each version of the interface added to those of the first, 13 of them.
FIRST_RIGHTS = (1 << 13) - 1
ADDED_RIGHTS = {2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READING = EXECUTE | READ_FILE | READ_DIR
TCP_VERSION, BIND_AND_CONNECT_TCP = 4, 3
SCOPE_VERSION, ABSTRACT_SOCKETS_AND_SIGNALS = 6, 3

# By machine: AUDIT_ARCH, and the numbers of socket and of io_uring_setup.
MACHINES = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
X32_BIT = 0x40000000
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # 1 is EPERM
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_AT, MACHINE_AT = 0, 4

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Which version of Landlock the kernel offers; 0 for none."""
    return max(int(_libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION_FLAG))), 0)


def can_refuse_sockets() -> bool:
    """Whether the filter knows this kind of machine."""
    return platform.machine() in MACHINES


def restrict(*, readable: Sequence[str], writable: Sequence[str]) -> None:
    """Takes from this process, for good, all files but those below `readable` and `writable`, and all sockets.

    What is not there is left out. Raises OSError when the kernel refuses: then nothing must be started.
    """
    known = version()
    if not known or not can_refuse_sockets():
        raise OSError("This kernel offers no Landlock.")
    handled = FIRST_RIGHTS | sum(right for since, right in ADDED_RIGHTS.items() if since <= known)
    ruleset = _ruleset(known, handled)
    for path in readable:
        _allow_below(ruleset, path, READING & handled)
    for path in writable:
        _allow_below(ruleset, path, handled & ~IOCTL_DEV)
    _checked(_libc.prctl(NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))
    _checked(_libc.syscall(RESTRICT_SELF, ruleset, ctypes.c_uint32(0)))
    os.close(ruleset)
    drop_capabilities()
    _refuse_sockets()


def _ruleset(known: int, handled: int) -> int:
    network = BIND_AND_CONNECT_TCP if known >= TCP_VERSION else 0
    scoped = ABSTRACT_SOCKETS_AND_SIGNALS if known >= SCOPE_VERSION else 0
    # Older kernels want a shorter structure, or its end zero.
    attributes = struct.pack("=QQQ", handled, network, scoped)
    return _checked(_libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)))


def _allow_below(ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(folder).st_mode):
                rights &= OF_A_FILE
            rule = struct.pack("=Qi", rights, folder)
            _checked(_libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, ctypes.c_uint32(0)))
        finally:
            os.close(folder)


def drop_capabilities() -> None:
    """For a service that runs as root: with CAP_PERFMON it could read others' environments, Landlock or not."""
    for capability in range(CAPABILITIES):
        _libc.prctl(DROP_FROM_BOUND, *map(ctypes.c_ulong, (capability, 0, 0, 0)))  # refused to others: they have none
    header = struct.pack("=Ii", CAPABILITIES_VERSION, 0)
    _checked(_libc.capset(header, struct.pack("=6I", *[0] * 6)))


def _refuse_sockets() -> None:
    machine, socket_call, ring_call = MACHINES[platform.machine()]
    # Each: code, jump when true, jump when false, value. The jumps count the instructions to pass over.
    program = [
        (LOAD, 0, 0, MACHINE_AT),
        (JUMP_EQUAL, 1, 0, machine),
        (RETURN, 0, 0, KILL),  # calls of another machine's numbers (32 bit) would pass by the rest
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_AT_LEAST, 2, 0, X32_BIT),
        (JUMP_EQUAL, 1, 0, socket_call),
        (JUMP_EQUAL, 0, 1, ring_call),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(code))
    _checked(_libc.prctl(SET_SECCOMP, SECCOMP_FILTER, filter_program, 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
