"""The text that a model gives itself, for tasks that have no reference text."""

from __future__ import annotations

import torch
import whisper
from whisper.model import Whisper

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.model.text import Task, tokenizer_of


def decoded_words(model: Whisper, samples: Samples, language: str | None, task: Task) -> list[str]:
    """The words of a greedy decoding of at most 30 s, without timestamps.

    Raises
    ------
    InputError
        Where the model cannot do the task in that language, or gives no word.
    """
    tokenizer = tokenizer_of(model, language, task)
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)), n_mels=model.dims.n_mels)
    options = whisper.DecodingOptions(
        task=task, language=tokenizer.language or language, without_timestamps=True, temperature=0.0, fp16=False
    )
    words: list[str] = whisper.decode(model, mel.to(model.device), options).text.split()
    if not words:
        raise InputError("audio", f"the model's own text ({task}) has no word", "leave it out of this finding")
    return words
