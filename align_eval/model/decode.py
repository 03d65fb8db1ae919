"""Free decoding with openai-whisper: what the model hears, with nothing left to chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
import whisper
from whisper.model import Whisper

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.model.text import Task, tokenizer_of, written_language
from align_eval.text import split_words
from align_eval.units import MEL_FRAME_S, N_SAMPLES, SAMPLE_RATE, WINDOW_S


def recognise(model: Whisper, samples: Samples, language: str | None, task: Task = "transcribe") -> str:
    """Text that a model decodes from 16 kHz samples of at most 30 s, in the speech's language or translated.

    Greedy, temperature 0, in one window and without the fallback to higher temperatures that openai-whisper's
    ``transcribe`` has: the same text each time. Without timestamps, as the words are aligned afterwards.

    Raises
    ------
    InputError
        Where the audio is too long, or the language or the task is not one of the model's.
    """
    if len(samples) > N_SAMPLES:
        raise InputError("audio", f"{len(samples)} samples are more than 30 s", "cut it at pauses")
    tokenizer_of(model, language, task)  # refuses what the model does not know
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)), n_mels=model.dims.n_mels)
    options = whisper.DecodingOptions(
        task=task, language=language or "en", temperature=0.0, without_timestamps=True, fp16=False
    )
    result = whisper.decode(model, mel.to(model.device), options)
    return str(result.text)


def decoded_words(model: Whisper, samples: Samples, language: str | None, task: Task) -> list[str]:
    """The words that :func:`recognise` gives, for tasks that have no reference text.

    Raises
    ------
    InputError
        As :func:`recognise`, and where the text has no word.
    """
    words = split_words(recognise(model, samples, language, task), written_language(language, task))
    if not words:
        raise InputError("audio", f"the model's own text ({task}) has no word", "leave it out of this finding")
    return words


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was recognised in one of the windows that Whisper sought, from one of its seeks to the next."""

    start_s: float
    end_s: float
    text: str


def recognise_long(model: Whisper, samples: Samples, language: str | None) -> Iterator[Stretch]:
    """Text of a recording of any length, window by window, as openai-whisper's ``transcribe`` seeks through it.

    A window starts where the last whole segment of the one before ends, by the timestamps that the model decodes.
    Temperature 0 and no fallback, as :func:`recognise`, and no text of the window before as prompt, so that one bad
    window does not spoil the next.
    """
    tokenizer_of(model, language)
    result = whisper.transcribe(
        model,
        torch.from_numpy(samples),
        language=language or "en",
        temperature=0.0,
        condition_on_previous_text=False,
        fp16=False,
        verbose=None,
    )
    windows = [(seek, list(found)) for seek, found in groupby(result["segments"], key=lambda segment: segment["seek"])]
    starts_s = [seek * MEL_FRAME_S for seek, _ in windows]
    ends_s = [*starts_s[1:], len(samples) / SAMPLE_RATE]
    for start_s, end_s, (_, segments) in zip(starts_s, ends_s, windows, strict=True):
        text = "".join(segment["text"] for segment in segments)
        yield Stretch(start_s, min(end_s, start_s + WINDOW_S), text)
