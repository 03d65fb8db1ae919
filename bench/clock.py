"""The clock that a benchmark tells time by."""

from __future__ import annotations

import time
from collections.abc import Callable


def clock_of(device: str) -> Callable[[], float]:
    """Seconds on the wall where a GPU works, which no processor time shows; else of the processor."""
    return time.process_time if device == "cpu" else time.perf_counter
