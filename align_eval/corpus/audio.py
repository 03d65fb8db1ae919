"""Samples: decoded by soundfile, mono, 16 kHz by soxr, and the checks that keep a damaged file from being scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from align_eval.errors import InputError
from align_eval.records import AudioSpan
from align_eval.units import FRAME_S, SAMPLE_RATE, WINDOW_S

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au")

Samples = npt.NDArray[np.float32]


def audio_duration_s(path: Path) -> float:
    """Length in seconds that the file's header states."""
    info = _info(path)
    return float(info.frames / info.samplerate)


def read_audio(span: AudioSpan) -> Samples:
    """Samples of a span as float32, mono, at 16 kHz.

    Several channels are averaged unless ``span.channel`` names one.

    Raises
    ------
    InputError
        Where the file is missing, empty, no audio, shorter than its header says, not finite, shorter than one frame
        (20 ms), or the span is longer than Whisper's window (30 s).
    """
    info = _info(span.path)
    first = round(span.start_s * info.samplerate)
    last = info.frames if span.end_s is None else min(round(span.end_s * info.samplerate), info.frames)
    length_s = (last - first) / info.samplerate
    if length_s > WINDOW_S:
        raise InputError(
            span.path,
            f"lasts {length_s:.2f} s, more than Whisper's window of {WINDOW_S:g} s",
            "cut it at pauses into pieces of at most 30 s: longer audio is not supported yet",
        )
    if length_s < FRAME_S:
        raise InputError(span.path, f"lasts {length_s:g} s, less than one frame ({FRAME_S:g} s)", "remove it")
    try:
        samples, rate = soundfile.read(span.path, start=first, stop=last, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(span.path, f"cannot be decoded ({error})", "the file is damaged: copy it again") from error
    if len(samples) < last - first:
        raise InputError(
            span.path,
            f"is cut short: its header promises {last - first} samples, {len(samples)} can be read",
            "copy the file again",
        )
    if span.channel is None:
        mono = samples.mean(axis=1)
    elif span.channel < samples.shape[1]:
        mono = samples[:, span.channel]
    else:
        raise InputError(span.path, f"has {samples.shape[1]} channels, no channel {span.channel}", "name another")
    if not np.isfinite(mono).all():
        raise InputError(
            span.path,
            f"sample {int(np.argmin(np.isfinite(mono)))} is not a finite number",
            "write the audio again",
        )
    resampled = mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32)


def _info(path: Path) -> soundfile._SoundFileInfo:
    if not path.is_file():
        raise InputError(path, "there is no such audio file", "check the path")
    size = path.stat().st_size
    if size == 0:
        raise InputError(path, "the file is empty", "copy it again")
    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(path, f"is not audio that libsndfile reads ({error})", "convert it to WAV or FLAC") from error
    if info.frames <= 0 or info.samplerate <= 0:
        raise InputError(path, "holds no samples", "remove it or copy it again")
    _check_riff_length(path, size)
    return info


def _check_riff_length(path: Path, size: int) -> None:
    """A WAV file that was cut is read without complaint; its header still knows the length it had.

    0 and 0xFFFFFFFF stand for "unknown" in streamed files.
    """
    with path.open("rb") as file:
        header = file.read(12)
    if header[:4] == b"RIFF" and header[8:] == b"WAVE":
        declared = int.from_bytes(header[4:8], "little")
        if declared not in (0, 0xFFFFFFFF) and declared + 8 > size + 1:
            raise InputError(
                path,
                f"is cut short: its header promises {declared + 8} bytes, it has {size}",
                "copy the file again",
            )
