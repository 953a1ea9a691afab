"""Let all games of a process run one physical copy of NetHack's code.

nle gives each game a private in-memory copy of the game library, so N games execute N copies of the same code and no
longer fit the processor's caches. The read-only segments of a copy equal the installed file; mapping that file over them
makes the kernel share the pages. To be repeated after each reset, because a reset loads the copy anew.

Where anything is not as expected (another system, another layout), nothing is mapped and the games run as they are.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import struct
import sys

from nle import nethack

__all__ = ["share_code"]

_LOG = logging.getLogger(__name__)
_LIBRARY: str = nethack.nethack.DLPATH
_MAP_FIXED_PRIVATE = 0x12
_FAILED = ctypes.c_void_p(-1).value


def _segments() -> dict[int, tuple[int, int]]:
    """File offset -> (length, protection) of the read-only load segments of the installed library."""
    with open(_LIBRARY, "rb") as file:
        header = file.read(64)
        if header[:6] != b"\x7fELF\x02\x01":
            return {}
        table, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
        file.seek(table)
        raw = file.read(size * count)
    found = {}
    for index in range(count):
        kind, flags, offset, _, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", raw, index * size)
        if kind == 1 and not flags & 2:  # PT_LOAD that nobody writes
            start = offset & -mmap.PAGESIZE
            end = (offset + length + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
            found[start] = (end - start, mmap.PROT_READ | (mmap.PROT_EXEC if flags & 1 else 0))
    return found


class _Sharer:
    def __init__(self) -> None:
        self._segments: dict[int, tuple[int, int]] = {}
        if sys.platform != "linux":
            return
        try:
            self._segments = _segments()
            self._file = os.open(_LIBRARY, os.O_RDONLY | os.O_CLOEXEC)
            libc = ctypes.CDLL(None, use_errno=True)
            self._mmap = libc.mmap
            self._mmap.restype = ctypes.c_void_p
            self._mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        except (OSError, AttributeError, struct.error) as error:
            _LOG.info("game code is not shared: %s", error)
            self._segments = {}

    def share(self, descriptor: int) -> bool:
        """Share the code of the copy behind this file descriptor; False if it was left as it is."""
        if not self._segments:
            return False
        inode = str(os.fstat(descriptor).st_ino)
        places = []
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                fields = line.split(maxsplit=5)
                if fields[4] != inode or "w" in fields[1] or "memfd:nle" not in line:
                    continue
                start, end = (int(part, 16) for part in fields[0].split("-"))
                segment = self._segments.get(int(fields[2], 16))
                if segment is not None and segment[0] == end - start and ("x" in fields[1]) == bool(segment[1] & mmap.PROT_EXEC):
                    places.append((start, int(fields[2], 16), segment))
        if len(places) != len(self._segments):
            return False
        for start, offset, (length, protection) in places:
            where = self._mmap(start, length, protection, _MAP_FIXED_PRIVATE, self._file, offset)
            if where == _FAILED:  # the old mapping stays in place, and works
                return False
        return True


_SHARER = _Sharer()


def share_code(game: nethack.Nethack) -> bool:
    """Share the code of a game that has just been reset; False where that is not possible."""
    handle = game._dl
    return handle is not None and _SHARER.share(handle.fileno())
