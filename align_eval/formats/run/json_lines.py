"""JSON tables with one entry per line, written and read without holding all entries in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from align_eval.formats.atomic import check_name, writing

ENTRY_BREAK = ",\n"

PutEntries = Callable[[Mapping[str, Any]], None]
"""Appends entries to the table; no key may occur twice."""


@contextmanager
def entries_writer(path: Path, head: str = "{", tail: str = "}") -> Iterator[PutEntries]:
    """Open a table for writing.

    Parameters
    ----------
    head, tail
        First and last line of the file, which make the entries between them JSON.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with writing(path):
        # paths may hold bytes that are no UTF-8, which are escaped as JSON does
        file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
    separator = f"{head}\n"

    def put(entries: Mapping[str, Any]) -> None:
        nonlocal separator
        for key, value in entries.items():
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            with writing(path):
                file.write(f"{separator}{json.dumps(key, ensure_ascii=False)}: {text}")
            separator = ENTRY_BREAK

    try:
        yield put
        with writing(path):
            file.write(f"{'' if separator == ENTRY_BREAK else head}\n{tail}\n")
    finally:
        with writing(path):
            file.close()


def read_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a table by utterance id in order, one at a time; none if the file does not exist.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, is cut short, or does not hold one entry per line, or if an id cannot name a file.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        line = next(file, "")
        if not line.endswith("{\n"):
            raise ValueError("does not begin with a line that ends in {")
        for line in file:
            if line.startswith('"'):
                for id_, entry in json.loads(f"{{{line.rstrip().removesuffix(',')}}}").items():
                    yield check_name(path, id_), entry
        if not line.startswith("}"):
            raise ValueError("is cut short")
