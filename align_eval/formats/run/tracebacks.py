"""Tracebacks of bugs in align-eval: a folder beside a JSON file, with a text file per utterance that met one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from align_eval.errors import InputError
from align_eval.formats.atomic import writing
from align_eval.records import Failure

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FOLDER = "tracebacks"
"""Name of the folder of tracebacks within a run folder."""


def folder_of_finding(path: Path) -> Path:
    """The folder of the tracebacks of a finding: ``NAME.tracebacks`` beside ``NAME.json``."""
    return path.with_suffix(f".{FOLDER}")


def traceback_name(id_: str) -> str:
    """The file of an utterance's traceback, relative to the folder of tracebacks."""
    return f"{id_}.txt"


def write_tracebacks(folder: Path, failures: Iterable[Failure]) -> None:
    """Write the tracebacks of those failures that have one.

    Raises
    ------
    InputError
        Where one cannot be written.
    """
    for failure in failures:
        if failure.traceback:
            path = folder / traceback_name(failure.id)
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(failure.traceback, encoding="utf-8")


def drop_tracebacks(folder: Path) -> None:
    """Remove the tracebacks of an earlier run or finding.

    Raises
    ------
    InputError
        Where one cannot be removed.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        problem = f"cannot be removed ({error.strerror or error})"
        raise InputError(error.filename or folder, problem, "remove it, or choose another --out") from error


def as_json(record: DataclassInstance, folder: str | None = FOLDER) -> dict[str, Any]:
    """A record as its JSON file has it: as asdict, but a failure without a traceback has no entry for it.

    Parameters
    ----------
    folder
        Where tracebacks are, relative to the JSON file, which names their files; with None it holds their texts.
    """

    def table_of(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(items)
        text = table.pop("traceback", None)
        if text:
            table["traceback"] = text if folder is None else f"{folder}/{traceback_name(table['id'])}"
        return table

    return asdict(record, dict_factory=table_of)


def read_failure(entry: Mapping[str, Any]) -> Failure:
    """The failure of an entry that names the file of its traceback: the text stays in that file."""
    return Failure(**{**entry, "traceback": None})
