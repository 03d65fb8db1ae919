"""A sound file, opened once: its parts, rate, channels and true length; and its samples."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from align_eval.corpus.sound import ffmpeg, mp3
from align_eval.corpus.sound.chunks import WAVE_MAGICS, aiff_parts, au_parts, wave_parts
from align_eval.corpus.sound.flac import MAGIC as FLAC_MAGIC
from align_eval.corpus.sound.flac import flac_parts
from align_eval.corpus.sound.ogg import MAGIC as OGG_MAGIC
from align_eval.corpus.sound.ogg import ogg_parts
from align_eval.corpus.sound.parts import Part, conversion, opened
from align_eval.corpus.sound.stated_size import check_stated_size
from align_eval.errors import InputError

AUDIO_SUFFIXES = (
    ".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph", ".nist", ".aifc", ".caf", ".oga", ".w64",
)  # fmt: skip
"""Suffixes of files that libsndfile reads."""

MEDIA_SUFFIXES = (
    ".m4a", ".mp4", ".webm", ".aac", ".m4b", ".m4v", ".mov", ".3gp", ".3g2", ".amr", ".mkv", ".mka", ".weba", ".wma",
    ".wmv", ".avi", ".flv", ".mpg", ".mpeg", ".ogv", ".ape", ".wv",
)  # fmt: skip
"""Suffixes of files that ffmpeg reads: recordings of phones, browsers, cameras and meetings, and packed music."""

MEDIA_HEADS = re.compile(
    rb"....(?:ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11|#!AMR|FLV|MAC |wvpk|RIFF....AVI |\0\0\x01\xba"
    rb"|\xff[\xf0\xf1\xf8\xf9]|caff|riff|OggS.{24}(?:\x7fFLAC|Speex|\x80theora|fishead)", re.DOTALL,
)  # fmt: skip
"""First bytes of files for ffmpeg, if libsndfile cannot read them: containers, and codecs of Ogg that it lacks."""

LOSSY_SUBTYPES = ("VORBIS", "OPUS", "MPEG_LAYER")

HEAD_BYTES = 64

MAX_STATED_SAMPLES = 2**40
"""Longest plausible file: libsndfile states a far greater number if the header of a stream states no length."""

_KEPT_SOUNDS = 256


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file.

    Attributes
    ----------
    path : Path
        The file, for messages.
    rate : int
        Sample rate in Hz.
    n_channels : int
    form, subtype : str
        Format and sample format, as libsndfile names them.
    parts : tuple of Part
    lengths : tuple of int
        Number of samples per channel of each part.
    decoded : file object, optional
        The temporary file that ffmpeg wrote. The parts are of that file.
    """

    path: Path
    rate: int
    n_channels: int
    form: str
    subtype: str
    parts: tuple[Part, ...]
    lengths: tuple[int, ...]
    decoded: Any = None

    @property
    def n_samples(self) -> int:
        """Number of samples per channel."""
        return sum(self.lengths)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate

    @property
    def is_lossy(self) -> bool:
        """True if the format is lossy, or only ffmpeg knows whether it is."""
        return self.decoded is not None or self.subtype.startswith(LOSSY_SUBTYPES)


def open_sound(path: Path) -> Sound:
    """Find the parts of a file and their lengths.

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
    return _native(*key) or _media(*key)


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
    pieces = []
    offset = 0
    for part, length in zip(sound.parts, sound.lengths, strict=True):
        start, stop = max(first - offset, 0), min(last - offset, length)
        if start < stop:
            pieces.append(_decode_part(sound, part, start, stop, dtype))
        offset += length
    return pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros((0, sound.n_channels), dtype), *pieces])


def _decode_part(sound: Sound, part: Part, start: int, stop: int, dtype: str) -> npt.NDArray[Any]:
    import soundfile

    preroll = min(start, mp3.PREROLL_SAMPLES) if sound.form == "MP3" else 0
    try:
        with opened(Path(sound.decoded.name) if sound.decoded else sound.path, part) as file:
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


@lru_cache(maxsize=_KEPT_SOUNDS)
def _native(path: Path, modified_ns: int, size: int) -> Sound | None:  # noqa: ARG001  # the key of the cache
    """The sound file as libsndfile reads it; None if that cannot read it, but ffmpeg might."""
    import soundfile

    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            head = data[:HEAD_BYTES]
            check_stated_size(data, path)
            try:
                parts = _parts(data, path)
            except struct.error:  # its header is cut short: libsndfile says so
                parts = (Part(0, size),)
        return _sound(path, path, parts)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    except (soundfile.LibsndfileError, RuntimeError) as error:
        if path.suffix.lower() in MEDIA_SUFFIXES or MEDIA_HEADS.match(head):
            return None
        problem = f"is not audio that libsndfile can read ({getattr(error, 'error_string', error)})"
        raise InputError(path, problem, f"convert it to WAV or FLAC: {conversion(path)}") from error


def _media(path: Path, modified_ns: int, size: int) -> Sound:
    """The sound of a file as ffmpeg decodes it."""
    file = ffmpeg.decoded(path, modified_ns, size)
    decoded = Path(file.name)
    return _sound(path, decoded, (Part(0, decoded.stat().st_size),), file)


def _sound(path: Path, file: Path, parts: Sequence[Part], temporary: Any = None) -> Sound:
    infos, lengths = [], []
    for part in parts:
        with opened(file, part) as sound:
            infos.append((sound.samplerate, sound.channels))
            lengths.append(sound.frames if part.n_samples is None else part.n_samples)
            form, subtype = sound.format, sound.subtype
    if len(set(infos)) > 1:
        listed = ", ".join(f"{rate} Hz with {channels} channels" for rate, channels in dict.fromkeys(infos))
        raise InputError(path, f"is joined from files of different kinds: {listed}", f"convert it: {conversion(path)}")
    rate, n_channels = infos[0]
    if sum(lengths) <= 0 or rate <= 0:
        raise InputError(path, "holds no samples", "remove it or copy it again")
    if sum(lengths) > MAX_STATED_SAMPLES:
        raise InputError(path, "its header states no length", f"convert it: {conversion(path)}")
    return Sound(path, rate, n_channels, form, subtype, tuple(parts), tuple(lengths), temporary)


def _parts(data: mmap.mmap, path: Path) -> tuple[Part, ...]:
    magic = data[:4]
    if magic in WAVE_MAGICS and data[8:12] == b"WAVE":
        return wave_parts(data, path)
    if magic == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return aiff_parts(data, path)
    if magic == b".snd":
        return au_parts(data, path)
    if magic == OGG_MAGIC:
        return ogg_parts(data, path)
    after_tags = mp3.after_tags(data, 0)
    if data[after_tags : after_tags + 4] == FLAC_MAGIC:
        return flac_parts(data, path)
    return mp3.mp3_parts(data, path) or (Part(0, len(data)),)
