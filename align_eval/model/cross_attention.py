"""The decoder's cross-attention, kept as what it is made of: its weights are made for the heads that are asked for.

Queries and keys are small beside their products, the logits of every row, frame and head: of a large model 0.3 GB an
utterance beside 1.7. They are caught on their way, so that the pass itself runs on fused kernels, which give no logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from whisper.model import Whisper


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """Queries and keys of one utterance, each scaled, so that their products are the logits before the softmax.

    Attributes
    ----------
    queries : Tensor
        ``(layer, head, decoder row, state of a head)``.
    keys : Tensor
        ``(layer, head, frame of the encoded window, state of a head)``.
    """

    queries: Tensor
    keys: Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of layers, heads, decoder rows and frames."""
        n_layer, n_head, n_rows, _ = self.queries.shape
        return n_layer, n_head, n_rows, self.keys.shape[2]

    def logits(self, heads: Sequence[tuple[int, int]], rows: slice = slice(None)) -> Tensor:
        """Logits of the heads ``(layer, head)``, counted from 0, in float32: ``(head, row, frame)``."""
        queries, keys = self.queries.flatten(0, 1), self.keys.flatten(0, 1)
        numbers = [layer * self.queries.shape[1] + head for layer, head in heads]
        if numbers != list(range(len(keys))):
            index = torch.tensor(numbers, device=keys.device)
            queries, keys = queries[index], keys[index]
        return (queries[:, rows] @ keys.transpose(-1, -2)).float()


@contextmanager
def captured_projections(model: Whisper) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Collect queries and keys of one decoder pass, ``(utterance, row or frame, state)``, a list each with one a layer.

    Hooks are gone on leaving, also after an exception.
    """
    queries: list[Tensor] = []
    keys: list[Tensor] = []
    pairs = [(block.cross_attn.query, block.cross_attn.key) for block in model.decoder.blocks]

    def kept_in(found: list[Tensor]) -> object:
        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            found.append(output)

        return keep

    hooks = [
        module.register_forward_hook(kept_in(found))
        for of_layer in pairs
        for module, found in zip(of_layer, (queries, keys), strict=True)
    ]
    try:
        yield queries, keys
    finally:
        for hook in hooks:
            hook.remove()


def cross_attention(
    queries: Sequence[Tensor], keys: Sequence[Tensor], n_head: int, n_rows: Sequence[int]
) -> list[CrossAttention]:
    """Of each utterance, from projections ``(utterance, row or frame, state)`` a layer; so many rows are its own.

    Both are scaled by the fourth root of a head's size, as openai-whisper does, which keeps half precision in range.
    """

    def by_head(projected: Sequence[Tensor]) -> Tensor:
        states = torch.stack(list(projected), dim=1)  # (utterance, layer, row or frame, state)
        states = states.view(*states.shape[:3], n_head, -1).transpose(2, 3)
        scaled: Tensor = states.mul_(states.shape[-1] ** -0.25)  # the stack is nobody else's
        return scaled

    return [CrossAttention(q[:, :, :n], k) for q, k, n in zip(by_head(queries), by_head(keys), n_rows, strict=True)]
