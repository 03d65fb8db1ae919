"""Errors that users meet: each says the place, what is wrong there with its value, and the remedy."""

from __future__ import annotations

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_COMPARABLE = 3
EXIT_BUG = 70
"""As ``EX_SOFTWARE`` of ``sysexits.h``."""
EXIT_INTERRUPTED = 130
"""As shells give it: 128 and the number of SIGINT."""
EXIT_CLOSED_PIPE = 141
"""As shells give it: 128 and the number of SIGPIPE."""

EXIT_CODES = {
    EXIT_PASS: "done or passed",
    EXIT_REGRESSION: "a check failed: a regression (compare), or lint findings (score --lint fail, lint --fail)",
    EXIT_BAD_INPUT: "an input or an option was bad (what could be done was done)",
    EXIT_NOT_COMPARABLE: "not comparable (compare)",
    EXIT_BUG: "a bug in align-eval (what could be done was done)",
    EXIT_INTERRUPTED: "interrupted",
    EXIT_CLOSED_PIPE: "standard output was closed by its reader",
}
"""Every code that a command ends with, and its meaning."""

OUT_OF_MEMORY = ("out of memory", "DefaultCPUAllocator", "_ALLOC_FAILED")
"""Parts of torch's out-of-memory messages: of a device, of its allocator for CPUs, and of CUDA's libraries."""


class AlignEvalError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = EXIT_BAD_INPUT


class InputWarning(UserWarning):
    """An input that was used, and on what assumption."""


class InputError(AlignEvalError, ValueError):
    """An input that cannot be used.

    Parameters
    ----------
    place
        File, and tier, interval, key or word inside it.
    problem
        What is wrong, with the offending value.
    remedy
        What the user can do about it.
    """

    def __init__(self, place: object, problem: str, remedy: str) -> None:
        self.place = str(place)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{self.place}: {problem}; {remedy}")


class NotComparableError(InputError):
    """Two runs that measure different things, so that no difference between them means anything."""

    exit_code = EXIT_NOT_COMPARABLE


class BugError(AlignEvalError):
    """An unexpected error, which is a bug in align-eval, with its traceback as text."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, traceback: str) -> None:
        self.traceback = traceback
        super().__init__(message)


def bug_message(error: BaseException) -> str:
    """Say that an unexpected error is a bug, and what it is."""
    return f"a bug in align-eval ({type(error).__name__}: {error})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether the machine or its device lacked memory, which is no bug.

    torch raises its OutOfMemoryError, which is known by its name since this module imports no torch, or a RuntimeError.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)
