"""Options and verdicts of the gate, as compare.json holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from align_eval.errors import InputError
from align_eval.run_record import Answer

Verdict = Literal["pass", "undecided", "regression"]
Metric = Literal["wbe_mean", "start_shift", "end_shift", "lost_words"]
SHIFTS: tuple[Metric, Metric] = ("start_shift", "end_shift")

MIN_WORDS = 20
"""Smallest number of words for which a speaker gets a verdict. Words of other speakers still count overall."""


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of several verdicts; ``pass`` where there is none."""
    distinct = set(verdicts)
    if "regression" in distinct:
        return "regression"
    return "undecided" if "undecided" in distinct else "pass"


@dataclass(frozen=True, slots=True)
class GateOptions:
    """Thresholds of a regression.

    Parameters
    ----------
    margin_ms
        Largest increase in mean absolute error to tolerate, in ms.
    shift_ms
        Largest median shift of word starts or ends to tolerate, in ms, either way.
    seed
        Seed of the bootstrap.
    """

    margin_ms: float = 5.0
    shift_ms: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("--margin-ms", self.margin_ms), ("--shift-ms", self.shift_ms)):
            if not 0 < value < float("inf"):
                raise InputError(name, f"{value:g} is not a positive number of milliseconds", "use a number such as 5")


@dataclass(frozen=True, slots=True)
class WordChange:
    """One word and its change: ms by which its error grew or it moved; for a lost word, its length in ms."""

    utterance: str
    word_index: int
    word: str
    reference_start_s: float
    ms: float


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict: on one metric of one system, one kind of reference, and all words or one speaker's.

    Parameters
    ----------
    speaker
        The speaker; None for all words.
    value
        ``wbe_mean``: increase in mean absolute error, in ms. ``start_shift`` and ``end_shift``: median of run minus
        baseline, in ms. ``lost_words``: number of lost words; minus the gained ones where the text was recognised.
    ci_low, ci_high
        95 % interval of the increase; None for the other metrics and where there is too little to resample.
    limit
        Threshold for ``value``.
    p
        p-value, adjusted for all checks of the comparison; None where the verdict needs no test.
    smallest
        Smallest increase that these words would have shown with 80 % power, in ms.
    resampled, n_units
        Name and number of the units that are resampled.
    worst
        Up to ten words that contributed most.
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
    """One system's mean absolute error and number of words without times, in baseline and run.

    The 95 % interval is that of the run. Errors are in ms, and None where no word has times.
    """

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
    """A signature key with different values in baseline and run."""

    key: str
    baseline: Any
    run: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of comparing a run with a baseline.

    Parameters
    ----------
    renamed
        Baseline systems that have another name in the run, by their name in the baseline.
    new_systems
        Systems of the run that the baseline lacks. They are not compared.
    answers
        Answers of the run; empty for a run without one.
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
    answers: tuple[Answer, ...] = ()

    def checks_on(self, system: str, reference: str) -> list[Check]:
        """Return the checks on one system and kind of reference."""
        return [check for check in self.checks if (check.system, check.reference) == (system, reference)]

    def fails(self, *, strict: bool) -> bool:
        """Tell whether the comparison fails a build: on a regression, and with ``strict`` also where undecided."""
        return self.verdict == "regression" or (strict and self.verdict == "undecided")
