"""Checks of one hypothesis word, shared by all formats.

Refused are: times that are no numbers, not finite, negative, beyond :data:`MAX_TIME_S` or reversed; words that no text
file can hold (control characters, halves of surrogate pairs); and words with markup, as ``<b>so</b>``, because nobody
speaks markup and the word would never pair with a reference word. A label in angle brackets, as ``<unk>``, is a word.
Doubtful words that systems do write, such as words of no length, are accepted here and reported by ``lint``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

from align_eval.errors import InputError
from align_eval.formats.praat import shorten
from align_eval.records import HypothesisWord
from align_eval.text import DEFAULT_POLICY, LabelPolicy, clean_label, label_kind

MAX_TIME_S = 1e6
"""Latest accepted time, eleven days. Sums of larger times could overflow."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TAG = re.compile(r"<[^<>]*>")
_ACTIVE_TAG = re.compile(r"</|<[^<>]*=")


def hypothesis_word(
    file: object,
    place: str,
    text: object,
    start: object,
    end: object,
    confidence: object = None,
) -> HypothesisWord | None:
    """Check the parts of a word and build it.

    Parameters
    ----------
    file, place
        The file, and the place of the word in it.
    start, end
        Seconds; None if the system wrote no time.

    Returns
    -------
    HypothesisWord or None
        None if ``text`` is white space.

    Raises
    ------
    InputError
        If a part breaks a rule of this module.
    """
    where = f"{file}, {place}"
    if not isinstance(text, str):
        raise InputError(where, f"the word is {_described(text)}, not a string", "write the words as strings")
    word = text.strip()
    start_s, end_s = _time(where, "start", start), _time(where, "end", end)
    if start_s is not None and end_s is not None and end_s < start_s:
        raise InputError(
            where, f"{shorten(word)!r} ends ({end_s:g} s) before it starts ({start_s:g} s)", "correct the times"
        )
    if not word:
        return None
    _check_text(where, word)
    checked_confidence = None if confidence is None else number(where, "confidence", confidence)
    return HypothesisWord(word, start_s, end_s, checked_confidence, place)


def split_labels(
    labels: Iterable[HypothesisWord], policy: LabelPolicy = DEFAULT_POLICY
) -> tuple[tuple[HypothesisWord, ...], tuple[HypothesisWord, ...]]:
    """Clean the texts of labels, and split them into words and labels that are no words."""
    words: list[HypothesisWord] = []
    dropped: list[HypothesisWord] = []
    for label in labels:
        cleaned = replace(label, text=clean_label(label.text))
        is_word = not label.no_word and label_kind(cleaned.text, policy) == "word"
        (words if is_word else dropped).append(cleaned)
    return tuple(words), tuple(dropped)


def number(where: str, what: str, value: object) -> float:
    """Convert a finite JSON number. Strings and truth values are refused.

    Raises
    ------
    InputError
        If ``value`` is not a finite number; ``what`` names it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(where, f"{what} is {_described(value)}, not a number", "write a finite number")
    try:
        converted = float(value)
    except OverflowError:
        raise InputError(where, f"{what} is larger than any floating-point number", "write a finite number") from None
    if not math.isfinite(converted):
        raise InputError(where, f"{what} is {converted}", "write a finite number")
    return converted


def number_in_text(where: str, what: str, text: str) -> float:
    """Convert a decimal number in a text file: ASCII digits, a point, an exponent, no underscores.

    Raises
    ------
    InputError
        If ``text`` is not a finite number; ``what`` names it.
    """
    if not _NUMBER.fullmatch(text):
        raise InputError(where, f"{what} is {shorten(text)!r}, not a number", "write a finite number")
    return number(where, what, float(text))


def check_time(where: str, what: str, time_s: float) -> float:
    """Return a time in seconds that a recording can have.

    Raises
    ------
    InputError
        If it is negative or beyond :data:`MAX_TIME_S`; ``what`` names it.
    """
    if time_s < 0:
        raise InputError(where, f"{what} is negative ({time_s:g} s)", "count times from the start of the recording")
    if time_s > MAX_TIME_S:
        raise InputError(where, f"{what} is {time_s:g} s", f"write times in seconds, {MAX_TIME_S:g} at most")
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
    text, n_tags = _TAG.subn("", word)
    return n_tags > 0 and any(c.isalnum() for c in text)


def _described(value: object) -> str:
    """A JSON value for a message."""
    if isinstance(value, dict | list):
        return f"a {'table' if isinstance(value, dict) else 'list'} in JSON"
    if isinstance(value, int) and not isinstance(value, bool):
        return "a whole number"  # it may have thousands of digits
    return "null" if value is None else shorten(repr(value))
