"""Detection of the language of speech with Whisper."""

from __future__ import annotations

import torch
import whisper
from whisper.model import Whisper

from align_eval.corpus.audio import Samples
from align_eval.records import AUTO


def detect_language(model: Whisper, samples: Samples) -> tuple[str, float]:
    """Whisper's code of the language of the first 30 s (less, where the encoder takes less), and its probability.

    The probability is the decoder's, after the start token, over all language tokens (openai-whisper's
    ``detect_language``). An English-only model returns English.
    """
    if not model.is_multilingual:
        return "en", 1.0
    padded = whisper.pad_or_trim(torch.from_numpy(samples))
    mel = whisper.log_mel_spectrogram(padded, n_mels=model.dims.n_mels)[:, : 2 * model.dims.n_audio_ctx]
    _, probabilities = whisper.detect_language(model, mel.to(model.device))
    code = max(probabilities, key=probabilities.__getitem__)
    return code, float(probabilities[code])


def language_of(model: Whisper, samples: Samples, language: str | None) -> str | None:
    """The language, detected if it is ``auto``."""
    return detect_language(model, samples)[0] if language == AUTO else language
