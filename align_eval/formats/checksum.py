"""SHA-256 of files, and the check of a file against the one that was noted."""

from __future__ import annotations

import hashlib
from pathlib import Path

from align_eval.errors import InputError
from align_eval.reading import refuse_special


def file_checksum(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, checksum: str | None) -> None:
    """Check that a file of a run is the one that the run wrote.

    Parameters
    ----------
    checksum
        SHA-256 that the run noted; None where it noted none, so that the file is foreign.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or has another checksum.
    """
    try:
        refuse_special(path)
        found = file_checksum(path)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "run again") from error
    check_same(path, found, checksum)


def check_same(path: Path, found: str, checksum: str | None) -> None:
    """Check the checksum of a file that was read against the one that the run noted (see :func:`check_file`).

    Raises
    ------
    InputError
        If they differ.
    """
    if found != checksum:
        remedy = "run again, or give --edited to use it as it is"
        raise InputError(path, f"was edited since the run was written (SHA-256 {found[:12]})", remedy)
