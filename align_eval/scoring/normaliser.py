"""Text as words are compared: Whisper's own normalisers, without torch, one a language.

openai-whisper's package of normalisers loads torch; PyPI's ``whisper-normalizer`` is the same code without it, but for
four colloquial forms that it adds. Those are taken out again, so that word error rates are those of openai-whisper.

References: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", appendix C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

Normalise = Callable[[str], str]

ADDED = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")
"""What ``whisper-normalizer`` writes out and openai-whisper does not."""


@lru_cache(maxsize=64)
def whisper_normaliser(language: str | None) -> Normalise:
    """openai-whisper's normaliser of texts: the English one for ``en`` and where no language is known, else the basic.

    The English one writes numbers as digits, contractions out and American spelling; the basic one lowers the case and
    takes away what is neither letter nor digit.
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
    """A text as it is compared: normalised, without spaces, so that "every one" is "everyone".

    Where the normaliser takes everything away, as of "um", the letters and digits in lower case; the text where it has
    none. Never empty.
    """
    kept = compressed(whisper_normaliser(language)(text).split())
    return kept or "".join(c for c in text.casefold() if c.isalnum()) or "".join(text.split()) or "_"


def compressed(words: Iterable[str]) -> str:
    """Normalised words as one, "one" as the digit: of "1 2" the English normaliser makes "one 2", of "one two" "12"."""
    return "".join(words).replace("one", "1")
