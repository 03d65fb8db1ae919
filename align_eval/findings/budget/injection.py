"""Residual injection on saved maps: word times after what saliency shows and attention lacks is added to attention.

Attention is the mean of the heads that were chosen for the model, its logarithm, read by the path with silence: the
attention of the run's answer. The residual of the saliency is added at the amounts of the answer, and that of each
control (:mod:`align_eval.findings.budget.controls`) at the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from align_eval.findings.budget.cells import Errors, Stack, heads_inside, heads_outside, in_unit, prepared
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
    return errors_by_arm(items, unit, lambda item: _item_maps(item, unit, seed, heads, saliency))


def errors_by_arm(
    items: Sequence[Item], unit: str, maps_of: Callable[[Item], Mapping[tuple[str, float], Floats]]
) -> dict[str, Errors]:
    """Decode the maps of every item by arm and amount; attention is the first candidate of every other arm."""
    parts: dict[tuple[str, float], list[Floats]] = {}
    for item in items:
        for key, values in maps_of(item).items():
            parts.setdefault(key, []).append(interior_errors_ms(item, decoded(item, values, unit, ALIGN)))
    errors_ms = {key: np.concatenate(of_items) for key, of_items in parts.items()}
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
    attention = log_map(heads_inside(item, unit, heads))
    return arms_of(item, unit, seed, heads, attention, log_map(item.maps.stacks[in_unit(saliency, unit)]))


def arms_of(
    item: Item, unit: str, seed: int, heads: Sequence[str], log_attention: Floats, log_saliency: Floats
) -> dict[tuple[str, float], Floats]:
    """Maps of every arm (:func:`~align_eval.findings.budget.controls.arms`) with the other heads of an item."""
    others = heads_outside(item, unit, heads)
    log_others = log_map(others) if len(others) else None
    return arms(log_attention, log_saliency, log_others, item.maps.frame_s, seed_of(seed, item.id, "controls"))


def log_map(stack: Stack) -> Floats:
    """The one map of a stack as ``prep=log`` makes it, float64."""
    return prepared(stack, "log").astype(np.float64)
