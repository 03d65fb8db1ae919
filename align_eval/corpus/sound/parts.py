"""Parts of a sound file: stretches of bytes that libsndfile decodes one after the other.

Most files are one part. Files that were joined have one part per original file. A part whose header states no length,
or a wrong one, gets a corrected header in front, so that libsndfile reads all of it.
"""

from __future__ import annotations

import io
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from align_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import soundfile


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
    """

    start: int
    stop: int
    prefix: bytes = b""
    size: int | None = None
    n_samples: int | None = None


@contextmanager
def opened(path: Path, part: Part) -> Iterator[soundfile.SoundFile]:
    """Open a part for decoding; a whole file is opened by its path, which is the fastest."""
    import soundfile

    if part == Part(0, path.stat().st_size):
        with soundfile.SoundFile(path) as sound:
            yield sound
    else:
        with path.open("rb") as file, soundfile.SoundFile(_PartFile(file, part)) as sound:
            yield sound


class _PartFile(io.RawIOBase):
    """A part as a file."""

    def __init__(self, file: io.BufferedReader, part: Part) -> None:
        self._file, self._part, self._position = file, part, 0
        self._n_bytes = len(part.prefix) + part.stop - part.start
        self._size = max(part.size or 0, self._n_bytes)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = max(0, (0, self._position, self._size)[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
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


def conversion(path: Path) -> str:
    """The ffmpeg command that writes a file as WAV, quoted for a shell."""
    source = str(path) if not str(path).startswith("-") else f"./{path}"
    target = Path(source).with_suffix(".wav")
    if target == Path(source):
        target = target.with_name(f"{target.stem}-converted.wav")
    return shlex.join(["ffmpeg", "-i", source, str(target)])
