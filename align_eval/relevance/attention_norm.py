"""Cross-attention weights times the norm of the projected value vectors.

Map: ``(head, row, frame)``, one row per text token and one for the end of the text. Values are norms in the unit of the
residual stream before rows are scaled to sum to one.

A weight is the share of a frame's value vector that a head reads. A frame with a large weight and a small vector still
contributes little.

Paper: Kobayashi, Kuribayashi, Yokoi, Inui 2020, "Attention is Not Only a Weight" (EMNLP), ``||alpha_ij f(x_j)||``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.model import MultiHeadAttention, Whisper

from align_eval.model.forward import Pass
from align_eval.relevance.attention import attention, select_heads
from align_eval.relevance.options import AttentionNormOptions, AttentionOptions
from align_eval.relevance.stack import Stack, stack_of_magnitudes


def attention_norm(model: Whisper, shared: Pass, options: AttentionNormOptions) -> Stack:
    """``alpha_ij ||v_j W_O||`` of each chosen head, rows scaled to sum to one, ``(head, row, frame)``.

    ``v_j`` is the head's value vector with its bias, ``W_O`` the head's columns of the output projection. The bias of
    the output projection belongs to no frame and is left out.

    Raises
    ------
    InputError
        If the model has no such head, or a row is not finite.
    """
    n_layer, n_head = shared.cross.shape[:2]
    heads = select_heads(model, options.heads, n_layer, n_head, source="attention-norm")
    weights = attention(model, shared, AttentionOptions(heads=options.heads, softmax=options.softmax)).values
    blocks = model.decoder.blocks
    with torch.no_grad():
        norms = {
            layer: projected_value_norms(blocks[layer].cross_attn, shared.taps[-1][0, : shared.n_frames])
            for layer in {layer for layer, _ in heads}
        }  # (head, frame) per layer
    maps = {
        f"source attention-norm, head {layer}.{head}": weights[i] * norms[layer][head]
        for i, (layer, head) in enumerate(heads)
    }
    return stack_of_magnitudes(maps, shared.n_frames)


def projected_value_norms(attention: MultiHeadAttention, encoded: Tensor) -> Tensor:
    """Norm of each head's projected value vectors: encoder outputs ``(frame, state)`` to ``(head, frame)``."""
    n_head = attention.n_head
    values = attention.value(encoded).unflatten(-1, (n_head, -1))  # (frame, head, state of the head)
    columns = attention.out.weight.to(values.dtype).unflatten(-1, (n_head, -1))  # (state, head, state of the head)
    return torch.stack(
        [torch.linalg.vector_norm(values[:, head] @ columns[:, head].T, dim=-1) for head in range(n_head)]
    )  # one head at a time: all projections together have heads x frames x state entries
