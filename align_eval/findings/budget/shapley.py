"""What each step takes off the error: swaps in a cell, Shapley shares and last steps, each a paired statistic.

A step goes from Whisper's own way (alignment heads, their preparation, DTW) towards saliency prepared by its log and
read with silence. The signal's step is two: better heads, and saliency in the place of attention.

Reference: Shapley 1953, the mean over the orders of the players of what each adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

from align_eval.findings.budget.cells import Errors
from align_eval.scoring.metrics import Combination, Statistic

CellErrors = Mapping[tuple[str, str, str], Errors]
"""By preparation, path and arm."""

START, END = ("zscore-median", "dtw"), ("log", "viterbi")
BEST = {"attention": "best attention", "saliency": "best saliency"}
PLAYERS = ("preparation", "path", "signal")


def swap_gain(cells: CellErrors, prep: str, path: str, shift_ms: float = 0.0) -> Combination:
    """Best attention minus best saliency in a cell."""
    attention, saliency = (cells[prep, path, BEST[signal]].statistic(shift_ms) for signal in ("attention", "saliency"))
    return Combination(((1.0, attention), (-1.0, saliency)))


def coalition(cells: CellErrors, steps: Sequence[str], arm: str | None = None) -> Statistic:
    """Error where those steps are taken: from default heads, Whisper's preparation and DTW."""
    prep = END[0] if "preparation" in steps else START[0]
    path = END[1] if "path" in steps else START[1]
    return cells[prep, path, arm or (BEST["saliency"] if "signal" in steps else "default heads")].statistic()


def shapley(cells: CellErrors) -> dict[str, Combination]:
    """Mean over the orders of the steps of what each takes off the error; signal is heads and then swap."""
    orders = list(permutations(PLAYERS))
    parts: dict[str, list[tuple[float, Statistic]]] = {"preparation": [], "path": [], "heads": [], "swap": []}
    for order in orders:
        for i, player in enumerate(order):
            before, after = coalition(cells, order[:i]), coalition(cells, order[: i + 1])
            if player != "signal":
                parts[player] += [(1 / len(orders), before), (-1 / len(orders), after)]
                continue
            between = coalition(cells, order[:i], BEST["attention"])
            parts["heads"] += [(1 / len(orders), before), (-1 / len(orders), between)]
            parts["swap"] += [(1 / len(orders), between), (-1 / len(orders), after)]
    return {player: Combination(tuple(terms)) for player, terms in parts.items()}


def last_step(cells: CellErrors) -> dict[str, Combination]:
    """What each step takes off where all others are taken before."""
    whole = coalition(cells, PLAYERS)
    without = {
        "preparation": coalition(cells, ("path", "signal")),
        "path": coalition(cells, ("preparation", "signal")),
        "swap": coalition(cells, ("preparation", "path"), BEST["attention"]),
    }
    return {player: Combination(((1.0, before), (-1.0, whole))) for player, before in without.items()}
