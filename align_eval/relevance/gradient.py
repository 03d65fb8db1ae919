"""Gradient of each token's log-probability with respect to the encoder's input, a hidden layer or its output.

Map: ``(1, row, frame)``, one row per text token and one for the end of the text. Values are magnitudes over features of
the gradient, in nats per unit of the tapped tensor, before rows are scaled to sum to one.

One forward pass runs from the tap on, then one vector-Jacobian product per token, in chunks. A token's log-probability
depends only on its row of the decoder's last hidden state. One ordinary backward pass through the vocabulary therefore
serves all tokens, in float32, and only the part from the hidden state to the tap runs per token. That part runs in the
model's number format, from a gradient that a power of two brings near ten
(:mod:`align_eval.relevance.scaled_backward`).

Paper: Zeyer, Schlüter, Ney 2026 (arXiv 2607.06831), the L2 norm over features of grad log p(token).
"""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.model import Whisper, disable_sdpa

from align_eval.errors import InputError
from align_eval.model.batches import rows_at_once
from align_eval.model.forward import Pass, decoder_hidden, encoder_steps, token_log_prob
from align_eval.relevance.options import GradientOptions
from align_eval.relevance.scaled_backward import power_of_two
from align_eval.relevance.stack import Stack, mass_on_padding, pool_mel_frames, reduce_features, stack_of_magnitudes

MAX_CHUNK = 16
"""Tokens per chunk. On two cores, larger chunks were no faster (docs/method.md)."""


def gradient(model: Whisper, shared: Pass, options: GradientOptions) -> Stack:
    """Gradient magnitudes on encoder frames, rows scaled to sum to one, ``(1, row, frame)``.

    Details: the share of the magnitudes past the end of the audio, as mean over tokens, and flat rows.

    Raises
    ------
    InputError
        If the encoder has no such block, or the gradient of a token is not finite.
    """
    step = tap_index(options.at, model.dims.n_audio_layer)
    magnitudes = _magnitudes(model, shared, step, options.reduce)  # (token, frame or mel frame)
    if step == 0:
        magnitudes = pool_mel_frames(magnitudes)
    details = {"mass_on_padding": mass_on_padding(magnitudes, shared.n_frames)}
    return stack_of_magnitudes({f"source gradient:at={options.at}": magnitudes}, shared.n_frames, details)


def tap_index(at: str, n_layer: int) -> int:
    """Index into :attr:`~align_eval.model.forward.Pass.taps` of the place that the key ``at`` names.

    Raises
    ------
    InputError
        If the encoder has no such block.
    """
    if at in ("mel", "conv", "encoder-output"):
        return {"mel": 0, "conv": 1, "encoder-output": n_layer + 3}[at]
    number, _, divisor = at.removeprefix("encoder.").partition("/")
    # a fraction is rounded to the nearest block, halves up
    blocks = (2 * int(number) * n_layer + int(divisor)) // (2 * int(divisor)) if divisor else int(number)
    if blocks > n_layer:
        raise InputError(
            f"source gradient:at={at}", f"the encoder has {n_layer} blocks", f"use encoder.0 to encoder.{n_layer}"
        )
    return 2 + blocks


def chunk_tokens(model: Whisper, n_tokens: int, step: int) -> int:
    """Number of tokens per backward pass, for a tap before encoder step ``step``."""
    dims = model.dims
    decoder = dims.n_text_layer * (3 * dims.n_text_head * n_tokens + 4 * dims.n_text_state) * dims.n_audio_ctx
    block = (3 * dims.n_audio_head * dims.n_audio_ctx + 12 * dims.n_audio_state) * dims.n_audio_ctx
    floats: int = max(decoder, block if step < dims.n_audio_layer + 2 else 0)
    return rows_at_once(model, floats, MAX_CHUNK)


def _magnitudes(model: Whisper, shared: Pass, step: int, reduce: str) -> Tensor:
    """Gradient magnitudes over features, ``(token, time of the tapped tensor)``."""
    decoder_input = torch.tensor([shared.text.decoder_input], device=model.device)
    first_row, n_tokens = shared.text.n_prefix, len(shared.text.tokens)
    targets = decoder_input[0, first_row + 1 :]
    leaf = shared.taps[step].detach().clone().requires_grad_()
    rows = []
    with torch.enable_grad(), disable_sdpa():  # the fused attention has no batched backward pass
        x = leaf
        for run in encoder_steps(model)[step:]:
            x = run(x)
        hidden = decoder_hidden(model, decoder_input, x)  # (1, row, state)
        token_states = hidden[0, first_row:-1]
        wide = token_states.detach().float().requires_grad_()
        (to_hidden,) = torch.autograd.grad(
            token_log_prob(model, wide, targets).sum(), wide
        )  # (token, state): row i is the gradient of token i, since no other token depends on it
        to_hidden = (to_hidden * power_of_two(to_hidden)).to(hidden.dtype)  # rows are scaled to sum to one in the end
        chunk = chunk_tokens(model, n_tokens, step)
        for first in range(0, n_tokens, chunk):
            tokens = torch.arange(first, min(first + chunk, n_tokens))
            upstream = hidden.new_zeros(len(tokens), *hidden.shape)  # (token of the chunk, 1, row, state)
            upstream[torch.arange(len(tokens)), 0, first_row + tokens] = to_hidden[tokens]
            (grads,) = torch.autograd.grad(
                hidden, leaf, upstream, is_grads_batched=True, retain_graph=True
            )  # (token of the chunk, 1, ...) as the tapped tensor
            grads = grads[:, 0].float()
            attributed = grads * leaf.detach().float() if reduce == "input" else grads
            rows.append(reduce_features(attributed, "sum" if reduce == "input" else reduce, 1 if step == 0 else 2))
    return torch.cat(rows)
