"""How far a decoder block's output moves when one frame's value vector is zeroed in its cross-attention.

The weights stay as they are (nothing is renormalised), so the attention's output without frame j is its output less
what frame j put in, ``sum over heads of alpha_ij v_j W_O``: the changed residual streams of all frames follow from one
pass, without a pass a frame, and only the rest of the block, its MLP, is run on each of them. That is exact: behind its
cross-attention no row of a block reads another. Each layer is changed alone.

The cosine distance is taken as half the squared distance of the two unit vectors, which is the same number and keeps
its digits where ``1 - cos`` in float32 would round to zero.

Reference: adapted from Mohebbi, Chrupała, Zuidema, Alishahi 2023, "Homophone Disambiguation Reveals Patterns of Context
Mixing in Speech Transformers" (EMNLP, arXiv 2310.09925).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import ResidualAttentionBlock, Whisper, disable_sdpa

from align_eval.errors import InputError
from align_eval.model.batches import MEMORY_BUDGET_BYTES
from align_eval.model.forward import Pass, decoder_hidden
from align_eval.relevance.attention import select_heads
from align_eval.relevance.options import ValueZeroingOptions
from align_eval.relevance.stack import Stack, rows_to_distributions

FLOATS_PER_STATE = 16
"""Held at once for each state of each stream: the MLP's two inner layers, 4 states wide, and eight of one state."""


def value_zeroing(model: Whisper, shared: Pass, options: ValueZeroingOptions) -> Stack:
    """Cosine distances of block outputs, rows scaled to sum to one, ``(layer, token, frame)``.

    The weights are the model's own, over the whole window; the frames that are zeroed are those that hold audio.

    Raises
    ------
    InputError
        Where the model has no such layer, or a row is zero throughout or not finite.
    """
    n_layer = model.dims.n_text_layer
    layers = range(n_layer) if options.layer == "all" else [int(options.layer)]
    if layers[-1] >= n_layer:
        raise InputError(
            f"source value-zeroing:layer={options.layer}",
            f"the decoder has {n_layer} layers",
            f"layers are 0 to {n_layer - 1}",
        )
    rows = slice(shared.text.n_prefix, -1)
    decoder_input = torch.tensor([shared.text.decoder_input], device=model.device)
    maps = []
    with torch.no_grad():
        with _residual_streams(model) as streams, disable_sdpa():
            decoder_hidden(model, decoder_input, shared.taps[-1])
        for layer in layers:
            heads = select_heads(model, f"layer.{layer}", *shared.cross.shape[:2], source="value-zeroing")
            logits = shared.cross.logits(heads, rows)
            moved = _moved(
                model.decoder.blocks[layer],
                streams[layer][rows],
                logits.softmax(dim=-1)[..., : shared.n_frames],
                shared.taps[-1][0, : shared.n_frames],
            )
            maps.append(rows_to_distributions(moved, shared.n_frames, f"source value-zeroing, layer {layer}"))
    return Stack(torch.stack(maps))


def chunk_frames(n_state: int, n_rows: int) -> int:
    """How many frames' changed residual streams go through the MLP at once."""
    return max(1, MEMORY_BUDGET_BYTES["cpu"] // (4 * FLOATS_PER_STATE * n_state * n_rows))


@contextmanager
def _residual_streams(model: Whisper) -> Iterator[list[Tensor]]:
    """Collect what enters each block's MLP part in one decoder pass, ``(row, state)`` a layer."""
    streams: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        streams.append(inputs[0][0])

    hooks = [block.mlp_ln.register_forward_pre_hook(keep) for block in model.decoder.blocks]
    try:
        yield streams
    finally:
        for hook in hooks:
            hook.remove()


def _moved(block: ResidualAttentionBlock, stream: Tensor, weights: Tensor, encoded: Tensor) -> Tensor:
    """Cosine distance of the block's output from what it is without each frame, ``(row, frame)``."""
    attention = block.cross_attn
    values = attention.value(encoded).unflatten(-1, (attention.n_head, -1))  # (frame, head, state of the head)
    out = attention.out.weight.to(stream.dtype)
    before = _direction(block, stream)  # (row, state)
    chunk = chunk_frames(stream.shape[-1], len(stream))
    distances = []
    for first in range(0, len(encoded), chunk):
        part = slice(first, first + chunk)
        put_in = torch.einsum("hrf,fhd->frhd", weights[..., part].to(values.dtype), values[part]).flatten(
            2
        )  # (frame, row, state)
        after = _direction(block, stream - F.linear(put_in, out))
        distances.append((after - before).square().sum(dim=-1) / 2)
    return torch.cat(distances).T


def _direction(block: ResidualAttentionBlock, stream: Tensor) -> Tensor:
    """The block's output for the stream that enters its MLP part, at unit length."""
    output = stream + block.mlp(block.mlp_ln(stream))
    unit: Tensor = output / torch.linalg.vector_norm(output, dim=-1, keepdim=True)
    return unit
