"""Sound files: the parts of a file, their rate, channels and true length, by libsndfile or ffmpeg."""

from __future__ import annotations

import mmap
import os
import re
import struct
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

from align_eval.corpus.sound import ffmpeg, mp3
from align_eval.corpus.sound.chunks import AU_MAGICS, WAVE_MAGICS, aiff_parts, au_parts, wave_parts
from align_eval.corpus.sound.flac import MAGIC as FLAC_MAGIC
from align_eval.corpus.sound.flac import flac_parts
from align_eval.corpus.sound.ogg import LONGEST_PAGE, ogg_parts
from align_eval.corpus.sound.ogg import MAGIC as OGG_MAGIC
from align_eval.corpus.sound.parts import Part, PartFile, Sound, converted
from align_eval.corpus.sound.stated_size import MAGICS as STATED_SIZE_MAGICS
from align_eval.corpus.sound.stated_size import stated_size_parts
from align_eval.corpus.sound.suffixes import MEDIA_SUFFIXES
from align_eval.errors import InputError, listed
from align_eval.reading import cannot_read, changed
from align_eval.records import FileState

MEDIA_HEADS = re.compile(
    rb"....(?:ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11|#!AMR|FLV|MAC |wvpk|RIFF....AVI |\0\0\x01\xba"
    rb"|\xff[\xf0\xf1\xf8\xf9]|\x0bw|TTA1|G.{187}G.{187}G|.{4}G.{191}G|caff|riff"
    rb"|OggS.{24}(?:\x7fFLAC|Speex|\x80theora|fishead)", re.DOTALL,
)  # fmt: skip
"""First bytes of files for ffmpeg, if libsndfile cannot read them: containers, and codecs of Ogg that it lacks."""

LOSSY_SUBTYPES = ("VORBIS", "OPUS", "MPEG_LAYER")

HEAD_BYTES = 512

MAX_STATED_SAMPLES = 2**40
"""Longest plausible file: libsndfile states a far greater number if the header of a stream states no length."""

_KEPT_SOUNDS = 256


@lru_cache(maxsize=_KEPT_SOUNDS)
def native_sound(path: Path, state: FileState) -> Sound | None:
    """The sound file as libsndfile reads it; None if libsndfile cannot read it, but ffmpeg might.

    Parameters
    ----------
    state
        State of the file, so that a file that changes is looked at again.

    Raises
    ------
    InputError
        If the file is not sound, without samples, cut short, or of parts that do not fit together.
    """
    import soundfile

    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            head = data[:HEAD_BYTES]
            parts = _parts(data, path)
        return _sound(path, path, parts, state) if parts else None
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:  # the file is empty now, which cannot be mapped
        raise error if isinstance(error, InputError) else changed(path) from error
    except (soundfile.LibsndfileError, RuntimeError) as error:
        if path.suffix.lower() in MEDIA_SUFFIXES or MEDIA_HEADS.match(head):
            return None
        problem = f"is not audio that libsndfile can read ({getattr(error, 'error_string', error)})"
        raise InputError(path, problem, converted(path, "convert it to WAV or FLAC")) from error


def media_sound(path: Path, state: FileState) -> Sound:
    """The sound of a file as ffmpeg decodes it; parameters and errors as of :func:`native_sound`."""
    file = ffmpeg.decoded(path, state)
    decoded = Path(file.name)
    return _sound(path, decoded, (Part(0, decoded.stat().st_size),), state, file)


def _sound(path: Path, file: Path, parts: tuple[Part, ...], state: FileState, temporary: Any = None) -> Sound:
    """A sound file of known parts, after a check that they fit together."""
    import soundfile

    kinds, lengths, form, subtype = [], [], "", ""
    is_plain = parts == (Part(0, file.stat().st_size),)
    name = _name_for_soundfile(file)
    for part in parts:
        with (
            nullcontext(name) if is_plain else PartFile(file, part) as source,
            soundfile.SoundFile(source) as sound,
        ):
            kinds.append((int(sound.samplerate), int(sound.channels)))
            lengths.append(int(sound.frames) if part.n_samples is None else part.n_samples)
            form, subtype = str(sound.format), str(sound.subtype)
    if len(set(kinds)) > 1:
        different = listed(f"{rate} Hz with {channels} channels" for rate, channels in dict.fromkeys(kinds))
        remedy = "before you join files, give each the same: `ffmpeg -i IN -ar 16000 -ac 1 OUT.wav`"
        raise InputError(path, f"is joined from files of different kinds: {different}", remedy)
    rate, n_channels = kinds[0]
    n_samples = sum(lengths)
    if n_samples <= 0 or rate <= 0:
        raise InputError(path, "holds no samples", "remove it or copy it again")
    if n_samples > MAX_STATED_SAMPLES:
        raise InputError(path, "its header states no length", converted(path))
    return Sound(
        path,
        file,
        name,
        rate,
        n_channels,
        subtype,
        is_lossy=temporary is not None or subtype.startswith(LOSSY_SUBTYPES),
        preroll=mp3.PREROLL_SAMPLES if form == "MP3" else 0,
        tail=LONGEST_PAGE if subtype == "VORBIS" else 0,
        parts=parts,
        lengths=tuple(lengths),
        n_samples=n_samples,
        is_plain=is_plain,
        state=state,
        temporary=temporary,
    )


def _parts(data: mmap.mmap, path: Path) -> tuple[Part, ...]:
    """The parts of a file; none if it is for ffmpeg."""
    find = _FINDERS.get(data[:4])
    if find is None:
        start = mp3.after_tags(data, 0)
        head = data[start : start + HEAD_BYTES]
        if MEDIA_HEADS.match(head):  # bytes inside may look like the frames of MP3
            ffmpeg.refuse_joined(data, path)
            return ()
        find = flac_parts if head[:4] == FLAC_MAGIC else mp3.mp3_parts
    try:
        return find(data, path)
    except struct.error:  # the header is cut short, as libsndfile will say
        return (Part(0, len(data)),)


_FINDERS = {
    **dict.fromkeys(WAVE_MAGICS, wave_parts),
    b"FORM": aiff_parts,
    **dict.fromkeys(AU_MAGICS, au_parts),
    OGG_MAGIC: ogg_parts,
    FLAC_MAGIC: flac_parts,
    **dict.fromkeys(STATED_SIZE_MAGICS, stated_size_parts),
}
"""Functions that find the parts, by the first four bytes of a file; MP3 has none that are its own."""


def _name_for_soundfile(path: Path) -> Path | bytes:
    """A path as soundfile takes it: as bytes where the name is no UTF-8, since soundfile encodes texts strictly."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path
