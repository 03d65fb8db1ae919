"""The positive control of residual injection: an incompleteness of known size, which the budget must find.

Attention is blurred in time by a symmetric kernel, wide enough to lose a known number of milliseconds. The saliency is
attention as it was before, with noise: it holds what was lost. Its residual is injected into blurred attention, beside
the same controls, and corpora of a few speakers are drawn from those at hand. The share of corpora in which the loss is
found, and the part of it that is restored, are the power of the instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from align_eval.findings.budget.cells import Errors, heads_inside
from align_eval.findings.budget.controls import ATTENTION, smoothed
from align_eval.findings.budget.cost import incompleteness_cost, over_saliency
from align_eval.findings.budget.injection import arms_of, errors_by_arm, log_map
from align_eval.findings.saved_run import (
    Item,
    boundary_clusters,
    boundary_starts,
    decoded,
    interior_errors_ms,
    rng_of,
)
from align_eval.relevance.injection import Floats, residual
from align_eval.scoring.inference import student_interval
from align_eval.scoring.statistics import draw_weights
from align_eval.systems import ALIGN

RELIABILITY = 0.8
"""Split-half reliability of the residual that noise leaves: the least with which a missing gain is interpreted."""

WIDEST_FRAMES = 40.0
N_BISECTIONS = 10


@dataclass(frozen=True, slots=True)
class Blurred:
    """Blurred attention and its arms.

    Attributes
    ----------
    sd_frames : float
        Standard deviation of the kernel.
    lost_ms : float
        Calibrated error that blurring adds.
    injected : mapping
        Errors by arm, as of :func:`~align_eval.findings.budget.injection.injection_errors`.
    """

    sd_frames: float
    lost_ms: float
    injected: Mapping[str, Errors]


@dataclass(frozen=True, slots=True)
class Detection:
    """How often a loss is found in drawn corpora, calibrated.

    Attributes
    ----------
    found : float
        Share of corpora whose interval of the worth lies above zero.
    found_beyond_controls : float
        Share of corpora whose interval of the cost lies above zero: the worth beyond the best control.
    restored : float
        Mean worth as a share of the loss.
    """

    found: float
    found_beyond_controls: float
    restored: float


def blurred(
    items: Sequence[Item], unit: str, heads: Sequence[str], lost_ms: float, seed: int, reliability: float = RELIABILITY
) -> Blurred:
    """Blur attention until it loses a number of milliseconds, and inject what it lost.

    Parameters
    ----------
    items
        Utterances with interior boundaries.
    unit
        Token unit.
    heads
        Names of attention's heads.
    lost_ms
        Calibrated error to lose.
    seed
        Seed of noise and controls.
    reliability
        Reliability of the residual under noise, see :func:`noisy`.

    Raises
    ------
    ValueError
        Where no kernel up to :data:`WIDEST_FRAMES` loses as much.
    """
    sharp = [log_map(heads_inside(item, unit, heads)) for item in items]

    def error_ms(sd_frames: float) -> float:
        maps = [smoothed(of_item, sd_frames) if sd_frames else of_item for of_item in sharp]
        errors_ms = [interior_errors_ms(i, decoded(i, m, unit, ALIGN)) for i, m in zip(items, maps, strict=True)]
        signed = Errors((ATTENTION,), np.concatenate(errors_ms)[None], boundary_clusters(items), boundary_starts(items))
        return float(np.abs(signed.without_bias().errors_ms).mean())

    before_ms = error_ms(0)
    sd_frames = _width(lambda sd: error_ms(sd) - before_ms, lost_ms)

    def maps_of(item: Item) -> dict[tuple[str, float], Floats]:
        exact = log_map(heads_inside(item, unit, heads))
        attention = smoothed(exact, sd_frames)
        saliency = noisy(exact, attention, reliability, rng_of(seed, item.id, "noise"))
        return arms_of(item, unit, seed, heads, attention, saliency)

    injected = errors_by_arm(items, unit, maps_of)
    after_ms = float(np.abs(injected[ATTENTION].without_bias().errors_ms).mean())
    return Blurred(sd_frames, after_ms - before_ms, injected)


def _width(loss_ms: Callable[[float], float], wanted_ms: float) -> float:
    """Width at which a loss that grows with it reaches a value, by bisection from the widest."""
    low, high = 0.0, WIDEST_FRAMES
    if loss_ms(high) < wanted_ms:
        raise ValueError(f"a kernel of {high:g} frames loses {loss_ms(high):.1f} ms, not {wanted_ms:g}")
    for _ in range(N_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if loss_ms(middle) >= wanted_ms else (middle, high)
    return high


def noisy(log_saliency: Floats, log_attention: Floats, reliability: float, rng: np.random.Generator) -> Floats:
    """Log saliency with noise that leaves its residual a reliability, float64[n_tokens, n_frames].

    Two measurements of the residual with independent noise of this size correlate by ``reliability``, row by row: the
    variance of the noise is that of the residual times ``1 / reliability - 1``.
    """
    spread = residual(log_attention, log_saliency).std(axis=1, keepdims=True)
    noise = rng.normal(size=log_saliency.shape) * spread * np.sqrt(1 / reliability - 1)
    return np.asarray(log_saliency + noise)


def detection(of: Blurred, n_clusters: int, n_corpora: int, seed: int, *, n_joined: int = 1) -> Detection:
    """Draw corpora of a few clusters, and count those in which the loss is found.

    Parameters
    ----------
    of
        Blurred attention and its arms.
    n_clusters
        Clusters of each corpus.
    n_corpora
        Number of corpora.
    seed
        Seed of the corpora and of the bootstrap in each.
    n_joined
        Clusters at hand that are drawn, with replacement, for each cluster of a corpus: several stand for a speaker who
        says more than they do.
    """
    weights = draw_weights(n_clusters, seed)
    found, beyond, worth_ms = [], [], []
    for corpus in _corpora(of.injected, (n_clusters, n_joined), n_corpora, seed):
        even = {arm: errors.without_bias() for arm, errors in corpus.items()}
        value, low, _ = student_interval(over_saliency(even, ATTENTION), weights)
        worth_ms.append(value)
        found.append(low is not None and low > 0)
        low = student_interval(incompleteness_cost(even), weights)[1]
        beyond.append(low is not None and low > 0)
    return Detection(float(np.mean(found)), float(np.mean(beyond)), float(np.mean(worth_ms)) / of.lost_ms)


def _corpora(
    injected: Mapping[str, Errors], shape: tuple[int, int], n_corpora: int, seed: int
) -> Iterator[dict[str, Errors]]:
    """Errors by arm of drawn clusters; ``shape`` is the number of clusters, and of those drawn for each."""
    cluster = injected[ATTENTION].cluster
    boundaries = [np.flatnonzero(cluster == number) for number in np.unique(cluster)]
    rng = np.random.default_rng(seed)
    for _ in range(n_corpora):
        drawn = [np.concatenate([boundaries[i] for i in row]) for row in rng.integers(0, len(boundaries), shape)]
        index = np.concatenate(drawn)
        number = np.repeat(np.arange(shape[0]), [len(of) for of in drawn])
        yield {
            arm: replace(errors, errors_ms=errors.errors_ms[:, index], cluster=number, is_start=errors.is_start[index])
            for arm, errors in injected.items()
        }
