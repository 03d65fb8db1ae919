"""Audio samples, mono at 16 kHz: decoded by soundfile or ffmpeg, resampled by soxr; damaged files are refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from align_eval.corpus.sound.find import media_sound, native_sound
from align_eval.corpus.sound.parts import Part, PartFile, Sound
from align_eval.errors import InputError, InputWarning, told_apart
from align_eval.records import AudioSpan
from align_eval.units import FRAME_S, SAMPLE_RATE, WINDOW_S

Samples = npt.NDArray[np.float32]
"""float32[n_samples], mono, at 16 kHz."""

SILENCE = 2.0**-15
"""Largest difference between samples that counts as silence: one step of 16 bits, as lossy formats write it."""

LEAST_POWER = 0.1
"""Least power of the mean of channels, relative to the mean of as many unrelated channels; 0 if all is cancelled."""

FULL_SCALE, FULL_SCALE_LOSSY = 1.0, 2.0
"""Largest plausible samples. Decoders of lossy formats pass full scale where the recording was loud."""


def check_channel(channel: int | None) -> None:
    """Refuse a negative number of a channel; None is the mean of all channels.

    Raises
    ------
    InputError
        If the number is negative.
    """
    if channel is not None and channel < 0:
        raise InputError(f"channel {channel}", "there is no such channel", "count channels from 0")


def audio_duration_s(path: Path) -> float:
    """Length of an audio file in seconds; counted where its header states none.

    Raises
    ------
    InputError
        As of :func:`open_sound`.
    """
    sound = open_sound(path)
    return sound.n_samples / sound.rate


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
        If the samples are silent, beyond full scale, or cancelled by the mean of the channels, or if the file may be
        incomplete.
    """
    import soxr

    sound = open_sound(span.path)
    first = min(round(span.start_s * sound.rate), sound.n_samples)
    last = sound.n_samples if span.end_s is None else min(round(span.end_s * sound.rate), sound.n_samples)
    length_s = (last - first) / sound.rate
    if length_s > longest_s:
        problem = f"lasts {told_apart(length_s, longest_s)[0]} s, more than Whisper's window of {longest_s:g} s"
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
        doubts = [part.doubt for part in sound.parts if part.doubt]
        _warn(span.path, [*doubts, *faults(samples, span.channel, is_lossy=sound.is_lossy)])
    resampled = mono if sound.rate == SAMPLE_RATE else soxr.resample(mono, sound.rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32)


def warn_of_faults(samples: Samples) -> None:
    """Warn of each fault of samples in memory."""
    if samples.size:
        _warn("audio", faults(samples[:, np.newaxis]))


def _warn(place: object, problems: Iterable[str]) -> None:
    for problem in problems:
        warnings.warn(InputWarning(f"{place}: {problem}"), stacklevel=3)


def faults(samples: npt.NDArray[np.float32], channel: int | None = None, *, is_lossy: bool = False) -> Iterator[str]:
    """Yield each fault with a remedy; the texts are the same for equal faults in other stretches of a file.

    Parameters
    ----------
    samples : float32[n_samples, n_channels]
        Finite in the channels that are used.
    channel
        The channel that is used; None for the mean of all.
    is_lossy
        Whether the format is lossy.
    """
    used = samples if channel is None else samples[:, [channel]]
    sounding = [int(c) for c in np.flatnonzero(np.ptp(samples, axis=0) > SILENCE)]
    if channel is None and sounding and _is_cancelled(samples):
        yield f"its channels cancel each other in their mean; read one of them: --channel {sounding[0]}"
    elif np.ptp(used.mean(axis=1)) <= SILENCE:
        others = f"read another channel: --channel {sounding[0]}" if sounding else "check the recording"
        where = "" if channel is None else f" in channel {channel}"
        yield f"is digital silence{where} (all samples are equal); {others}"
    if np.abs(used).max() > (FULL_SCALE_LOSSY if is_lossy else FULL_SCALE):
        yield "has samples beyond full scale (-1 to 1); write it again at a lower level"


def _is_cancelled(samples: npt.NDArray[np.float32]) -> bool:
    n_channels = samples.shape[1]
    unrelated = samples.var(axis=0, dtype=np.float64).sum() / n_channels**2
    return bool(samples.mean(axis=1).var(dtype=np.float64) < LEAST_POWER * unrelated)


def open_sound(path: Path) -> Sound:
    """Find the parts, rate, channels and true length of a file.

    Raises
    ------
    InputError
        If the file is missing, empty, not sound, without samples, cut short, or of parts that do not fit together.
    """
    if not path.is_file():
        raise InputError(path, "there is no such audio file", "check the path")
    state = path.stat()
    if state.st_size == 0:
        raise InputError(path, "the file is empty", "copy it again")
    key = (path, state.st_mtime_ns, state.st_size)
    return native_sound(*key) or media_sound(*key)


def decode(sound: Sound, first: int, last: int, dtype: str = "float32") -> npt.NDArray[Any]:
    """Decode samples ``first`` to ``last``.

    Returns
    -------
    array of dtype, [n_samples, n_channels]

    Raises
    ------
    InputError
        If they cannot be decoded, or there are fewer than the header states.
    """
    pieces = [np.zeros((0, sound.n_channels), dtype)]
    offset = 0
    for part, length in zip(sound.parts, sound.lengths, strict=True):
        start, stop = max(first - offset, 0), min(last - offset, length)
        if start < stop:
            pieces.append(_decode_part(sound, part, length, (start, stop), dtype))
        offset += length
    return pieces[1] if len(pieces) == 2 else np.concatenate(pieces)


def _decode_part(sound: Sound, part: Part, length: int, span: tuple[int, int], dtype: str) -> npt.NDArray[Any]:
    import soundfile

    start, stop = span
    preroll = min(start, sound.preroll if start < length - sound.tail else max(sound.preroll, sound.tail))
    try:
        with (
            nullcontext(sound.name) if sound.is_plain else PartFile(sound.file, part) as source,
            soundfile.SoundFile(source) as file,
        ):
            if file.seekable():
                file.seek(start - preroll)
            else:
                preroll = start
            samples: npt.NDArray[Any] = file.read(stop - start + preroll, dtype=dtype, always_2d=True)[preroll:]
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(sound.path, f"cannot be decoded ({error})", "the file is damaged: copy it again") from error
    if len(samples) < stop - start:
        problem = f"is cut short: its header promises {stop - start} samples, {len(samples)} can be read"
        raise InputError(sound.path, problem, "copy the file again")
    return samples
