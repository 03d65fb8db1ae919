"""A word that a file gives, checked once for every form: what no system can mean is refused with its place.

Refused are times that are no numbers, not finite, negative, beyond :data:`MAX_TIME_S` or in reverse; words that no text
file can hold (control characters, halves of surrogate pairs); and words with markup in them, as ``<b>so</b>``: no such
word is ever spoken, and it would never pair with a reference. Labels in angle brackets, as ``<unk>``, are words. What
systems do give and should not, such as words of no length, is kept: that is for lint.
"""

from __future__ import annotations

import math
import re

from align_eval.errors import InputError
from align_eval.formats.praat import shorten
from align_eval.records import GivenWord

MAX_TIME_S = 1e6
"""Eleven days: what is beyond is no time of speech, and sums of such times would not stay finite."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TAG = re.compile(r"<[^<>]*>")
_ACTIVE_TAG = re.compile(r"</|<[^<>]*=")


def given_word(
    file: object,
    place: str,
    text: object,
    start: object,
    end: object,
    confidence: object = None,
) -> GivenWord | None:
    """Check the parts of a word; None for white space, which is no word.

    Parameters
    ----------
    file, place
        The file, and where in it the word stands.
    start, end
        Seconds; None where the system gave none.

    Raises
    ------
    InputError
        For what the module says is refused.
    """
    where = f"{file}, {place}"
    if not isinstance(text, str):
        raise InputError(where, f"the word is {_shown(text)}, not a text", "write the words as texts")
    word = text.strip()
    start_s, end_s = _time(where, "start", start), _time(where, "end", end)
    if start_s is not None and end_s is not None and end_s < start_s:
        raise InputError(
            where, f"{shorten(word)!r} ends ({end_s:g} s) before it starts ({start_s:g} s)", "correct the times"
        )
    if not word:
        return None
    _check_text(where, word)
    known = None if confidence is None else number(where, "confidence", confidence)
    return GivenWord(word, start_s, end_s, known, place)


def number(where: str, what: str, value: object) -> float:
    """A finite number, which numbers in quotes, true and false are not.

    Raises
    ------
    InputError
        For all else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(where, f"{what} is {_shown(value)}, not a number", "give a finite number")
    try:
        converted = float(value)
    except OverflowError:
        raise InputError(where, f"{what} is beyond all floating-point numbers", "give a finite number") from None
    if not math.isfinite(converted):
        raise InputError(where, f"{what} is {converted}", "give a finite number")
    return converted


def number_in_text(where: str, what: str, text: str) -> float:
    """A number as text files hold it: digits, a point, an exponent; no underscores, no other scripts' digits.

    Raises
    ------
    InputError
        For all else.
    """
    if not _NUMBER.fullmatch(text):
        raise InputError(where, f"{what} is {shorten(text)!r}, not a number", "give a finite number")
    return number(where, what, float(text))


def check_time(where: str, what: str, time_s: float) -> float:
    """A time in seconds that a recording can have.

    Raises
    ------
    InputError
        Where it is negative or beyond :data:`MAX_TIME_S`.
    """
    if time_s < 0:
        raise InputError(where, f"{what} is negative ({time_s:g} s)", "count times from the start of the recording")
    if time_s > MAX_TIME_S:
        raise InputError(
            where, f"{what} is {time_s:g} s", f"give seconds, of which at most {MAX_TIME_S:g} can be meant"
        )
    return time_s


def _time(where: str, what: str, value: object) -> float | None:
    return None if value is None else check_time(where, what, number(where, what, value))


def _check_text(where: str, word: str) -> None:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(where, f"{shorten(word)!a} holds half a surrogate pair", "write it as UTF-8") from None
    if not word.isprintable() and any(ord(c) < 32 and not c.isspace() for c in word):
        raise InputError(where, f"{shorten(word)!a} holds a control character", "write the words as plain text")
    if "<" in word and _has_markup(word):
        raise InputError(where, f"{shorten(word)!r} holds markup", "write the words as plain text, without tags")


def _has_markup(word: str) -> bool:
    if _ACTIVE_TAG.search(word):
        return True
    rest, n_tags = _TAG.subn("", word)
    return n_tags > 0 and any(c.isalnum() for c in rest)


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return f"a {'table' if isinstance(value, dict) else 'list'} in JSON"
    if isinstance(value, int) and not isinstance(value, bool):
        return "a whole number"  # it may have thousands of digits
    return "null" if value is None else shorten(repr(value))
