"""Residual injection: what attention lacks of the saliency is put back, and the word times are read again.

The map is attention's, all heads or those of the upper half of the layers, as the log of a distribution; what is added
is the part of the log saliency that log attention does not explain, times lambda. Whatever is gained over *placebos*,
which change the map as much without telling where a token is (the residual rolled in time, of other tokens, of a model
with random weights, and attention sharpened to the same entropy), is what the incompleteness of attention costs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from align_eval.errors import InputError
from align_eval.findings.budget.cells import ALL_HEADS, SILENCES, Errors, in_unit, prepared, upper_layers
from align_eval.findings.budget.residual import arms
from align_eval.findings.kept_run import Item, boundary_clusters, boundary_starts, decoded, interior_errors_ms, seed_of
from align_eval.scoring.boundaries import Floats

SALIENCY = "gradient:at=encoder-output"
"""The saliency whose residual is the primary contrast."""

REAL, ATTENTION = "real", "attention"


def needed_stacks(unit: str, saliency: str = SALIENCY) -> tuple[str, ...]:
    """Stacks that residual injection reads: all heads, the saliency, and the same of a model with random weights."""
    return tuple(in_unit(spec, unit) for spec in (ALL_HEADS, saliency, f"control-random-weights:of=({saliency})"))


def injection_errors(
    items: Sequence[Item], unit: str, seed: int, *, saliency: str = SALIENCY, upper: bool = False
) -> dict[str, Errors]:
    """Errors of attention, of the real residual and of each placebo, at every lambda and silence parameter.

    ``attention`` (lambda 0) is among the candidates of ``real`` and of every placebo: nothing forces a residual in.
    With ``upper`` attention is of the upper half of the layers instead of all heads.

    Raises
    ------
    InputError
        Where an utterance has no placebo.
    """
    errors: dict[tuple[str, float, str], list[Floats]] = {}
    for item in items:
        heads, *others = needed_stacks(unit, saliency)
        stacks = [
            upper_layers(heads, item) if upper else item.maps.stacks[heads],
            *(item.maps.stacks[spec] for spec in others),
        ]
        attention, trained, random = (prepared(stack, "log").astype(np.float64) for stack in stacks)
        try:
            of_item = arms(attention, trained, random, item.maps.frame_s, seed_of(seed, item.id, "placebos"))
        except ValueError as error:  # attention with tied maxima cannot be sharpened
            raise InputError(item.id, str(error), "leave it out of this finding") from error
        for (arm, amount), values in of_item.items():
            for align in SILENCES:
                found = interior_errors_ms(item, decoded(item, values, unit, align))
                errors.setdefault((arm, amount, align), []).append(found)
    of_boundary = boundary_clusters(items), boundary_starts(items)
    joined = {key: np.concatenate(parts) for key, parts in errors.items()}
    found_arms: dict[str, Errors] = {}
    for arm in dict.fromkeys(arm for arm, _, _ in joined):
        keys = [key for key in joined if key[0] in (ATTENTION, arm)]
        names = tuple(f"{name} lambda={amount:g} | {align}" for name, amount, align in keys)
        found_arms[arm] = Errors(names, np.stack([joined[key] for key in keys]), *of_boundary)
    return found_arms
