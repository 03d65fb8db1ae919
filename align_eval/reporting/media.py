"""What there is to see and hear of an utterance: its samples, its spectrogram, and the maps that the run kept."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from align_eval.corpus.audio import Samples, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.windows import windowed
from align_eval.errors import InputError, InputWarning
from align_eval.formats.run.audio_spans import read_audio_spans
from align_eval.formats.run.maps import FOLDER, SUFFIX, KeptMaps, read_maps
from align_eval.records import AudioSpan, Run
from align_eval.relevance import unit_of
from align_eval.reporting.view import family_of
from align_eval.units import SAMPLE_RATE, WINDOW_S

GAMMA = 0.5
"""Each row of a map is shown by its own greatest value, to the power of that: what is weak is seen, too."""


@dataclass(frozen=True, slots=True)
class MapView:
    """The mean map of a source: ``uint8[row, frame]`` and the word of each row, the last being the end of the text.

    Column ``j`` covers ``[start_s + j * frame_s, + frame_s)`` from the start of the utterance.
    """

    levels: npt.NDArray[np.uint8]
    word_of_row: tuple[int, ...]
    frame_s: float
    start_s: float


def find_audio(folder: Path, run: Run, corpus: str | None = None) -> Mapping[str, AudioSpan]:
    """Where the samples of a run's utterances are: of a corpus that is named, else as the run noted.

    Raises
    ------
    InputError
        Where the corpus cannot be read.
    """
    if corpus is None:
        return read_audio_spans(folder)
    loaded = load_corpus(corpus)
    windows = windowed(loaded, float(run.signature.get("window_s", WINDOW_S)))
    return {u.id: u.audio for u in (*loaded.utterances, *windows.utterances)}


def samples_of(span: AudioSpan) -> Samples | None:
    """Samples of an utterance; None with a warning where they cannot be read."""
    try:
        return read_audio(span, longest_s=float("inf"))
    except InputError as error:
        warnings.warn(InputWarning(f"no sound: {error}"), stacklevel=2)
        return None


def maps_of(folder: Path, utterance: str) -> KeptMaps | None:
    """The maps that a run kept of an utterance; None where it kept none.

    Raises
    ------
    InputError
        Where the file is there and cannot be read.
    """
    path = folder / FOLDER / f"{utterance}{SUFFIX}"
    return read_maps(path) if path.is_file() else None


def map_views(kept: KeptMaps) -> dict[str, MapView]:
    """The maps of all sources but controls, by the name of their stack."""
    return {
        spec: MapView(
            _levels(stack.mean(axis=0)),
            tuple(int(word) for word in kept.word_of_token[unit_of(spec)]),
            kept.frame_s,
            kept.start_s,
        )
        for spec, stack in kept.stacks.items()
        if family_of(spec) != "control"
    }


def flac(samples: Samples) -> bytes:
    """Samples at 16 kHz as FLAC, which every browser decodes, to the sample."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _levels(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    top = values.max(axis=1, keepdims=True)
    share = np.divide(values, top, out=np.zeros_like(values), where=top > 0)
    return np.asarray(np.round(255 * np.clip(share, 0.0, 1.0) ** GAMMA), dtype=np.uint8)
