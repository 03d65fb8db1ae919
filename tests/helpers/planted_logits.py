"""Cross-attention with known logits in place of a model's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from torch import Tensor


@dataclass(frozen=True)
class PlantedLogits:
    """Replacement for the queries and keys of a pass: ``values`` are ``(layer, head, row, frame)``."""

    values: Tensor

    @property
    def shape(self):
        return tuple(self.values.shape)

    def logits(self, heads, rows=slice(None)):
        return self.values[[layer for layer, _ in heads], [head for _, head in heads]][:, rows]


def planted(shared, values):
    """The pass with these logits instead of its own."""
    return replace(shared, cross=PlantedLogits(values))


def every_logit(shared):
    """All logits of a pass, ``(layer, head, row, frame)``."""
    n_layer, n_head, n_rows, n_frames = shared.cross.shape
    return shared.cross.logits(list(product(range(n_layer), range(n_head)))).view(n_layer, n_head, n_rows, n_frames)
