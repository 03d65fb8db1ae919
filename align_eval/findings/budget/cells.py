"""The cells of the error budget: boundary errors of every signal under every preparation and path, from kept maps.

Four arms. ``default heads`` and ``all heads`` are attention as it stands; ``best attention`` chooses among groups of
heads and ``best saliency`` among the depths of a gradient, as many candidates for either, each with the same silence
parameters to choose from. Choosing is by cross-validation and is done where errors are averaged
(:class:`~align_eval.scoring.selection.ChosenOnHalves`); here every candidate is decoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from align_eval.errors import InputError
from align_eval.findings.kept_run import (
    Item,
    boundary_clusters,
    boundary_starts,
    decoded,
    heads_of,
    interior_errors_ms,
    require_stacks,
)
from align_eval.relevance.options import SOURCE_OPTIONS
from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.calibration import CalibratedOnHalves
from align_eval.scoring.clusters import count_by, sum_by
from align_eval.scoring.metrics import Ratio, Statistic
from align_eval.scoring.selection import ChosenOnHalves
from align_eval.spec import format_spec, parse_spec

PREPARATIONS = ("zscore-median", "log")

SILENCES = (
    "viterbi:silence=energy,level=0.6",
    "viterbi:silence=energy,level=0.8",
    "viterbi:silence=energy,level=1",
    "viterbi:silence=energy,level=1.25",
    "viterbi:silence=constant,level=1",
)
"""The tuning budget of every signal: energy-aware silence at four levels, and constant silence."""

PATHS: Mapping[str, tuple[str, ...]] = {"dtw": ("dtw",), "viterbi": SILENCES}

DEFAULT_HEADS, ALL_HEADS = "attention:heads=alignment", "attention:heads=all"
ARMS = ("default heads", "all heads", "best attention", "best saliency")

Stack = npt.NDArray[np.float32]
Candidates = Mapping[str, Callable[[Item], Stack]]


@dataclass(frozen=True, slots=True)
class Errors:
    """Signed errors of interior boundaries in ms, ``(candidate, boundary)``, with cluster and kind of each boundary."""

    candidates: tuple[str, ...]
    errors_ms: Floats
    cluster: Ints
    is_start: Bools

    def statistic(self, shift_ms: float = 0.0) -> Statistic:
        """Mean absolute error, the reference moved by ``shift_ms``; of the chosen candidate where there are several."""
        chosen = self.chosen(shift_ms)
        return Ratio(chosen.totals[0], chosen.counts) if len(self.candidates) == 1 else chosen

    def chosen(self, shift_ms: float = 0.0) -> ChosenOnHalves:
        """The same, always by choosing on other clusters."""
        n_clusters = int(self.cluster.max()) + 1
        absolute = np.abs(self.errors_ms - shift_ms)
        totals = np.stack([sum_by(self.cluster, row, n_clusters) for row in absolute])
        return ChosenOnHalves(totals, count_by(self.cluster, n_clusters))

    def calibrated(self) -> CalibratedOnHalves:
        """Error of the chosen candidate, its bias as other clusters say it taken out, starts and ends apart."""
        return CalibratedOnHalves(self.errors_ms, self.is_start, self.cluster, self.chosen())


def in_unit(spec: str, unit: str) -> str:
    """The spec of a stack, with another token unit."""
    name, options = parse_spec(spec, SOURCE_OPTIONS, "source")
    return format_spec(name, replace(options, unit=unit))


def units_of(items: Sequence[Item]) -> tuple[str, ...]:
    """Token units that every item has maps of."""
    return tuple(unit for unit in ("subword", "character") if all(unit in item.maps.word_of_token for item in items))


def depths(items: Sequence[Item], unit: str) -> tuple[str, ...]:
    """The gradients that every item has a stack of, by spec.

    Raises
    ------
    InputError
        Where there are none.
    """

    def of_unit(spec: str) -> bool:
        name, options = parse_spec(spec, SOURCE_OPTIONS, "source")
        return name == "gradient" and bool(options.unit == unit)

    common = set.intersection(*(set(item.maps.stacks) for item in items))
    found = tuple(spec for spec in sorted(common) if of_unit(spec))
    if not found:
        raise InputError(f"unit {unit}", "no gradient was kept", "run with --keep heads --source gradient")
    return found


def candidates(items: Sequence[Item], unit: str) -> dict[str, Candidates]:
    """The candidates of every arm, by name.

    Raises
    ------
    InputError
        Where heads or every gradient are missing, or there are more gradients than groups of heads.
    """
    of_saliency = {spec: _stack(spec) for spec in depths(items, unit)}
    default, every = in_unit(DEFAULT_HEADS, unit), in_unit(ALL_HEADS, unit)
    require_stacks(f"unit {unit}", items, (default, every))
    n_layers = len(heads_of(items[0], every))
    groups: dict[str, Callable[[Item], Stack]] = {every: _stack(every), default: _stack(default)}
    # later layers first: from the upper half of them to one
    for first in (*range(n_layers // 2, n_layers), *reversed(range(1, n_layers // 2))):
        groups[f"{every}, layers from {first}"] = _layers(every, slice(first, None))
    for layer in reversed(range(n_layers - 1)):  # then one alone; the last one is among those above
        groups[f"{every}, layer {layer}"] = _layers(every, slice(layer, layer + 1))
    if len(of_saliency) > len(groups):
        problem = (
            f"{len(of_saliency)} gradients were kept, and attention has {len(groups)} groups of heads to choose from"
        )
        raise InputError(f"unit {unit}", problem, f"run again with at most {len(groups)} gradients: as many for either")
    of_attention = dict(list(groups.items())[: len(of_saliency)])
    return {
        "default heads": {default: groups[default]},
        "all heads": {every: groups[every]},
        "best attention": of_attention,
        "best saliency": of_saliency,
    }


def _stack(spec: str) -> Callable[[Item], Stack]:
    return lambda item: item.maps.stacks[spec]


def upper_layers(spec: str, item: Item) -> Stack:
    """The heads of the upper half of the layers, ``(map, row, frame)``."""
    heads = heads_of(item, spec)
    return _layers(spec, slice(len(heads) // 2, None))(item)


def _layers(spec: str, layers: slice) -> Callable[[Item], Stack]:
    return lambda item: heads_of(item, spec)[layers].reshape(-1, *item.maps.stacks[spec].shape[1:])


def prepared(stack: Stack, prep: str) -> Stack:
    """A stack prepared as in a run, ``(map, row, frame)`` to ``(row, frame)``."""
    import torch

    from align_eval.relevance.prepare import prepare

    values: Stack = prepare(torch.from_numpy(np.array(stack)), prep).numpy()  # type: ignore[arg-type]
    return values


def cell_errors(
    items: Sequence[Item], unit: str, on_done: Callable[[str], None] | None = None
) -> dict[tuple[str, str, str], Errors]:
    """Errors by (preparation, path, arm), every candidate under every parameter of the path."""
    arms = candidates(items, unit)
    stack_of = {name: stack for found in arms.values() for name, stack in found.items()}
    aligns = [align for of_path in PATHS.values() for align in of_path]
    errors: dict[tuple[str, str, str], list[Floats]] = {}
    for item in items:
        for name, stack in stack_of.items():
            for prep in PREPARATIONS:
                values = prepared(stack(item), prep)
                for align in aligns:
                    found = interior_errors_ms(item, decoded(item, values, unit, align))
                    errors.setdefault((name, prep, align), []).append(found)
        if on_done:
            on_done(item.id)
    of_boundary = boundary_clusters(items), boundary_starts(items)
    joined = {key: np.concatenate(parts) for key, parts in errors.items()}
    cells = {}
    for prep in PREPARATIONS:
        for path, of_path in PATHS.items():
            for arm, of_arm in arms.items():
                keys = [(name, align) for name in of_arm for align in of_path]
                rows = np.stack([joined[name, prep, align] for name, align in keys])
                cells[prep, path, arm] = Errors(tuple(f"{n} | {a}" for n, a in keys), rows, *of_boundary)
    return cells
