"""Value zeroing: change of a decoder block's output when its cross-attention zeroes the value vector of one frame.

Map: ``(layer, row, frame)``, one row per text token and one for the end of the text. Values are cosine distances (no
unit) before rows are scaled to sum to one.

Attention weights are not renormalised, so the attention output without frame j is the output minus the contribution of
frame j, ``sum over heads of alpha_ij v_j W_O``. The changed residual streams of all frames therefore follow from one
pass, and only the MLP of the block runs once per frame. This is exact, since no row reads another after the
cross-attention of a block. Each layer is changed alone.

The cosine distance is computed as half the squared distance of the two unit vectors. This is the same number, without
the rounding of ``1 - cos`` to zero in float32.

Paper: adapted from Mohebbi, Chrupała, Zuidema, Alishahi 2023, "Homophone Disambiguation Reveals Patterns of Context
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
from align_eval.relevance.stack import Stack, stack_of_magnitudes

FLOATS_PER_STATE = 16
"""Floats in memory per state of each stream: two inner MLP layers of width 4 and eight tensors of width 1."""


def value_zeroing(model: Whisper, shared: Pass, options: ValueZeroingOptions) -> Stack:
    """Cosine distances of block outputs, rows scaled to sum to one, ``(layer, row, frame)``.

    The attention weights are those of the model over the whole window. Only frames that hold audio are zeroed.

    Raises
    ------
    InputError
        If the decoder has no such layer, or a row is not finite.
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
    maps: dict[str, Tensor] = {}
    with torch.no_grad():
        with _residual_streams(model) as streams, disable_sdpa():
            decoder_hidden(model, decoder_input, shared.taps[-1])
        for layer in layers:
            heads = select_heads(model, f"layer.{layer}", *shared.cross.shape[:2], source="value-zeroing")
            logits = shared.cross.logits(heads, rows)
            maps[f"source value-zeroing, layer {layer}"] = _distances(
                model.decoder.blocks[layer],
                streams[layer][rows],
                logits.softmax(dim=-1)[..., : shared.n_frames],
                shared.taps[-1][0, : shared.n_frames],
            )
    return stack_of_magnitudes(maps, shared.n_frames)


def chunk_frames(n_state: int, n_rows: int) -> int:
    """Number of frames whose changed residual streams pass through the MLP at once."""
    return max(1, MEMORY_BUDGET_BYTES["cpu"] // (4 * FLOATS_PER_STATE * n_state * n_rows))


@contextmanager
def _residual_streams(model: Whisper) -> Iterator[list[Tensor]]:
    """Collect the input of each block's MLP part in one decoder pass, ``(row, state)`` per layer."""
    streams: list[Tensor] = []

    def collect(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        streams.append(inputs[0][0])

    hooks = [block.mlp_ln.register_forward_pre_hook(collect) for block in model.decoder.blocks]
    try:
        yield streams
    finally:
        for hook in hooks:
            hook.remove()


def _distances(block: ResidualAttentionBlock, stream: Tensor, weights: Tensor, encoded: Tensor) -> Tensor:
    """Cosine distances between the block's output and its output without each frame, ``(row, frame)``."""
    attention = block.cross_attn
    values = attention.value(encoded).unflatten(-1, (attention.n_head, -1))  # (frame, head, state of the head)
    out = attention.out.weight.to(stream.dtype)
    before = _direction(block, stream)  # (row, state)
    chunk = chunk_frames(stream.shape[-1], len(stream))
    distances = []
    for first in range(0, len(encoded), chunk):
        part = slice(first, first + chunk)
        weighted = torch.einsum("hrf,fhd->frhd", weights[..., part].to(values.dtype), values[part]).flatten(
            2
        )  # (frame, row, state)
        after = _direction(block, stream - F.linear(weighted, out))
        distances.append((after - before).float().square().sum(dim=-1) / 2)  # squares underflow in half precision
    return torch.cat(distances).T


def _direction(block: ResidualAttentionBlock, stream: Tensor) -> Tensor:
    """Output of the block for the input of its MLP part, scaled to unit length."""
    output = stream + block.mlp(block.mlp_ln(stream))
    unit: Tensor = output / torch.linalg.vector_norm(output, dim=-1, keepdim=True)
    return unit
