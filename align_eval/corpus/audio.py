"""Audio samples, mono at 16 kHz: decoded by soundfile or ffmpeg, resampled by soxr; damaged files are refused."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from align_eval.corpus.sound.find import media_sound, native_sound
from align_eval.corpus.sound.parts import Part, PartFile, Sound
from align_eval.errors import InputError, InputWarning, did_you_mean, reason, told_apart
from align_eval.reading import cannot_read, changed, near_files, refuse_special
from align_eval.records import AudioSpan, FileState
from align_eval.units import FRAME_S, SAMPLE_RATE, WINDOW_S

Floats = npt.NDArray[np.float64]

Samples = npt.NDArray[np.float32]
"""float32[n_samples], mono, at 16 kHz."""

SILENCE = 2.0**-15
"""Largest difference between samples that counts as silence: one step of 16 bits, as lossy formats write it."""

LEAST_POWER = 0.1
"""Least power of the mean of channels, relative to the mean of as many unrelated channels; 0 if all is cancelled."""

FULL_SCALE, FULL_SCALE_LOSSY = 1.0, 2.0
"""Largest plausible samples. Decoders of lossy formats pass full scale where the recording was loud."""


LENGTH_TOLERANCE_S = FRAME_S + 2e-3
"""Largest difference between two lengths of one span: the last word may end one frame after the audio."""


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


def read_audio(
    span: AudioSpan, longest_s: float = WINDOW_S, *, lasts_s: float | None = None, warn: bool = True
) -> Samples:
    """Read the samples of a span.

    Several channels are averaged unless ``span.channel`` names one.

    Parameters
    ----------
    longest_s
        Longest span to accept, in seconds; by default Whisper's window.
    lasts_s
        Length of the span when it was first read, in seconds. Another one, by more than :data:`LENGTH_TOLERANCE_S`, is
        refused before anything is decoded.
    warn
        Whether to warn of faults.

    Returns
    -------
    float32[n_samples]
        Mono, at 16 kHz.

    Raises
    ------
    InputError
        If the file is missing, empty, not audio, shorter than its header states, or changes while it is read, if a
        sample is not finite, or if the span is shorter than one frame (20 ms) or longer than ``longest_s``.

    Warns
    -----
    InputWarning
        If the samples are silent, beyond full scale, or cancelled by the mean of the channels, or if the file may be
        incomplete.
    """
    import soxr

    sound, first, last = _open_span(span, longest_s, lasts_s)
    samples = decode(sound, first, last)
    with np.errstate(invalid="ignore", over="ignore"):  # samples that are not finite are refused below
        mono = samples.mean(axis=1) if span.channel is None else samples[:, span.channel]
    _check_finite(span, mono[:, np.newaxis])
    if warn:
        doubts = (part.doubt for part in sound.parts if part.doubt)
        _warn(span.path, chain(doubts, faults(samples, span.channel, is_lossy=sound.is_lossy)))
    resampled = mono if sound.rate == SAMPLE_RATE else soxr.resample(mono, sound.rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32)


def _open_span(span: AudioSpan, longest_s: float, lasts_s: float | None) -> tuple[Sound, int, int]:
    """Open the file of a span, and find its first sample and the one after its last, after checks of its length."""
    sound = open_sound(span.path)
    first, last = _samples_of(span, sound)
    length_s = (last - first) / sound.rate
    if lasts_s is not None:
        _check_length(span, length_s, lasts_s)
    if length_s > longest_s:
        problem = f"lasts {told_apart(length_s, longest_s)[0]} s, more than Whisper's window of {longest_s:g} s"
        raise InputError(span.path, problem, "cut it at pauses into pieces that fit")
    if length_s < FRAME_S:
        raise InputError(span.path, f"lasts {length_s:g} s, less than one frame ({FRAME_S:g} s)", "use a longer span")
    if span.channel is not None and span.channel >= sound.n_channels:
        known = "0" if sound.n_channels == 1 else f"0 to {sound.n_channels - 1}"
        problem = f"has {sound.n_channels} channels, no channel {span.channel}"
        raise InputError(span.path, problem, f"name another channel: {known}")
    return sound, first, last


def _check_finite(span: AudioSpan, samples: npt.NDArray[np.float32], offset: int = 0) -> None:
    finite = np.isfinite(samples).all(axis=1)
    if not finite.all():
        problem = f"sample {offset + int(np.argmin(finite))} is not a finite number"
        raise InputError(span.path, problem, "write the audio again")


def check_length(span: AudioSpan, lasts_s: float) -> None:
    """Refuse a span whose length in its file is not that of before, in seconds; nothing is decoded.

    Raises
    ------
    InputError
        If the lengths differ by more than :data:`LENGTH_TOLERANCE_S`, or as of :func:`open_sound`.
    """
    sound = open_sound(span.path)
    first, last = _samples_of(span, sound)
    _check_length(span, (last - first) / sound.rate, lasts_s)


def _check_length(span: AudioSpan, length_s: float, lasts_s: float) -> None:
    if abs(length_s - lasts_s) > LENGTH_TOLERANCE_S:
        problem = f"lasts {length_s:.2f} s, and lasted {lasts_s:.2f} s when its words were read"
        raise InputError(span.path, problem, "restore the file, or run again")


def _samples_of(span: AudioSpan, sound: Sound) -> tuple[int, int]:
    """First sample of a span, and the one after its last, as far as the file reaches."""
    first = min(round(span.start_s * sound.rate), sound.n_samples)
    last = sound.n_samples if span.end_s is None else min(round(span.end_s * sound.rate), sound.n_samples)
    return first, last


def warn_of_faults(samples: Samples) -> None:
    """Warn of each fault of samples in memory."""
    if samples.size:
        _warn("audio", faults(samples[:, np.newaxis]))


def _warn(place: object, problems: Iterable[str]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):  # sums of samples far beyond full scale
        listed = list(problems)
    for problem in listed:
        warnings.warn(InputWarning(f"{place}: {problem}"), stacklevel=3)


@dataclass(slots=True)
class _Loudness:
    """Sums over samples that came in blocks, per channel and of the mean of the channels (last)."""

    n_samples: int
    least: Floats
    most: Floats
    total: Floats
    squares: Floats

    @classmethod
    def of(cls, samples: npt.NDArray[np.float32]) -> _Loudness:
        columns = np.column_stack([samples, samples.mean(axis=1)])
        total = columns.sum(axis=0, dtype=np.float64)
        squares = np.einsum("ij,ij->j", columns, columns, dtype=np.float64)
        return cls(len(columns), columns.min(axis=0), columns.max(axis=0), total, squares)

    def add(self, other: _Loudness) -> None:
        """Add the samples of another block."""
        self.n_samples += other.n_samples
        self.least, self.most = np.minimum(self.least, other.least), np.maximum(self.most, other.most)
        self.total, self.squares = self.total + other.total, self.squares + other.squares


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
    yield from _faults(_Loudness.of(samples), channel, is_lossy=is_lossy)


def _faults(loudness: _Loudness, channel: int | None, *, is_lossy: bool) -> Iterator[str]:
    extent = loudness.most - loudness.least
    used = slice(None, -1) if channel is None else channel
    sounding = [int(c) for c in np.flatnonzero(extent[:-1] > SILENCE)]
    if channel is None and sounding and _is_cancelled(loudness):
        yield f"its channels cancel each other in their mean; read one of them: --channel {sounding[0]}"
    elif extent[-1 if channel is None else channel] <= SILENCE:
        others = f"read another channel: --channel {sounding[0]}" if sounding else "check the recording"
        where = "" if channel is None else f" in channel {channel}"
        yield f"is digital silence{where} (all samples are equal); {others}"
    peak = max(np.max(loudness.most[used]), -np.min(loudness.least[used]))
    if peak > (FULL_SCALE_LOSSY if is_lossy else FULL_SCALE):
        yield "has samples beyond full scale (-1 to 1); write it again at a lower level"


def _is_cancelled(loudness: _Loudness) -> bool:
    power = loudness.squares / loudness.n_samples - (loudness.total / loudness.n_samples) ** 2
    n_channels = len(power) - 1
    return bool(power[-1] < LEAST_POWER * power[:-1].sum() / n_channels**2)


def check_audio(span: AudioSpan, lasts_s: float | None = None) -> float:
    """Decode a span of any length in blocks, with the errors and warnings of :func:`read_audio`.

    Returns
    -------
    float
        Its length in seconds.
    """
    sound, first, last = _open_span(span, math.inf, lasts_s)
    block = round(WINDOW_S * sound.rate)
    loudness: _Loudness | None = None
    for start in range(first, last, block):
        samples = decode(sound, start, min(start + block, last))
        _check_finite(span, samples if span.channel is None else samples[:, [span.channel]], start - first)
        if loudness is None:
            loudness = _Loudness.of(samples)
        else:
            loudness.add(_Loudness.of(samples))
    doubts = [part.doubt for part in sound.parts if part.doubt]
    _warn(span.path, [*doubts, *(_faults(loudness, span.channel, is_lossy=sound.is_lossy) if loudness else ())])
    return (last - first) / sound.rate


def open_sound(path: Path) -> Sound:
    """Find the parts, rate, channels and true length of a file.

    Raises
    ------
    InputError
        If the file is missing, empty, not sound, without samples, cut short, or of parts that do not fit together.
    """
    try:
        if not path.is_file():
            if path.exists():
                refuse_special(path)
            near = did_you_mean(path.name, near_files(path))
            raise InputError(path, "there is no such audio file", f"{near}check the path")
        refuse_other_encoding(path)
        state = FileState.of(path)
    except OSError as error:
        raise cannot_read(path, error) from error
    if state.n_bytes == 0:
        raise InputError(path, "the file is empty", "copy it again")
    return native_sound(path, state) or media_sound(path, state)


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
    _check_sound(sound)  # to open a named pipe in its place would block
    pieces = [np.zeros((0, sound.n_channels), dtype)]
    offset = 0
    for part, length in zip(sound.parts, sound.lengths, strict=True):
        start, stop = max(first - offset, 0), min(last - offset, length)
        if start < stop:
            pieces.append(_decode_part(sound, part, length, (start, stop), dtype))
        offset += length
    _check_sound(sound)
    return pieces[1] if len(pieces) == 2 else np.concatenate(pieces)


def _check_sound(sound: Sound) -> None:
    if sound.temporary is None:  # ffmpeg decoded the file as it was
        check_unchanged(sound.path, sound.state)


def refuse_other_encoding(path: Path) -> None:
    """Refuse a path that is not UTF-8: neither tables nor JSON hold it.

    Raises
    ------
    InputError
        If the path cannot be written in UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        problem = "its name is not UTF-8, or the locale is not"
        raise InputError(path, problem, "rename it, or set LC_ALL=C.UTF-8") from error


def check_unchanged(path: Path, before: FileState | None) -> None:
    """Refuse a file whose state is not that of before.

    Raises
    ------
    InputError
        If it changed, or is no longer there.
    """
    try:
        if FileState.of(path) != before:
            raise changed(path)
    except OSError as error:
        raise cannot_read(path, error) from error


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
    except OSError as error:
        raise cannot_read(sound.path, error) from error
    except MemoryError as error:
        problem = f"{stop - start} samples of {sound.n_channels} channels do not fit into memory"
        raise InputError(sound.path, problem, "cut the file into shorter ones") from error
    except (soundfile.LibsndfileError, RuntimeError) as error:
        _check_sound(sound)
        problem = f"cannot be decoded ({reason(error)})"
        raise InputError(sound.path, problem, "the file is damaged: copy it again") from error
    if len(samples) < stop - start:
        _check_sound(sound)
        problem = f"is cut short: its header promises {stop - start} samples, {len(samples)} can be read"
        raise InputError(sound.path, problem, "copy the file again")
    return samples
