"""What is left to a process after it was confined. Each attempt runs in one real process, and would work without (the control)."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maestromotif.errors import ProgramError
from maestromotif.programs import confine

pytestmark = pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="Linux only")

ATTEMPTS = {
    "reads a file of the person": "open(secret).read()",
    "lists a folder of the person": "os.listdir(os.path.dirname(secret))",
    "writes beside the secret": "open(secret + '.new', 'w')",
    "overwrites a file": "open(secret, 'a')",
    "changes rights": "os.chmod(secret, 0o600)",
    "sets the time of a file": "os.utime(secret)",
    "links to a file": "os.link(secret, own + '/link')",
    "makes a symbolic link": "os.symlink(secret, own + '/soft')",
    "moves a file away": "os.rename(secret, own + '/moved')",
    "writes into the package": "open(os.path.join(os.path.dirname(confine.__file__), 'x'), 'w')",
    "opens a socket": "socket.socket()",
    "opens a local socket": "socket.socket(socket.AF_UNIX)",
    "makes a pair of sockets": "socket.socketpair()",
    "forks": "os.fork()",
    "runs a program": "subprocess.run(['true'])",
    "becomes another program": "os.execv('/bin/true', ['true'])",
    "spawns": "os.posix_spawn('/bin/true', ['true'], {})",
    "signals the parent": "os.kill(os.getppid(), 0)",
    "signals the group": "os.killpg(0, signal.SIGURG)",
    "reads the parent's environment": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "writes its own memory": "open('/proc/self/mem', 'r+b')",
    "makes a file without a name": "os.memfd_create('x')",
    "traces": "libc.ptrace(0, 0, 0, 0) and 1 / 0",
    "changes its root": "os.chroot(own)",
    "mounts": "libc.mount(b'none', own.encode(), b'tmpfs', 0, None) and 1 / 0",
    "changes a limit of the parent": "resource.prlimit(os.getppid(), resource.RLIMIT_CORE)",
    "loads into the kernel": "libc.syscall(321, 0, 0, 0) and 1 / 0",
    "sends to the kernel": "libc.syscall(425, 8, 0) and 1 / 0",
}
ALLOWED = {
    "writes its own folder": "open(own + '/file', 'w').write('x')",
    "moves within its own folder": "os.rename(own + '/file', own + '/other')",
    "reads its own folder": "open(own + '/other').read()",
    "deletes in its own folder": "os.remove(own + '/other')",
    "imports": "__import__('statistics')",
    "begins threads": "threading.Thread(target=lambda: None).start()",
    "draws random bytes": "os.urandom(8)",
    "looks at the clock": "time.time()",
    "throws away": "open('/dev/null', 'w').write('x')",
}
SCRIPT = """
import ctypes, json, os, resource, signal, socket, subprocess, sys, threading, time
from pathlib import Path
from maestromotif.programs import confine
attempts, confined, own, secret = json.loads(sys.argv[1]), sys.argv[2] == "yes", sys.argv[3], sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
missing = dict(confine.confine([Path(own)]).missing) if confined else {}
found = {}
for name, code in attempts.items():
    try:
        exec(code)
        found[name] = "done"
    except (OSError, ZeroDivisionError) as error:
        found[name] = type(error).__name__
print(json.dumps([missing, found]))
"""


def attempt(attempts: dict[str, str], folder: Path, confined: bool) -> tuple[dict[str, str], dict[str, str]]:
    own, secret = folder / "own", folder / "home" / "secret"
    own.mkdir()
    secret.parent.mkdir()
    secret.write_text("secret")
    command = [sys.executable, "-P", "-c", SCRIPT, json.dumps(attempts), "yes" if confined else "no", str(own), str(secret)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert child.returncode == 0, child.stderr
    missing, found = json.loads(child.stdout)
    return missing, found


def test_a_confined_process_reaches_nothing(tmp_path: Path) -> None:
    missing, found = attempt({**ATTEMPTS, **ALLOWED}, tmp_path, confined=True)
    if missing:
        pytest.skip(f"this kernel lacks {missing}")
    assert {name for name in ATTEMPTS if found[name] == "done"} == set()
    assert {name: found[name] for name in ALLOWED if found[name] != "done"} == {}
    assert (tmp_path / "home" / "secret").read_text() == "secret"
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["secret"]


def test_the_same_attempts_work_without(tmp_path: Path) -> None:
    # Those that would end the process that counts, or need a superuser, are left out.
    needs = ("forks", "becomes another program", "traces", "changes its root", "mounts", "loads into the kernel", "sends to the kernel")
    control = {name: code for name, code in ATTEMPTS.items() if name not in (*needs, "moves a file away", "writes into the package")}
    _, found = attempt(control, tmp_path, confined=False)
    assert sum(result == "done" for result in found.values()) >= len(control) - 3, found


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_well_formed(machine: str) -> None:
    code = confine._assemble(machine)
    lines = [tuple(code[at : at + 8]) for at in range(0, len(code), 8)]
    assert len(lines) < 4096
    for place, (low, high, yes, no, *_) in enumerate(lines):
        if low | high << 8 not in (0x20, 0x06):
            assert place + 1 + max(yes, no) < len(lines)
    assert lines[-1][0] == 0x06


# Some of what begins programs or connections, reaches into other processes, or changes rights, by the kernel's numbers.
REFUSED = {
    "x86_64": {
        "execve": 59, "execveat": 322, "fork": 57, "vfork": 58, "socket": 41, "connect": 42, "bind": 49, "sendmsg": 46, "ptrace": 101,
        "mount": 165, "chroot": 161, "chmod": 90, "fchmodat": 268, "chown": 92, "setuid": 105, "unshare": 272, "setns": 308, "bpf": 321,
        "io_uring_setup": 425, "memfd_create": 319, "symlinkat": 266, "process_vm_writev": 311, "pidfd_open": 434, "keyctl": 250,
        "userfaultfd": 323, "perf_event_open": 298, "kexec_load": 246, "tkill": 200, "rt_sigqueueinfo": 129, "setrlimit": 160,
    },
    "aarch64": {
        "execve": 221, "execveat": 281, "socket": 198, "connect": 203, "bind": 200, "sendmsg": 211, "ptrace": 117, "mount": 40,
        "chroot": 51, "fchmodat": 53, "fchownat": 54, "setuid": 146, "unshare": 97, "setns": 268, "bpf": 280, "io_uring_setup": 425,
        "memfd_create": 279, "symlinkat": 36, "process_vm_writev": 271, "pidfd_open": 434, "keyctl": 219, "userfaultfd": 282,
        "perf_event_open": 241, "kexec_load": 104, "tkill": 130, "rt_sigqueueinfo": 138, "setrlimit": 164,
    },
}  # fmt: skip
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000


def _verdict(code: bytes, machine: str, number: int, *arguments: int) -> int:
    """What the kernel would make of a call: the filter, interpreted."""
    data = struct.pack("<IIQ6Q", number, confine._AUDIT[machine], 0, *arguments, *[0] * (6 - len(arguments)))
    place = value = 0
    while True:
        kind, yes, no, operand = struct.unpack_from("<HBBI", code, 8 * place)
        place += 1
        if kind == 0x06:
            return int(operand)
        if kind == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        else:
            holds = {0x15: value == operand, 0x45: bool(value & operand), 0x35: value >= operand}[kind]
            place += yes if holds else no


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_lets_through_what_it_should_and_nothing_else(machine: str) -> None:
    code, column = confine._assemble(machine), int(machine == "aarch64")
    mine, thread, process = os.getpid(), 0x10000 | 0x100, 0x11
    for name, numbers in confine._ALLOWED.items():
        if numbers[column] >= 0:
            assert _verdict(code, machine, numbers[column]) == _ALLOW, name
    assert {name for name, number in REFUSED[machine].items() if _verdict(code, machine, number) != _EPERM} == set()
    with_arguments = {
        (confine._CLONE, (thread,)): _ALLOW,
        (confine._CLONE, (process,)): _EPERM,
        (confine._CLONE3, (0,)): _ENOSYS,
        (confine._KILL_CALL, (mine, 6)): _ALLOW,
        (confine._KILL_CALL, (mine + 1, 0)): _EPERM,
        (confine._TGKILL, (1, 1, 0)): _EPERM,
        (confine._PRCTL, (15,)): _ALLOW,
        (confine._PRCTL, (4,)): _EPERM,
        (confine._PRLIMIT, (0, 7)): _ALLOW,
        (confine._PRLIMIT, (1, 7)): _EPERM,
        (confine._IOCTL, (0, 0x5401)): _ALLOW,
        (confine._IOCTL, (0, 0x5412)): _EPERM,  # puts characters into a terminal
    }
    for (numbers, arguments), wanted in with_arguments.items():
        assert _verdict(code, machine, numbers[column], *arguments) == wanted, (numbers, arguments)
    other = "x86_64" if machine == "aarch64" else "aarch64"
    assert _verdict(code, other, confine._ALLOWED["read"][column]) == _KILL
    if machine == "x86_64":
        assert _verdict(code, machine, 0x40000000) == _EPERM  # the calls of a third architecture on the same machine


@pytest.mark.parametrize(
    ("column", "header", "define"),
    [
        (0, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", r"#define __NR_(\w+)\s+(\d+)"),
        (1, "/usr/include/asm-generic/unistd.h", r"#define __NR(?:3264)?_(\w+)\s+(\d+)"),
    ],
    ids=["x86_64", "aarch64"],
)
def test_the_numbers_are_the_kernel_s(column: int, header: str, define: str) -> None:
    if not Path(header).exists():
        pytest.skip(f"no {header} here")
    kernel = {name: int(number) for name, number in re.findall(define, Path(header).read_text())}
    kernel.setdefault("newfstatat", kernel.get("fstatat", -1))
    names = ("clone", "clone3", "prctl", "prlimit64", "tgkill", "kill", "ioctl", "seccomp")
    numbers = (confine._CLONE, confine._CLONE3, confine._PRCTL, confine._PRLIMIT, confine._TGKILL, confine._KILL_CALL, confine._IOCTL)
    given = {**confine._ALLOWED, **dict(zip(names, (*numbers, confine._SECCOMP), strict=True))}
    assert {name: pair[column] for name, pair in given.items()} == {name: kernel.get(name, -1) for name in given}
    refused = REFUSED[("x86_64", "aarch64")[column]]
    assert refused == {name: kernel.get(name, -1) for name in refused}


def test_a_home_that_python_was_started_in_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "home" / "package"
    package.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "home"), str(package)])
    assert {path for path in confine.readable_paths() if path.is_relative_to(tmp_path)} == {package}


def test_where_something_is_missing_a_person_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = confine.Confinement({"files": "landlock: Function not implemented"})
    monkeypatch.setattr(confine, "confine", lambda *_: lacking)
    monkeypatch.delenv(confine.ISOLATION, raising=False)
    with pytest.raises(ProgramError, match=r"cannot be confined on this system: files \(landlock") as caught:
        confine.confine_or_refuse()
    assert "MAESTROMOTIF_ISOLATION to best-effort" in caught.value.remedy
    monkeypatch.setenv(confine.ISOLATION, "best-effort")
    assert confine.confine_or_refuse() is lacking
    monkeypatch.setenv(confine.ISOLATION, "off")
    assert set(confine.confine_or_refuse().missing) == set(confine.LAYERS)


def test_a_memory_bomb_ends_in_an_error() -> None:
    code = "from maestromotif.programs.confine import *; confine(memory=address_space() + 2**28); bytearray(2**30)"
    child = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "MemoryError" in child.stderr


def test_it_dies_with_its_parent() -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "loop = 'from maestromotif.programs.confine import confine; confine(); print(1, flush=True)\\nwhile True: pass'\n"
        "child = subprocess.Popen([sys.executable, '-c', loop], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    pid = int(parent.stdout)
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state in "ZX":
            return
        time.sleep(0.02)
    raise AssertionError("it lives on")
