"""Audio samples, mono at 16 kHz: decoded by soundfile, resampled by soxr; damaged files are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from align_eval.errors import InputError, told_apart
from align_eval.records import AudioSpan
from align_eval.units import FRAME_S, SAMPLE_RATE, WINDOW_S

if TYPE_CHECKING:
    import soundfile

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph", ".nist")

OGG_PAGE_BYTES = 65_307
"""Longest page of an Ogg file: the last page begins within this many bytes of the end."""

OGG_END_OF_STREAM = b"\x04"
"""Highest flag of the header byte of an Ogg page, set on the last page only."""

SPHERE_HEADER_BYTES = 1024

MAX_STATED_FRAMES = 2**40
"""Longest plausible file: libsndfile states a far greater number if the header of a stream states no length."""

UNKNOWN_SIZES = (0, 0xFFFFFFFF)
"""Sizes in WAV and AU headers that mean that the size was not known when the header was written."""

Samples = npt.NDArray[np.float32]
"""float32[n_samples], mono, at 16 kHz."""


def audio_duration_s(path: Path) -> float:
    """Length of an audio file in seconds, as its header states it."""
    info = _info(path)
    return float(info.frames / info.samplerate)


def read_audio(span: AudioSpan, longest_s: float = WINDOW_S) -> Samples:
    """Read the samples of a span.

    Several channels are averaged unless ``span.channel`` names one.

    Parameters
    ----------
    longest_s
        Longest span to accept, in seconds; by default Whisper's window.

    Returns
    -------
    float32[n_samples]
        Mono, at 16 kHz.

    Raises
    ------
    InputError
        If the file is missing, empty, not audio, or shorter than its header states, if a sample is not finite, or if
        the span is shorter than one frame (20 ms) or longer than ``longest_s``.
    """
    import soundfile
    import soxr

    info = _info(span.path)
    first = min(round(span.start_s * info.samplerate), info.frames)
    last = info.frames if span.end_s is None else min(round(span.end_s * info.samplerate), info.frames)
    length_s = (last - first) / info.samplerate
    if length_s > longest_s:
        problem = f"lasts {told_apart(length_s, longest_s)[0]} s, more than Whisper's window of {longest_s:g} s"
        raise InputError(span.path, problem, "cut it at pauses into pieces that fit")
    if length_s < FRAME_S:
        raise InputError(span.path, f"lasts {length_s:g} s, less than one frame ({FRAME_S:g} s)", "use a longer span")
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
        raise InputError(
            span.path, f"has {samples.shape[1]} channels, no channel {span.channel}", "name another channel"
        )
    if not np.isfinite(mono).all():
        raise InputError(
            span.path,
            f"sample {int(np.argmin(np.isfinite(mono)))} is not a finite number",
            "write the audio again",
        )
    resampled = mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32)


def _info(path: Path) -> soundfile._SoundFileInfo:
    import soundfile

    if not path.is_file():
        raise InputError(path, "there is no such audio file", "check the path")
    size = path.stat().st_size
    if size == 0:
        raise InputError(path, "the file is empty", "copy it again")
    try:
        _check_sphere(path)
        info = soundfile.info(path)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(
            path, f"is not audio that libsndfile can read ({error})", "convert it to WAV or FLAC"
        ) from error
    if info.frames <= 0 or info.samplerate <= 0:
        raise InputError(path, "holds no samples", "remove it or copy it again")
    if info.frames > MAX_STATED_FRAMES:
        raise InputError(path, "its header states no length", "encode it again from a complete file")
    _check_length(path, size)
    return info


def _check_length(path: Path, size: int) -> None:
    """Refuse a truncated file by the size that its header states; libsndfile reads it without an error."""
    with path.open("rb") as file:
        header = file.read(28)
        file.seek(max(0, size - OGG_PAGE_BYTES))
        tail = file.read()
    declared = _declared_size(header)
    if declared is not None and declared > size + 1:  # some programs count a padding byte that they do not write
        raise InputError(path, f"is cut short: its header promises {declared} bytes, it has {size}", "copy it again")
    last_page = tail.rfind(b"OggS")
    if header[:4] == b"OggS" and (last_page < 0 or not tail[last_page + 5 : last_page + 6] >= OGG_END_OF_STREAM):
        raise InputError(path, "is cut short: its last page is not marked as the last", "copy it again")


def _check_sphere(path: Path) -> None:
    """Refuse compressed SPHERE files (NIST 1A), which libsndfile cannot read, and name the compression."""
    with path.open("rb") as file:
        header = file.read(SPHERE_HEADER_BYTES)
    if not header.startswith(b"NIST_1A"):
        return
    coding = re.search(rb"^sample_coding -s\d+ (.+)$", header, re.MULTILINE)
    compressed = coding is not None and b"embedded-" in coding.group(1)
    if coding is not None and compressed:
        raise InputError(
            path,
            f"is SPHERE audio compressed as {coding.group(1).decode('ascii', errors='replace').strip()!r}",
            "expand it: `sph2pipe -f wav IN OUT`, or `w_decode -o pcm IN OUT` of NIST's SPHERE tools",
        )


def _declared_size(header: bytes) -> int | None:
    """Size in bytes that the header of a WAV, RF64, AIFF or AU file states; None for other formats and streams."""
    kind, form = header[:4], header[8:12]
    if kind == b"RIFF" and form == b"WAVE":
        size = int.from_bytes(header[4:8], "little")
        return size + 8 if size not in UNKNOWN_SIZES else None
    if kind == b"RF64" and header[12:16] == b"ds64":
        return int.from_bytes(header[20:28], "little") + 8
    if kind == b"FORM":
        return int.from_bytes(header[4:8], "big") + 8
    if kind == b".snd":
        size = int.from_bytes(header[8:12], "big")
        return size + int.from_bytes(header[4:8], "big") if size not in UNKNOWN_SIZES else None
    return None
