"""Files that are whole or not there: written beside their place, flushed to the disk, and moved into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from align_eval.errors import InputError

TEMPORARY = ".writing"
"""Ends the name of a file that is being written, after the number of the process that writes it."""

FULL = (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` write a file at another name, and move it to its place once it is on the disk.

    Raises
    ------
    OSError
        Where it cannot be written; nothing of it is left, and what stood at ``path`` still does.
    """
    beside = beside_of(path)
    try:
        write(beside)
        move_whole(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def beside_of(path: Path) -> Path:
    """Where a file is written before it is moved into its place."""
    return path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")


def move_whole(written: Path, path: Path) -> None:
    """Move a file that is written, on the same disk, into its place, once its bytes are there."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(path)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file of bytes; see :func:`write_whole`."""
    write_whole(path, lambda beside: beside.write_bytes(data))


def cannot_write(place: object, error: OSError, remedy: str) -> InputError:
    """The error to raise where something cannot be written; a full disk has a remedy of its own."""
    if error.errno in FULL:
        return InputError(
            place, f"cannot be written ({error.strerror})", "make room and give the same command again: it goes on"
        )
    return InputError(place, f"cannot be written ({error.strerror or error})", remedy)


@contextmanager
def writing(place: object, remedy: str = "choose another --out") -> Iterator[None]:
    """What cannot be written inside is an :class:`~align_eval.errors.InputError` that says so."""
    try:
        yield
    except OSError as error:
        raise cannot_write(place, error, remedy) from error
