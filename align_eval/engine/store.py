"""Bytes by key on disk, kept below a size: what was not used for longest goes first.

An entry is a file, ``KEY[:2]/KEY``: the SHA-256 of its content as 64 hexadecimal digits, a line end, the content. One
whose checksum does not hold is removed and counts as not there. Several processes may share a folder.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from contextlib import suppress
from pathlib import Path

from align_eval.errors import InputWarning
from align_eval.formats.atomic import cannot_write, write_bytes

DIGEST_LENGTH = 64
KEPT_SHARE = 0.9
"""What is removed is removed down to that share of the limit, so that it is not done again at the next entry."""

LOOK_AFTER = 256
"""After so many entries the folder is counted anew, since others may write to it too."""


class Store:
    """A folder of entries.

    Parameters
    ----------
    folder
        Made where it is not there.
    limit_bytes
        What its files hold together at most.

    Raises
    ------
    InputError
        Where it cannot be made.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes
        self._full = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error, "choose another --cache") from error
        self._shrink()

    def get(self, key: str) -> bytes | None:
        """The content of an entry, which is thereby used; None where there is none that is whole."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        digest, content = data[:DIGEST_LENGTH], data[DIGEST_LENGTH + 1 :]
        if hashlib.sha256(content).hexdigest().encode() != digest:
            _warn(path, "is damaged, and is made again")
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Write an entry. Where that fails, as on a full disk, it is said once and no more are written."""
        if self._full:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        except OSError as error:
            self._full = True
            _warn(path, f"cannot be written ({error.strerror or error}); the run goes on without writing to the cache")
            return
        self._n_bytes += DIGEST_LENGTH + 1 + len(content)
        self._n_new += 1
        if self._n_bytes > self._limit_bytes or self._n_new >= LOOK_AFTER:
            self._shrink()

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _shrink(self) -> None:
        """Count what there is and, where it is too much, remove what was not used for longest."""
        files: list[tuple[int, int, Path]] = []
        for path in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):  # another process was faster
                stat = path.stat()
                files.append((stat.st_mtime_ns, stat.st_size, path))
        self._n_new = 0
        self._n_bytes = sum(size for _, size, _ in files)
        if self._n_bytes <= self._limit_bytes:
            return
        for _, size, path in sorted(files):
            if self._n_bytes <= KEPT_SHARE * self._limit_bytes:
                return
            path.unlink(missing_ok=True)
            self._n_bytes -= size


def _warn(place: object, message: str) -> None:
    warnings.warn(InputWarning(f"{place}: {message}"), stacklevel=3)
