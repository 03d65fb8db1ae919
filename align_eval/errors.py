"""Errors that users meet: each says the place, what is wrong there with its value, and the remedy."""

from __future__ import annotations

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_COMPARABLE = 3


class AlignEvalError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = EXIT_BAD_INPUT


class InputWarning(UserWarning):
    """An input that was used, and on what assumption."""


class InputError(AlignEvalError):
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
