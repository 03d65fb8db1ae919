"""What a faithfulness finding is made of, and the file that holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from align_eval.errors import InputError
from align_eval.findings.deletion import STEP_PERCENT, Kind, Verdict, levels
from align_eval.records import Failure

SCHEMA_VERSION = 1
"""Of the file of a faithfulness finding: raised when its meaning changes."""

Form = Literal["log-prob", "wer"]
Fill = Literal["mean", "floor"]
FILLS: tuple[Fill, ...] = ("mean", "floor")

ENERGY, RANDOM = "energy", "random"
BASELINES = (RANDOM, ENERGY)

Pooling = Literal["corpus", "utterance"]
POOLINGS: tuple[Pooling, ...] = ("corpus", "utterance")

Metric = Literal["deletion", "insertion", "size"]


@dataclass(frozen=True, slots=True)
class FaithfulnessOptions:
    """What is measured: the form, the curves' step, how many random orders, and the seed of these and the bootstrap."""

    form: str = "log-prob"
    step_percent: int = STEP_PERCENT
    n_random: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise InputError(f"form {self.form!r}", "there is no such form", f"one of {', '.join(get_args(Form))}")
        if self.n_random < 1:
            raise InputError(f"random orders {self.n_random}", "a baseline needs at least one", "give 1 or more")
        try:
            levels(self.step_percent)
        except ValueError as error:
            raise InputError(f"step {self.step_percent}", str(error), "as 5, 10 or 20") from error


@dataclass(frozen=True, slots=True)
class Outputs:
    """What was decoded at each level: words inserted, and whether it was empty or ran into the cap."""

    insertions: tuple[int, ...]
    empty: tuple[bool, ...]
    capped: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve of one utterance.

    Attributes
    ----------
    order : str
        A source's spec, ``energy``, or ``random`` (several, told apart by ``draw``).
    values : tuple of float
        One a level, from 0 to 1: mean log-probability of the text's tokens, or word errors.
    outputs : Outputs, optional
        What was decoded, with word errors.
    """

    order: str
    draw: int
    fill: Fill
    kind: Kind
    values: tuple[float, ...]
    outputs: Outputs | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """What was decoded from the clean and from the fully deleted utterance, normalised, and its word errors."""

    clean_text: str
    clean_errors: int
    deleted_text: Mapping[str, str]
    deleted_errors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class UtteranceCurves:
    """All curves of an utterance. ``n_units`` counts the tokens that were scored, or the normalised reference words."""

    id: str
    n_frames: int
    n_units: int
    curves: tuple[Curve, ...]
    ends: Ends | None = None


@dataclass(frozen=True, slots=True)
class FaithfulnessRow:
    """One score, greater being more faithful (but for ``size``: less is), with the conditions that make it one."""

    order: str
    metric: Metric
    fill: Fill
    pooling: Pooling
    value: float
    ci_low: float | None
    ci_high: float | None
    n_utterances: int
    n_undefined: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A source's score minus a baseline's, paired, under either fill; withheld where the fills' verdicts differ."""

    source: str
    baseline: str
    metric: Kind
    pooling: Pooling
    difference: Mapping[str, tuple[float, float | None, float | None]]
    verdicts: Mapping[str, Verdict]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Hallucinations:
    """What was counted in the outputs of an order's interior levels, under one fill."""

    order: str
    metric: Kind
    fill: Fill
    n_outputs: int
    n_errors: int
    n_insertions: int
    n_empty: int
    n_capped: int


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """What a corpus says of the faithfulness of sources. ``environment`` stands outside everything compared."""

    schema: int
    signature: dict[str, Any]
    form: str
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    rows: tuple[FaithfulnessRow, ...]
    comparisons: tuple[Comparison, ...]
    hallucinations: tuple[Hallucinations, ...]
    utterances: tuple[UtteranceCurves, ...]
    failures: tuple[Failure, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)


def write_faithfulness(path: Path, finding: Faithfulness) -> None:
    """Write a finding as JSON, in the form of ``run.json``."""
    text = json.dumps(asdict(finding), ensure_ascii=False, indent=1, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", "choose another --out") from error
