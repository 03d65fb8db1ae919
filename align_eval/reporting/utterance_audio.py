"""The audio behind a run: where it is, its samples, and its bytes for the page."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from align_eval.corpus.audio import Samples, check_length, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.windows import windowed
from align_eval.errors import InputError, InputWarning
from align_eval.formats.run.audio_spans import read_audio_spans
from align_eval.formats.textgrids import Tiers
from align_eval.records import AudioSpan
from align_eval.run_record import Run
from align_eval.units import SAMPLE_RATE, WINDOW_S


def find_audio(
    folder: Path,
    run: Run,
    corpus: str | None = None,
    kind: str | None = None,
    tier: Tiers = None,
    channel: int | None = None,
) -> Mapping[str, AudioSpan]:
    """Find the audio of a run's utterances.

    Parameters
    ----------
    corpus
        Corpus that holds the audio. Without it, the run folder's ``audio.json`` says where the audio is.
    kind, tier, channel
        As for :func:`~align_eval.corpus.bundled.load_corpus`.

    Returns
    -------
    mapping of str to AudioSpan
        File and time span of each utterance, by its id.

    Raises
    ------
    InputError
        If the corpus cannot be read.
    """
    if corpus is None:
        return read_audio_spans(folder)
    loaded = load_corpus(corpus, kind=kind, tier=tier, channel=channel)
    windows = windowed(loaded, float(run.signature.get("window_s", WINDOW_S)))
    return {u.id: u.audio for u in (*loaded.utterances, *windows.utterances)}


def read_samples(
    span: AudioSpan, duration_s: float | None = None, part_s: tuple[float, float] | None = None
) -> Samples | None:
    """Samples of an utterance at 16 kHz; None with a warning if they cannot be read.

    Parameters
    ----------
    span
        The utterance in its file.
    duration_s
        Its length in the words table, in seconds, if known. Nothing is decoded where its file gives it another length.
    part_s
        Start and end of the part to read, in seconds from the start of the utterance; by default all of it.
    """
    try:
        if duration_s is not None:
            check_length(span, duration_s)
        part = span
        if part_s:
            part = replace(span, start_s=span.start_s + part_s[0], end_s=span.start_s + part_s[1])
        return read_audio(part, longest_s=float("inf"), warn=False)  # the run has warned
    except InputError as error:
        warnings.warn(InputWarning(f"no sound: {error}"), stacklevel=2)
        return None


def flac(samples: Samples) -> bytes:
    """Samples at 16 kHz as FLAC, which every browser decodes without loss."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
