"""Files that are whole or not there: written beside their place, flushed to the disk, and moved into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
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
    beside = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        write(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


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
