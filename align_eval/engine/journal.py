"""The journal of a run: the result of each utterance, written as soon as it is known, so that a killed run can resume.

``OUT/.partial/journal.jsonl`` has one line per utterance: the SHA-256 of the rest of the line, and JSON with the
utterance's id, the key of its result (:mod:`align_eval.signature`) and the result. JSON holds Python's floats without
loss, so that a resumed result is the same. A line is used only if its checksum holds, its key is the expected one, and
its result fits the utterance (:mod:`align_eval.engine.journal_entry`): a torn or damaged line, or another model, text,
audio file, package or code makes the utterance be processed again.

The folder is removed once the run is written whole. Utterances that failed, or that one system failed, are not in the
journal, so that they are tried again; the tracebacks of bugs are written into the run folder at once
(:mod:`align_eval.formats.run.tracebacks`).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from align_eval.engine.fitting_maps import read_fitting_maps
from align_eval.engine.journal_entry import unpack
from align_eval.engine.utterance import Result
from align_eval.errors import InputError, InputWarning
from align_eval.formats.atomic import TEMPORARY, cannot_write, check_name
from align_eval.formats.run.folder import RUN_NAME, prepare_folder
from align_eval.formats.run.maps import FOLDER as MAPS
from align_eval.formats.run.maps import drop_maps, maps_path, n_words_of, write_maps
from align_eval.formats.run.tracebacks import FOLDER as TRACEBACKS
from align_eval.formats.run.tracebacks import drop_tracebacks, write_tracebacks
from align_eval.records import Failure, Utterance
from align_eval.systems import System

FOLDER = ".partial"
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
    """

    def __init__(self, out: Path, file: io.FileIO) -> None:
        self.n_resumed = 0
        self._out = out
        self._file = file
        self._flushed_s = -math.inf
        self._at: dict[str, tuple[int, int]] = {}  # offset and length of the last whole line of each id
        self._with_maps: set[str] = set()
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
            self._with_maps.add(id_)
        self.n_resumed += 1
        return result

    def _has_maps(self, id_: str, checksum: object, result: Result) -> bool:
        """Tell whether the maps of a result are as they were written, and of its sources and words."""
        path = maps_path(self._out, id_)
        if _checksum(path) != checksum:
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
        """Write the result of an utterance: its maps as a file of the run folder; with a key, the rest as a line.

        Raises
        ------
        InputError
            Where it cannot be written; earlier lines stay.
        """
        maps = None
        if result.saved:
            path = maps_path(self._out, id_)
            write_maps(path, result.saved)
            maps = _checksum(path)
            self._with_maps.add(id_)
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
            raise cannot_write(self._out, error, "choose another --out") from error

    def put_failure(self, failure: Failure) -> None:
        """Write the traceback of a bug into the run folder; a resumed run tries the utterance again.

        Raises
        ------
        InputError
            Where it cannot be written.
        """
        write_tracebacks(self._out / TRACEBACKS, [failure])

    def finish(self) -> None:
        """Remove the journal of a run that is written whole, and maps of utterances that are not part of it."""
        for id_ in self._at.keys() - self._with_maps:
            maps_path(self._out, id_).unlink(missing_ok=True)
        for path in (*self._out.glob(f"*{TEMPORARY}"), *(self._out / MAPS).rglob(f"*{TEMPORARY}")):
            path.unlink(missing_ok=True)  # a kill left it
        shutil.rmtree(self._out / FOLDER, ignore_errors=True)

    def _read(self) -> None:
        """Find the whole lines, and cut off what follows the last one: a kill leaves a torn line."""
        n_damaged = end = 0
        with (self._out / FOLDER / NAME).open("rb") as lines:
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
        warnings.warn(InputWarning(f"{self._out / FOLDER / NAME}: {message}"), stacklevel=3)


@contextmanager
def open_journal(out: Path) -> Iterator[Journal]:
    """Lock a run folder and open its journal: that of an interrupted run, or a new one.

    A finished run in the folder stays until the new one is whole, but its maps are removed, so that they do not mix.

    Raises
    ------
    InputError
        Where another run uses the folder, or it cannot be written.
    """
    prepare_folder(out)
    with _locked(out / FOLDER / "lock", out):
        path = out / FOLDER / NAME
        if path.is_file() and not (out / RUN_NAME).is_file():  # a finished run names its tracebacks
            drop_tracebacks(out / TRACEBACKS)
        if not path.is_file() and (out / MAPS).is_dir():
            drop_maps(out)
        try:
            # unbuffered: closing does not try again to write to a full disk
            file = io.FileIO(path, "r+" if path.is_file() else "w+", opener=_open_no_link)
        except OSError as error:
            raise cannot_write(out, error, "choose another --out") from error
        with file:
            yield Journal(out, file)


def _open_no_link(path: str | Path, flags: int) -> int:
    """Open a file of the run folder; a link in its place would lead out of the folder."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)


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
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
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


@contextmanager
def _locked(path: Path, holder: object) -> Iterator[None]:
    """Hold the lock of a file, which is made with its folder; the system frees it when this process ends, however.

    ``holder`` is the folder that the message says is in use. A lock file that another run removed meanwhile is made
    again. Where the system has no such locks (Windows), nothing is locked.

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
            descriptor = _open_no_link(path, os.O_RDWR | os.O_CREAT)
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
