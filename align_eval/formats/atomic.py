"""Atomic writing: a file is written under a temporary name, flushed to disk, and moved to its place when complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from align_eval.errors import InputError

TEMPORARY = ".writing"
"""Suffix of an unfinished file, after the number of the process that writes it."""

FULL = (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` write a file under a temporary name, then move it to ``path``.

    Raises
    ------
    OSError
        If the file cannot be written. Nothing of it remains, and an earlier file at ``path`` is unchanged.
    """
    temporary = beside_of(path)
    try:
        write(temporary)
        move_whole(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def beside_of(path: Path) -> Path:
    """The temporary name of a file, in the same folder."""
    return path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")


def move_whole(written: Path, path: Path) -> None:
    """Flush a finished file to disk and move it to its place on the same disk."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(path)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of bytes atomically (see :func:`write_whole`)."""
    write_whole(path, lambda temporary: temporary.write_bytes(data))


def cannot_write(place: object, error: OSError, remedy: str) -> InputError:
    """Build the error for a place that cannot be written. On a full disk, another remedy replaces ``remedy``."""
    if error.errno in FULL:
        return InputError(place, f"cannot be written ({error.strerror})", "make room and give the same command again")
    return InputError(place, f"cannot be written ({error.strerror or error})", remedy)


@contextmanager
def writing(place: object, remedy: str = "choose another --out") -> Iterator[None]:
    """Turn an OSError inside the context into an :class:`~align_eval.errors.InputError`."""
    try:
        yield
    except OSError as error:
        raise cannot_write(place, error, remedy) from error
