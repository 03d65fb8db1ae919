"""Samples: decoded by soundfile, mono, 16 kHz by soxr, and the checks that keep a damaged file from being scored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from align_eval.errors import InputError
from align_eval.records import AudioSpan
from align_eval.units import FRAME_S, SAMPLE_RATE, WINDOW_S

if TYPE_CHECKING:
    import soundfile

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph", ".nist")

OGG_PAGE_BYTES = 65_307
"""The longest page of an Ogg file: its last one begins within that many bytes from the end."""

OGG_END_OF_STREAM = b"\x04"
"""The flag byte of a page is at least that on the last one: the flag is its highest."""

SPHERE_HEADER_BYTES = 1024

MAX_STATED_FRAMES = 2**40
"""libsndfile states an astronomical length where a stream's header gives none."""

UNKNOWN_SIZES = (0, 0xFFFFFFFF)

Samples = npt.NDArray[np.float32]


def audio_duration_s(path: Path) -> float:
    """Length in seconds that the file's header states."""
    info = _info(path)
    return float(info.frames / info.samplerate)


def read_audio(span: AudioSpan, longest_s: float = WINDOW_S) -> Samples:
    """Samples of a span as float32, mono, at 16 kHz.

    Several channels are averaged unless ``span.channel`` names one.

    Parameters
    ----------
    longest_s
        A longer span is refused: by default than Whisper's window.

    Raises
    ------
    InputError
        Where the file is missing, empty, no audio, shorter than its header says, not finite, shorter than one frame
        (20 ms), or the span is longer than ``longest_s``.
    """
    import soundfile
    import soxr

    info = _info(span.path)
    first = min(round(span.start_s * info.samplerate), info.frames)
    last = info.frames if span.end_s is None else min(round(span.end_s * info.samplerate), info.frames)
    length_s = (last - first) / info.samplerate
    if length_s > longest_s:
        problem = f"lasts {length_s:.2f} s, more than Whisper's window of {longest_s:g} s"
        raise InputError(span.path, problem, "cut it at pauses into pieces that fit")
    if length_s < FRAME_S:
        raise InputError(span.path, f"lasts {length_s:g} s, less than one frame ({FRAME_S:g} s)", "give a longer one")
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
        raise InputError(path, f"is not audio that libsndfile reads ({error})", "convert it to WAV or FLAC") from error
    if info.frames <= 0 or info.samplerate <= 0:
        raise InputError(path, "holds no samples", "remove it or copy it again")
    if info.frames > MAX_STATED_FRAMES:
        raise InputError(path, "its header does not say how long it is", "encode it again from a finished file")
    _check_length(path, size)
    return info


def _check_length(path: Path, size: int) -> None:
    """Refuse a file that was cut: libsndfile reads what is left without complaint, but its header knows better."""
    with path.open("rb") as file:
        header = file.read(28)
        file.seek(max(0, size - OGG_PAGE_BYTES))
        tail = file.read()
    declared = _declared_size(header)
    if declared is not None and declared > size + 1:  # some writers count a padding byte that they do not write
        raise InputError(path, f"is cut short: its header promises {declared} bytes, it has {size}", "copy it again")
    last_page = tail.rfind(b"OggS")
    if header[:4] == b"OggS" and (last_page < 0 or not tail[last_page + 5 : last_page + 6] >= OGG_END_OF_STREAM):
        raise InputError(path, "is cut short: its last page is not marked as the last", "copy it again")


def _check_sphere(path: Path) -> None:
    """Refuse compressed SPHERE files by name: libsndfile reads only the plain ones (NIST 1A)."""
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
    """Bytes that a WAV, RF64, AIFF or AU file says it has; None for other forms and for "unknown", as in streams."""
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
