"""Keeps freed memory for the next field."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 64 << 20
"""Free memory at the top of a heap that is not given back, bytes."""
_MAPPED = 4 << 20
"""Larger blocks still come from the kernel and go back to it: whole frames of large cameras."""


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
    return bool(mallopt(_M_MMAP_THRESHOLD, _MAPPED)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT))
