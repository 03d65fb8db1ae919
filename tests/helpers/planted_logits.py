"""Cross-attention whose logits are known, in place of a model's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from torch import Tensor


@dataclass(frozen=True)
class PlantedLogits:
    """Stands where a pass has its queries and keys: ``values`` are ``(layer, head, row, frame)``."""

    values: Tensor

    @property
    def shape(self):
        return tuple(self.values.shape)

    def logits(self, heads, rows=slice(None)):
        return self.values[[layer for layer, _ in heads], [head for _, head in heads]][:, rows]


def planted(shared, values):
    """The pass with these logits."""
    return replace(shared, cross=PlantedLogits(values))


def every_logit(shared):
    """The pass's own, ``(layer, head, row, frame)``."""
    n_layer, n_head, n_rows, n_frames = shared.cross.shape
    return shared.cross.logits(list(product(range(n_layer), range(n_head)))).view(n_layer, n_head, n_rows, n_frames)
