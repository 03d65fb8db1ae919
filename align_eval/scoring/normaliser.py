"""Whisper's text normalisers, without torch, chosen by language.

The normalisers of openai-whisper load torch. PyPI's ``whisper-normalizer`` is the same code without torch, plus four
colloquial forms. These are removed here, so that word error rates equal those of openai-whisper.

References: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", appendix C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

Normalise = Callable[[str], str]

ADDED = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")
"""Patterns that ``whisper-normalizer`` expands and openai-whisper does not."""


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


@lru_cache(maxsize=2**17)
def comparable(text: str, language: str | None) -> str:
    """Normalised text without spaces, for comparison, so that "every one" equals "everyone". Never empty.

    If the normaliser removes everything, as of "um", it is the letters and digits in lower case, or else the text.
    """
    normalised = compressed(whisper_normaliser(language)(text).split())
    return normalised or "".join(c for c in text.casefold() if c.isalnum()) or "".join(text.split()) or "_"


def compressed(words: Iterable[str]) -> str:
    """Join normalised words and write "one" as a digit.

    The English normaliser turns "1 2" into "one 2" and "one two" into "12".
    """
    return "".join(words).replace("one", "1")
