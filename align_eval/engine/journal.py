"""The journal of a run: the result of each utterance, written as soon as it is known, so that a killed run can resume.

``OUT/.partial/journal.jsonl`` has one line per utterance: the SHA-256 of the rest of the line, and JSON with the
utterance's id, the key of its result (:mod:`align_eval.signature`) and the result. JSON holds Python's floats without
loss, so that a resumed result is the same. A line is used only if its checksum holds, its key is the expected one, and
its result fits the utterance (:mod:`align_eval.engine.journal_entry`): a torn or damaged line, or another model, text,
audio file, package or code makes the utterance be processed again.

The folder is removed once the run is written whole. Utterances that failed, or that one system failed, are not in the
journal, so that they are tried again; the tracebacks of bugs are written at once, beside the new files
(:mod:`align_eval.formats.run.staging`).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from align_eval.engine.fitting_maps import read_fitting_maps
from align_eval.engine.journal_entry import unpack
from align_eval.engine.utterance import Result
from align_eval.errors import InputError, InputWarning
from align_eval.formats.atomic import cannot_write, check_name, writing
from align_eval.formats.checksum import file_checksum
from align_eval.formats.run.maps import FOLDER as MAPS
from align_eval.formats.run.maps import maps_path, n_words_of, write_maps
from align_eval.formats.run.staging import FOLDER, open_no_link, staging
from align_eval.formats.run.tracebacks import FOLDER as TRACEBACKS
from align_eval.formats.run.tracebacks import write_tracebacks
from align_eval.records import Failure, Utterance
from align_eval.systems import System

NAME = "journal.jsonl"
DIGEST_LENGTH = 64

SCHEMA_VERSION = 2
"""Version of the entries. Entries of another version are done again."""

FLUSH_S = 1.0
"""Least time between two flushes to disk. The system keeps what a killed process wrote; where the machine itself stops,
the utterances of the last second are processed again."""


class Journal:
    """The open journal of a run folder; made by :func:`open_journal`.

    Attributes
    ----------
    n_resumed : int
        Utterances whose result was taken from the journal.
    new : Path
        Folder of the run's new files (:mod:`align_eval.formats.run.staging`), with its maps.
    """

    def __init__(self, path: Path, file: io.FileIO, new: Path) -> None:
        self.n_resumed = 0
        self.new = new
        self._path = path
        self._file = file
        self._flushed_s = -math.inf
        self._at: dict[str, tuple[int, int]] = {}  # offset and length of the last whole line of each id
        self._maps: dict[str, str] = {}
        self._read()

    def get(self, utterance: Utterance, key: str | None, systems: Sequence[System]) -> Result | None:
        """Return the result of an utterance, None where the journal lacks it; saved maps stay in the run folder."""
        id_ = utterance.id
        if key is None or id_ not in self._at:
            return None
        offset, length = self._at[id_]
        self._file.seek(offset)
        entry = _entry(self._file.read(length))
        if entry is None or (entry.get("schema"), entry.get("key")) != (SCHEMA_VERSION, key):
            return None
        try:
            result = unpack(entry["result"], utterance, systems)
        except (ValueError, KeyError):
            self._warn(f"the entry of {id_} is damaged; the utterance is processed again")
            return None
        if entry.get("maps") is not None:
            if not self._has_maps(id_, entry["maps"], result):
                self._warn(f"the maps of {id_} are damaged or missing; they are made again")
                return None
            self._maps[id_] = entry["maps"]
        self.n_resumed += 1
        return result

    def _has_maps(self, id_: str, checksum: object, result: Result) -> bool:
        """Tell whether the maps of a result are as they were written, and of its sources and words."""
        path = maps_path(self.new, id_)
        if not path.is_file() or _checksum(path) != checksum:
            return False
        try:
            maps = read_fitting_maps(path)
        except InputError:
            return False
        sources = {system.source for system in result.words}
        n_words = {len(words) for words in result.words.values()}
        return set(maps.stacks) == {source.stack for source in sources} and n_words == {
            n_words_of(maps, source.tokens.unit) for source in sources
        }

    def put(self, id_: str, key: str | None, result: Result) -> None:
        """Write the result of an utterance: its maps as a file of the new run; with a key, the rest as a line.

        Raises
        ------
        InputError
            Where it cannot be written; earlier lines stay.
        """
        maps = None
        if result.saved:
            maps = self._maps[id_] = write_maps(maps_path(self.new, id_), result.saved)
        if key is None:
            return
        entry = {"schema": SCHEMA_VERSION, "id": id_, "key": key, "maps": maps, "result": _pack(result)}
        line = _line(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        try:
            self._file.seek(0, os.SEEK_END)
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            if time.monotonic() - self._flushed_s >= FLUSH_S:
                os.fsync(self._file.fileno())
                self._flushed_s = time.monotonic()
        except OSError as error:
            raise cannot_write(self._path, error, "choose another --out") from error

    def put_failure(self, failure: Failure) -> None:
        """Write the traceback of a bug; a resumed run tries the utterance again.

        Raises
        ------
        InputError
            Where it cannot be written.
        """
        write_tracebacks(self.new / TRACEBACKS, [failure])

    def maps(self) -> dict[str, str]:
        """SHA-256 of the maps of this run by utterance id, once all are done; maps of other utterances are removed.

        Raises
        ------
        InputError
            Where a file cannot be removed.
        """
        ours = {maps_path(self.new, id_) for id_ in self._maps}
        with writing(self.new):
            for path in (self.new / MAPS).rglob("*"):
                if path not in ours and not path.is_dir():  # a kill left it, or another run
                    path.unlink()
        return self._maps

    def _read(self) -> None:
        """Find the whole lines, and cut off what follows the last one: a kill leaves a torn line."""
        n_damaged = end = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                entry = _entry(line)
                if entry is None:
                    n_damaged += 1
                else:
                    self._at[entry["id"]] = (end, len(line))
                end += len(line)
        self._file.truncate(end)
        if n_damaged:
            self._warn(f"{n_damaged} entries are damaged; their utterances are processed again")

    def _warn(self, message: str) -> None:
        warnings.warn(InputWarning(f"{self._path}: {message}"), stacklevel=3)


@contextmanager
def open_journal(out: Path) -> Iterator[Journal]:
    """Lock a run folder and open its journal: that of an interrupted run, or a new one.

    A finished run in the folder stays until the new one is whole. ``Journal.new`` is the place for the new files.

    Raises
    ------
    InputError
        Where another run uses the folder, or it cannot be written.
    """
    path = out / FOLDER / NAME
    with staging(out, kept=(MAPS,) if path.is_file() else (), resumable=True) as new:
        with writing(out):
            # unbuffered: closing does not try again to write to a full disk
            file = io.FileIO(path, "r+" if path.is_file() else "w+", opener=open_no_link)
        with file:
            with writing(out):
                journal = Journal(path, file, new)
            yield journal


def _line(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b" " + content + b"\n"


def _entry(line: bytes) -> dict[str, Any] | None:
    """Parse a line; None where it is not as it was written, or has no id."""
    content = line[DIGEST_LENGTH + 1 : -1]
    if _line(content) != line:
        return None
    try:
        entry: dict[str, Any] = json.loads(content)
        check_name(NAME, entry["id"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return entry


def _checksum(path: Path) -> str | None:
    try:
        return file_checksum(path)
    except OSError:
        return None


def _pack(result: Result) -> dict[str, Any]:
    words = [[[w.text, w.start_s, w.end_s, w.confidence] for w in timed] for timed in result.words.values()]
    systems = [[system.source.text, system.aligner.text] for system in result.words]
    pairing = asdict(result.pairing) if result.pairing else None
    flat_rows = [asdict(rows) for rows in result.flat_rows]
    return {
        "systems": systems,
        "words": words,
        "details": result.details,
        "pairing": pairing,
        "flat_rows": flat_rows,
    }
