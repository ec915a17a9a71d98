"""Keeps freed memory for the next field."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT = 64 << 20
"""Free memory at the top of a heap that is not given back, bytes."""
_MAPPED = 4 << 20
"""Larger blocks still come from the kernel and go back to it: whole frames of large cameras."""
_ARENAS = 2
"""Heaps that all threads share: each keeps its own freed blocks, and by itself every thread gets one."""


def keep_freed_memory() -> bool:
    """Ask the C library to hold on to blocks that are freed; False where it is not glibc, which alone needs it.

    A field's intermediate pictures are some 100 KiB to 3 MiB. By itself glibc gives such blocks back at once, and every
    field takes them anew, page by page, zeroed by the kernel: as long as the work on them.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = ((_M_ARENA_MAX, _ARENAS), (_M_MMAP_THRESHOLD, _MAPPED), (_M_TRIM_THRESHOLD, _KEPT))
    told = [bool(mallopt(option, value)) for option, value in wanted]
    return all(told)
