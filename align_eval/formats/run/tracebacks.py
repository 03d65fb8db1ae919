"""Tracebacks of bugs in align-eval: a folder beside a JSON file, with one text file per failure."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from align_eval.errors import InputError
from align_eval.formats.atomic import inside, is_file_name, write_text, writing
from align_eval.records import Failure

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

FOLDER = "tracebacks"
"""Name of the folder of tracebacks within a run folder."""


def folder_of_finding(path: Path) -> Path:
    """Folder of the tracebacks of a finding: ``NAME.tracebacks`` beside ``NAME.json``."""
    return path.with_suffix(f".{FOLDER}")


def traceback_name(id_: str, system: str | None = None) -> str:
    """File of an utterance's traceback, relative to the folder of tracebacks.

    Where a system failed, the name has the first digits of the SHA-256 of the system's name, which can be no file name.
    An id that can be none itself has its SHA-256 for its name.
    """
    if not is_file_name(id_):
        id_ = hashlib.sha256(id_.encode()).hexdigest()
    return f"{id_}.{hashlib.sha256(system.encode()).hexdigest()[:8]}.txt" if system else f"{id_}.txt"


def write_tracebacks(folder: Path, failures: Iterable[Failure]) -> None:
    """Write the tracebacks of the failures that have one.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    for failure in failures:
        if failure.traceback:
            path = inside(folder.parent, f"{folder.name}/{traceback_name(failure.id, failure.system)}")
            with writing(path):
                write_text(path, failure.traceback)


def drop_tracebacks(folder: Path) -> None:
    """Remove the tracebacks of an earlier run or finding.

    Raises
    ------
    InputError
        If a file cannot be removed.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        problem = f"cannot be removed ({error.strerror or error})"
        raise InputError(error.filename or folder, problem, "remove it, or choose another --out") from error


def as_json(record: DataclassInstance, folder: str | None = FOLDER) -> dict[str, Any]:
    """Convert a record to the content of its JSON file: as ``asdict``, but failures have no empty fields.

    Parameters
    ----------
    folder
        Folder of the tracebacks, relative to the JSON file, which then names their files. With None, the JSON holds
        the texts of the tracebacks.
    """

    def table_of(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(items)
        if "traceback" not in table:
            return table
        name = traceback_name(table["id"], table["system"])
        if table["traceback"] and folder is not None:
            table["traceback"] = f"{folder}/{name}"
        return {key: value for key, value in table.items() if value is not None}

    return asdict(record, dict_factory=table_of)


def without_tracebacks(record: T) -> T:
    """A record that was read from JSON, whose failures name the files of tracebacks; the texts stay in those files."""
    failures: tuple[Failure, ...] | None = getattr(record, "failures", None)
    if not failures:
        return record
    return replace(record, failures=tuple(replace(failure, traceback=None) for failure in failures))
