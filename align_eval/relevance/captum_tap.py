"""The function that captum attributes: from the real frames at a tap to log-probabilities of tokens.

What is attributed is the tapped tensor on the frames that hold audio; the padding is put back behind them unchanged,
so that no baseline, noise, mask or path ever touches it. At the encoder's output the padding's keys and values in the
cross-attention are computed once, since nothing before them changes: 25 times less work for a second of audio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from whisper.model import Whisper

from align_eval.errors import InputError
from align_eval.model.batches import rows_at_once
from align_eval.model.forward import Pass, decoder_hidden, encoder_steps, token_log_prob
from align_eval.relevance.gradient import tap_index
from align_eval.relevance.stack import pool_mel_frames, reduce_features, rows_to_distributions

MAX_BATCH = 16


@dataclass(frozen=True, slots=True)
class Tapped:
    """The real frames of a tapped tensor, and the function of them that is attributed.

    Attributes
    ----------
    real : Tensor
        ``(1, mel bin, mel frame)`` at the mel input, else ``(1, frame, state)``.
    forward : callable
        From ``(batch, ...)`` as ``real`` to log-probabilities of every token, ``(batch, n_tokens)``.
    forward_of : callable
        From the same and one token for all rows, or one a row ``(batch,)``, to its log-probability, ``(batch,)``. A row
        meets the vocabulary once, not once a token.
    n_frames, n_tokens : int
        Encoder frames that hold audio, and tokens that are scored.
    time_axis, feature_axis : int
        Of ``real``.
    batch_grad, batch : int
        Rows in one forward pass, with a backward pass to follow and without: functions of the model, the tap and the
        text, never of what is free.
    floor : float
        The least value of the tensor in the whole window; at the mel input, that of silence.
    place : str
        The source and its tap, for errors.
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
        """What stands for absence, as ``real``: the ``mean`` over time of each feature, ``zero`` or the ``floor``."""
        if kind == "mean":
            return self.real.mean(dim=self.time_axis, keepdim=True).expand_as(self.real).clone()
        return torch.full_like(self.real, 0.0 if kind == "zero" else self.floor)

    def log_prob_change(self, baseline: Tensor) -> Tensor:
        """Log-probability of each token on the input less that on the baseline, ``(n_tokens,)``."""
        with torch.no_grad():
            return self.forward(self.real)[0] - self.forward(baseline)[0]

    def reduced(self, attributions: Tensor, reduce: str) -> Tensor:
        """``(row, ...)`` as ``real`` to magnitudes ``(row, time)``."""
        return reduce_features(attributions.detach(), reduce, self.feature_axis)

    def distributions(self, magnitudes: Tensor) -> Tensor:
        """``(token, time of the tap)`` to rows that sum to one over encoder frames, ``(1, token, frame)``."""
        pooled = pool_mel_frames(magnitudes) if self.feature_axis == 1 else magnitudes
        return rows_to_distributions(pooled, self.n_frames, self.place)[None]


def tap(model: Whisper, shared: Pass, at: str, source: str) -> Tapped:
    """The real frames at a place of the encoder, and how likely each token is given them.

    Raises
    ------
    InputError
        Where the model has no such block.
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
    first_row, n_tokens = shared.text.n_prefix, len(shared.text.tokens)
    targets = decoder_input[0, first_row + 1 :]

    def from_inside(real: Tensor) -> Tensor:
        x = torch.cat([real, padding.expand(len(real), -1, -1)], dim=time_axis)
        for run in encoder_steps(model)[step:]:
            x = run(x)
        return decoder_hidden(model, decoder_input.expand(len(real), -1), x)

    at_output = step == len(shared.taps) - 1
    run_hidden = _hidden_from_output(model, decoder_input, padding) if at_output else from_inside

    def own_rows(real: Tensor) -> Tensor:
        return run_hidden(real)[:, first_row:-1]  # (batch, token, state)

    def forward(real: Tensor) -> Tensor:
        own = own_rows(real).flatten(0, 1)
        return token_log_prob(model, own, targets.repeat(len(real))).view(len(real), n_tokens)

    def forward_of(real: Tensor, tokens: Tensor | int) -> Tensor:
        own = own_rows(real)[torch.arange(len(real), device=real.device), tokens]  # (batch, state)
        return token_log_prob(model, own, targets[tokens].expand(len(real)))

    batch_grad, batch = _batch_sizes(model, step, n_tokens, n_context=shared.taps[-1].shape[1])
    return Tapped(
        real=whole.narrow(time_axis, 0, n_real).detach().clone(),
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


def _hidden_from_output(model: Whisper, decoder_input: Tensor, padding: Tensor) -> Callable[[Tensor], Tensor]:
    """The decoder's last hidden states as a function of the real encoder outputs: ``decoder_hidden``, without
    projecting the padding anew. openai-whisper takes keys and values of the cross-attention from its cache.
    """
    decoder = model.decoder
    with torch.no_grad():
        of_padding = {
            linear: linear(padding)
            for block in decoder.blocks
            for linear in (block.cross_attn.key, block.cross_attn.value)
        }
        embedded = decoder.token_embedding(decoder_input) + decoder.positional_embedding[: decoder_input.shape[-1]]

    def hidden(real: Tensor) -> Tensor:
        cache = {
            linear: torch.cat([linear(real), kept.expand(len(real), -1, -1)], dim=1)
            for linear, kept in of_padding.items()
        }
        x = embedded.to(real.dtype).expand(len(real), -1, -1)
        for block in decoder.blocks:
            x = block(x, real, mask=decoder.mask, kv_cache=cache)
        last: Tensor = decoder.ln(x)
        return last

    return hidden


def _batch_sizes(model: Whisper, step: int, n_tokens: int, n_context: int) -> tuple[int, int]:
    """Rows of one batch of ``forward_of`` with a backward pass, where each layer keeps its parts, and of ``forward``
    without.
    """
    dims = model.dims
    convolutions = 8 * n_context * dims.n_audio_state if step == 0 else 0
    n_blocks = max(0, min(dims.n_audio_layer, dims.n_audio_layer + 2 - step))
    block = 18 * n_context * dims.n_audio_state  # norms, queries, keys, values and four-fold hidden layer, twice
    decoder = 4 * n_context * dims.n_text_state  # keys and values of the cross-attention
    vocabulary = 3 * dims.n_vocab  # of one token
    kept = convolutions + n_blocks * block + dims.n_text_layer * decoder + vocabulary
    passing = max(convolutions, block if n_blocks else 0, decoder, n_tokens * vocabulary)

    return rows_at_once(model, kept, MAX_BATCH), rows_at_once(model, passing, MAX_BATCH)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators that captum draws from, torch's and numpy's, and put them back on leaving."""
    numpy_state = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)
