"""Tune the C library's allocator to keep freed memory for the next field."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_TRIM_BYTES = 64 << 20
"""Free bytes at the top of a heap that are not returned to the kernel."""
_MMAP_BYTES = 4 << 20
"""Larger blocks, such as whole frames of large cameras, are still allocated from the kernel and returned to it."""
_ARENAS = 2
"""Number of heaps that all threads share. Each keeps its own freed blocks; by default, every thread gets a heap."""


def keep_freed_memory() -> bool:
    """Configure the C library to keep freed blocks, and return whether that worked.

    Only glibc needs this; with any other C library the result is False. The intermediate images of a field take about
    100 KiB to 3 MiB. By default, glibc returns such blocks to the kernel immediately, so each field allocates them
    again, page by page, zeroed by the kernel. That takes as long as the actual processing.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    options = ((_M_ARENA_MAX, _ARENAS), (_M_MMAP_THRESHOLD, _MMAP_BYTES), (_M_TRIM_THRESHOLD, _TRIM_BYTES))
    accepted = [bool(mallopt(option, value)) for option, value in options]
    return all(accepted)
