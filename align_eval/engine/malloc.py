"""Keep freed memory in the process: gradients on a CPU then take three quarters of their time.

Every step of a large model frees matrices of tens of megabytes and allocates others. glibc returns them to the system
each time, which clears their pages before it hands them out again: a fifth of the processor's time on two cores
(docs/performance.md). Peak memory grows by some percent, and is held until the process ends.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD

MMAP_THRESHOLDS_BYTES = (2**30, 2**25)
"""Larger blocks still return to the system when they are freed. Some versions of glibc accept only the second value."""


def keep_freed_memory() -> bool:
    """Set glibc's allocator to keep freed memory; return whether this C library has the setting."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    accepted = any(mallopt(_MMAP_THRESHOLD, n_bytes) for n_bytes in MMAP_THRESHOLDS_BYTES)
    return bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1)) and accepted
