"""Residual injection on saved maps: word times after what saliency shows and attention lacks is added to attention.

Attention is the mean of the heads that were chosen for the model, its logarithm, read by the path with silence: the
attention of the run's answer. The residual of the saliency is added at the amounts of the answer, and that of each
control (:mod:`align_eval.findings.budget.controls`) at the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from align_eval.findings.budget.cells import Errors, heads_inside, heads_outside, in_unit, prepared
from align_eval.findings.budget.controls import ATTENTION, arms
from align_eval.findings.saved_run import Item, boundary_clusters, boundary_starts, decoded, interior_errors_ms, seed_of
from align_eval.scoring.boundaries import Floats
from align_eval.systems import ALIGN, AMOUNTS

GRID = (0.0, *AMOUNTS)
"""Amounts that every arm chooses among. Amount 0 is attention itself, so that no arm is forced to add anything."""


def injection_errors(
    items: Sequence[Item], unit: str, seed: int, heads: Sequence[str], saliency: str
) -> dict[str, Errors]:
    """Decode attention, and attention plus the residual of the saliency and of each control, at every amount.

    Parameters
    ----------
    items
        Utterances with interior boundaries.
    unit
        Token unit.
    seed
        Seed of the controls.
    heads
        Names of attention's heads, as ``0.3``.
    saliency
        Spec, without preparation and unit, of the source whose residual is injected.

    Returns
    -------
    dict
        Errors by arm, its candidates in the order of :data:`GRID`; attention has amount 0 alone.
    """
    parts: dict[tuple[str, float], list[Floats]] = {}
    for item in items:
        for (arm, amount), values in _item_maps(item, unit, seed, heads, saliency).items():
            errors_ms = interior_errors_ms(item, decoded(item, values, unit, ALIGN))
            parts.setdefault((arm, amount), []).append(errors_ms)
    return by_arm({key: np.concatenate(errors_ms) for key, errors_ms in parts.items()}, items)


def by_arm(errors_ms: Mapping[tuple[str, float], Floats], items: Sequence[Item]) -> dict[str, Errors]:
    """Errors by arm from those by arm and amount, attention's before those of every other arm."""
    boundaries = boundary_clusters(items), boundary_starts(items)
    found: dict[str, Errors] = {}
    for arm in dict.fromkeys(arm for arm, _ in errors_ms):
        keys = sorted((key for key in errors_ms if key[0] in (ATTENTION, arm)), key=lambda key: key[1])
        names = tuple(f"amount={amount:g}" for _, amount in keys)
        found[arm] = Errors(names, np.stack([errors_ms[key] for key in keys]), *boundaries)
    return found


def _item_maps(
    item: Item, unit: str, seed: int, heads: Sequence[str], saliency: str
) -> dict[tuple[str, float], Floats]:
    """Maps of one utterance by arm and amount."""
    others = heads_outside(item, unit, heads)
    attention, of_saliency = (
        prepared(stack, "log").astype(np.float64)
        for stack in (heads_inside(item, unit, heads), item.maps.stacks[in_unit(saliency, unit)])
    )
    of_others = prepared(others, "log").astype(np.float64) if len(others) else None
    return arms(attention, of_saliency, of_others, item.maps.frame_s, seed_of(seed, item.id, "controls"))
