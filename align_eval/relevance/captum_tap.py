"""The function that captum attributes: from the real frames at a tap to log-probabilities of tokens.

A tap is a place of the encoder (see :mod:`align_eval.model.forward`). Captum attributes the tapped tensor on the frames
that hold audio. The padding is appended unchanged, so no baseline, noise, mask or path touches it. At the encoder
output, keys and values of the padding are computed once, since no earlier step changes: 25 times less work for one
second of audio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from whisper.model import Whisper

from align_eval.errors import InputError
from align_eval.model.batches import rows_at_once
from align_eval.model.forward import Pass, decoder_hidden, encoder_steps, token_log_prob
from align_eval.relevance.gradient import tap_index
from align_eval.relevance.scaled_backward import scaled_backward
from align_eval.relevance.stack import Stack, pool_mel_frames, reduce_features, stack_of_magnitudes

MAX_BATCH = 16


@dataclass(frozen=True, slots=True)
class Tapped:
    """The real frames of a tapped tensor, and the function of them that captum attributes.

    Attributes
    ----------
    real : Tensor
        ``(1, mel bin, mel frame)`` at the mel input, else ``(1, frame, state)``; in float32.
    forward : callable
        From ``(batch, ...)`` as ``real`` to log-probabilities of every token, ``(batch, n_tokens)``.
    forward_of : callable
        From ``(batch, ...)`` as ``real`` and a token (one for all rows, or one per row, ``(batch,)``) to its
        log-probability, ``(batch,)``. It computes one vocabulary product per row instead of one per token.
    n_frames, n_tokens : int
        Encoder frames that hold audio, and tokens that are scored.
    time_axis, feature_axis : int
        Axes of ``real``.
    batch_grad, batch : int
        Rows per forward pass with and without a backward pass. They depend on the model, the tap and the text, never on
        free memory.
    floor : float
        Minimum of the tensor over the whole window; at the mel input, the value of silence.
    place : str
        The source and its tap, for error messages.
    """

    real: Tensor
    forward: Callable[[Tensor], Tensor]
    forward_of: Callable[[Tensor, Tensor | int], Tensor]
    n_frames: int
    n_tokens: int
    time_axis: int
    feature_axis: int
    batch_grad: int
    batch: int
    floor: float
    place: str

    def baseline(self, kind: str) -> Tensor:
        """Baseline with the shape of ``real``: ``mean`` over time of each feature, ``zero`` or ``floor``."""
        if kind == "mean":
            return self.real.mean(dim=self.time_axis, keepdim=True).expand_as(self.real).clone()
        return torch.full_like(self.real, 0.0 if kind == "zero" else self.floor)

    def log_prob_change(self, baseline: Tensor) -> Tensor:
        """Log-probability of each token on the input minus that on the baseline, ``(n_tokens,)``, in nats."""
        with torch.no_grad():
            return self.forward(self.real)[0] - self.forward(baseline)[0]

    def reduced(self, attributions: Tensor, reduce: str) -> Tensor:
        """Reduce attributions ``(row, ...)``, shaped as ``real``, to magnitudes ``(row, time)``."""
        return reduce_features(attributions.detach(), reduce, self.feature_axis)

    def stack(self, magnitudes: Tensor, details: Mapping[str, Any] = MappingProxyType({})) -> Stack:
        """Pool ``(token, time of the tap)`` to encoder frames, and scale rows to sum to one."""
        pooled = pool_mel_frames(magnitudes) if self.feature_axis == 1 else magnitudes
        return stack_of_magnitudes({self.place: pooled}, self.n_frames, details)


def tap(model: Whisper, shared: Pass, at: str, source: str) -> Tapped:
    """Tap the encoder at a place: the real frames there, and the log-probability of each token as a function of them.

    Parameters
    ----------
    at : str
        The place, as the source's key ``at``.
    source : str
        Name of the source, for error messages.

    Raises
    ------
    InputError
        If the encoder has no such block.
    """
    place = f"source {source}:at={at}"
    try:
        step = tap_index(at, model.dims.n_audio_layer)
    except InputError as error:
        raise InputError(place, error.problem, error.remedy) from error
    whole = shared.taps[step]
    time_axis, n_real = (2, 2 * shared.n_frames) if step == 0 else (1, shared.n_frames)
    padding = whole.narrow(time_axis, n_real, whole.shape[time_axis] - n_real)
    decoder_input = torch.tensor([shared.text.decoder_input], device=model.device)
    hidden_states = (
        _hidden_from_output(model, decoder_input, padding)
        if step == len(shared.taps) - 1
        else _hidden_from_inside(model, decoder_input, padding, step, time_axis)
    )
    forward, forward_of = _log_prob_functions(model, hidden_states, decoder_input[0], shared.text.n_prefix, whole.dtype)
    n_tokens = len(shared.text.tokens)
    batch_grad, batch = _batch_sizes(model, step, n_tokens, n_context=shared.taps[-1].shape[1])
    return Tapped(
        real=whole.narrow(time_axis, 0, n_real).detach().to(torch.float32, copy=True),
        forward=forward,
        forward_of=forward_of,
        n_frames=shared.n_frames,
        n_tokens=n_tokens,
        time_axis=time_axis,
        feature_axis=3 - time_axis,
        batch_grad=batch_grad,
        batch=batch,
        floor=float(whole.min()),
        place=place,
    )


def _log_prob_functions(
    model: Whisper,
    hidden_states: Callable[[Tensor], Tensor],
    decoder_input: Tensor,
    first_row: int,
    dtype: torch.dtype,
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor | int], Tensor]]:
    """The two functions of :class:`Tapped`, ``forward`` and ``forward_of``.

    ``hidden_states`` maps real frames, in the model's ``dtype``, to the decoder's last hidden states, ``(batch, decoder
    row, state)``.
    """
    targets = decoder_input[first_row + 1 :]

    def token_states(real: Tensor) -> Tensor:
        return hidden_states(real)[:, first_row:-1]  # (batch, token, state)

    def forward(real: Tensor) -> Tensor:
        states = token_states(real.to(dtype)).flatten(0, 1)
        return token_log_prob(model, states, targets.repeat(len(real))).view(len(real), len(targets))

    def forward_of(real: Tensor, tokens: Tensor | int) -> Tensor:
        inner, widen = scaled_backward(real, dtype)
        states = token_states(inner)[torch.arange(len(real), device=real.device), tokens]  # (batch, state)
        return token_log_prob(model, widen(states), targets[tokens].expand(len(real)))

    return forward, forward_of


def _hidden_from_inside(
    model: Whisper, decoder_input: Tensor, padding: Tensor, step: int, time_axis: int
) -> Callable[[Tensor], Tensor]:
    """The decoder's last hidden states as a function of the real frames that enter an encoder step."""

    def hidden(real: Tensor) -> Tensor:
        x = torch.cat([real, padding.expand(len(real), -1, -1)], dim=time_axis)
        for run in encoder_steps(model)[step:]:
            x = run(x)
        return decoder_hidden(model, decoder_input.expand(len(real), -1), x)

    return hidden


def _hidden_from_output(model: Whisper, decoder_input: Tensor, padding: Tensor) -> Callable[[Tensor], Tensor]:
    """The decoder's last hidden states as a function of the real encoder outputs.

    The result equals ``decoder_hidden``; the padding is projected only once. openai-whisper takes keys and values of
    the cross-attention from its ``kv_cache``.
    """
    decoder = model.decoder
    with torch.no_grad():
        padding_projections = {
            linear: linear(padding)
            for block in decoder.blocks
            for linear in (block.cross_attn.key, block.cross_attn.value)
        }
        embedded = decoder.token_embedding(decoder_input) + decoder.positional_embedding[: decoder_input.shape[-1]]

    def hidden(real: Tensor) -> Tensor:
        cache = {
            linear: torch.cat([linear(real), projected.expand(len(real), -1, -1)], dim=1)
            for linear, projected in padding_projections.items()
        }
        x = embedded.to(real.dtype).expand(len(real), -1, -1)
        for block in decoder.blocks:
            x = block(x, real, mask=decoder.mask, kv_cache=cache)
        last: Tensor = decoder.ln(x)
        return last

    return hidden


def _batch_sizes(model: Whisper, step: int, n_tokens: int, n_context: int) -> tuple[int, int]:
    """Rows per batch of ``forward_of`` with a backward pass, which stores every layer's activations, and of ``forward``
    without one.
    """
    dims = model.dims
    convolutions = 8 * n_context * dims.n_audio_state if step == 0 else 0
    n_blocks = max(0, min(dims.n_audio_layer, dims.n_audio_layer + 2 - step))
    block = 18 * n_context * dims.n_audio_state  # norms, queries, keys, values and four-fold hidden layer, twice
    decoder = 4 * n_context * dims.n_text_state  # keys and values of the cross-attention
    vocabulary = 3 * dims.n_vocab  # for one token
    stored = convolutions + n_blocks * block + dims.n_text_layer * decoder + vocabulary
    peak = max(convolutions, block if n_blocks else 0, decoder, n_tokens * vocabulary)

    return rows_at_once(model, stored, MAX_BATCH), rows_at_once(model, peak, MAX_BATCH)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of torch and numpy, from which captum draws; restore them on exit."""
    numpy_state = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)
