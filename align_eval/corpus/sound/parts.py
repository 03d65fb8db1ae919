"""Parts of a sound file: stretches of bytes that libsndfile decodes one after the other.

Most files are one part. Files that were joined have one part per original file. A part whose header states no length,
or a wrong one, gets a corrected header in front, so that libsndfile reads all of it.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES
from align_eval.errors import InputError
from align_eval.records import FileState


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``start`` to ``stop`` of a file, after the bytes of ``prefix``.

    Attributes
    ----------
    size : int, optional
        Size in bytes to state to libsndfile, which estimates the length of some streams from it. Bytes past the end of
        the part read as zero.
    n_samples : int, optional
        Number of samples per channel, if it was counted. Otherwise libsndfile knows it.
    doubt : str
        A reason why the part may not be all of the sound, and a remedy; empty if there is none.
    """

    start: int
    stop: int
    prefix: bytes = b""
    size: int | None = None
    n_samples: int | None = None
    doubt: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file.

    Attributes
    ----------
    path : Path
        The file, for messages.
    file : Path
        The file with the parts: the same, or a temporary one that ffmpeg wrote.
    name : Path or bytes
        That file, as soundfile takes it.
    rate : int
        Sample rate in Hz.
    n_channels : int
    subtype : str
        Sample format, as libsndfile names it.
    is_lossy : bool
        True if the format is lossy, or only ffmpeg knows whether it is.
    preroll : int
        Number of samples before a span from which decoding has to start.
    tail : int
        Number of samples at the end of a part, in which libsndfile may go to a wrong place: a span that starts there
        is decoded from as many samples before it.
    parts : tuple of Part
    lengths : tuple of int
        Number of samples per channel of each part.
    n_samples : int
        Sum of the lengths.
    is_plain : bool
        True if the one part is the whole file.
    state : FileState
        State of the file at ``path`` when it was looked at.
    temporary : file object, optional
        The temporary file, which lives as long as something refers to it.
    """

    path: Path
    file: Path
    name: Path | bytes
    rate: int
    n_channels: int
    subtype: str
    is_lossy: bool
    preroll: int
    tail: int
    parts: tuple[Part, ...]
    lengths: tuple[int, ...]
    n_samples: int
    is_plain: bool
    state: FileState
    temporary: Any = None


class PartFile(io.RawIOBase):
    """A part as a file that libsndfile can read."""

    def __init__(self, path: Path, part: Part) -> None:
        self._file, self._part, self._position = path.open("rb"), part, 0
        self._size = max(part.size or 0, len(part.prefix) + part.stop - part.start)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Position in the part."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, which may be past the end."""
        self._position = max(0, (0, self._position, self._size)[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, and return the number of bytes."""
        n = max(0, min(len(buffer), self._size - self._position))
        prefix = self._part.prefix[self._position : self._position + n]
        offset = self._position + len(prefix) - len(self._part.prefix)
        self._file.seek(self._part.start + max(0, offset))
        n_file = max(0, min(n - len(prefix), self._part.stop - self._file.tell()))
        found = prefix + self._file.read(n_file)
        buffer[:n] = found + bytes(n - len(found))
        self._position += n
        return n


def cut_short(path: Path, promised: int, size: int) -> InputError:
    """Error of a file that has fewer bytes than its header states."""
    return InputError(path, f"is cut short: its header promises {promised} bytes, it has {size}", "copy it again")


def converted(path: Path, advice: str = "convert it", options: Sequence[str] = ()) -> str:
    """Advice to convert a file, with the ffmpeg command, quoted for a shell.

    The new file has the same stem, which pairs it with its words. The old one is to be removed if it would be a second
    recording of that name.

    Parameters
    ----------
    options
        Options of ffmpeg for reading the file.
    """
    source = str(path) if not str(path).startswith("-") else f"./{path}"
    suffix = path.suffix.lower()
    target = Path(source).with_suffix(".flac" if suffix == ".wav" else ".wav")
    removed = f", then remove {path.name}" if suffix in AUDIO_SUFFIXES else ""
    return f"{advice}{removed}: {shlex.join(['ffmpeg', *options, '-i', source, str(target)])}"
