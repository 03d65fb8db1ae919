"""The shared pass: one teacher-forced run of the model, which all sources use.

The encoder is a chain of steps, and ``taps[i]`` is the input of step ``i``:

    taps[0] log-mel -> convolutions -> taps[1] -> + positions -> taps[2] -> block -> ... -> taps[2 + n] -> last norm
    -> taps[3 + n], the encoder output

A source that starts at a tap runs only the steps after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import whisper
from torch import Tensor
from whisper.model import Whisper

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.model.cross_attention import CrossAttention, captured_projections, cross_attention
from align_eval.model.text import ForcedText
from align_eval.units import FRAME_S, HOP_LENGTH, N_SAMPLES, SAMPLE_RATE

FIT_MARGIN_S = 1.0
"""Silence that is encoded after the audio with ``context="fit"``."""

NEARLY_CERTAIN = -1e-4
"""Log-probability in nats above which the odds are used: the log-softmax over Whisper's tokens errs by up to 5e-5."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Results of one teacher-forced pass.

    Attributes
    ----------
    text : ForcedText
        Tokens that the decoder read and predicted.
    n_frames : int
        Encoder frames that hold audio; the rest of the 30 s window is padding.
    taps : tuple of Tensor
        Inputs of the encoder's steps and its output, each ``(1, ...)``; see the module docstring.
    cross : CrossAttention
        Queries and keys, for the logits of any head, ``(decoder row, frame of the encoded window)``.
    log_prob : Tensor
        Log-probability of each predicted token in nats, ``(n_tokens,)``.
    """

    text: ForcedText
    n_frames: int
    taps: tuple[Tensor, ...]
    cross: CrossAttention
    log_prob: Tensor


def encoder_steps(model: Whisper) -> list[Callable[[Tensor], Tensor]]:
    """The steps of the encoder's ``forward``, in order."""
    encoder = model.encoder

    def convolve(mel: Tensor) -> Tensor:
        x = F.gelu(encoder.conv1(mel))
        x = F.gelu(encoder.conv2(x))
        return x.permute(0, 2, 1)

    def add_positions(x: Tensor) -> Tensor:
        positioned: Tensor = x + encoder.positional_embedding[: x.shape[1]]
        return positioned.to(x.dtype)

    return [convolve, add_positions, *encoder.blocks, encoder.ln_post]


def decoder_hidden(model: Whisper, decoder_input: Tensor, encoded: Tensor) -> Tensor:
    """Hidden states after the decoder's last norm, ``(batch, row, state)``: its ``forward`` without the logits."""
    decoder = model.decoder
    x = decoder.token_embedding(decoder_input) + decoder.positional_embedding[: decoder_input.shape[-1]]
    x = x.to(encoded.dtype)
    for block in decoder.blocks:
        x = block(x, encoded, mask=decoder.mask)
    hidden: Tensor = decoder.ln(x)
    return hidden


def token_log_prob(model: Whisper, hidden: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of ``tokens[i]`` given ``hidden[i]``, in float32; ``(n_tokens, state)`` to ``(n_tokens,)``.

    Of tokens that are nearly certain it is computed from the odds against them, ``log p = -log(1 + odds)``. Then
    ``1 - p`` is a sum of the other probabilities and not a difference that is mostly rounding, in the value as in its
    derivative.
    """
    logits: Tensor = hidden.float() @ model.decoder.token_embedding.weight.float().T
    log_prob = logits.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0]
    certain = log_prob > NEARLY_CERTAIN
    if not certain.any():
        return log_prob
    return log_prob.masked_scatter(certain, _log_prob_by_odds(logits[certain], tokens[certain]))


def _log_prob_by_odds(logits: Tensor, tokens: Tensor) -> Tensor:
    own = logits.gather(-1, tokens[:, None])
    others = logits.scatter(-1, tokens[:, None], -torch.inf)
    return -F.softplus(others.logsumexp(dim=-1) - own[:, 0])


def shared_pass(
    model: Whisper, samples: Samples, text: ForcedText, context: str = "full", dtype: str = "float32"
) -> Pass:
    """Run encoder and decoder once on 16 kHz samples, teacher-forced with a text; options as in :func:`mel_of`."""
    mel, n_frames = mel_of(model, samples, context, dtype)
    return pass_of_mel(model, mel, text, n_frames)


def full_frames(n_samples: int) -> int:
    """Return the number of whole encoder frames in ``n_samples`` samples at 16 kHz."""
    return n_samples // HOP_LENGTH // 2


def check_length(model: Whisper, samples: Samples) -> None:
    """Raise if the audio is longer than the encoder takes: 30 s, or less where its positions were cut.

    Raises
    ------
    InputError
        If it is.
    """
    longest = min(N_SAMPLES, 2 * HOP_LENGTH * model.dims.n_audio_ctx)
    if len(samples) > longest:
        problem = f"{len(samples)} samples are more than the {longest} that the model's encoder takes"
        remedy = "cut the audio at pauses; a run does it by --window-s, down to 5 s"
        raise InputError("audio", f"{problem} ({longest / SAMPLE_RATE:g} s at {SAMPLE_RATE} Hz)", remedy)


def mel_of(model: Whisper, samples: Samples, context: str = "full", dtype: str = "float32") -> tuple[Tensor, int]:
    """Log-mel of 16 kHz samples.

    The audio is padded with silence to 30 s, as in openai-whisper's ``pad_or_trim``.

    Parameters
    ----------
    samples : float32[n_samples]
    context : str
        ``full``: encode the 30 s window. ``fit``: encode only the audio and :data:`FIT_MARGIN_S` of silence, with as
        much of the positional embedding. This is faster, and not quite the same model.
    dtype : str
        Number format of the log-mel, in which the model then computes.

    Returns
    -------
    mel : Tensor
        ``(1, mel bin, mel frame)``.
    n_frames : int
        Encoder frames that hold audio.

    Raises
    ------
    InputError
        If there are more samples than the encoder takes, or less than one frame.
    """
    check_length(model, samples)
    n_frames = full_frames(len(samples))
    if n_frames == 0:
        raise InputError("audio", f"{len(samples)} samples are less than one frame", "use longer audio")
    padded = whisper.pad_or_trim(torch.from_numpy(samples).to(model.device))
    mel = whisper.log_mel_spectrogram(padded, n_mels=model.dims.n_mels)[None].to(getattr(torch, dtype))
    n_encoded = n_frames + round(FIT_MARGIN_S / FRAME_S) if context == "fit" else model.dims.n_audio_ctx
    return mel[..., : 2 * min(n_encoded, model.dims.n_audio_ctx)], n_frames


def pass_of_mel(model: Whisper, mel: Tensor, text: ForcedText, n_frames: int) -> Pass:
    """Run the pass on a log-mel ``(1, mel bin, mel frame)`` whose first ``n_frames`` encoder frames hold audio."""
    return forced_passes(model, encode(model, mel), [text], [n_frames])[0]


def encode(model: Whisper, mel: Tensor) -> tuple[Tensor, ...]:
    """Taps of log-mels ``(utterance, mel bin, mel frame)``: the input of each encoder step, and the output."""
    taps = [mel]
    with torch.no_grad():
        for step in encoder_steps(model):
            taps.append(step(taps[-1]))
    return tuple(taps)


def forced_passes(
    model: Whisper, taps: Sequence[Tensor], texts: Sequence[ForcedText], n_frames: Sequence[int]
) -> list[Pass]:
    """Run a batch of encoded utterances through the decoder, each teacher-forced with its text.

    Shorter texts are padded after their end, which earlier rows do not read. A pass therefore does not depend on the
    other utterances, except for rounding, since the order of sums depends on the batch size.

    Parameters
    ----------
    taps : sequence of Tensor
        Taps of all utterances, see :func:`encode`.
    texts : sequence of ForcedText
    n_frames : sequence of int
        Encoder frames that hold audio, one per utterance.
    """
    n_rows = max(len(text.decoder_input) for text in texts)
    padded = [(*text.decoder_input, *[text.decoder_input[-1]] * (n_rows - len(text.decoder_input))) for text in texts]
    decoder_input = torch.tensor(padded, device=model.device)
    with torch.no_grad(), captured_projections(model) as (queries, keys):
        hidden = decoder_hidden(model, decoder_input, taps[-1])
        predicting = [hidden[i, text.n_prefix : len(text.decoder_input) - 1] for i, text in enumerate(texts)]
        tokens = torch.tensor([token for text in texts for token in text.tokens], device=model.device)
        log_prob = token_log_prob(model, torch.cat(predicting), tokens)
    cross = cross_attention(queries, keys, model.dims.n_text_head, [len(text.decoder_input) for text in texts])
    log_probs = torch.split(log_prob, [len(text.tokens) for text in texts])
    return [
        Pass(
            text=text,
            n_frames=n_frames[i],
            taps=tuple(tap[i : i + 1] for tap in taps),
            cross=cross[i],
            log_prob=log_probs[i],
        )
        for i, text in enumerate(texts)
    ]
