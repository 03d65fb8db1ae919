"""Queries and keys of the decoder's cross-attention, from which the logits of any head are computed on demand.

Queries and keys are much smaller than their products, the logits of every row, frame and head: 0.3 GB instead of 1.7 GB
per utterance for a large model. Hooks collect them, so that the pass itself runs on fused kernels, which return no
logits.
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
    """Scaled queries and keys of one utterance; their products are the logits before the softmax.

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
    """Collect queries and keys of one decoder pass: two lists of ``(utterance, row or frame, state)``, one per layer.

    Hooks are removed on exit, also after an exception.
    """
    queries: list[Tensor] = []
    keys: list[Tensor] = []
    pairs = [(block.cross_attn.query, block.cross_attn.key) for block in model.decoder.blocks]

    def collect_in(projections: list[Tensor]) -> object:
        def collect(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            projections.append(output)

        return collect

    hooks = [
        module.register_forward_hook(collect_in(projections))
        for pair in pairs
        for module, projections in zip(pair, (queries, keys), strict=True)
    ]
    try:
        yield queries, keys
    finally:
        for hook in hooks:
            hook.remove()


def cross_attention(
    queries: Sequence[Tensor], keys: Sequence[Tensor], n_head: int, n_rows: Sequence[int]
) -> list[CrossAttention]:
    """Split the projections of a batch into the cross-attention of each utterance.

    Queries and keys are both divided by the fourth root of the head size, as in openai-whisper, which keeps half
    precision in range.

    Parameters
    ----------
    queries, keys : sequence of Tensor
        One ``(utterance, row or frame, state)`` per layer.
    n_head : int
        Heads per layer.
    n_rows : sequence of int
        Decoder rows of each utterance, without padding.
    """

    def by_head(projected: Sequence[Tensor]) -> Tensor:
        states = torch.stack(list(projected), dim=1)  # (utterance, layer, row or frame, state)
        states = states.view(*states.shape[:3], n_head, -1).transpose(2, 3)
        scaled: Tensor = states.mul_(states.shape[-1] ** -0.25)  # in place: the stack is a new tensor
        return scaled

    return [CrossAttention(q[:, :, :n], k) for q, k, n in zip(by_head(queries), by_head(keys), n_rows, strict=True)]


def alignment_heads(model: Whisper) -> list[tuple[int, int]]:
    """Alignment heads of the model as (layer, head) pairs, counted from 0."""
    return [(int(layer), int(head)) for layer, head in model.alignment_heads.indices().T.tolist()]
