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


_ENDS = re.compile(r"[.$¢€£]+(?=\s|$)|(?<!\S)%")


@lru_cache(maxsize=64)
def whisper_normaliser(language: str | None) -> Normalise:
    """openai-whisper's text normaliser: English for ``en`` or None, basic for other languages.

    The English normaliser writes numbers as digits, expands contractions and uses American spelling. The basic one
    converts to lower case and removes everything but letters and digits.
    """
    if language not in (None, "en"):
        basic: Normalise = BasicTextNormalizer()
        return basic
    english = EnglishTextNormalizer()
    for pattern in ADDED:
        english.replacers.pop(pattern, None)
    normalise: Normalise = english
    return normalise


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
            return _without_ends(whisper(text))
        composed = unicodedata.normalize("NFKC", without_joiners(clean_label(text)))  # "…" is three periods, as typed
        lowered = composed.replace("İ", "i").lower()  # "İ".lower() is an i and a mark
        return _without_ends(_unguarded(whisper(_guarded(lowered, folds_latin=folds_latin))))

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
