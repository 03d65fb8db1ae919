"""The journal of a run: what each utterance gave, written down as soon as it is known, so that a killed run goes on.

``OUT/.partial/journal.jsonl`` has a line an utterance: the SHA-256 of what follows it, and JSON with the utterance's
id, the key of its result (:mod:`align_eval.engine.keys`) and the result. Python writes and reads floats as JSON without
loss, so that what is recalled is what was found. A line is used only if its checksum holds and its key is the one
that is asked for: a torn or damaged line, another model, text, audio file, package or code that computes makes the
utterance be done again.
The folder is removed once the run is written whole. Failures are not written down, so that they are tried again; the
tracebacks of unexpected ones stand in the run folder at once (:mod:`align_eval.formats.run.tracebacks`).
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
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from align_eval.engine.lock import locked
from align_eval.engine.process import Aligned
from align_eval.errors import InputWarning
from align_eval.formats.atomic import TEMPORARY, cannot_write
from align_eval.formats.run.folder import RUN_NAME, prepare_folder
from align_eval.formats.run.maps import FOLDER as MAPS
from align_eval.formats.run.maps import drop_maps, maps_path, write_maps
from align_eval.formats.run.tracebacks import FOLDER as TRACEBACKS
from align_eval.formats.run.tracebacks import drop_tracebacks, write_tracebacks
from align_eval.records import Failure, Pairing, System, Unit, Word

FOLDER = ".partial"
NAME = "journal.jsonl"
DIGEST_LENGTH = 64

SCHEMA_VERSION = 1
"""Version of the entries. Entries of another version are done again."""

FLUSH_S = 1.0
"""The disk is waited for that often at most, which takes milliseconds. What a killed process wrote the system keeps;
where the machine itself stops, the utterances of the last second may be done again."""


class Journal:
    """The open journal of a run folder; made by :func:`open_journal`.

    Attributes
    ----------
    n_recalled : int
        Utterances that were not done again.
    """

    def __init__(self, out: Path, file: io.FileIO) -> None:
        self.n_recalled = 0
        self._out = out
        self._file = file
        self._flushed_s = -math.inf
        self._at: dict[str, tuple[int, int]] = {}  # offset and length of the last whole line of each id
        self._with_maps: set[str] = set()
        self._read()

    def get(self, id_: str, key: str | None, systems: Sequence[System]) -> Aligned | None:
        """What an utterance gave, where that is known; its maps, where they are kept, stand in the run folder."""
        if key is None or id_ not in self._at:
            return None
        offset, length = self._at[id_]
        self._file.seek(offset)
        entry = _entry(self._file.read(length))
        if entry is None or (entry.get("schema"), entry["key"]) != (SCHEMA_VERSION, key):
            return None
        if entry["maps"] and _checksum(maps_path(self._out, id_)) != entry["maps"]:
            self._warn(f"the maps of {id_} are damaged or missing, and are made again")
            return None
        self.n_recalled += 1
        if entry["maps"]:
            self._with_maps.add(id_)
        return _aligned(entry["result"], systems)

    def put(self, id_: str, key: str | None, aligned: Aligned) -> None:
        """Write down what an utterance gave: its maps as a file of the run folder, the rest as a line.

        Raises
        ------
        InputError
            Where it cannot be written; the lines before it stay.
        """
        maps = None
        if aligned.kept:
            path = maps_path(self._out, id_)
            write_maps(path, aligned.kept)
            maps = _checksum(path)
            self._with_maps.add(id_)
        if key is None:
            return
        entry = {"schema": SCHEMA_VERSION, "id": id_, "key": key, "maps": maps, "result": _plain(aligned)}
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
        """Write the traceback of an unexpected error into the run folder; the utterance is tried again all the same.

        Raises
        ------
        InputError
            Where it cannot be written.
        """
        write_tracebacks(self._out / TRACEBACKS, [failure])

    def finish(self) -> None:
        """Remove the journal, and maps of utterances that are no part of the run: it is written whole."""
        for id_ in self._at.keys() - self._with_maps:
            maps_path(self._out, id_).unlink(missing_ok=True)
        for path in (*self._out.glob(f"*{TEMPORARY}"), *(self._out / MAPS).rglob(f"*{TEMPORARY}")):
            path.unlink(missing_ok=True)  # a kill left it
        shutil.rmtree(self._out / FOLDER, ignore_errors=True)

    def _read(self) -> None:
        """Find the whole lines; what follows the last of them is cut off, since a kill leaves a torn one."""
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
            self._warn(f"{n_damaged} entries are damaged; their utterances are done again")

    def _warn(self, message: str) -> None:
        warnings.warn(InputWarning(f"{self._out / FOLDER / NAME}: {message}"), stacklevel=3)


@contextmanager
def open_journal(out: Path) -> Iterator[Journal]:
    """Lock a run folder and open its journal: that of a run that was cut off there, or a new one.

    A finished run in that folder stays until the new one is whole, but for its maps, which must not mix with new ones.

    Raises
    ------
    InputError
        Where another run uses the folder, or it cannot be written.
    """
    prepare_folder(out)
    with locked(out / FOLDER / "lock", out):
        path = out / FOLDER / NAME
        if path.is_file() and not (out / RUN_NAME).is_file():  # a finished run names those that are there
            drop_tracebacks(out / TRACEBACKS)
        if not path.is_file():
            drop_maps(out)
        try:
            # unbuffered: what a full disk refused is not tried again on closing
            file = io.FileIO(path, "r+" if path.is_file() else "w+")
        except OSError as error:
            raise cannot_write(out, error, "choose another --out") from error
        with file:
            yield Journal(out, file)


def _line(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b" " + content + b"\n"


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line holds; None where it is not as it was written."""
    content = line[DIGEST_LENGTH + 1 : -1]
    if _line(content) != line:
        return None
    entry: dict[str, Any] = json.loads(content)
    return entry


def _checksum(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _plain(aligned: Aligned) -> dict[str, Any]:
    words = [[[w.text, w.start_s, w.end_s, w.confidence] for w in said] for said in aligned.words.values()]
    systems = [[system.source, system.align] for system in aligned.words]
    pairing = asdict(aligned.pairing) if aligned.pairing else None
    return {"systems": systems, "words": words, "details": aligned.details, "pairing": pairing}


def _aligned(plain: dict[str, Any], systems: Sequence[System]) -> Aligned:
    known = {(system.source, system.align): system for system in systems}  # records are shared, not made anew
    found = zip(plain["systems"], plain["words"], strict=True)
    return Aligned(
        words={known[source, align]: tuple(Word(*word) for word in said) for (source, align), said in found},
        details=plain["details"],
        pairing=_pairing(plain["pairing"]) if plain["pairing"] else None,
    )


def _pairing(plain: dict[str, Any]) -> Pairing:
    units = tuple(Unit(tuple(u["reference"]), tuple(u["hypothesis"]), u["same"]) for u in plain["units"])
    listed = {name: tuple(plain[name]) for name in ("deleted", "inserted", "ignored")}
    return Pairing(units, n_reference=plain["n_reference"], n_hypothesis=plain["n_hypothesis"], **listed)
