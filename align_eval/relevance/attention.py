"""Cross-attention weights of chosen heads.

Map: ``(head, row, frame)``, one row per text token and one for the end of the text. Values are softmax probabilities
over frames (no unit).

Paper: Radford et al. 2022 (Whisper, arXiv 2212.04356); openai-whisper reads word times from these weights
(``whisper.timing``).
"""

from __future__ import annotations

import re

import torch
from torch import Tensor
from whisper.model import Whisper
from whisper.timing import median_filter

from align_eval.errors import InputError
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.forward import Pass
from align_eval.relevance.options import AttentionOptions
from align_eval.relevance.stack import Stack, mass_on_padding, text_rows


def attention(model: Whisper, shared: Pass, options: AttentionOptions) -> Stack:
    """Attention weights after the softmax, ``(head, row, frame)``, sorted by layer and head.

    Details: the heads (``nearestN`` chooses heads per row; then the heads of all rows), and the mass on padding. That
    is the share of the model's weights, softmax over the whole encoded window, past the end of the audio, as mean over
    heads and rows of the text. It depends on ``softmax`` and ``rows`` only through heads that are chosen by their
    weights.

    Raises
    ------
    InputError
        If the model has no such head, fewer heads than requested, or no prompt before the text.
    """
    per_utterance = options.heads.startswith(("top", "nearest"))
    named = "all" if per_utterance else options.heads
    if options.rows == "start" and shared.text.n_prefix == 0:
        problem = "the decoder reads no token before the one that predicts the text"
        raise InputError("source attention:rows=start", problem, "use rows=text")
    heads = select_heads(model, named, *shared.cross.shape[:2])
    decoder_rows, first_row = _rows(shared.text.n_prefix)[options.rows]
    chosen = shared.cross.logits(heads, decoder_rows)  # (head, row, frame of the window)
    whole = chosen.softmax(dim=-1)
    window = chosen[..., : shared.n_frames] if options.softmax == "cropped" else chosen
    smooth = median_filter(window, options.median) if options.median > 1 else window
    weights = smooth.softmax(dim=-1)[..., : shared.n_frames]
    if per_utterance:
        choose = largest_norms if options.heads.startswith("top") else nearest_to_peak
        n_heads = int(options.heads.removeprefix("top").removeprefix("nearest"))
        if n_heads > len(heads):
            raise InputError(
                f"source attention:heads={options.heads}", f"the model has {len(heads)} heads", "use a smaller number"
            )
        index = choose(weights, n_heads)  # (head,) or (head, row)
        rows = torch.arange(weights.shape[1], device=weights.device)
        weights, whole = (w[index] if index.ndim == 1 else w[index, rows] for w in (weights, whole))
        heads = [heads[i] for i in sorted(set(index.flatten().tolist()))]
    scored = whole if options.rows == "later" else text_rows(whole, first_row, shared.text)
    details = {
        "mass_on_padding": mass_on_padding(scored, shared.n_frames),
        "heads": [f"{layer}.{head}" for layer, head in heads],
    }
    return Stack(weights, details, first_row)


def _rows(n_prefix: int) -> dict[str, tuple[slice, int]]:
    """Decoder rows by the key ``rows``, and the index of the first token's row among them (as in :class:`Stack`)."""
    return {
        "text": (slice(n_prefix, -1), 0),
        "all": (slice(None), n_prefix),
        "start": (slice(n_prefix - 1, -1), 1),
        "later": (slice(n_prefix + 1, -1), -1),
    }


def largest_norms(weights: Tensor, n_heads: int) -> Tensor:
    """Choose the heads whose rows and columns have the largest sum of Euclidean norms.

    A head that is sharp in time has large row norms; a head that distinguishes tokens has large column norms.

    Parameters
    ----------
    weights : Tensor
        ``(head, row, frame)``.

    Returns
    -------
    int64[n_heads]
        Indices into ``weights``, ascending.

    Reference: Yeh, Meng, Tang 2025 (arXiv 2509.09987).
    """
    norms = torch.linalg.vector_norm(weights, dim=-2).sum(-1) + torch.linalg.vector_norm(weights, dim=-1).sum(-1)
    heads: Tensor = norms.topk(n_heads).indices.sort().values
    return heads


def nearest_to_peak(weights: Tensor, n_heads: int) -> Tensor:
    """Choose for each row the heads whose weights have the smallest mean distance to their peak.

    Parameters
    ----------
    weights : Tensor
        ``(head, row, frame)``.

    Returns
    -------
    int64[n_heads, n_rows]
        Indices into ``weights``.

    Reference: stable-ts, ``dynamic_heads``.
    """
    frames = torch.arange(weights.shape[-1], device=weights.device)
    distance = (weights.argmax(dim=-1, keepdim=True) - frames).abs()  # (head, row, frame)
    return (distance * weights).sum(dim=-1).topk(n_heads, dim=0, largest=False).indices


def select_heads(
    model: Whisper, spec: str, n_layer: int, n_head: int, *, source: str = "attention"
) -> list[tuple[int, int]]:
    """Parse the key ``heads`` of a source to (layer, head) pairs, counted from 0.

    Raises
    ------
    InputError
        If the model has no such layer or head.
    """
    if spec == "alignment":
        return alignment_heads(model)
    every = [(layer, head) for layer in range(n_layer) for head in range(n_head)]
    if spec == "all":
        return every
    if spec.startswith("layer."):
        heads = [(int(spec.removeprefix("layer.")), head) for head in range(n_head)]
    else:
        heads = [(int(layer), int(head)) for layer, head in re.findall(r"([0-9]+)\.([0-9]+)", spec)]
    for layer, head in heads:
        if layer >= n_layer or head >= n_head:
            raise InputError(
                f"source {source}:heads={spec}",
                f"the model has no layer {layer}, head {head}",
                f"layers are 0 to {n_layer - 1}, heads 0 to {n_head - 1}",
            )
    if not spec.startswith("all-"):
        return heads
    others = [pair for pair in every if pair not in heads]
    if not others:
        raise InputError(f"source {source}:heads={spec}", "leaves no head", "leave out fewer")
    return others
