"""What the gate is asked and what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from align_eval.errors import InputError

Verdict = Literal["pass", "undecided", "regression"]
Metric = Literal["wbe_mean", "start_shift", "end_shift", "lost_words"]
SHIFTS: tuple[Metric, Metric] = ("start_shift", "end_shift")

MIN_WORDS = 20
"""A speaker with fewer gets no verdict of their own; their words count overall."""


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on all of them together."""
    found = set(verdicts)
    return "regression" if "regression" in found else "undecided" if "undecided" in found else "pass"


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What counts as a regression.

    ``margin_ms`` is the greatest loss of mean absolute error, ``shift_ms`` the greatest median shift that nobody minds.
    """

    margin_ms: float = 5.0
    shift_ms: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("--margin-ms", self.margin_ms), ("--shift-ms", self.shift_ms)):
            if not 0 < value < float("inf"):
                raise InputError(name, f"{value:g} is no positive number of milliseconds", "give one, as 5")


@dataclass(frozen=True, slots=True)
class WordChange:
    """What became of a word: ms by which it is worse or has moved; of a lost one, how long it is."""

    utterance: str
    word_index: int
    word: str
    reference_start_s: float
    ms: float


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict: of a system, a kind of reference, one speaker's words or all (None), and a metric.

    ``value`` is a loss in ms (``wbe_mean``), the median of run minus baseline in ms (``start_shift``, ``end_shift``),
    or a number of words (``lost_words``, more lost than gained where they are recognised); ``limit`` what it is held
    to. ``p`` is adjusted for everything that was looked at; None where the verdict is a fact and no test.
    ``smallest`` is the smallest loss that would have been found with 80 % power. ``resampled`` names the units and
    ``n_units`` counts them. ``worst`` are the words that did most to it, ten at the most.
    """

    system: str
    reference: str
    speaker: str | None
    metric: Metric
    verdict: Verdict
    value: float
    ci_low: float | None
    ci_high: float | None
    unit: str
    limit: float
    p: float | None
    smallest: float | None
    n_words: int
    resampled: str
    n_units: int
    worst: tuple[WordChange, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """A system's mean absolute error, with its 95 % interval, and its words without any time, in baseline and run."""

    system: str
    reference: str
    baseline_ms: float | None
    run_ms: float | None
    run_ci_low: float | None
    run_ci_high: float | None
    n_words: int
    baseline_lost: int
    run_lost: int


@dataclass(frozen=True, slots=True)
class SignatureDifference:
    """A key in which two signatures differ, and what stands there."""

    key: str
    baseline: Any
    run: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run held to a baseline.

    ``renamed`` are the systems that have other names in the run, ``new_systems`` those that the baseline lacks.
    """

    schema: int
    baseline: str
    run: str
    baseline_id: str
    run_id: str
    options: GateOptions
    verdict: Verdict
    checks: tuple[Check, ...]
    figures: tuple[SystemFigures, ...]
    differences: tuple[SignatureDifference, ...]
    renamed: dict[str, str]
    new_systems: tuple[str, ...]

    def fails(self, *, strict: bool) -> bool:
        """Whether it holds a build up: a regression, and what is undecided where that is asked for."""
        return self.verdict == "regression" or (strict and self.verdict == "undecided")
