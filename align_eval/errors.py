"""Exceptions and exit codes. A message names the place, the problem with its value, and the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
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

NO_MEMORY = "does not fit into memory"
"""Problem in the message of every failure by a lack of memory."""

MOST_LISTED = 12
"""Most items that a message lists."""

LONGEST_ITEM = 200
"""Longest item of a list and longest message of another library, in characters; cut where it is longer."""

LONGEST_PART = 2000
"""Longest place, problem or remedy, in characters; its middle is left out where it is longer."""

UNSEEN = (
    "\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufdd0-\ufdef\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
"""Characters of no or of another look, as ranges of a regular expression; the first 32 of ASCII belong to them too.

These are control characters, breaks of lines, marks of direction, invisible characters and halves of surrogate pairs.
The joiners of Persian, Indic and emoji spelling (U+200C, U+200D) are not among them: they are ordinary text.
"""
_NOT_SHOWN = re.compile(f"[\x00-\x1f{UNSEEN}]")
_COLONS_FIRST = re.compile(r"^(\s*):(?=:)")
_HASHES = re.compile(r"#(?=#\w*\[)")


def printable(text: str) -> str:
    r"""Return a text that a terminal, a log and a runner of workflows show, and do not obey.

    Characters that are not seen are escaped as in Python. The first character of ``::`` at the start of a line is
    escaped too, and that of ``##[`` everywhere: they begin commands in the log of a workflow. A text that is escaped
    already stays as it is.

    Examples
    --------
    >>> printable("a\x1b[31m\n"), printable("::error::a"), printable("мы ≤ é")
    ('a\\x1b[31m\\n', '\\x3a:error::a', 'мы ≤ é')
    """
    shown = _NOT_SHOWN.sub(lambda match: ascii(match.group())[1:-1], text)
    return _HASHES.sub(r"\\x23", _COLONS_FIRST.sub(r"\1\\x3a", shown))


def shorten(text: str, width: int = 40) -> str:
    """Shorten a text for a message."""
    return text if len(text) <= width else f"{text[:width]}..."


def listed(items: Iterable[object], separator: str = ", ", most: int = MOST_LISTED, width: int = LONGEST_ITEM) -> str:
    """List items in a message, the first of them with the number of the others.

    Examples
    --------
    >>> listed(["a", "b"]), listed(range(2000), most=3)
    ('a, b', '0, 1, 2 and 1,997 more')
    """
    names = list(items)
    shown = separator.join(shorten(str(name), width) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def did_you_mean(name: str, known: Iterable[str], most: int = 2) -> str:
    """Begin a remedy with the known names that are nearest to one that is unknown; empty where none is near.

    Examples
    --------
    >>> did_you_mean("atention", ["attention", "gradient"]), did_you_mean("x", ["gradient"])
    ('did you mean attention? ', '')
    """
    by_lowered = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), by_lowered, n=most)
    return f"did you mean {' or '.join(by_lowered[other] for other in near)}? " if near else ""


def reason(error: BaseException) -> str:
    """Return the message of an error of another library on one line; the name of its class where it has none."""
    return shorten(" ".join(str(error).split()), LONGEST_ITEM) or type(error).__name__


def brief(text: object) -> str:
    """Return a text as part of a message: escaped, and without its middle where it is long."""
    return _without_middle(printable(_without_middle(str(text))))


def _without_middle(text: str) -> str:
    if len(text) <= LONGEST_PART:
        return text
    end = LONGEST_PART // 4
    return f"{text[: LONGEST_PART - end - 3]}...{text[-end:]}"


class AlignEvalError(Exception):
    """Base class of all errors that this package raises on purpose."""

    exit_code = EXIT_BAD_INPUT


class InputWarning(UserWarning):
    """An input that was used under an assumption, which the message names. Its text is escaped (:func:`printable`)."""

    def __init__(self, message: object) -> None:
        super().__init__(brief(message))


class InputError(AlignEvalError, ValueError):
    """An input that cannot be used.

    Text of the input is escaped in all three parts (:func:`printable`), so that other programs can log the message.

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
        self.place, self.problem, self.remedy = brief(place), brief(problem), brief(remedy)
        super().__init__(f"{self.place}: {self.problem}; {self.remedy}")


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
        super().__init__(brief(message))


def told_apart(value: float, limit: float) -> tuple[str, str]:
    """Write two different numbers with two decimals, or with as many as show that they differ, and one more."""
    decimals = next((n for n in range(2, 15) if f"{value:.{n}f}" != f"{limit:.{n}f}"), 15)
    decimals += decimals > 2
    return f"{value:.{decimals}f}", f"{limit:.{decimals}f}"


def bug_message(error: BaseException) -> str:
    """Return the message for an unexpected error."""
    return f"a bug in align-eval ({type(error).__name__}: {printable(reason(error))})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether the error is a lack of memory on the machine or its device, and hence not a bug.

    torch raises an OutOfMemoryError or a RuntimeError. This module does not import torch, so that it compares the name
    of the class.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)
