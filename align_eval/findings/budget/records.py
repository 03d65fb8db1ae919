"""Records of the error budget, as ``budget.json`` holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from align_eval.findings.budget.agreement_effect import HeadSets
from align_eval.run_record import AmountRow, Figure

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Arm:
    """Attention, or attention with the residual of the saliency or of a control.

    Attributes
    ----------
    error, calibrated : Figure
        Error at amounts chosen on other clusters, as it is and without the median error of other clusters.
    over_saliency, calibrated_over_saliency : Figure or None
        Error minus that with the residual of the saliency; None for the saliency itself.
    amounts : tuple of AmountRow
        Error, and share of boundaries moved, at each amount; for attention, amount 0 alone.
    moves_as_many : bool or None
        For a control: whether at some amount it moves as many boundaries as the saliency at the amount that most halves
        choose. One that does not could not have shown a gain.
    """

    error: Figure
    calibrated: Figure
    over_saliency: Figure | None
    calibrated_over_saliency: Figure | None
    amounts: tuple[AmountRow, ...]
    moves_as_many: bool | None


@dataclass(frozen=True, slots=True)
class Injection:
    """Residual injection under one kind of reference.

    Attributes
    ----------
    heads : tuple of str
        Heads whose mean is attention.
    arms : mapping
        Attention, the saliency and every control, by name.
    worth, calibrated_worth : Figure
        Error of attention minus that with the residual of the saliency: positive where it helps.
    cost, calibrated_cost : Figure
        The smallest excess of a control, or of attention, over the saliency: the cost of attention's incompleteness.
        Calibrated, it is the part that remains once a constant shift is corrected.
    stands : str
        Whether the cost has the same sign under every kind of reference and every shift of the reference.
    p_value : float or None
        For the primary contrast only: the largest p-value of attention and the controls, each from flipping the signs
        of whole clusters, because the saliency must beat all of them. None with fewer than five effective clusters.
    p_holm : float or None
        ``p_value`` adjusted over kinds of reference and runs.
    smallest_effect_ms : float or None
        Smallest cost that this corpus would show with 80 % power; None with too few clusters to show any.
    """

    heads: tuple[str, ...]
    arms: Mapping[str, Arm]
    worth: Figure
    calibrated_worth: Figure
    cost: Figure
    calibrated_cost: Figure
    stands: str
    p_value: float | None
    p_holm: float | None
    smallest_effect_ms: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One preparation and path.

    Attributes
    ----------
    arms : mapping
        Error of each arm.
    difference : Figure
        Error of the best attention minus that of the best saliency.
    stands : str
        Whether ``difference`` has the same sign under every kind of reference and every shift of the reference.
    calibrated : mapping
        Error of each arm after removal of its median error on other clusters.
    calibrated_difference : Figure
        Difference of the calibrated errors.
    """

    preparation: str
    path: str
    arms: Mapping[str, Figure]
    difference: Figure
    stands: str
    calibrated: Mapping[str, Figure]
    calibrated_difference: Figure


@dataclass(frozen=True, slots=True)
class Stratum:
    """One kind of reference and token unit.

    Attributes
    ----------
    reference, unit : str
    n_utterances, n_boundaries : int
    clusters : str
        Name of the resampling units. ``n_clusters`` is their number, ``n_effective_clusters`` their effective number
        given unequal sizes.
    candidates : mapping
        Candidates of the best attention (groups of heads) and of the best saliency (depths).
    cells : tuple of Cell
    injection : Injection or None
        Residual injection into the heads chosen for the model, or None with its reason in ``no_injection``.
    no_injection : str or None
    start, end : Figure
        Error of Whisper's alignment heads with their preparation and DTW, and of the best saliency with its log and the
        path with silence.
    shapley : mapping
        Shares of preparation, path, heads and swap in the difference of ``start`` and ``end``. Heads and swap are the
        two parts of one step, the signal.
    last_step : mapping
        Error that each step removes when it is taken last.
    head_sets : HeadSets or None
        Effect of agreement on the error of a word; None where there are too few words.
    """

    reference: str
    unit: str
    n_utterances: int
    n_boundaries: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    candidates: Mapping[str, tuple[str, ...]]
    cells: tuple[Cell, ...]
    injection: Injection | None
    no_injection: str | None
    start: Figure
    end: Figure
    shapley: Mapping[str, Figure]
    last_step: Mapping[str, Figure]
    head_sets: HeadSets | None


@dataclass(frozen=True, slots=True)
class Budget:
    """Error budget of a run: signature of the finding, signature of the run, strata, and the reasons for omissions."""

    schema: int
    finding: Mapping[str, Any]
    signature: Mapping[str, Any]
    strata: tuple[Stratum, ...]
    left_out: tuple[str, ...] = ()
