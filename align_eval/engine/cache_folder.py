"""A folder of bytes by key, held below a size limit: the least recently used entries are removed first.

An entry is a file, ``KEY[:2]/KEY``: the SHA-256 of its key and content as 64 hexadecimal digits, a line end, the
content. An entry with a wrong checksum, as that of another key, is removed and counts as missing. So do a link, a
folder and a file that cannot be read, which stay. Files with other names are left alone. Several processes may share a
folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import warnings
from contextlib import suppress
from pathlib import Path

from align_eval.errors import InputError, InputWarning
from align_eval.formats.atomic import TEMPORARY, cannot_write, inside, write_bytes

DIGEST_LENGTH = 64
SHRUNK_SHARE = 0.9
"""Entries are removed down to this share of the limit, so that the next entry does not need another round."""

RECOUNT_AFTER = 256
"""Number of new entries after which the folder is counted again, since other processes may write to it."""

_KEY = re.compile(r"[0-9a-f]{64}")


class CacheFolder:
    """A folder of entries; made where it is missing.

    Parameters
    ----------
    folder : Path
    limit_bytes : int
        Size limit of all its files together.

    Raises
    ------
    InputError
        Where the folder cannot be made.
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
        """Return the content of an entry and mark it as used; None where it is missing or damaged."""
        path = self._path(key)
        if not _is_entry(path):
            return None
        try:
            data = path.read_bytes()
        except OSError:
            return None
        content = data[DIGEST_LENGTH + 1 :]
        if _with_digest(key, content) != data:
            self.refuse(key)
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def refuse(self, key: str) -> None:
        """Warn of an entry that is not as it was written, and remove it."""
        path = self._path(key)
        _warn(path, "is damaged, and is made again")
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def put(self, key: str, content: bytes) -> None:
        """Write an entry. After a failure, as on a full disk, warn once and write no more."""
        if self._full:
            return
        path = self._path(key)
        if path.is_dir() and not path.is_symlink():
            _warn(path, "is a folder where an entry belongs, and is left as it is")
            return
        try:
            inside(self._folder, f"{key[:2]}/{key}").parent.mkdir(exist_ok=True)
            write_bytes(path, _with_digest(key, content))
        except (OSError, InputError) as error:
            self._full = True
            reason = error.problem if isinstance(error, InputError) else error.strerror or error
            _warn(path, f"cannot be written ({reason}); the run goes on without writing to the cache")
            return
        self._n_bytes += DIGEST_LENGTH + 1 + len(content)
        self._n_new += 1
        if self._n_bytes > self._limit_bytes or self._n_new >= RECOUNT_AFTER:
            self._shrink()

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _shrink(self) -> None:
        """Count the entries and remove the least recently used ones above the limit."""
        files: list[tuple[int, int, Path]] = []
        for path in self._folder.glob("??/*"):
            with suppress(OSError):  # another process was faster
                if _is_entry(path) and (_KEY.fullmatch(path.name) or path.name.endswith(TEMPORARY)):
                    state = path.lstat()
                    files.append((state.st_mtime_ns, state.st_size, path))
        self._n_new = 0
        self._n_bytes = sum(size for _, size, _ in files)
        if self._n_bytes <= self._limit_bytes:
            return
        for _, size, path in sorted(files):
            if self._n_bytes <= SHRUNK_SHARE * self._limit_bytes:
                return
            with suppress(OSError):
                path.unlink(missing_ok=True)
                self._n_bytes -= size


def _is_entry(path: Path) -> bool:
    """Tell whether a path is a file, no link, in a folder that is no link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and not path.parent.is_symlink()
    except OSError:
        return False


def _with_digest(key: str, content: bytes) -> bytes:
    digest = hashlib.sha256(key.encode() + b"\n" + content)
    return digest.hexdigest().encode() + b"\n" + content


def _warn(place: object, message: str) -> None:
    warnings.warn(InputWarning(f"{place}: {message}"), stacklevel=3)
