"""The shared pass: one teacher-forced run of the model, from which every source takes what it needs.

The encoder is a chain of steps, and ``taps[i]`` is what enters step ``i``:

    taps[0] log-mel -> convolutions -> taps[1] -> + positions -> taps[2] -> block -> ... -> taps[2 + n] -> last norm
    -> taps[3 + n], the encoder output

so that a source which starts at a depth runs only the steps from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import whisper
from torch import Tensor, nn
from whisper.model import Whisper, disable_sdpa

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.model.interface import SpeechModel
from align_eval.model.text import ForcedText
from align_eval.units import FRAME_S, HOP_LENGTH, N_SAMPLES, START_S

FIT_MARGIN_S = 1.0
"""Silence that is encoded after the audio when the context is fitted to it."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one teacher-forced pass yields.

    Attributes
    ----------
    text : ForcedText
        What was read and predicted.
    n_frames : int
        Encoder frames that hold audio; the rest of the 30 s window is padding.
    frame_s, start_s : float
        Column ``j`` of any map covers ``[start_s + j * frame_s, + frame_s)``.
    taps : tuple of Tensor
        Inputs of the encoder's steps and its output, each ``(1, ...)``; see the module's text.
    cross : Tensor
        Cross-attention logits before the softmax, ``(layer, head, decoder row, frame of the whole window)``.
    log_prob : Tensor
        Log-probability of each predicted token, ``(n_tokens,)``.
    """

    text: ForcedText
    n_frames: int
    frame_s: float
    start_s: float
    taps: tuple[Tensor, ...]
    cross: Tensor
    log_prob: Tensor


def encoder_steps(model: Whisper | SpeechModel) -> list[Callable[[Tensor], Tensor]]:
    """The encoder as the chain of steps that its ``forward`` runs."""
    if not isinstance(model, Whisper):
        return model.encoder_steps()
    encoder = model.encoder

    def convolve(mel: Tensor) -> Tensor:
        x = F.gelu(encoder.conv1(mel))
        x = F.gelu(encoder.conv2(x))
        return x.permute(0, 2, 1)

    def add_positions(x: Tensor) -> Tensor:
        positioned: Tensor = x + encoder.positional_embedding[: x.shape[1]]
        return positioned.to(x.dtype)

    return [convolve, add_positions, *encoder.blocks, encoder.ln_post]


def decoder_hidden(model: Whisper | SpeechModel, decoder_input: Tensor, encoded: Tensor) -> Tensor:
    """Hidden states after the decoder's last norm, ``(batch, row, state)``: its ``forward`` before the vocabulary."""
    if not isinstance(model, Whisper):
        return model.decoder_hidden(decoder_input, encoded)
    decoder = model.decoder
    x = decoder.token_embedding(decoder_input) + decoder.positional_embedding[: decoder_input.shape[-1]]
    x = x.to(encoded.dtype)
    for block in decoder.blocks:
        x = block(x, encoded, mask=decoder.mask)
    hidden: Tensor = decoder.ln(x)
    return hidden


def token_log_prob(model: Whisper | SpeechModel, hidden: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of ``tokens[i]`` given ``hidden[i]``; ``(n_tokens, state)`` to ``(n_tokens,)``."""
    if not isinstance(model, Whisper):
        return model.token_log_prob(hidden, tokens)
    logits: Tensor = (hidden @ model.decoder.token_embedding.weight.to(hidden.dtype).T).float()
    return logits.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0]


@contextmanager
def captured_cross_attention(model: Whisper | SpeechModel) -> Iterator[list[Tensor]]:
    """Collect the cross-attention logits of one decoder pass, ``(head, row, frame)`` a layer.

    Scaled dot-product attention gives no logits, so it is off inside; hooks and switch are as before on leaving,
    also after an exception.
    """
    if not isinstance(model, Whisper):
        with model.captured_cross_attention() as found:
            yield found
        return
    logits: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, outputs: tuple[Tensor, Tensor]) -> None:
        logits.append(outputs[-1][0])

    hooks = [block.cross_attn.register_forward_hook(keep) for block in model.decoder.blocks]
    try:
        with disable_sdpa():
            yield logits
    finally:
        for hook in hooks:
            hook.remove()


def shared_pass(model: Whisper, samples: Samples, text: ForcedText, context: str = "full") -> Pass:
    """Run encoder and decoder once on 16 kHz samples, teacher-forced on a text.

    The audio is padded with silence to 30 s, as openai-whisper's ``pad_or_trim`` does. With ``context="fit"`` only the
    audio and :data:`FIT_MARGIN_S` of that silence are encoded, with as much of the positional embedding: faster, and
    not quite the same model.
    """
    if len(samples) > N_SAMPLES:
        raise InputError("audio", f"{len(samples)} samples are more than 30 s", "cut it at pauses")
    n_frames = len(samples) // HOP_LENGTH // 2
    if n_frames == 0:
        raise InputError("audio", f"{len(samples)} samples are less than one frame", "give longer audio")
    padded = whisper.pad_or_trim(torch.from_numpy(samples))
    mel = whisper.log_mel_spectrogram(padded, n_mels=model.dims.n_mels).to(model.device)[None]
    n_encoded = n_frames + round(FIT_MARGIN_S / FRAME_S) if context == "fit" else model.dims.n_audio_ctx
    return pass_of_mel(model, mel[..., : 2 * min(n_encoded, model.dims.n_audio_ctx)], text, n_frames)


def pass_of_mel(model: Whisper | SpeechModel, mel: Tensor, text: ForcedText, n_frames: int) -> Pass:
    """The pass over a log-mel ``(1, mel bin, frame)`` whose first ``n_frames`` encoder frames hold audio."""
    frame_s, start_s = (FRAME_S, START_S) if isinstance(model, Whisper) else (model.frame_s, model.start_s)
    decoder_input = torch.tensor([text.decoder_input], device=model.device)
    with torch.no_grad(), captured_cross_attention(model) as cross:
        taps = [mel]
        for step in encoder_steps(model):
            taps.append(step(taps[-1]))
        hidden = decoder_hidden(model, decoder_input, taps[-1])[0, text.n_prefix : -1]
        log_prob = token_log_prob(model, hidden, decoder_input[0, text.n_prefix + 1 :])
    return Pass(
        text=text,
        n_frames=n_frames,
        frame_s=frame_s,
        start_s=start_s,
        taps=tuple(taps),
        cross=torch.stack(cross),  # (layer, head, row, frame)
        log_prob=log_prob.cpu(),
    )
