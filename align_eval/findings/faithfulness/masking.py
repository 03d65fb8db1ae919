"""Passes of the model over audio with masked frames.

Masking takes place after the log-mel. Encoder frame ``j`` covers mel frames ``2j`` and ``2j + 1``, the two at which its
stride starts. A masked frame is filled with the mean per bin over the frames that hold audio, or with the floor: the
least value of the utterance's log-mel, which its padding also holds. The padding itself never changes. The convolutions
reach beyond these two mel frames, so that an unmasked frame still affects a masked neighbour. An odd last mel frame of
audio belongs to no encoder frame that counts as audio, and is not masked.

There are two forms of the measurement:

log-prob
    Mean log-probability of the text's tokens, teacher-forced. The end of the text is left out of it and of the ranking:
    it is not a word, and the model predicts it from the absence of speech, which deletion creates.
wer
    Word errors of greedy re-decoding at temperature 0 against the words of the corpus, both sides through the
    normaliser of the language. Decoding is without timestamps and fallback, with Whisper's suppressed tokens, and
    capped in length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jiwer
import numpy as np
import numpy.typing as npt
import torch
import whisper
from torch import Tensor
from whisper.model import Whisper

from align_eval.findings.faithfulness.records import Fill
from align_eval.model.batches import rows_at_once
from align_eval.model.forward import Pass, decoder_hidden, encoder_steps, token_log_prob
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.normaliser import normaliser

MAX_BATCH = 21

Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A re-decoded text after normalisation, with its errors; ``capped`` where decoding reached its longest length."""

    text: str
    errors: int
    insertions: int
    capped: bool


def fill_values(mel: Tensor, n_frames: int, fill: Fill) -> Tensor:
    """Values for a masked mel frame: ``mel`` is ``(1, bin, mel frame)``, the result ``(bin,)``."""
    if fill == "mean":
        return mel[0, :, : 2 * n_frames].mean(dim=-1)
    return mel.min().expand(mel.shape[1])


def masked_mels(mel: Tensor, masks: Tensor, values: Tensor) -> Tensor:
    """Copies of a log-mel with the encoder frames of each mask filled.

    Parameters
    ----------
    mel : Tensor
        ``(1, bin, mel frame)``.
    masks : Tensor
        ``(mask, encoder frame that holds audio)``, true where masked.
    values : Tensor
        Fill, ``(bin,)``.

    Returns
    -------
    Tensor
        ``(mask, bin, mel frame)``.
    """
    n_mel_frames = 2 * masks.shape[1]
    copies = mel.repeat(len(masks), 1, 1)
    hidden = masks.repeat_interleave(2, dim=1)[:, None]  # (mask, 1, mel frame that holds audio)
    copies[..., :n_mel_frames] = torch.where(hidden, values[None, :, None], mel[..., :n_mel_frames])
    return copies


def batch_size(model: Whisper) -> int:
    """Number of masked windows per batch, which depends on the model alone."""
    dims = model.dims
    # activations of a block, keys and values
    floats = dims.n_audio_ctx * dims.n_audio_state * (12 + 2 * dims.n_text_layer)
    return rows_at_once(model, floats, MAX_BATCH)


@torch.no_grad()
def encoded_batches(model: Whisper, shared: Pass, masks: Masks, fill: Fill, batch: int) -> Iterator[Tensor]:
    """Encoder outputs of the masked utterance, ``(mask, frame, state)``, in batches."""
    mel = shared.taps[0]
    values = fill_values(mel, shared.n_frames, fill)
    for first in range(0, len(masks), batch):
        x = masked_mels(mel, torch.from_numpy(masks[first : first + batch]).to(mel.device), values)
        for step in encoder_steps(model):
            x = step(x)
        yield x


def mean_log_probs(model: Whisper, shared: Pass, masks: Masks, fill: Fill, batch: int | None = None) -> Floats:
    """Mean log-probability of the text's tokens, without its end, under each mask, float64[n_masks]."""
    return np.array([mean_log_prob(tokens) for tokens in token_log_probs(model, shared, masks, fill, batch)])


@torch.no_grad()
def token_log_probs(
    model: Whisper, shared: Pass, masks: Masks, fill: Fill, batch: int | None = None
) -> Iterator[Tensor]:
    """Log-probability of each of the text's tokens, without its end: one ``(token,)`` per mask."""
    decoder_input = torch.tensor([shared.text.decoder_input], device=model.device)
    first_row = shared.text.n_prefix
    targets = decoder_input[0, first_row + 1 : -1]
    for encoded in encoded_batches(model, shared, masks, fill, batch or batch_size(model)):
        hidden = decoder_hidden(model, decoder_input.expand(len(encoded), -1), encoded)[:, first_row:-2]
        # mask by mask, so that memory never holds the vocabulary of a whole batch
        for states in hidden:
            yield token_log_prob(model, states, targets).double().cpu()


def redecode(model: Whisper, encoded: Tensor, language: str | None, n_tokens: int) -> list[tuple[str, bool]]:
    """Greedy text of each encoder output, ``(batch, frame, state)``, and whether it reached the cap on its length."""
    cap = sample_cap(model, n_tokens)
    decoding = whisper.DecodingOptions(
        language=language or "en", temperature=0, without_timestamps=True, sample_len=cap, fp16=False
    )
    results = whisper.decode(model, encoded, decoding)
    return [(result.text, len(result.tokens) >= cap) for result in results]


def sample_cap(model: Whisper, n_tokens: int) -> int:
    """Largest number of tokens in re-decoding: twice the text's plus 16, and at most Whisper's own limit."""
    return int(min(model.dims.n_text_ctx // 2, 2 * n_tokens + 16))


def normalised(text: str, language: str | None) -> str:
    """A text after the normaliser of its language."""
    return normaliser(language)(text)


def against_reference(reference: str, text: str, *, capped: bool = False) -> Decoded:
    """Count the word errors of a text against a reference, both normalised."""
    words = jiwer.process_words(reference, text)
    return Decoded(text, words.substitutions + words.deletions + words.insertions, words.insertions, capped)


def mean_log_prob(log_prob: Tensor) -> float:
    """Mean of log-probabilities, in double precision."""
    return float(log_prob.double().mean())
