"""``tracebacks/`` beside a JSON file: a text file per utterance that met a bug in align-eval."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from align_eval.formats.atomic import writing
from align_eval.records import Failure

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FOLDER = "tracebacks"


def traceback_name(id_: str) -> str:
    """The file of an utterance's traceback, relative to the folder of the JSON file."""
    return f"{FOLDER}/{id_}.txt"


def write_tracebacks(out: Path, failures: Iterable[Failure]) -> None:
    """Write the tracebacks of those failures that have one.

    Raises
    ------
    InputError
        Where one cannot be written.
    """
    for failure in failures:
        if failure.traceback:
            path = out / traceback_name(failure.id)
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(failure.traceback, encoding="utf-8")


def drop_tracebacks(out: Path) -> None:
    """Remove the tracebacks that an earlier run left in its folder: its utterances are done again."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def as_json(record: DataclassInstance) -> dict[str, Any]:
    """A record as its JSON file has it: as asdict, but a failure names the file of its traceback, where it has one."""
    return asdict(record, dict_factory=_table)


def _table(items: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(items)
    if table.pop("traceback", None):
        table["traceback"] = traceback_name(table["id"])
    return table
