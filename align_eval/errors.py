"""Exceptions and exit codes. A message names the place, the problem with its value, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_COMPARABLE = 3
EXIT_BUG = 70
"""``EX_SOFTWARE`` in ``sysexits.h``."""
EXIT_INTERRUPTED = 130
"""128 plus the number of SIGINT, as in shells."""
EXIT_CLOSED_PIPE = 141
"""128 plus the number of SIGPIPE, as in shells."""

EXIT_CODES = {
    EXIT_PASS: "success",
    EXIT_REGRESSION: "a check failed: a regression (compare), or lint findings (score --lint fail, lint --fail)",
    EXIT_BAD_INPUT: "a bad input or option (the other inputs were processed)",
    EXIT_NOT_COMPARABLE: "run and baseline are not comparable (compare)",
    EXIT_BUG: "a bug in align-eval (the other inputs were processed)",
    EXIT_INTERRUPTED: "interrupted",
    EXIT_CLOSED_PIPE: "the reader closed standard output",
}
"""Meaning of every exit code."""

OUT_OF_MEMORY = ("out of memory", "DefaultCPUAllocator", "_ALLOC_FAILED")
"""Parts of torch's out-of-memory messages: from a device, from the CPU allocator, and from CUDA's libraries."""


class AlignEvalError(Exception):
    """Base class of all errors that this package raises on purpose."""

    exit_code = EXIT_BAD_INPUT


class InputWarning(UserWarning):
    """An input that was used under an assumption, which the message names."""


class InputError(AlignEvalError, ValueError):
    """An input that cannot be used.

    Parameters
    ----------
    place
        File, with the tier, interval, key or word inside it.
    problem
        The problem, with the offending value.
    remedy
        An action that solves the problem.
    """

    def __init__(self, place: object, problem: str, remedy: str) -> None:
        self.place = str(place)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{self.place}: {problem}; {remedy}")


@contextmanager
def naming_options(options: Mapping[str, str]) -> Iterator[None]:
    """Rename options in input errors that are raised inside (:func:`with_options`)."""
    try:
        yield
    except InputError as error:
        texts = (with_options(text, options) for text in (error.place, error.problem, error.remedy))
        raise type(error)(*texts) from error


def with_options(message: str, options: Mapping[str, str]) -> str:
    """Rename options in a message, for a command with one such option per side.

    >>> with_options("name one with --tier", {"--tier": "--hypothesis-tier"})
    'name one with --hypothesis-tier'
    """
    for name, other in options.items():
        message = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", other, message)
    return message


class NotComparableError(InputError):
    """Two runs whose difference has no meaning, because they measure different things."""

    exit_code = EXIT_NOT_COMPARABLE


class BugError(AlignEvalError):
    """An unexpected error in align-eval, with its traceback as text."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, traceback: str) -> None:
        self.traceback = traceback
        super().__init__(message)


def told_apart(value: float, limit: float) -> tuple[str, str]:
    """Write two different numbers with two decimals, or with as many as show that they differ, and one more."""
    decimals = next((n for n in range(2, 15) if f"{value:.{n}f}" != f"{limit:.{n}f}"), 15)
    decimals += decimals > 2
    return f"{value:.{decimals}f}", f"{limit:.{decimals}f}"


def bug_message(error: BaseException) -> str:
    """Return the message for an unexpected error."""
    return f"a bug in align-eval ({type(error).__name__}: {error})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether the error is a lack of memory on the machine or its device, and hence not a bug.

    torch raises an OutOfMemoryError or a RuntimeError. This module does not import torch, so that it compares the name
    of the class.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)
