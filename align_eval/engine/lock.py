"""A lock on a folder that the system frees when its holder ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write


@contextmanager
def locked(path: Path, holder: object) -> Iterator[None]:
    """Hold the lock of a file, which is made with its folder; ``holder`` is what another run is told to be in use.

    A file that was removed by the run that held it (that ended meanwhile) is made again. Where the system has no such
    locks (Windows) nothing is locked.

    Raises
    ------
    InputError
        Where another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            continue  # its folder was removed in between
        except OSError as error:
            raise cannot_write(path, error, "choose another --out") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            problem = (
                "is in use by another run" if isinstance(error, BlockingIOError) else f"cannot be locked ({error})"
            )
            raise InputError(holder, problem, "wait for it to end, or choose another folder") from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                break
        os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)
