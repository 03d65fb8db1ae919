"""Checks of one hypothesis word, shared by all formats.

A word with impossible times is kept without them, and its ``problem`` says why: times that are not finite, negative,
beyond :data:`MAX_TIME_S` or reversed. ``lint`` lists it. So one bad word does not take its file with it.

Refused are: times of another type than a number, since the file is malformed; words that no text file can hold
(control characters, halves of surrogate pairs); and words with markup, as ``<b>so</b>``, because nobody speaks markup
and the word would never pair with a reference word. A label in angle brackets, as ``<unk>``, is no markup. Doubtful
words that systems do write, such as words of no length, are accepted here and reported by ``lint``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

from align_eval.errors import InputError
from align_eval.formats.praat_tokens import shorten
from align_eval.records import HypothesisWord
from align_eval.text import DEFAULT_POLICY, LabelPolicy, clean_label, is_spoken, label_kind

MAX_TIME_S = 1e6
"""Latest accepted time, eleven days. Sums of larger times could overflow."""

_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE)
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
    confidence
        One that is not finite is left out.

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
    start_s = None if start is None else number(where, "start", start)
    end_s = None if end is None else number(where, "end", end)
    confidence = None if confidence is None else number(where, "confidence", confidence)
    if not word:
        return None
    _check_text(where, word)
    if confidence is not None and not math.isfinite(confidence):
        confidence = None
    if problem := times_problem(start_s, end_s):
        return HypothesisWord(word, None, None, confidence, place, problem=problem)
    return HypothesisWord(word, start_s, end_s, confidence, place)


def times_problem(start_s: float | None, end_s: float | None) -> str:
    """Reason why a word cannot have these times in seconds, or an empty text if it can.

    Examples
    --------
    >>> times_problem(1.5, 1.2), times_problem(1.2, 1.5)
    ('ends (1.2 s) before it starts (1.5 s)', '')
    """
    if start_s is not None and end_s is not None and end_s < start_s:
        return f"ends ({end_s:g} s) before it starts ({start_s:g} s)"
    for verb, time_s in (("starts", start_s), ("ends", end_s)):
        if time_s is None or 0 <= time_s <= MAX_TIME_S:
            continue
        if not math.isfinite(time_s):
            return f"{verb} at {time_s}, which is no time"
        where = "at a negative time" if time_s < 0 else f"after {MAX_TIME_S:g} s"
        return f"{verb} {where} ({time_s:g} s)"
    return ""


def has_words(text: object) -> bool:
    """Tell whether a value is text with a letter or digit."""
    return isinstance(text, str) and is_spoken(text)


def n_words(text: str) -> int:
    """Count the parts between white space with a letter or digit: in "bien ?" the mark belongs to the word."""
    return sum(map(is_spoken, text.split()))


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
    """Convert a JSON number. Strings and truth values are refused. A number beyond floating-point numbers is infinite.

    Raises
    ------
    InputError
        If ``value`` is not a number; ``what`` names it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(where, f"{what} is {_described(value)}, not a number", "write a finite number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number_in_text(where: str, what: str, text: str) -> float:
    """Convert a decimal number in a text file: ASCII digits, a point, an exponent, no underscores; or ``nan``, ``inf``.

    Raises
    ------
    InputError
        If ``text`` is not a number; ``what`` names it.
    """
    if not _NUMBER.fullmatch(text):
        raise InputError(where, f"{what} is {shorten(text)!r}, not a number", "write a finite number")
    return float(text)


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
    return n_tags > 0 and is_spoken(text)


def _described(value: object) -> str:
    """A JSON value for a message."""
    if isinstance(value, dict | list):
        return f"a {'table' if isinstance(value, dict) else 'list'} in JSON"
    if isinstance(value, int) and not isinstance(value, bool):
        return "a whole number"  # it may have thousands of digits
    return "null" if value is None else shorten(repr(value))
