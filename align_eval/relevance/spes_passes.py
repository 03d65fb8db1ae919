"""Masked forward passes for SPES: hidden places in, the divergence of each token's prediction out.

The divergence is KL(P || P_masked) in nats, over the whole vocabulary, between the clean pass and the masked pass.
Passes run in the ``dtype`` of the source; segments, distributions and sums are computed in float32 and float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.model import MultiHeadAttention, Whisper

from align_eval.model.batches import rows_at_once
from align_eval.model.forward import Pass, decoder_hidden, encoder_steps
from align_eval.relevance.options import SpesOptions
from align_eval.relevance.spes_masks import BLOCK, segment
from align_eval.units import FRAME_S

DTYPES = {"float32": torch.float32, "float16": torch.float16}

MAX_BATCH = 60


@dataclass(frozen=True, slots=True)
class Masking:
    """Places that masks can hide, and the functions that hide them.

    Attributes
    ----------
    partitions : tuple of Tensor
        The segment number of each place, one partition per scale.
    encode : callable
        From hidden places, ``bool[batch, *shape of a partition]``, to encoder outputs ``[batch, n_frames, n_state]``.
    attend : callable
        From hidden places to the context manager in which the decoder runs.
    """

    partitions: tuple[Tensor, ...]
    encode: Callable[[Tensor], Tensor]
    attend: Callable[[Tensor], AbstractContextManager[None]]


def masking_of(model: Whisper, shared: Pass, options: SpesOptions) -> Masking:
    """The masking at the place that the option ``at`` names."""
    return _mel_masking(model, shared, options) if options.at == "mel" else _state_masking(model, shared, options)


def _mel_masking(model: Whisper, shared: Pass, options: SpesOptions) -> Masking:
    n_real = 2 * shared.n_frames
    mel = shared.taps[0][0]  # (mel bin, frame of the window)
    real = mel[:, :n_real].float()
    partitions = segment(real.cpu().numpy(), shared.n_frames * FRAME_S)
    value = {
        "auto": real.mean(dim=1, keepdim=True),
        "mean": real.mean(dim=1, keepdim=True),
        "zero": torch.zeros_like(real[:, :1]),
        "floor": real.min().expand(real.shape[0], 1),
    }
    clean = mel.to(DTYPES[options.dtype])
    mask_value = value[options.mask].to(clean.dtype)
    run = _kernels(_encoded, options)

    def encode(places: Tensor) -> Tensor:
        x = clean.repeat(len(places), 1, 1)
        x[..., :n_real] = torch.where(places, mask_value, clean[:, :n_real])
        encoded: Tensor = run(model, x)
        return encoded

    on_device = tuple(torch.from_numpy(partition).to(model.device) for partition in partitions)
    return Masking(on_device, encode, lambda _: nullcontext())


def _state_masking(model: Whisper, shared: Pass, options: SpesOptions) -> Masking:
    encoded = shared.taps[-1].to(DTYPES[options.dtype])  # (1, frame of the window, state)
    n_maskable = shared.n_frames if options.frames == "real" else encoded.shape[1]
    partitions = (torch.arange(n_maskable, device=model.device),)
    if options.mask != "remove":

        def encode(places: Tensor) -> Tensor:
            factor = encoded.new_ones(len(places), encoded.shape[1], 1)
            factor[:, :n_maskable, 0] = (~places).to(encoded.dtype)
            return encoded * factor

        return Masking(partitions, encode, lambda _: nullcontext())

    def attend(places: Tensor) -> AbstractContextManager[None]:
        removed = torch.zeros(len(places), encoded.shape[1], dtype=torch.bool, device=places.device)
        removed[:, :n_maskable] = places
        return removed_from_cross_attention(model, removed)

    return Masking(partitions, lambda places: encoded.expand(len(places), -1, -1), attend)


@contextmanager
def removed_from_cross_attention(model: Whisper, removed: Tensor) -> Iterator[None]:
    """Remove encoder states from the decoder's cross-attention.

    This differs from zeroing the states: the key projection has no bias, so the logit of a zeroed state is 0, and the
    bias of the value projection still contributes.

    Parameters
    ----------
    removed : bool[batch, n_frames]
        True where no query may attend.
    """
    layers: list[MultiHeadAttention] = [block.cross_attn for block in model.decoder.blocks]

    def attend(
        layer: MultiHeadAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, None]:
        assert mask is None  # cross-attention is not causal
        q, k, v = (
            x.view(*x.shape[:2], layer.n_head, -1).transpose(1, 2) for x in (q, k, v)
        )  # (batch, head, time, state)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=~removed[:, None, None, :])
        return out.transpose(1, 2).flatten(start_dim=2), None

    try:
        for layer in layers:
            layer.qkv_attention = partial(attend, layer)
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("qkv_attention", None)


class TokenDivergence:
    """KL(P || P_masked) of every token, in float32 over the whole vocabulary, against the clean pass.

    With logits ``h w`` of a hidden state ``h`` it is ``logsumexp(h' w) - logsumexp(h w) - (h' - h) E_P[w]``, the
    Bregman divergence of the log-partition function. The mean ``E_P[w]`` of the vocabulary vectors under the clean
    distribution is computed once, so a masked pass needs only one number per token, its log-sum-exp.
    """

    def __init__(self, model: Whisper, shared: Pass, options: SpesOptions) -> None:
        self._model = model
        self._first_row = shared.text.n_prefix
        self._decoder_input = torch.tensor([shared.text.decoder_input], device=model.device)
        self._vocabulary = model.decoder.token_embedding.weight.detach().to(DTYPES[options.dtype])
        self._run = _kernels(_hidden_and_log_sums, options)
        clean = shared.taps[-1].to(DTYPES[options.dtype])
        with torch.no_grad():
            hidden, self._log_sums = _hidden_and_log_sums(
                model, self._vocabulary, self._decoder_input, clean, self._first_row
            )
            logits = _product_in_float32(hidden[0], self._vocabulary.T)
            self._hidden = hidden.float()
            self._expected = logits.softmax(dim=-1) @ self._vocabulary.float()  # (token, state)

    def __call__(self, encoded: Tensor) -> Tensor:
        """Divergences ``float32[batch, n_tokens]`` of encoder outputs ``[batch, n_frames, n_state]``."""
        decoder_input = self._decoder_input.expand(len(encoded), -1)
        hidden, log_sums = self._run(self._model, self._vocabulary, decoder_input, encoded, self._first_row)
        linear = torch.einsum("bnd,nd->bn", hidden.float() - self._hidden, self._expected)
        divergence: Tensor = log_sums - self._log_sums - linear
        return divergence.clamp_min(0.0)  # rounding can make it slightly negative


def batch_size(model: Whisper, n_tokens: int, n_places: int) -> int:
    """Masks per forward pass: a divisor of :data:`BLOCK`, since compiled code needs batches of one size."""
    dims = model.dims
    floats = 2 * n_tokens * dims.n_vocab + n_places + 8 * dims.n_audio_ctx * dims.n_audio_state
    fitting = rows_at_once(model, floats, MAX_BATCH)
    return max(size for size in range(1, fitting + 1) if BLOCK % size == 0)


def _encoded(model: Whisper, mel: Tensor) -> Tensor:
    """Encoder outputs of log-mels: ``(batch, mel bin, frame of the window)`` to ``(batch, frame, state)``."""
    x = mel
    for step in encoder_steps(model):
        x = step(x)
    return x


def _hidden_and_log_sums(
    model: Whisper, vocabulary: Tensor, decoder_input: Tensor, encoded: Tensor, first_row: int
) -> tuple[Tensor, Tensor]:
    """Last hidden state of each token's row, ``(batch, token, state)``, and the log-sum-exp of its logits."""
    hidden = decoder_hidden(model, decoder_input, encoded)[:, first_row:-1]
    logits = _product_in_float32(hidden.flatten(0, 1), vocabulary.T)  # (batch * token, vocabulary)
    return hidden, logits.logsumexp(dim=-1).view(hidden.shape[:2])


def _product_in_float32(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product of tensors in float32 or half precision, summed and returned in float32."""
    if a.dtype == torch.float32:
        return a @ b
    product: Tensor = torch.mm(a, b, out_dtype=torch.float32) if a.is_cuda else a.float() @ b.float()
    return product


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)


def _kernels(function: Callable[..., Any], options: SpesOptions) -> Callable[..., Any]:
    return _compiled(function) if options.compiled == "yes" else function
