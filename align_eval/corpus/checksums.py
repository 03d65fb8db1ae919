"""Checksums of files, bound to the state of each file when it was read.

A result belongs to the bytes that it was computed from. A file that changes between its checksum and the end of the
computation is therefore found by its state, and the result is refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from align_eval.errors import InputError
from align_eval.reading import cannot_read, opened
from align_eval.records import FileState

UNREADABLE = "0" * 64
"""Checksum of a file that cannot be read."""


class FileChecksums:
    """SHA-256 of files, each read once.

    Attributes
    ----------
    states : dict of Path to FileState
        State of each file whose checksum was made, from before it was read; None if it could not be read.
    errors : dict of Path to InputError
        The files that could not be read.
    """

    def __init__(self) -> None:
        self.states: dict[Path, FileState | None] = {}
        self.errors: dict[Path, InputError] = {}
        self._checksums: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Checksum of a file as it was when first asked for; :data:`UNREADABLE` if it could not be read."""
        if path not in self._checksums:
            self.states[path], self._checksums[path] = self._read(path)
        return self._checksums[path]

    def _read(self, path: Path) -> tuple[FileState | None, str]:
        try:
            state = FileState.of(path)
            with opened(path) as file:
                return state, hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, InputError) as error:
            self.errors[path] = error if isinstance(error, InputError) else cannot_read(path, error)
            return None, UNREADABLE
