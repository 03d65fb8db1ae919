"""Free decoding with openai-whisper: what the model hears, with nothing left to chance."""

from __future__ import annotations

import torch
import whisper
from whisper.model import Whisper

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.model.text import tokenizer_of
from align_eval.units import N_SAMPLES


def recognise(model: Whisper, samples: Samples, language: str | None) -> str:
    """Text that the model decodes from 16 kHz samples of at most 30 s.

    Greedy, temperature 0, in one window and without the fallback to higher temperatures that openai-whisper's
    ``transcribe`` has: the same text each time. Without timestamps, as the words are aligned afterwards.

    Raises
    ------
    InputError
        Where the audio is too long, or the language is not one of the model's.
    """
    if len(samples) > N_SAMPLES:
        raise InputError("audio", f"{len(samples)} samples are more than 30 s", "cut it at pauses")
    tokenizer_of(model, language)  # refuses what the model does not know
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)), n_mels=model.dims.n_mels)
    options = whisper.DecodingOptions(language=language or "en", temperature=0.0, without_timestamps=True, fp16=False)
    result = whisper.decode(model, mel.to(model.device), options)
    return str(result.text)
