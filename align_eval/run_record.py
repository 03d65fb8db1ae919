"""The record of a run: its signature, its score rows, and its failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from align_eval.records import Failure, FlatRows


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One number, with the conditions under which it holds.

    Attributes
    ----------
    source, align : str
        Name of the system.
    text : str
        The aligned text: ``words``, ``hypothesis`` or ``transcript``.
    reference : str
        Kind of the reference times.
    boundaries : str
        ``all`` or ``interior`` (without the first start and the last end of each utterance); for other protocols than
        ``wbe``, ``starts``, ``ends`` or ``both``.
    calibration : str
        ``none``, or ``reference``: one median shift per boundary type, estimated on other clusters.
    protocol, metric, unit : str
    value : float
    ci_low, ci_high : float or None
        95 % interval; None with fewer than five effective clusters, or if no resampling changes the value.
    n_words : int
    clusters : str
        The unit that is resampled: speakers or recordings.
    n_clusters : int
        Clusters with scored words.
    n_effective_clusters : float
        Their effective number, given how many words of each were scored.
    protocol_hash : str
        Hash of the rules of the protocol; numbers of different hashes are never compared.
    """

    source: str
    align: str
    text: str
    reference: str
    boundaries: str
    calibration: str
    protocol: str
    metric: str
    value: float
    ci_low: float | None
    ci_high: float | None
    unit: str
    n_words: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    protocol_hash: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval, which is None where there are too few clusters for one."""

    value: float
    ci_low: float | None
    ci_high: float | None


Verdict = Literal["shown", "not shown", "control", "shift", "circular", "cannot be told"]
"""Ending of an answer. The residual of the saliency

- is ``shown`` to help: raw, calibrated, and more than the control;
- is ``not shown`` to help at all;
- helps, but is not shown to help more than the ``control``, which reads attention otherwise;
- helps, but nothing beyond a constant ``shift`` is shown: its calibrated worth is not;
- is not measured: it would be ``circular``, since that saliency chose the heads;
- ``cannot be told``: there are too few speakers to choose an amount.
"""

HeadsFrom = Literal["other speech", "this corpus", "agreement", "named"]
"""Origin of the heads: chosen by error on other speech or on this corpus, by agreement with a saliency, or by hand."""


@dataclass(frozen=True, slots=True)
class AmountRow:
    """Error at one amount of a residual, chosen or not.

    Attributes
    ----------
    amount : float
    error_ms, calibrated_ms : float
    moved : float
        Share of boundaries that it moves by at least half an encoder frame.
    chosen : int
        How often halves of the clusters chose it, of 40; amount 0 is attention itself.
    """

    amount: float
    error_ms: float
    calibrated_ms: float
    moved: float
    chosen: int


@dataclass(frozen=True, slots=True)
class Step:
    """One way to read word times, in the order of the answer.

    Attributes
    ----------
    name : str
        Short name, as ``whisper``, ``attention``, ``gradient``, ``attention+gradient``.
    role : str
        ``whisper``, ``attention``, ``saliency``, ``residual`` (attention plus what the saliency shows and it lacks) or
        ``control`` (attention plus what its other heads show and it lacks).
    error : Figure
        Mean absolute error in ms.
    calibrated : Figure or None
        After removal of the median error of other clusters; None with a single cluster.
    difference, calibrated_difference : Figure or None
        Paired error minus that of the step before it (``attention``) or of ``attention`` (all others): negative where
        this step is nearer. None for ``whisper``.
    amounts : tuple of AmountRow
        Of a residual or control: the amounts that are chosen among on other clusters.
    """

    name: str
    role: str
    error: Figure
    calibrated: Figure | None
    difference: Figure | None = None
    calibrated_difference: Figure | None = None
    amounts: tuple[AmountRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """How far off word times are, and what of it attention's incompleteness costs, under one kind of reference.

    Errors are those of interior boundaries that every step timed.

    Attributes
    ----------
    reference : str
        Kind of the reference times.
    saliency, heads : str
        Spec of the saliency, and the heads of attention.
    heads_from : HeadsFrom
    verdict : Verdict
    n_words, n_boundaries : int
    clusters : str
        The unit that is resampled: speakers or recordings.
    n_clusters : int
    n_effective_clusters : float
    steps : tuple of Step
    reading_ms : Figure
        Worth of reading attention well: error of ``whisper`` minus that of ``attention``.
    shift_ms : float or None
        Part of ``reading_ms`` that is a constant shift: it vanishes when both are calibrated.
    worth_ms, calibrated_worth_ms : Figure or None
        Worth of the residual: error of ``attention`` minus that with the residual, positive where it helps. None where
        no amount was chosen.
    beyond_control_ms : Figure or None
        Error with the control minus that with the residual.
    at_most_ms : float or None
        Largest upper end of the worth over all fixed amounts, adjusted for their number (Bonferroni).
    floor_ms : Figure or None
        Distance of a second reference from the one that scores; absolute errors do not subtract.
    """

    reference: str
    saliency: str
    heads: str
    heads_from: HeadsFrom
    verdict: Verdict
    n_words: int
    n_boundaries: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    steps: tuple[Step, ...]
    reading_ms: Figure
    shift_ms: float | None
    worth_ms: Figure | None
    calibrated_worth_ms: Figure | None
    beyond_control_ms: Figure | None
    at_most_ms: float | None
    floor_ms: Figure | None

    def step(self, role: str) -> Step | None:
        """The step of a role, if there is one."""
        return next((step for step in self.steps if step.role == role), None)


@dataclass(frozen=True, slots=True)
class RunSignature:
    """Settings that every signature has, with their types. A signature may have others.

    Attributes
    ----------
    id : str
    model, corpus : str
        Names, and ``model_checksum``, ``corpus_checksum`` of their contents.
    text : str
        The aligned text: ``words``, ``hypothesis`` or ``transcript``.
    seed : int
        Not negative.
    systems : tuple of (str, str)
        Source and aligner of each system, with their defaults.
    packages, protocols : mapping of str to str
        Versions of packages, and hashes of protocols, by name.
    window_s : float or None
        Length of the windows of long recordings, where they were cut.
    """

    id: str
    model: str
    model_checksum: str
    corpus: str
    corpus_checksum: str
    text: str
    seed: int
    systems: tuple[tuple[str, str], ...]
    packages: Mapping[str, str]
    protocols: Mapping[str, str]
    window_s: float | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed {self.seed} is negative")
        if self.window_s is not None and self.window_s <= 0:
            raise ValueError(f"window_s {self.window_s} is not positive")


@dataclass(frozen=True, slots=True)
class Run:
    """A run: signature, scores, failures and flat rows.

    ``environment`` is informative and is never compared. ``files`` has the SHA-256 of the other files of its folder, by
    name; it is empty for a run that was not written, and for one that was read with ``edited``. ``answer`` has one
    entry per kind of reference and saliency; it is None where the run lacks a system that it needs, and ``no_answer``
    says which.
    """

    schema: int
    signature: dict[str, Any]
    rows: tuple[ScoreRow, ...]
    failures: tuple[Failure, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    flat_rows: tuple[FlatRows, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    answer: tuple[Answer, ...] | None = None
    no_answer: str | None = None
