"""What the kernel takes from a process before it runs generated code: files, network, other processes, memory without end.

The checks and meters of the sandbox (``check``, ``rewrite``, ``guards``) are the wall; this is the ditch behind it. A program that found a
way through the wall would be in a process that can read this package and its own folder, write its own folder, and speak to its trainer.
Linux on x86-64 and aarch64; ``man 2 seccomp``, ``man 7 landlock``.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maestromotif.errors import ProgramError

__all__ = ["ISOLATION", "LAYERS", "Confinement", "address_space", "confine", "confine_or_refuse", "readable_paths"]

# This variable of the environment says what to do where something is missing: "require", the default, or "best-effort";
# "off" takes nothing, for environments that need what is taken.
ISOLATION = "MAESTROMOTIF_ISOLATION"

LAYERS = ("new privileges", "system calls", "files", "network", "memory")

# prctl
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWNET = 0x40000000

# System calls that take nothing from anybody: of memory, time, threads, and of files, which landlock looks after. Their numbers on x86-64
# and aarch64; -1 where there is none. Nothing that begins a program or a connection, sends signals, or changes rights and owners of files.
_ALLOWED: Mapping[str, tuple[int, int]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "preadv": (295, 69), "pwritev": (296, 70), "lseek": (8, 62), "close": (3, 57), "close_range": (436, 436), "fstat": (5, 80),
    "newfstatat": (262, 79), "stat": (4, -1), "lstat": (6, -1), "statx": (332, 291), "access": (21, -1), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, -1), "readlinkat": (267, 78), "getcwd": (79, 17), "open": (2, -1), "openat": (257, 56),
    "openat2": (437, 437), "creat": (85, -1), "dup": (32, 23), "dup2": (33, -1), "dup3": (292, 24), "fcntl": (72, 25), "flock": (73, 32),
    "fsync": (74, 82), "fdatasync": (75, 83), "ftruncate": (77, 46), "truncate": (76, 45), "fallocate": (285, 47),
    "fadvise64": (221, 223), "getdents": (78, -1), "getdents64": (217, 61), "mkdir": (83, -1), "mkdirat": (258, 34), "rmdir": (84, -1),
    "unlink": (87, -1), "unlinkat": (263, 35), "rename": (82, -1), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, -1),
    "linkat": (265, 37), "umask": (95, 166), "statfs": (137, 43), "fstatfs": (138, 44), "pipe": (22, -1), "pipe2": (293, 59),
    "poll": (7, -1), "ppoll": (271, 73), "select": (23, -1), "pselect6": (270, 72), "epoll_create1": (291, 20), "epoll_ctl": (233, 21),
    "epoll_wait": (232, -1), "epoll_pwait": (281, 22), "eventfd2": (290, 19), "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216),
    "mprotect": (10, 226), "madvise": (28, 233), "mincore": (27, 232), "msync": (26, 227), "mlock": (149, 228), "munlock": (150, 229),
    "brk": (12, 214), "futex": (202, 98), "get_robust_list": (274, 100), "set_robust_list": (273, 99), "rseq": (334, 293),
    "membarrier": (324, 283), "set_tid_address": (218, 96), "arch_prctl": (158, -1), "gettid": (186, 178), "getpid": (39, 172),
    "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "getpgrp": (111, -1), "getpgid": (121, 155),
    "getsid": (124, 156), "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120), "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126), "getcpu": (309, 168),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, -1), "times": (100, 153), "getrusage": (98, 165), "sysinfo": (99, 179), "uname": (63, 160),
    "getrandom": (318, 278), "getitimer": (36, 102), "setitimer": (38, 103), "alarm": (37, -1), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94), "recvfrom": (45, 207),
    "sendto": (44, 206), "shutdown": (48, 210), "getsockopt": (55, 209), "getsockname": (51, 204), "getpeername": (52, 205),
    "get_mempolicy": (239, 236),
}  # fmt: skip
# Those that are allowed with some arguments only.
_CLONE, _CLONE3, _PRCTL, _PRLIMIT, _TGKILL, _KILL_CALL, _IOCTL = (
    (56, 220),
    (435, 435),
    (157, 167),
    (302, 261),
    (234, 131),
    (62, 129),
    (16, 29),
)
_CLONE_THREAD = 0x10000
_PRCTLS = (15, 16, 0x53564D41)  # names of threads and of memory
_IOCTLS = (0x5401, 0x541B, 0x5421, 0x5451, 0x5413)  # is it a terminal, bytes to read, blocking, close on exec, size of the terminal
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = (317, 277)

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, read a folder
# Rights over files that each version of landlock knows, and what it knows of networks and of other processes.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_ON_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # those that make sense for a file: execute, write, read, truncate, ioctl


@dataclass(frozen=True)
class Confinement:
    """What was taken, and what this kernel could not take, each with the reason."""

    missing: Mapping[str, str]

    @property
    def complete(self) -> bool:
        return not self.missing


def readable_paths() -> list[Path]:
    """What an interpreter needs to read to go on: itself, its packages, the libraries of the system.

    The person's home is not among them, even where Python was started in it.
    """
    home = Path(os.path.expanduser("~")).resolve()
    imported = [entry for entry in sys.path if entry and not home.is_relative_to(Path(entry).resolve())]
    own = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), *imported}
    system = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/proc/self", "/proc/meminfo", "/proc/cpuinfo")
    devices = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/sys/devices/system", "/proc/sys/vm", "/sys/kernel/mm")
    return [path for path in map(Path, (*sorted(own), *system, *devices)) if path.exists()]


def confine(write: Iterable[Path] = (), read: Iterable[Path] = (), memory: int | None = None) -> Confinement:
    """Take from this process, for good, all that generated code has no business with. To be called before any is loaded.

    Args:
        write: folders in which files may be made and changed.
        read: what else may be read, beside ``readable_paths``.
        memory: bytes of address space that the process may have in all.

    Returns:
        What could not be taken here.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT:
        why = f"{sys.platform} on {machine} has no such thing, or it is not known here"
        missing = dict.fromkeys(LAYERS, why)
        if _limit_memory(memory):
            del missing["memory"]
        return Confinement(missing)
    # If the trainer is killed, no program that runs in a loop survives it; and nobody looks into this process's memory.
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_SET_DUMPABLE, 0)
    missing = {}
    if _prctl(_SET_NO_NEW_PRIVS, 1):
        missing["new privileges"] = os.strerror(ctypes.get_errno())
    if not _limit_memory(memory):
        missing["memory"] = "the limit is refused"
    # Needs privileges; without them there is still no way to make a socket.
    isolated = _libc().unshare(_CLONE_NEWNET) == 0
    if why := _landlock([*readable_paths(), *read], list(write)):
        missing["files"] = why
    if why := _seccomp(machine):
        missing["system calls"] = why
        if not isolated:
            missing["network"] = "neither system calls nor networks can be taken away"
    return Confinement(missing)


def confine_or_refuse(write: Iterable[Path] = (), read: Iterable[Path] = (), memory: int | None = None) -> Confinement:
    """``confine``; where this system lacks something, go on only if a person has said so.

    Raises:
        ProgramError: something is missing, and the variable ``ISOLATION`` of the environment is not ``"best-effort"``.
    """
    wanted = os.environ.get(ISOLATION, "require")
    if wanted == "off":
        return Confinement(dict.fromkeys(LAYERS, f"{ISOLATION} is off"))
    confinement = confine(write, read, memory)
    if not confinement.complete and wanted != "best-effort":
        found = "; ".join(f"{name} ({why})" for name, why in confinement.missing.items())
        raise ProgramError(
            f"generated programs cannot be confined on this system: {found}",
            f"Use a newer kernel, or set the environment variable {ISOLATION} to best-effort to run them without that",
        )
    return confinement


def address_space() -> int:
    """Bytes of address space that this process has now; 0 where that cannot be known."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
    except OSError:
        return 4 * 2**30
    return pages * 4096


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> int:
    return int(_libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _syscall(number: int, *arguments: object) -> int:
    call = _libc().syscall
    call.restype = ctypes.c_long
    given = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return int(call(ctypes.c_long(number), *given))


def _limit_memory(memory: int | None) -> bool:
    try:
        import resource
    except ImportError:
        return memory is None
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is None:
        return True
    try:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (OSError, ValueError):
        return False
    return True


# --- landlock


def _landlock(read: Sequence[Path], write: Sequence[Path]) -> str:
    """Restrict the file system; why that is not possible, or nothing."""
    version = _syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return f"landlock: {os.strerror(ctypes.get_errno())}"
    rights = (1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1
    network = 0b11 if version >= 4 else 0  # to bind and to connect
    scoped = 0b11 if version >= 6 else 0  # abstract sockets and signals
    described = struct.pack("<QQQ", rights, network, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = _syscall(_LANDLOCK_CREATE, described, len(described), 0)
    if rules < 0:
        return f"landlock: {os.strerror(ctypes.get_errno())}"
    try:
        for paths, wanted in ((read, _READ), (write, rights)):
            for path in paths:
                _allow(rules, path, wanted & rights)
        # Devices without memory or effect.
        _allow(rules, Path("/dev/null"), (_READ | 1 << 1) & rights)
        if _syscall(_LANDLOCK_RESTRICT, rules, 0) != 0:
            return f"landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(rules)
    return ""


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be allowed
    try:
        rule = struct.pack("<Qi", rights if path.is_dir() else rights & _ON_FILES, place)
        _syscall(_LANDLOCK_ADD, rules, 1, rule, 0)
    finally:
        os.close(place)


# --- seccomp

_LOAD, _EQUAL, _ANY_BIT, _MORE, _GIVE = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def _seccomp(machine: str) -> str:
    """Allow the system calls above and no others; why that is not possible, or nothing."""
    code = _assemble(machine)
    program = _Filter(len(code) // 8, code)
    number = _SECCOMP[machine == "aarch64"]
    # 1: filter; flag 1: all threads of the process.
    if _syscall(number, 1, 1, ctypes.byref(program)) != 0:
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return ""


def _assemble(machine: str) -> bytes:
    """The filter in the kernel's classic packet-filter code. Whatever is not allowed fails with EPERM."""
    column = int(machine == "aarch64")
    refuse = _ERRNO | errno.EPERM
    lines: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT[machine]),
        (_GIVE, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        lines += [(_MORE, 0, 1, _X32), (_GIVE, 0, 0, refuse)]
    for numbers in _ALLOWED.values():
        if numbers[column] >= 0:
            lines += [(_EQUAL, 0, 1, numbers[column]), (_GIVE, 0, 0, _ALLOW)]
    # Threads, but no processes; the newer call hides its flags, and C libraries fall back to the older one.
    lines += [(_EQUAL, 0, 1, _CLONE3[column]), (_GIVE, 0, 0, _ERRNO | errno.ENOSYS)]
    lines += _with_argument(_CLONE[column], 0, [(_ANY_BIT, _CLONE_THREAD)], refuse)
    lines += _with_argument(_PRCTL[column], 0, [(_EQUAL, option) for option in _PRCTLS], refuse)
    lines += _with_argument(_IOCTL[column], 1, [(_EQUAL, request) for request in _IOCTLS], refuse)
    # Limits and signals of this process only: abort() sends one.
    lines += _with_argument(_PRLIMIT[column], 0, [(_EQUAL, 0), (_EQUAL, os.getpid())], refuse)
    lines += _with_argument(_TGKILL[column], 0, [(_EQUAL, os.getpid())], refuse)
    lines += _with_argument(_KILL_CALL[column], 0, [(_EQUAL, os.getpid())], refuse)
    lines.append((_GIVE, 0, 0, refuse))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def _with_argument(number: int, argument: int, tests: Sequence[tuple[int, int]], refuse: int) -> list[tuple[int, int, int, int]]:
    """Allow a call if its argument (the low half of it) passes one of the tests."""
    body: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, _ARGUMENT + 8 * argument)]
    for test, value in tests:
        body += [(test, 0, 1, value), (_GIVE, 0, 0, _ALLOW)]
    body.append((_GIVE, 0, 0, refuse))
    return [(_EQUAL, 0, len(body), number), *body]
