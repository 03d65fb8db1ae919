"""``audio.json`` of a run folder: the audio file and span of each utterance, so that a report can play it.

Its paths are those of the machine that made the run. Signatures and comparisons do not use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any

import dacite

from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write, check_name, write_whole
from align_eval.formats.run.json_lines import entries_writer, read_entries
from align_eval.records import AudioSpan

NAME = "audio.json"
SCHEMA_VERSION = 1


def write_audio_spans(folder: Path, spans: Mapping[str, AudioSpan]) -> None:
    """Write the audio span of each utterance, by id, with absolute paths.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    _write(folder, ((id_, {**asdict(spans[id_]), "path": str(spans[id_].path.resolve())}) for id_ in sorted(spans)))


def merge_audio_spans(folders: Sequence[Path], out: Path) -> None:
    """Merge the audio spans of several run folders in the order of ids, with one entry per folder in memory.

    Raises
    ------
    InputError
        If a file cannot be read or written.
    """

    def entries(path: Path) -> Iterator[tuple[str, Any]]:
        try:
            yield from read_entries(path)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error, "run this shard again") from error

    _write(out, merge(*(entries(folder / NAME) for folder in folders), key=itemgetter(0)))


def read_audio_spans(folder: Path) -> Mapping[str, AudioSpan]:
    """Read the audio span of each utterance, by id; empty if the folder has no ``audio.json``.

    Raises
    ------
    InputError
        If the file exists and cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA_VERSION:
            raise ValueError(f"schema {data['schema']}")
        config = dacite.Config(type_hooks={Path: Path})
        return {check_name(path, id_): dacite.from_dict(AudioSpan, span, config) for id_, span in data["spans"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, dacite.DaciteError) as error:
        raise _unreadable(path, error, "give --corpus, or run again") from error


def _write(folder: Path, spans: Iterable[tuple[str, dict[str, Any]]]) -> None:
    def write(path: Path) -> None:
        with entries_writer(path, f'{{"schema": {SCHEMA_VERSION}, "spans": {{', "}}") as put:
            for id_, span in spans:
                put({id_: span})

    try:
        write_whole(folder / NAME, write)
    except OSError as error:
        raise cannot_write(folder / NAME, error, "choose another --out") from error


def _unreadable(path: Path, error: Exception, remedy: str) -> InputError:
    return InputError(path, f"does not say where audio is ({error})", remedy)
