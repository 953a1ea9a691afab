"""Let all games of a process run one physical copy of NetHack's code.

nle gives each game a private in-memory copy of the game library, so N games execute N copies of the same code and no
longer fit the processor's caches. The read-only segments of a copy equal the installed file; mapping that file over them
makes the kernel share the pages. To be repeated after each reset, because a reset loads the copy anew.

Where anything is not as expected (another system, another layout), nothing is mapped and the games run as they are.
"""

from __future__ import annotations

import _ctypes
import ctypes
import logging
import mmap
import os
import struct
import sys
from pathlib import Path

from nle import nethack

__all__ = ["Sharer", "loaded", "share_code"]

_LOG = logging.getLogger(__name__)
_MAP_FIXED_PRIVATE_POPULATE = 0x8012
_FAILED = ctypes.c_void_p(-1).value
_LINK_MAP = 2  # RTLD_DI_LINKMAP of dlinfo


def loaded(path: str) -> int:
    """Handle of the library at this path, which is loaded already; good until the next reset, which loads it anew.

    Raises:
        OSError: it is not loaded.
    """
    handle: int = _ctypes.dlopen(path, os.RTLD_NOLOAD | os.RTLD_LAZY)
    # Only nle may hold it: it refuses to load what somebody else still holds.
    _ctypes.dlclose(handle)
    return handle


def _segments(file: int) -> list[tuple[int, int, int]]:
    """(offset, length, protection) of the read-only load segments of an ELF file, if they lie in memory as in the file."""
    header = os.pread(file, 64, 0)
    if header[:6] != b"\x7fELF\x02\x01":
        return []
    table, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
    raw, found = os.pread(file, size * count, table), []
    for index in range(count):
        kind, flags, offset, address, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", raw, index * size)
        if kind == 1 and not flags & 2:  # PT_LOAD that nobody writes
            if offset != address:
                return []
            start = offset & -mmap.PAGESIZE
            end = (offset + length + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
            found.append((start, end - start, mmap.PROT_READ | (mmap.PROT_EXEC if flags & 1 else 0)))
    return found


class Sharer:
    """Shares the code of copies of one library.

    Args:
        library: the installed file.
    """

    def __init__(self, library: Path) -> None:
        self._segments: list[tuple[int, int, int]] = []
        if sys.platform != "linux":
            return
        try:
            self._file = os.open(library, os.O_RDONLY | os.O_CLOEXEC)
            libc = ctypes.CDLL(None, use_errno=True)
            self._mmap, self._dlinfo = libc.mmap, libc.dlinfo
            self._mmap.restype = ctypes.c_void_p
            self._mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
            self._dlinfo.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
            self._segments = _segments(self._file)
            self._head = os.pread(self._file, mmap.PAGESIZE, 0)
        except (OSError, AttributeError, struct.error) as error:
            _LOG.info("game code is not shared: %s", error)

    def share(self, path: str) -> bool:
        """Share the code of the copy that was loaded from this path; False if it was left as it is."""
        if not self._segments:
            return False
        try:
            handle = loaded(path)
        except OSError:
            return False
        link = ctypes.c_void_p()
        if self._dlinfo(handle, _LINK_MAP, ctypes.byref(link)) or not link.value:
            return False
        base = ctypes.c_size_t.from_address(link.value).value
        # The first page holds the hash of the build: only a copy of the very same file has the same.
        if ctypes.string_at(base, len(self._head)) != self._head:
            return False
        for start, length, protection in self._segments:
            where = self._mmap(base + start, length, protection, _MAP_FIXED_PRIVATE_POPULATE, self._file, start)
            if where == _FAILED:  # the old mapping stays in place, and works
                return False
        return True


_SHARER = Sharer(Path(nethack.nethack.DLPATH))


def share_code(game: nethack.Nethack) -> bool:
    """Share the code of a game that has just been reset; False where that is not possible."""
    return _SHARER.share(game.dlpath)
