"""Cells of the error budget: boundary errors of every signal under every preparation and path, from saved maps.

There are four arms. ``default heads`` and ``all heads`` are attention without a choice. ``best attention`` chooses
among groups of heads, of which the heads chosen for the model on other speech are the first, and ``best saliency``
among the depths of a gradient. Both have the same number of candidates, and every arm chooses among the same silence
parameters. The choice is made by cross-validation where errors are averaged
(:class:`~align_eval.scoring.selection.ChosenOnHalves`); this module decodes every candidate once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from align_eval.errors import InputError
from align_eval.findings.saved_run import (
    Item,
    boundary_clusters,
    boundary_starts,
    decoded,
    head_names,
    heads_of,
    interior_errors_ms,
    require_stacks,
)
from align_eval.relevance.options import AttentionOptions
from align_eval.relevance.source import parse_source
from align_eval.scoring.boundaries import Bools, Floats, Ints, medians_of_others
from align_eval.scoring.calibration import CalibratedOnHalves
from align_eval.scoring.metrics import Ratio, Statistic, count_by, sum_by
from align_eval.scoring.selection import ChosenOnHalves

PREPARATIONS = ("zscore-median", "log")

SILENCES = (
    "viterbi:level=0.6",
    "viterbi:level=0.8",
    "viterbi:level=1",
    "viterbi:level=1.25",
    "viterbi:silence=constant,level=1",
)
"""Paths with silence that every signal may choose from: silence by loudness at four levels, and constant silence."""

PATHS: Mapping[str, tuple[str, ...]] = {"dtw": ("dtw",), "viterbi": SILENCES}

DEFAULT_HEADS, ALL_HEADS = "attention:heads=alignment", "attention:heads=all"
ARMS = ("default heads", "all heads", "best attention", "best saliency")

Stack = npt.NDArray[np.float32]
"""Maps of one source in one utterance, ``(map, row, frame)``."""

Candidates = Mapping[str, Callable[[Item], Stack]]
"""From the name of a candidate to the function that reads its maps."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Signed errors of interior boundaries under every candidate of an arm.

    Attributes
    ----------
    candidates : tuple of str
    errors_ms : float64[n_candidates, n_boundaries]
    cluster : int64[n_boundaries]
    is_start : bool[n_boundaries]
        Starts of words; the others are ends.
    """

    candidates: tuple[str, ...]
    errors_ms: Floats
    cluster: Ints
    is_start: Bools

    def statistic(self, shift_ms: float = 0.0) -> Statistic:
        """Mean absolute error of the only candidate, or of the chosen one where there are several.

        ``shift_ms`` moves the reference.
        """
        chosen = self.chosen(shift_ms)
        return Ratio(chosen.totals[0], chosen.counts) if len(self.candidates) == 1 else chosen

    def chosen(self, shift_ms: float = 0.0) -> ChosenOnHalves:
        """Mean absolute error of the candidate chosen on other clusters; ``shift_ms`` moves the reference."""
        n_clusters = int(self.cluster.max()) + 1
        absolute = np.abs(self.errors_ms - shift_ms)
        totals = np.stack([sum_by(self.cluster, row, n_clusters) for row in absolute])
        return ChosenOnHalves(totals, count_by(self.cluster, n_clusters))

    def without_bias(self) -> Errors:
        """The same errors minus the median error of the other clusters, separately for starts and ends."""
        n_clusters = int(self.cluster.max()) + 1
        errors_ms = self.errors_ms.copy()
        for side in (self.is_start, ~self.is_start):
            cluster = self.cluster[side]
            for row in errors_ms:
                row[side] -= medians_of_others(row[side], cluster, n_clusters)[cluster]
        return replace(self, errors_ms=errors_ms)

    def calibrated(self) -> CalibratedOnHalves:
        """Error of the chosen candidate minus its bias on other clusters, separately for starts and ends."""
        return CalibratedOnHalves(self.errors_ms, self.is_start, self.cluster, self.chosen())


def in_unit(spec: str, unit: str) -> str:
    """Spec of the same source in another token unit."""
    return parse_source(spec).with_options(unit=unit).text


def units_of(items: Sequence[Item]) -> tuple[str, ...]:
    """Token units that every item has maps of."""
    return tuple(unit for unit in ("subword", "character") if all(unit in item.maps.word_of_token for item in items))


def depths(items: Sequence[Item], unit: str) -> tuple[str, ...]:
    """Specs of the gradients that every item has maps of.

    Raises
    ------
    InputError
        Where there are none.
    """

    def is_gradient(spec: str) -> bool:
        source = parse_source(spec)
        return source.name == "gradient" and source.tokens.unit == unit

    common = set.intersection(*(set(item.maps.stacks) for item in items))
    gradients = tuple(spec for spec in sorted(common) if is_gradient(spec))
    if not gradients:
        raise InputError(
            f"unit {unit}", "the run saved no gradient", f"run with --keep heads --source {in_unit('gradient', unit)}"
        )
    return gradients


def candidates(items: Sequence[Item], unit: str, heads: Sequence[str] | None = None) -> dict[str, Candidates]:
    """Candidates of every arm by name.

    Parameters
    ----------
    heads
        Names of the heads that were chosen for the model, which are the first group.

    Raises
    ------
    InputError
        Where the run saved no heads or no gradient, or more gradients than there are groups of heads.
    """
    gradients = {spec: _stack(spec) for spec in depths(items, unit)}
    require_heads(f"unit {unit}", items, unit)
    every = in_unit(ALL_HEADS, unit)
    default = {in_unit(DEFAULT_HEADS, unit): lambda item: alignment_heads(item, unit)}
    whole = {every: _stack(every)}
    chosen = {f"{every}, chosen": lambda item: heads_inside(item, unit, heads)} if heads else {}
    groups = {**chosen, **whole, **default, **_layer_groups(every, n_layers=len(heads_of(items[0], every)))}
    if len(gradients) > len(groups):
        n = len(groups)
        problem = f"{len(gradients)} gradients were saved, but attention has {n} groups of heads to choose from"
        raise InputError(f"unit {unit}", problem, f"run again with at most {n} gradients, to give both as many")
    return {
        "default heads": default,
        "all heads": whole,
        "best attention": dict(list(groups.items())[: len(gradients)]),
        "best saliency": gradients,
    }


def _layer_groups(every: str, n_layers: int) -> Candidates:
    """Groups of heads after the named ones, in the order in which they become candidates: upper layers, one layer."""
    groups: dict[str, Callable[[Item], Stack]] = {}
    for first in (*range(n_layers // 2, n_layers), *reversed(range(1, n_layers // 2))):  # the upper half comes first
        groups[f"{every}, layers from {first}"] = _layers(every, slice(first, None))
    for layer in reversed(range(n_layers - 1)):  # "layers from" covers the last layer alone
        groups[f"{every}, layer {layer}"] = _layers(every, slice(layer, layer + 1))
    return groups


def _stack(spec: str) -> Callable[[Item], Stack]:
    return lambda item: item.maps.stacks[spec]


def require_heads(place: object, items: Sequence[Item], unit: str) -> None:
    """Check that every item has the maps of all heads, and the names of Whisper's alignment heads.

    Raises
    ------
    InputError
        Where something is missing. The message names the options of ``run`` that save it.
    """
    names_alignment = all(_alignment_spec(item, unit) for item in items)
    require_stacks(place, items, [in_unit(ALL_HEADS, unit)] + [in_unit(DEFAULT_HEADS, unit)] * (not names_alignment))


def _alignment_spec(item: Item, unit: str) -> str | None:
    """A saved source of Whisper's alignment heads, whatever its rows and softmax, the plain one first; or None."""
    sources = [parse_source(spec) for spec in sorted(item.maps.stacks, key=len)]
    return next(
        (
            source.stack
            for source in sources
            if isinstance(source.options, AttentionOptions)
            and source.options.heads == "alignment"
            and source.tokens.unit == unit
        ),
        None,
    )


def alignment_heads(item: Item, unit: str) -> Stack:
    """Maps of Whisper's alignment heads: those that were saved, or those of their names among all heads."""
    spec = _alignment_spec(item, unit)
    assert spec is not None
    if spec == in_unit(DEFAULT_HEADS, unit):
        return item.maps.stacks[spec]
    return heads_inside(item, unit, item.maps.details[spec]["heads"])


def heads_inside(item: Item, unit: str, heads: Sequence[str]) -> Stack:
    """Maps of the named heads, float32[n_maps, n_rows, n_frames]."""
    return _named(item, unit, heads, inside=True)


def heads_outside(item: Item, unit: str, heads: Sequence[str]) -> Stack:
    """Maps of all other heads, float32[n_maps, n_rows, n_frames]; no map where there are no others."""
    return _named(item, unit, heads, inside=False)


def _named(item: Item, unit: str, heads: Sequence[str], *, inside: bool) -> Stack:
    spec = in_unit(ALL_HEADS, unit)
    is_named = np.isin(head_names(item, spec), heads)
    named: Stack = item.maps.stacks[spec][is_named == inside]
    return named


def _layers(spec: str, layers: slice) -> Callable[[Item], Stack]:
    return lambda item: heads_of(item, spec)[layers].reshape(-1, *item.maps.stacks[spec].shape[1:])


def prepared(stack: Stack, prep: str) -> Stack:
    """Prepare maps as a run does.

    Parameters
    ----------
    stack : float32[n_maps, n_rows, n_frames]
    prep
        Name of the preparation.

    Returns
    -------
    float32[n_rows, n_frames]
    """
    import torch

    from align_eval.relevance.prepare import prepare

    values: Stack = prepare(torch.from_numpy(np.array(stack)), prep).numpy()  # type: ignore[arg-type]
    return values


def cell_errors(
    items: Sequence[Item],
    unit: str,
    heads: Sequence[str] | None = None,
    on_done: Callable[[str], None] | None = None,
) -> dict[tuple[str, str, str], Errors]:
    """Decode every candidate of every cell; ``heads`` are those chosen for the model.

    Returns
    -------
    dict
        Errors by preparation, path and arm, with one row per candidate and parameter of the path.
    """
    arms = candidates(items, unit, heads)
    stack_of = {name: stack for arm in arms.values() for name, stack in arm.items()}
    aligns = [align for parameters in PATHS.values() for align in parameters]
    parts: dict[tuple[str, str, str], list[Floats]] = {}
    for item in items:
        for name, stack in stack_of.items():
            for prep in PREPARATIONS:
                values = prepared(stack(item), prep)
                for align in aligns:
                    errors_ms = interior_errors_ms(item, decoded(item, values, unit, align))
                    parts.setdefault((name, prep, align), []).append(errors_ms)
        if on_done:
            on_done(item.id)
    boundaries = boundary_clusters(items), boundary_starts(items)
    joined = {key: np.concatenate(errors_ms) for key, errors_ms in parts.items()}
    cells = {}
    for prep in PREPARATIONS:
        for path, parameters in PATHS.items():
            for arm, names in arms.items():
                keys = [(name, align) for name in names for align in parameters]
                rows = np.stack([joined[name, prep, align] for name, align in keys])
                cells[prep, path, arm] = Errors(tuple(f"{n} | {a}" for n, a in keys), rows, *boundaries)
    return cells
