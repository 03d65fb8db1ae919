"""Options and records of the faithfulness finding, as its JSON file holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from align_eval.errors import InputError
from align_eval.findings.faithfulness.deletion import STEP_PERCENT, Kind, Verdict, levels
from align_eval.records import Failure

SCHEMA_VERSION = 1

Form = Literal["log-prob", "wer"]
Fill = Literal["mean", "floor"]
FILLS: tuple[Fill, ...] = ("mean", "floor")

ENERGY, RANDOM, FLAT = "energy", "random", "flat"
BASELINES = (RANDOM, ENERGY)

SENSITIVITY_RADIUS = 0.02
"""Greatest noise on the log-mel, in its units, for max-sensitivity; captum's own default."""

Pooling = Literal["corpus", "utterance"]
POOLINGS: tuple[Pooling, ...] = ("corpus", "utterance")

Metric = Literal["deletion", "insertion", "size"]

MapMetric = Literal["unexplained", "sensitivity"]


@dataclass(frozen=True, slots=True)
class FaithfulnessOptions:
    """Form and sizes of the measurement.

    Attributes
    ----------
    form : str
        ``log-prob`` or ``wer``.
    step_percent : int
        Distance of the levels of a curve.
    n_random : int
        Number of random orders.
    n_infidelity, n_sensitivity : int
        Numbers of random masks and of noises per utterance, with ``log-prob`` only; 0 leaves the measure out.
    seed : int
        Seed of orders, masks, noises and bootstrap.
    task : str
        ``transcribe`` for the reference words, ``translate`` for the model's own greedy translation.
    """

    form: str = "log-prob"
    step_percent: int = STEP_PERCENT
    n_random: int = 5
    n_infidelity: int = 50
    n_sensitivity: int = 3
    seed: int = 0
    task: Literal["transcribe", "translate"] = "transcribe"

    def __post_init__(self) -> None:
        if self.task not in ("transcribe", "translate"):
            raise InputError(f"task {self.task!r}", "there is no such task", "one of transcribe, translate")
        if self.task == "translate" and self.form == "wer":
            raise InputError("form wer", "there is no reference translation to count errors by", "use --form log-prob")
        if self.form not in get_args(Form):
            raise InputError(f"form {self.form!r}", "there is no such form", f"one of {', '.join(get_args(Form))}")
        if self.n_random < 1:
            raise InputError(f"random orders {self.n_random}", "a baseline needs at least one", "give 1 or more")
        for name, n_samples in (("infidelity", self.n_infidelity), ("sensitivity", self.n_sensitivity)):
            if n_samples < 0:
                raise InputError(f"{name} samples {n_samples}", "must not be negative", "give 0 to leave it out")
        try:
            levels(self.step_percent)
        except ValueError as error:
            raise InputError(f"step {self.step_percent}", str(error), "as 5, 10 or 20") from error


@dataclass(frozen=True, slots=True)
class Outputs:
    """Properties of the text decoded at each level: inserted words, whether it is empty, and whether it was cut off."""

    insertions: tuple[int, ...]
    empty: tuple[bool, ...]
    capped: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve of one utterance.

    Attributes
    ----------
    order : str
        A source's spec, ``energy``, or ``random``.
    draw : int
        Number of the random order; 0 for others.
    values : tuple of float
        Value at each level from 0 to 1: mean log-probability of the text's tokens, or word errors.
    outputs : Outputs, optional
        Properties of the decoded texts, with word errors.
    """

    order: str
    draw: int
    fill: Fill
    kind: Kind
    values: tuple[float, ...]
    outputs: Outputs | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """Normalised texts decoded from the clean and from the fully deleted utterance, with their word errors.

    The deleted ones are by fill.
    """

    clean_text: str
    clean_errors: int
    deleted_text: Mapping[str, str]
    deleted_errors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Unexplained:
    """Fit of a map to the changes of log-probability under random masks of one utterance, in squared nats.

    Attributes
    ----------
    source : str
        A source's spec, ``energy`` or ``flat``.
    infidelity : float
        Mean squared change that the map does not explain, summed over tokens.
    change : float
        Mean squared change, summed over tokens.
    """

    source: str
    fill: Fill
    infidelity: float
    change: float


@dataclass(frozen=True, slots=True)
class UtteranceCurves:
    """All measurements of one utterance.

    Attributes
    ----------
    n_units : int
        Scored tokens, or normalised reference words.
    sensitivity : mapping
        Max-sensitivity by source.
    """

    id: str
    n_frames: int
    n_units: int
    curves: tuple[Curve, ...]
    ends: Ends | None = None
    unexplained: tuple[Unexplained, ...] = ()
    sensitivity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaithfulnessRow:
    """One score with all conditions that decide it; greater is more faithful, except for ``size``."""

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
class MapRow:
    """One measure of a map that does not rank frames; less is better.

    ``metric`` is ``unexplained``, the share of the squared change of log-probability that the map does not explain,
    from 0 to 1, both summed over tokens and utterances; or ``sensitivity``, the mean over utterances of the map's
    largest relative change under noise, which has no ``fill``.
    """

    source: str
    metric: MapMetric
    fill: Fill | None
    value: float
    ci_low: float | None
    ci_high: float | None
    n_utterances: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A source's score minus a baseline's, paired, by fill; the verdict is withheld where those of the fills differ."""

    source: str
    baseline: str
    metric: Kind
    pooling: Pooling
    difference: Mapping[str, tuple[float, float | None, float | None]]
    verdicts: Mapping[str, Verdict]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Hallucinations:
    """Counts over the texts decoded at the interior levels of an order under one fill."""

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
    """Faithfulness of sources on a corpus; ``environment`` takes no part in any comparison."""

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
    map_rows: tuple[MapRow, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
