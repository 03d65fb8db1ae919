"""Audio samples, mono at 16 kHz: decoded by soundfile or ffmpeg, resampled by soxr; damaged files are refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from align_eval.corpus.sound.faults import faults
from align_eval.corpus.sound.file import AUDIO_SUFFIXES, MEDIA_SUFFIXES, decode, open_sound
from align_eval.errors import InputError, InputWarning
from align_eval.records import AudioSpan
from align_eval.units import FRAME_S, SAMPLE_RATE, WINDOW_S

__all__ = ["AUDIO_SUFFIXES", "MEDIA_SUFFIXES", "Samples", "audio_duration_s", "read_audio", "warn_of_faults"]

Samples = npt.NDArray[np.float32]
"""float32[n_samples], mono, at 16 kHz."""


def audio_duration_s(path: Path) -> float:
    """Length of an audio file in seconds; counted where its header states none.

    Raises
    ------
    InputError
        As of :func:`~align_eval.corpus.sound.file.open_sound`.
    """
    return open_sound(path).duration_s


def read_audio(span: AudioSpan, longest_s: float = WINDOW_S, *, warn: bool = True) -> Samples:
    """Read the samples of a span.

    Several channels are averaged unless ``span.channel`` names one.

    Parameters
    ----------
    longest_s
        Longest span to accept, in seconds; by default Whisper's window.
    warn
        Whether to warn of faults.

    Returns
    -------
    float32[n_samples]
        Mono, at 16 kHz.

    Raises
    ------
    InputError
        If the file is missing, empty, not audio, or shorter than its header states, if a sample is not finite, or if
        the span is shorter than one frame (20 ms) or longer than ``longest_s``.

    Warns
    -----
    InputWarning
        If the samples are silent, beyond full scale, or cancelled by the mean of the channels.
    """
    import soxr

    sound = open_sound(span.path)
    first = min(round(span.start_s * sound.rate), sound.n_samples)
    last = sound.n_samples if span.end_s is None else min(round(span.end_s * sound.rate), sound.n_samples)
    length_s = (last - first) / sound.rate
    if length_s > longest_s:
        problem = f"lasts {length_s:.2f} s, more than Whisper's window of {longest_s:g} s"
        raise InputError(span.path, problem, "cut it at pauses into pieces that fit")
    if length_s < FRAME_S:
        raise InputError(span.path, f"lasts {length_s:g} s, less than one frame ({FRAME_S:g} s)", "use a longer span")
    if span.channel is not None and span.channel >= sound.n_channels:
        known = "0" if sound.n_channels == 1 else f"0 to {sound.n_channels - 1}"
        problem = f"has {sound.n_channels} channels, no channel {span.channel}"
        raise InputError(span.path, problem, f"name another channel: {known}")
    samples = decode(sound, first, last)
    mono = samples.mean(axis=1) if span.channel is None else samples[:, span.channel]
    if not np.isfinite(mono).all():
        raise InputError(
            span.path,
            f"sample {int(np.argmin(np.isfinite(mono)))} is not a finite number",
            "write the audio again",
        )
    if warn:
        warn_of_faults(span.path, samples, span.channel, is_lossy=sound.is_lossy)
    resampled = mono if sound.rate == SAMPLE_RATE else soxr.resample(mono, sound.rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32)


def warn_of_faults(place: object, samples: Samples, channel: int | None = None, *, is_lossy: bool = False) -> None:
    """Warn of each fault of samples (:func:`~align_eval.corpus.sound.faults.faults`), and name their place."""
    for fault in faults(samples, channel, is_lossy=is_lossy):
        warnings.warn(InputWarning(f"{place}: {fault}"), stacklevel=3)
