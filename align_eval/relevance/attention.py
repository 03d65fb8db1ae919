"""Cross-attention weights of chosen heads."""

from __future__ import annotations

from whisper.model import Whisper

from align_eval.errors import InputError
from align_eval.model.forward import Pass
from align_eval.model.load import alignment_heads
from align_eval.relevance.options import AttentionOptions
from align_eval.relevance.stack import Stack, mass_on_padding, text_rows


def attention(model: Whisper, shared: Pass, options: AttentionOptions) -> Stack:
    """Post-softmax weights, ``(head, row, frame)``, in the order of layers and heads.

    Evidence: the heads, and the share of the model's own weights, softmax over the whole encoded window, that lies past
    the audio, mean over the heads and the rows of the text. It is the same for either ``softmax`` and any ``rows``.
    """
    logits = shared.cross  # (layer, head, row, frame of the window)
    if options.rows == "text":
        logits = logits[:, :, shared.text.n_prefix : -1]
    heads = select_heads(model, options.heads, logits.shape[0], logits.shape[1])
    chosen = logits[[layer for layer, _ in heads], [head for _, head in heads]]  # (head, row, frame)
    weights = chosen.softmax(dim=-1)
    details = {
        "mass_on_padding": mass_on_padding(text_rows(weights, shared.text), shared.n_frames),
        "heads": [f"{layer}.{head}" for layer, head in heads],
    }
    if options.softmax == "cropped":
        return Stack(chosen[..., : shared.n_frames].softmax(dim=-1), details)
    return Stack(weights[..., : shared.n_frames], details)


def select_heads(
    model: Whisper, spec: str, n_layer: int, n_head: int, *, source: str = "attention"
) -> list[tuple[int, int]]:
    """The (layer, head) pairs, counted from 0, that the key ``heads`` of a source names."""
    if spec == "alignment":
        return alignment_heads(model)
    if spec == "all":
        return [(layer, head) for layer in range(n_layer) for head in range(n_head)]
    if spec.startswith("layer."):
        heads = [(int(spec.removeprefix("layer.")), head) for head in range(n_head)]
    else:
        heads = [(int(layer), int(head)) for layer, head in (pair.split(".") for pair in spec.split("+"))]
    for layer, head in heads:
        if layer >= n_layer or head >= n_head:
            raise InputError(
                f"source {source}:heads={spec}",
                f"there is no layer {layer}, head {head}",
                f"layers are 0 to {n_layer - 1}, heads 0 to {n_head - 1}",
            )
    return heads
