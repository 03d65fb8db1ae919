"""Normalisation of words before they are compared: Whisper's, with combining marks kept, chosen by language.

Whisper's normalisers drop combining marks (Unicode category M). Many scripts write vowels, tones and other letters with
them: Hindi "की" would equal "को", and Russian "мой" would equal "мои" under the English rules. Here a mark is a letter
(:func:`normaliser`). The English normaliser still folds the accents of Latin letters ("é" to "e"). Whisper's own rules
(:func:`whisper_normaliser`) are those of published protocols.

The normalisers of openai-whisper load torch. PyPI's ``whisper-normalizer`` is the same code without torch, plus four
colloquial forms. These are removed here, so that word error rates equal those of openai-whisper.

References: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", appendix C.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from align_eval.text import clean_label, match_key, without_joiners

Normalise = Callable[[str], str]

ADDED = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")
"""Patterns that ``whisper-normalizer`` expands and openai-whisper does not."""

LETTER_OF_MARK = 0xF0000
"""First code point for private use. A mark is moved by this while a normaliser runs, which keeps such characters."""


MAX_BRACKET = 60
"""Most words in a bracket: the remarks of a transcript are shorter, and one bracket that is closed by chance must not
take the text between with it."""

_BRACKETS = (("<[", ">]", re.compile(r"[<\[][^>\]]*[>\]]")), ("(", ")", re.compile(r"\([^)]+?\)")))
"""Opening and closing brackets of Whisper's two patterns, and the patterns."""

_ENDS = re.compile(r"[.$¢€£]+(?=\s|$)|(?<!\S)%")


class _Basic(BasicTextNormalizer):  # type: ignore[misc]
    """Whisper's rules for all languages; ``longest`` is the most words in a bracket that is removed, if given."""

    def __call__(self, text: str, longest: int | None = None) -> str:
        return _normalised(text, super().__call__, longest)


class _English(EnglishTextNormalizer):  # type: ignore[misc]
    """Whisper's rules for English; ``longest`` as above."""

    def __call__(self, text: str, longest: int | None = None) -> str:
        return _normalised(text, super().__call__, longest)


@lru_cache(maxsize=64)
def whisper_normaliser(language: str | None) -> _Basic | _English:
    """openai-whisper's text normaliser: English for ``en`` or None, basic for other languages.

    The English normaliser writes numbers as digits, expands contractions and uses American spelling. The basic one
    converts to lower case and removes everything but letters and digits.
    """
    if language not in (None, "en"):
        return _Basic()
    english = _English()
    for pattern in ADDED:
        english.replacers.pop(pattern, None)
    return english


@lru_cache(maxsize=64)
def normaliser(language: str | None) -> Normalise:
    """:func:`whisper_normaliser` with combining marks as letters, and without invisible characters.

    In English, and where the language is unknown, the accents of Latin letters are folded, as Whisper's normaliser
    does. Whisper's English rules remove a mark inside a text ("so... we") and leave it at an end ("so..."). Here it is
    removed there too, so that a word alone is as in its text.
    """
    whisper = whisper_normaliser(language)
    folds_latin = language in (None, "en")

    def normalise(text: str) -> str:
        if text.isascii():
            return _without_ends(whisper(text, MAX_BRACKET))
        composed = unicodedata.normalize("NFKC", without_joiners(clean_label(text)))  # "…" is three periods, as typed
        lowered = composed.replace("İ", "i").lower()  # "İ".lower() is an i and a mark
        return _without_ends(_unguarded(whisper(_guarded(lowered, folds_latin=folds_latin), MAX_BRACKET)))

    return normalise


@lru_cache(maxsize=2**17)
def comparable(text: str, language: str | None, *, published: bool = False) -> str:
    """Normalised text without spaces, for comparison, so that "every one" equals "everyone". Never empty.

    If the normaliser removes everything, as of "um", it is the :func:`~align_eval.text.match_key` of the text: its
    letters, digits, combining marks and inner apostrophes in compatibility form (NFKC), without case. A text without
    any of these keeps its characters.

    Parameters
    ----------
    published
        Use Whisper's own rules.
    """
    normalise = (whisper_normaliser if published else normaliser)(language)
    normalised = compressed(normalise(text).split())
    return normalised or match_key(text) or "".join(text.split()) or "_"


def compressed(words: Iterable[str]) -> str:
    """Join normalised words and write "one" as a digit.

    The English normaliser turns "1 2" into "one 2" and "one two" into "12".
    """
    return "".join(words).replace("one", "1")


def _normalised(text: str, whisper: Normalise, longest: int | None) -> str:
    """Text by one of Whisper's normalisers, in a time proportional to its length, and whatever its numbers.

    Whisper's English rules raise an error for numbers of more than 4,300 digits, which Python refuses to write. A text
    with such a number is normalised in two halves, down to the word that has it, which then keeps its digits.
    """
    try:
        return whisper(_without_brackets(text, longest))
    except (ValueError, AssertionError):
        words = text.split()
        if len(words) < 2:
            return match_key(text)
        halves = words[: len(words) // 2], words[len(words) // 2 :]
        return " ".join(_normalised(" ".join(half), whisper, longest) for half in halves)


def _without_brackets(text: str, longest: int | None) -> str:
    """Remove what Whisper's normalisers remove first: everything in brackets.

    Their patterns take a time that grows with the square of the number of brackets that are never closed. Such a
    bracket becomes another symbol here, which they remove like any other. So do brackets around more than ``longest``
    words, if it is given.
    """

    def removed(match: re.Match[str]) -> str:
        is_long = longest is not None and len(match.group().split()) > longest
        return match.group().translate(marks) if is_long else ""

    for opening, closing, pattern in _BRACKETS:
        marks = str.maketrans(dict.fromkeys(opening + closing, "|"))
        after = 1 + max(text.rfind(bracket) for bracket in closing)
        text = pattern.sub(removed, text[:after] + text[after:].translate(marks))
    return text


def _without_ends(normalised: str) -> str:
    return _ENDS.sub(" ", normalised)


def _guarded(text: str, *, folds_latin: bool) -> str:
    """Move combining marks to code points for private use; with ``folds_latin`` not those of Latin letters."""
    chars: list[str] = []
    latin = False
    for char in unicodedata.normalize("NFKD" if folds_latin else "NFKC", text):
        if unicodedata.category(char)[0] != "M":
            latin = folds_latin and unicodedata.name(char, "").startswith("LATIN ")
            chars.append(char)
        else:
            chars.append(char if latin else chr(LETTER_OF_MARK + ord(char)))
    return "".join(chars)


def _unguarded(text: str) -> str:
    moved = (chr(ord(c) - LETTER_OF_MARK) if LETTER_OF_MARK <= ord(c) < 2 * LETTER_OF_MARK else c for c in text)
    return unicodedata.normalize("NFC", "".join(moved))
