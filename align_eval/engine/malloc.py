"""Memory that was freed is kept by the process: gradients on a CPU then take three quarters of their time.

Every step of a large model frees matrices of tens of megabytes and asks for others. glibc hands such back to the system
each time, which clears their pages before it gives them out again: a fifth of the processor's time on two cores
(docs/performance.md). Peak memory grows by some percent, and is held until the process ends.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD

LARGEST_KEPT_BYTES = (2**30, 2**25)
"""What is larger goes back to the system when it is freed. Some versions of glibc take no more than the latter."""


def keep_freed_memory() -> bool:
    """Have this process keep what it frees; whether its C library can be told so."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    told = any(mallopt(_MMAP_THRESHOLD, n_bytes) for n_bytes in LARGEST_KEPT_BYTES)
    return bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1)) and told
