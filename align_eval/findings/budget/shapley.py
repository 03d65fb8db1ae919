"""Error that each step removes: swaps within a cell, Shapley shares and last steps, each as a paired statistic.

The steps lead from Whisper's method (alignment heads, their preparation, DTW) to saliency with log preparation and the
path with silence. The step of the signal has two parts: better heads, then saliency in place of attention.

Reference: Shapley 1953; a player's share is the mean of its contribution over all orders of the players.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

from align_eval.findings.budget.cells import Errors
from align_eval.scoring.metrics import Combination, Statistic

CellErrors = Mapping[tuple[str, str, str], Errors]
"""Errors by preparation, path and arm."""

START, END = ("zscore-median", "dtw"), ("log", "viterbi")
BEST = {"attention": "best attention", "saliency": "best saliency"}
PLAYERS = ("preparation", "path", "signal")


def swap_gain(cells: CellErrors, prep: str, path: str, shift_ms: float = 0.0) -> Combination:
    """Error of the best attention minus that of the best saliency in one cell; ``shift_ms`` moves the reference."""
    attention, saliency = (cells[prep, path, BEST[signal]].statistic(shift_ms) for signal in ("attention", "saliency"))
    return Combination(((1.0, attention), (-1.0, saliency)))


def coalition(cells: CellErrors, steps: Sequence[str], arm: str | None = None) -> Statistic:
    """Error after some of the steps, from default heads with Whisper's preparation and DTW; ``arm`` sets the signal."""
    prep = END[0] if "preparation" in steps else START[0]
    path = END[1] if "path" in steps else START[1]
    return cells[prep, path, arm or (BEST["saliency"] if "signal" in steps else "default heads")].statistic()


def shapley(cells: CellErrors) -> dict[str, Combination]:
    """Mean error that each step removes over all orders of the steps; the signal is split into heads and swap."""
    orders = list(permutations(PLAYERS))
    terms: dict[str, list[tuple[float, Statistic]]] = {"preparation": [], "path": [], "heads": [], "swap": []}
    for order in orders:
        for i, player in enumerate(order):
            before, after = coalition(cells, order[:i]), coalition(cells, order[: i + 1])
            if player != "signal":
                terms[player] += [(1 / len(orders), before), (-1 / len(orders), after)]
                continue
            between = coalition(cells, order[:i], BEST["attention"])
            terms["heads"] += [(1 / len(orders), before), (-1 / len(orders), between)]
            terms["swap"] += [(1 / len(orders), between), (-1 / len(orders), after)]
    return {player: Combination(tuple(parts)) for player, parts in terms.items()}


def last_step(cells: CellErrors) -> dict[str, Combination]:
    """Error that each step removes when all others come before it."""
    whole = coalition(cells, PLAYERS)
    without = {
        "preparation": coalition(cells, ("path", "signal")),
        "path": coalition(cells, ("preparation", "signal")),
        "swap": coalition(cells, ("preparation", "path"), BEST["attention"]),
    }
    return {player: Combination(((1.0, before), (-1.0, whole))) for player, before in without.items()}
