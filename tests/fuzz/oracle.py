"""The judge of one call: it returns or raises an error of ours, within its time and memory, and twice the same."""

from __future__ import annotations

import math
import os
import re
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from align_eval.errors import EXIT_BUG, AlignEvalError, InputWarning

MOST_CPU_S = 5.0
"""Longest call, in seconds of processor time, with that of the programs that it starts."""

MOST_BYTES = 2**30
"""Most memory of a call beyond that of the process before it."""

STATUS = Path("/proc/self/status")


class TooSlowError(BaseException):
    """A call beyond its time; no reader can catch it."""


def finding_of(call: Callable[[], object]) -> str | None:
    """Judge one call; None if it did what it may, else the reason with its traceback."""
    before = None
    for _ in range(2):
        start_bytes, start_s = reset_peak(), _cpu_s()
        try:
            with _limited():
                outcome = _outcome(call)
        except (Exception, TooSlowError) as error:
            return f"{type(error).__name__}: {str(error)[:300]}\n{traceback.format_exc(limit=-12)[-6000:]}"
        if (cpu_s := _cpu_s() - start_s) > MOST_CPU_S:
            return f"took {cpu_s:.1f} s"
        if (used := peak_bytes() - start_bytes) > MOST_BYTES:
            return f"took {used / 1e6:.0f} MB"
        if before is not None and outcome != before:
            return f"gave another result the second time:\n{before[:2000]}\n{outcome[:2000]}"
        before = outcome
    return None


def _outcome(call: Callable[[], object]) -> str:
    """The result of a call as text, or the message of its refusal; other errors are raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # as of numbers that overflow
        warnings.simplefilter("ignore", InputWarning)
        try:
            return f"read: {call()!r}"
        except AlignEvalError as error:
            if error.exit_code == EXIT_BUG or _for_memory(error):
                raise AssertionError("refuses the file for an error of its own") from error
            return f"refused: {error}"


def _for_memory(error: BaseException | None) -> bool:
    """Tell whether an error was made of a MemoryError, which the limit of this process raised."""
    seen: list[BaseException] = []  # an error can be the context of its own cause
    while error is not None and error not in seen:
        if isinstance(error, MemoryError):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _limited() -> Iterator[None]:
    """Bound the processor time and the memory of a call.

    The timer raises :class:`TooSlowError`. The system ends the process where a native decoder does not come back to it.
    """

    def stop(*_: object) -> None:
        raise TooSlowError(f"not done after {MOST_CPU_S:g} s of computing")

    cpu, space = resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(_cpu_s() + 3 * MOST_CPU_S) + 1, cpu[1]))
    if STATUS.is_file():
        resource.setrlimit(resource.RLIMIT_AS, (_status_bytes("VmSize") + 3 * MOST_BYTES // 2, space[1]))
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_CPU, cpu)
        resource.setrlimit(resource.RLIMIT_AS, space)


def _cpu_s() -> float:
    return sum(os.times()[:4])


def reset_peak() -> int:
    """Let the system measure the peak of memory anew, where it can; return the memory in use, in bytes."""
    if not STATUS.is_file():
        return 0
    Path("/proc/self/clear_refs").write_text("5")
    return _status_bytes("VmRSS")


def peak_bytes() -> int:
    return _status_bytes("VmHWM") if STATUS.is_file() else 0


def _status_bytes(name: str) -> int:
    match = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())
    return 1024 * int(match[1]) if match else 0
