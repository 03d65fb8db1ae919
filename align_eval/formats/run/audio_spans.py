"""``audio.json`` of a run folder: the audio file and span of each utterance, so that a report can play it.

Its paths are those of the machine that made the run. Signatures and comparisons do not use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any

from align_eval.formats.atomic import check_name
from align_eval.formats.json_file import Kind, read_json
from align_eval.formats.run.json_lines import entries_writer, read_entries
from align_eval.records import AudioSpan

NAME = "audio.json"
SCHEMA_VERSION = 1

SPANS = Kind("does not say where audio is", "give --corpus, or run again", SCHEMA_VERSION)
SHARD_SPANS = Kind("does not say where audio is", "run this shard again")


@dataclass(frozen=True, slots=True)
class _Spans:
    spans: dict[str, AudioSpan]


def write_audio_spans(folder: Path, spans: Mapping[str, AudioSpan]) -> None:
    """Write the audio span of each utterance, by id, with absolute paths.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    absolute = {id_: replace(span, path=span.path.resolve()) for id_, span in spans.items()}
    _write(folder, ((id_, _as_json(absolute[id_])) for id_ in sorted(absolute)))


def merge_audio_spans(folders: Sequence[Path], out: Path) -> None:
    """Merge the audio spans of several run folders in the order of ids, with one entry per folder in memory.

    Raises
    ------
    InputError
        If a file cannot be read or written.
    """
    spans = (read_entries(folder / NAME, AudioSpan, SHARD_SPANS) for folder in folders)
    _write(out, ((id_, _as_json(span)) for id_, span in merge(*spans, key=itemgetter(0))))


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
    return {check_name(path, id_): span for id_, span in read_json(path, _Spans, SPANS).spans.items()}


def _as_json(span: AudioSpan) -> dict[str, Any]:
    return {**asdict(span), "path": str(span.path)}


def _write(folder: Path, spans: Iterable[tuple[str, dict[str, Any]]]) -> None:
    with entries_writer(folder / NAME, f'{{"schema": {SCHEMA_VERSION}, "spans": {{', "}}") as put:
        for id_, span in spans:
            put({id_: span})
