"""Scoring protocols of published papers, as data. The same system scores 15 % or 82 %, depending on the protocol.

A protocol specifies boundaries, words, collars, a cut-off, averages, and the normaliser that decides when two words are
the same. Its hash covers these and neither name nor paper; numbers with different hashes are never compared.
docs/protocols.md works through one example by hand under all protocols.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Literal

Boundaries = Literal["starts", "ends", "both"]
Words = Literal["recognised", "paired"]
Normaliser = Literal["letters", "whisper", "lower", "none"]
Average = Literal["micro", "macro"]
Measure = Literal["mean", "within", "precision", "recall", "f1", "iou"]

MEANING = 1
"""Version of the definitions of the measures, part of every hash. Increase it if a definition changes."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rules for counting boundaries.

    Attributes
    ----------
    boundaries : starts, ends or both
        Boundaries that count.
    words : recognised or paired
        ``recognised``: words with the same text on both sides; ``paired``: substitutions as well. Words that were not
        recognised count only in ``recall`` and ``f1``.
    normaliser : letters, whisper, lower or none
        Compare texts after Whisper's normaliser of the language with combining marks kept as letters, after Whisper's
        own, which drops them, in lower case, or exactly.
    collars_ms : tuple of float
        Tolerances in ms; ``within``, ``precision``, ``recall`` and ``f1`` get one row per collar.
    cut_ms : float or None
        Boundaries with a larger error in ms are left out; the row ``cut`` is their share.
    averages : tuple of micro, macro
        Over all words, or over the means of utterances. ``precision``, ``recall`` and ``f1`` are always micro.
    measures : tuple of mean, within, precision, recall, f1, iou
        ``mean`` and ``within`` count boundaries, the others words. A word is a hit if all its counted boundaries are
        within the collar.
    paper : str
        Source of the protocol.
    hash : str
        First 12 hexadecimal digits of the SHA-256 over all rules.
    """

    boundaries: Boundaries
    words: Words
    normaliser: Normaliser
    collars_ms: tuple[float, ...]
    cut_ms: float | None
    averages: tuple[Average, ...]
    measures: tuple[Measure, ...]
    paper: str = ""
    hash: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not self.averages or not self.measures:
            raise ValueError("needs at least one average and one measure")
        if set(self.measures) - {"mean", "iou"} and not self.collars_ms:
            raise ValueError("has a measure with a collar and needs collars_ms")
        limits = [*self.collars_ms, *([] if self.cut_ms is None else [self.cut_ms])]
        if not all(math.isfinite(ms) and ms > 0 for ms in limits):
            raise ValueError("collars_ms and cut_ms must be positive numbers of milliseconds")
        object.__setattr__(self, "hash", self._hash())

    def _hash(self) -> str:
        rules = {
            "boundaries": self.boundaries,
            "words": self.words,
            "normaliser": self.normaliser,
            "collars_ms": sorted(map(float, self.collars_ms)),
            "cut_ms": None if self.cut_ms is None else float(self.cut_ms),
            "averages": sorted(self.averages),
            "measures": sorted(self.measures),
            "meaning": MEANING,
        }
        canonical = json.dumps(rules, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


PROTOCOLS: dict[str, Protocol] = {
    "wbe": Protocol(
        boundaries="both", words="recognised", normaliser="letters", collars_ms=(10, 20, 25, 50, 100, 200),
        cut_ms=None, averages=("micro", "macro"), measures=("mean", "within", "iou"),
        paper="Zeyer, Schlüter, Ney 2026, arXiv 2607.06831",
    ),
    "rousso2024": Protocol(
        boundaries="ends", words="recognised", normaliser="whisper", collars_ms=(10, 25, 50, 100),
        cut_ms=None, averages=("micro",), measures=("mean", "within"),
        paper="Rousso, Cohen, Keshet, Chodroff 2024, arXiv 2406.19363",
    ),
    "rousso2024-cut": Protocol(
        boundaries="ends", words="recognised", normaliser="whisper", collars_ms=(10, 25, 50, 100),
        cut_ms=500, averages=("micro",), measures=("mean", "within"),
        paper="the same, errors over 500 ms left out",
    ),
    "mfa2026": Protocol(
        boundaries="starts", words="recognised", normaliser="whisper", collars_ms=(10, 25, 50, 100),
        cut_ms=None, averages=("micro",), measures=("mean", "within"),
        paper="Montreal Forced Aligner 3.0, 2026",
    ),
    "whisperx200": Protocol(
        boundaries="both", words="recognised", normaliser="whisper", collars_ms=(200,),
        cut_ms=None, averages=("micro",), measures=("precision", "recall"),
        paper="Bain, Huh, Han, Zisserman 2023, arXiv 2303.00747",
    ),
    "crisper": Protocol(
        boundaries="both", words="recognised", normaliser="whisper", collars_ms=(50, 100, 200),
        cut_ms=None, averages=("micro",), measures=("f1", "iou"),
        paper="Wagner, Thallinger, Zusag 2024, arXiv 2408.16589",
    ),
    "yeh50": Protocol(
        boundaries="ends", words="recognised", normaliser="whisper", collars_ms=(50,),
        cut_ms=None, averages=("micro",), measures=("f1",),
        paper="Yeh, Meng, Tang 2025, arXiv 2509.09987",
    ),
    "aas": Protocol(
        boundaries="both", words="paired", normaliser="whisper", collars_ms=(),
        cut_ms=None, averages=("micro",), measures=("mean",),
        paper="Shi, Chen, Zhang, Yan 2023, arXiv 2301.12343",
    ),
    "canary240": Protocol(
        boundaries="both", words="recognised", normaliser="whisper", collars_ms=(240,),
        cut_ms=None, averages=("micro",), measures=("precision", "recall"),
        paper="Hu et al. 2025, arXiv 2505.15646",
    ),
}  # fmt: skip
