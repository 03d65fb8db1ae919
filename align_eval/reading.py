"""Bytes of input files: of regular files alone, up to a size, and of one state of the file.

A named pipe or a device would block, or never end. A file that is larger than its limit is refused before it is read,
and one that changes while it is read is refused after.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import islice
from pathlib import Path

from align_eval.errors import InputError
from align_eval.records import FileState

MIB = 2**20

MAX_BYTES = 256 * MIB
"""Largest text file, unpacked: the words of a corpus of hundreds of hours."""

MAX_LINE_BYTES = 16 * MIB
"""Longest line of a text file: the words of ten hours in one line of JSON."""

MAX_RECORDING_BYTES = 64 * MIB
"""Largest file that holds a single recording in a form that takes much memory: TextGrid, XML. A hundred hours."""

MAX_SETTINGS_BYTES = MIB
"""Largest file of settings, as of protocols."""

GZIP_MAGIC = b"\x1f\x8b"
LINE_BREAK = b"\n"

_CHUNK = MIB
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def near_files(path: Path) -> list[str]:
    """Names beside a path that does not exist, for :func:`~align_eval.errors.did_you_mean`; at most 1,000."""
    with suppress(OSError):
        return [other.name for other in islice(path.parent.iterdir(), 1000)]
    return []


def refuse_special(path: Path) -> None:
    """Refuse everything that is there and is no regular file: to open a named pipe would block.

    Raises
    ------
    InputError
        Names its kind.
    OSError
        If there is nothing.
    """
    mode = path.stat().st_mode
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise InputError(path, f"is {name}, not a file", "give a file, or remove it")


def cannot_read(path: object, error: OSError) -> InputError:
    """The input error of a file that cannot be read."""
    return InputError(path, f"cannot be read ({error.strerror or error})", "check the path and its permissions")


def changed(path: object) -> InputError:
    """The input error of a file that is not the one that was read before."""
    return InputError(path, "changed while it was read", "run again once nothing writes to it")


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file to read its bytes.

    Raises
    ------
    InputError
        If it cannot be read, is no regular file, or is another one at the end.
    """
    try:
        refuse_special(path)
        before = FileState.of(path)
        with path.open("rb") as file:
            yield file
        if FileState.of(path) != before:
            raise changed(path)
    except OSError as error:
        raise cannot_read(path, error) from error


def read_bytes(path: Path, limit: int = MAX_BYTES, *, unpack: bool = False) -> bytes:
    """Read a text file.

    Parameters
    ----------
    limit
        Largest size in bytes, also of the unpacked file.
    unpack
        Whether to unpack a file that begins as gzip does.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, has a line longer than :data:`MAX_LINE_BYTES`, or is damaged gzip.
    """
    with opened(path) as file:
        n_bytes = path.stat().st_size
        check_size(path, n_bytes, limit)
        data = file.read(n_bytes + 1)  # one more, so that a file that grows is seen to
        if unpack and data.startswith(GZIP_MAGIC):
            file.seek(0)
            data = b"".join(unpacked(file, path, limit))
    check_size(path, len(data), limit)
    _check_lines(path, data)
    return data


def read_head(path: Path, n_bytes: int, *, unpack: bool = False) -> bytes:
    """Read the first bytes of a file, unpacked if it is gzip.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    with opened(path) as file:
        head = file.read(n_bytes)
        if unpack and head.startswith(GZIP_MAGIC):
            file.seek(0)
            try:
                with gzip.open(file) as packed:
                    return packed.read(n_bytes)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise _damaged(path, error) from error
    return head


def check_size(path: object, n_bytes: int, limit: int) -> None:
    """Refuse a size above a limit.

    Raises
    ------
    InputError
        With both sizes.
    """
    if n_bytes > limit:
        raise InputError(path, f"is longer than {limit} bytes", "split it into one file per recording")


def unpacked(file: BufferedReader, path: Path, limit: int) -> Iterator[bytes]:
    """Yield the bytes of a gzip file in pieces, each checked against the limit on their sum.

    Raises
    ------
    InputError
        As soon as the sum is above the limit, or where the file is damaged.
    """
    n_bytes = 0
    try:
        with gzip.open(file) as packed:
            while piece := packed.read(_CHUNK):
                n_bytes += len(piece)
                check_size(path, n_bytes, limit)
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(path, f"is damaged gzip ({error})", "pack it again")


def _check_lines(path: Path, data: bytes) -> None:
    start = 0
    while len(data) - start > MAX_LINE_BYTES:
        end = data.rfind(LINE_BREAK, start, start + MAX_LINE_BYTES + 1)
        if end < 0:
            place = f"{path}, line {1 + data.count(LINE_BREAK, 0, start)}"
            raise InputError(place, f"is longer than {MAX_LINE_BYTES} bytes", "write the file with shorter lines")
        start = end + 1
