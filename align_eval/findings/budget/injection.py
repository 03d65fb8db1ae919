"""Residual injection on saved maps: word times after the part of saliency that attention lacks is added to attention.

The map is the log of attention's distribution, averaged over all heads or over those of the upper half of the layers.
The part of the log saliency that log attention does not explain is added to it, times lambda. *Placebos* change the map
by as much without information about the token: the residual rolled in time, of other tokens, of a model with random
weights, and attention sharpened to the same entropy. The gain over the best placebo is the cost of attention's
incompleteness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from align_eval.errors import InputError
from align_eval.findings.budget.cells import ALL_HEADS, SILENCES, Errors, in_unit, prepared, upper_layers
from align_eval.findings.budget.residual import arms
from align_eval.findings.saved_run import Item, boundary_clusters, boundary_starts, decoded, interior_errors_ms, seed_of
from align_eval.scoring.boundaries import Floats

SALIENCY = "gradient:at=encoder-output"
"""Saliency of the primary contrast."""

REAL, ATTENTION = "real", "attention"


def needed_stacks(unit: str, saliency: str = SALIENCY) -> tuple[str, ...]:
    """Specs of the maps that injection reads: all heads, the saliency, and that of a model with random weights."""
    return tuple(in_unit(spec, unit) for spec in (ALL_HEADS, saliency, f"control-random-weights:of=({saliency})"))


def injection_errors(
    items: Sequence[Item], unit: str, seed: int, *, saliency: str = SALIENCY, upper: bool = False
) -> dict[str, Errors]:
    """Decode attention, the real residual and each placebo at every lambda and silence parameter.

    Parameters
    ----------
    items
        Utterances with interior boundaries.
    unit
        Token unit.
    seed
        Seed of the placebos.
    saliency
        Spec, without preparation and unit, of the source whose residual is injected.
    upper
        Average attention over the upper half of the layers instead of all heads.

    Returns
    -------
    dict
        Errors by arm. Attention (lambda 0) is also a candidate of the real residual and of every placebo, so that no
        arm is forced to inject anything.

    Raises
    ------
    InputError
        Where a placebo cannot be made for an utterance.
    """
    parts: dict[tuple[str, float, str], list[Floats]] = {}
    for item in items:
        for (arm, amount), values in _item_maps(item, unit, seed, saliency, upper=upper).items():
            for align in SILENCES:
                errors_ms = interior_errors_ms(item, decoded(item, values, unit, align))
                parts.setdefault((arm, amount, align), []).append(errors_ms)
    boundaries = boundary_clusters(items), boundary_starts(items)
    joined = {key: np.concatenate(errors_ms) for key, errors_ms in parts.items()}
    errors: dict[str, Errors] = {}
    for arm in dict.fromkeys(arm for arm, _, _ in joined):
        keys = [key for key in joined if key[0] in (ATTENTION, arm)]
        names = tuple(f"{name} lambda={amount:g} | {align}" for name, amount, align in keys)
        errors[arm] = Errors(names, np.stack([joined[key] for key in keys]), *boundaries)
    return errors


def _item_maps(item: Item, unit: str, seed: int, saliency: str, *, upper: bool) -> dict[tuple[str, float], Floats]:
    """Maps of one utterance by arm and lambda."""
    heads, *others = needed_stacks(unit, saliency)
    stacks = [
        upper_layers(heads, item) if upper else item.maps.stacks[heads],
        *(item.maps.stacks[spec] for spec in others),
    ]
    attention, trained, random = (prepared(stack, "log").astype(np.float64) for stack in stacks)
    try:
        return arms(attention, trained, random, item.maps.frame_s, seed_of(seed, item.id, "placebos"))
    except ValueError as error:  # attention with tied maxima cannot be sharpened
        raise InputError(item.id, str(error), "leave it out of this finding") from error
