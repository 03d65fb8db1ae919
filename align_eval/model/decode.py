"""Free decoding with openai-whisper: deterministic, greedy recognition of audio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
import whisper
from whisper.model import Whisper

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.model.forward import check_length, full_frames
from align_eval.model.text import Task, tokenizer_of, written_language
from align_eval.text import split_words
from align_eval.units import MEL_FRAME_S, N_SAMPLES, SAMPLE_RATE, WINDOW_S


def recognise(model: Whisper, samples: Samples, language: str | None, task: Task = "transcribe") -> str:
    """Recognise (or translate) 16 kHz samples of at most 30 s.

    Decoding is greedy at temperature 0, in one window, and without the fallback to higher temperatures of
    openai-whisper's ``transcribe``, so the text is always the same. It has no timestamps, since words are aligned
    afterwards.

    Raises
    ------
    InputError
        If the audio is too long, or the model does not know the language or the task.
    """
    check_length(model, samples)
    tokenizer_of(model, language, task)  # raises for unknown languages and tasks
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)), n_mels=model.dims.n_mels)
    options = whisper.DecodingOptions(
        task=task, language=language or "en", temperature=0.0, without_timestamps=True, fp16=False
    )
    result = whisper.decode(model, mel[:, : 2 * model.dims.n_audio_ctx].to(model.device), options)
    return str(result.text)


def decoded_words(model: Whisper, samples: Samples, language: str | None, task: Task) -> list[str]:
    """Words of the text from :func:`recognise`, for tasks without a reference text.

    Raises
    ------
    InputError
        As :func:`recognise`, and if the text has no word.
    """
    words = split_words(recognise(model, samples, language, task), written_language(language, task))
    if not words:
        raise InputError("audio", f"the decoded text ({task}) has no word", "remove this utterance")
    return words


@dataclass(frozen=True, slots=True)
class Stretch:
    """Recognised text of one window of Whisper, from its seek position to the next one, in seconds."""

    start_s: float
    end_s: float
    text: str


def recognise_long(model: Whisper, samples: Samples, language: str | None) -> Iterator[Stretch]:
    """Recognise a recording of any length window by window, with the seeks of openai-whisper's ``transcribe``.

    A window starts at the end of the last complete segment of the previous window, by the decoded timestamps. The
    temperature is 0 without fallback, as in :func:`recognise`. The text of the previous window is no prompt, so that
    one bad window does not affect the next.
    """
    tokenizer_of(model, language)
    n_frames = full_frames(N_SAMPLES)
    if model.dims.n_audio_ctx < n_frames:
        problem = f"the model's encoder takes {model.dims.n_audio_ctx} frames, a window of Whisper has {n_frames}"
        raise InputError("audio", problem, "cut the audio at pauses into pieces that fit")
    result = whisper.transcribe(
        model,
        torch.from_numpy(samples),
        language=language or "en",
        temperature=0.0,
        condition_on_previous_text=False,
        fp16=False,
        verbose=None,
    )
    by_seek = groupby(result["segments"], key=lambda segment: segment["seek"])
    windows = [(seek, list(segments)) for seek, segments in by_seek]
    starts_s = [seek * MEL_FRAME_S for seek, _ in windows]
    ends_s = [*starts_s[1:], len(samples) / SAMPLE_RATE]
    for start_s, end_s, (_, segments) in zip(starts_s, ends_s, windows, strict=True):
        text = "".join(segment["text"] for segment in segments)
        yield Stretch(start_s, min(end_s, start_s + WINDOW_S), text)
