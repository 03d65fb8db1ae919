"""Checks of one hypothesis word, shared by all formats.

A word with impossible times is kept without them, and its ``problem`` says why: times that are not finite, negative,
beyond :data:`MAX_TIME_S` or reversed. ``lint`` lists it. So one bad word does not take its file with it. A word of more
than :data:`~align_eval.text.MAX_WORD` characters is kept without times too, with its first characters alone.

Refused are: times of another type than a number, since the file is malformed; words that no text file can hold
(control characters, halves of surrogate pairs); and words with markup, as ``<b>so</b>``, because nobody speaks markup
and the word would never pair with a reference word. A label in angle brackets, as ``<unk>`` or ``</s>``, is no markup.
Doubtful words that systems do write, such as words of no length, are accepted here and reported by ``lint``.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from align_eval.errors import InputError, shorten
from align_eval.records import HypothesisWord
from align_eval.text import (
    DEFAULT_POLICY,
    MAX_WORD,
    LabelPolicy,
    clean_label,
    is_spoken,
    label_kind,
    shown,
    too_long,
)

MAX_TIME_S = 1e6
"""Latest accepted time, eleven days. Sums of larger times could overflow."""

MAX_PARTS = 12
"""Most words of a label that a system wrote as several words."""

CLOSING = {"((": "))", "[": "]", "<": ">", "{": "}"}
"""Closing bracket of a label by its opening one."""

_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_ACTIVE_TAG = re.compile(r"</|<[^<>]*=")
_INSIDE_BRACKETS = re.compile(r"(?<=[\[<{(]) +| +(?=[\]>})])")
_VOICE_SIGNS = "\uff9e\uff9f"


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
    if confidence is not None and not math.isfinite(confidence):
        confidence = None
    if problem := too_long(word):
        return HypothesisWord(shown(word), None, None, confidence, place, problem=problem)
    _check_text(where, word)
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


def fits(*parts: str) -> bool:
    """Tell whether parts that are joined are short enough for a word."""
    return sum(map(len, parts)) <= MAX_WORD


def has_words(text: object) -> bool:
    """Tell whether a value is text with a letter or digit."""
    return isinstance(text, str) and is_spoken(text)


def n_words(text: str) -> int:
    """Count the parts between white space with a letter or digit: in "bien ?" the mark belongs to the word.

    A label, as ``[door slams]``, counts as one word.
    """
    n_parts = sum(map(is_spoken, text.split()))
    return min(n_parts, 1) if n_parts > 1 and is_label(text) else n_parts


def is_label(text: str) -> bool:
    """Tell whether a text is one label that is no word, as ``[door slams]`` or ``<unk>``, on one line or several."""
    return label_kind(clean_label(" ".join(text.split()))) != "word"


def split_labels(
    labels: Iterable[HypothesisWord], policy: LabelPolicy = DEFAULT_POLICY
) -> tuple[tuple[HypothesisWord, ...], tuple[HypothesisWord, ...]]:
    """Clean the texts of labels, and split them into words and labels that are no words.

    Systems that write tokens divide labels and words: ``[door`` and ``slams]`` are one label, and a combining mark
    alone belongs to the word before it.
    """
    words: list[HypothesisWord] = []
    dropped: list[HypothesisWord] = []
    follows_word = False
    for label in _whole_labels([replace(label, text=clean_label(label.text)) for label in labels]):
        if follows_word and is_combining(label.text) and fits(words[-1].text, label.text):
            words[-1] = _joined([words[-1], label], clean_label(words[-1].text + label.text))
            continue
        follows_word = label_kind(label.text, policy) == "word" and (not label.no_word or policy.keeps(label.text))
        (words if follows_word else dropped).append(label)
    return tuple(words), tuple(dropped)


def _whole_labels(labels: Sequence[HypothesisWord]) -> Iterator[HypothesisWord]:
    """Yield the labels, each that is divided as one."""
    i = 0
    while i < len(labels):
        n_parts = _n_parts(labels[i : i + MAX_PARTS])
        yield labels[i] if n_parts == 1 else _joined(labels[i : i + n_parts], _label_of(labels[i : i + n_parts]))
        i += n_parts


def _n_parts(labels: Sequence[HypothesisWord]) -> int:
    """Number of first labels that are the parts of one label in brackets; 1 if the first stands alone."""
    opening = next((bracket for bracket in CLOSING if labels[0].text.startswith(bracket)), None)
    if opening is None or CLOSING[opening] in labels[0].text:
        return 1
    closes = next((i for i, label in enumerate(labels) if i > 0 and CLOSING[opening] in label.text), 0)
    whole = _label_of(labels[: closes + 1])
    return closes + 1 if fits(whole) and is_label(whole) else 1


def _label_of(parts: Sequence[HypothesisWord]) -> str:
    return _INSIDE_BRACKETS.sub("", " ".join(part.text for part in parts))


def is_combining(text: str) -> bool:
    """Tell whether a text begins with a combining mark, or a sign of voice of halfwidth Japanese, and has no letter."""
    marks = [c in _VOICE_SIGNS or unicodedata.category(c)[0] == "M" for c in text]
    return any(marks[:1]) and not any(c.isalnum() for c, mark in zip(text, marks, strict=True) if not mark)


def _joined(parts: Sequence[HypothesisWord], text: str) -> HypothesisWord:
    """One word of several parts, from the start of the first to the end of the last."""
    first, last = parts[0], parts[-1]
    if problem := first.problem or last.problem or times_problem(first.start_s, last.end_s):
        return replace(first, text=text, start_s=None, end_s=None, problem=problem)
    return replace(first, text=text, end_s=last.end_s)


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
    if "<" in word and _has_markup(word) and not is_label(word):
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
