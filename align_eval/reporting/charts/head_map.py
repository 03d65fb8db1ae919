"""Contents of a heat map of heads: one value per layer and head, with the strength of its colour."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from align_eval.findings.heads.records import HeadStratum

DARK = 0.55
"""Cells of a greater strength have light text."""


@dataclass(frozen=True, slots=True)
class HeadCell:
    """One head; ``strength`` is 0 for the worst value of the map and 1 for the best."""

    layer: int
    head: int
    value: float
    strength: float
    framed: bool

    @property
    def name(self) -> str:
        """Layer and head, as ``layer.head``."""
        return f"{self.layer}.{self.head}"

    @property
    def dark(self) -> bool:
        """True if the cell needs light text."""
        return self.strength > DARK


@dataclass(frozen=True, slots=True)
class HeadMap:
    """The cells of all heads, by layer and head; values are shown with ``digits`` decimals."""

    label: str
    digits: int
    cells: tuple[HeadCell, ...]

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return 1 + max(cell.layer for cell in self.cells)

    @property
    def n_heads(self) -> int:
        """Number of heads per layer."""
        return 1 + max(cell.head for cell in self.cells)


def agreement_map(agreement: Mapping[str, float], framed: Collection[str] = ()) -> HeadMap:
    """The map of agreement with saliency; greater values are better.

    Parameters
    ----------
    agreement
        Correlation by head, named ``layer.head``.
    framed
        Heads with a frame.
    """
    low, high = min(agreement.values()), max(agreement.values())
    cells = [_cell(head, value, _share(value, low, high), framed) for head, value in agreement.items()]
    return HeadMap("agreement ρ", 2, _in_order(cells))


def error_map(error_ms: Mapping[str, float], framed: Collection[str] = ()) -> HeadMap:
    """The map of errors; smaller values are better. The scale is logarithmic: errors differ by orders of magnitude."""
    low, high = (math.log1p(end(error_ms.values())) for end in (min, max))
    cells = [_cell(head, value, 1 - _share(math.log1p(value), low, high), framed) for head, value in error_ms.items()]
    return HeadMap("error, ms", 0, _in_order(cells))


def alignment_heads(stratum: HeadStratum) -> tuple[str, ...]:
    """The alignment heads that come with the model; empty if the search has none."""
    return next((row.heads for row in stratum.sets if row.name == "alignment heads"), ())


def searched_maps(stratum: HeadStratum) -> tuple[HeadMap, HeadMap]:
    """Error and agreement of every head in a search; the model's alignment heads are framed."""
    framed = alignment_heads(stratum)
    return (
        error_map({row.head: row.error_ms.value for row in stratum.heads}, framed),
        agreement_map({row.head: row.agreement.value for row in stratum.heads}, framed),
    )


def _cell(name: str, value: float, strength: float, framed: Collection[str]) -> HeadCell:
    layer, head = name.split(".")
    return HeadCell(int(layer), int(head), value, strength, name in framed)


def _share(value: float, low: float, high: float) -> float:
    return 0.0 if high == low else (value - low) / (high - low)


def _in_order(cells: list[HeadCell]) -> tuple[HeadCell, ...]:
    return tuple(sorted(cells, key=lambda cell: (cell.layer, cell.head)))
