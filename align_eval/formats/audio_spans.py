"""``audio.json`` of a run folder: where the samples of its utterances are, so that a report can play them.

It holds paths of the machine that the run was made on, and decides nothing: it is in no signature and no comparison.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import dacite

from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write, write_bytes
from align_eval.records import AudioSpan

NAME = "audio.json"
SCHEMA_VERSION = 1


def write_audio_spans(folder: Path, spans: Mapping[str, AudioSpan]) -> None:
    """Write where the samples of each utterance are, by its id; paths are made absolute.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    listed = {id_: {**asdict(spans[id_]), "path": str(spans[id_].path.resolve())} for id_ in sorted(spans)}
    text = json.dumps({"schema": SCHEMA_VERSION, "spans": listed}, ensure_ascii=False, indent=1)
    try:
        write_bytes(folder / NAME, f"{text}\n".encode())
    except OSError as error:
        raise cannot_write(folder / NAME, error, "choose another --out") from error


def read_audio_spans(folder: Path) -> Mapping[str, AudioSpan]:
    """Where each utterance's samples are, by its id; empty for a run folder that does not say.

    Raises
    ------
    InputError
        Where the file is there and cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA_VERSION:
            raise ValueError(f"schema {data['schema']}")
        config = dacite.Config(type_hooks={Path: Path})
        return {id_: dacite.from_dict(AudioSpan, span, config) for id_, span in data["spans"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, dacite.DaciteError) as error:
        raise InputError(path, f"does not say where audio is ({error})", "give --corpus, or run again") from error
