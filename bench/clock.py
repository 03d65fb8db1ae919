"""The clock of a benchmark, by device."""

from __future__ import annotations

import time
from collections.abc import Callable


def clock_of(device: str) -> Callable[[], float]:
    """Return the clock for a device: processor time on a CPU, wall-clock time on a GPU."""
    return time.process_time if device == "cpu" else time.perf_counter
