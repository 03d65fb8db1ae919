"""JSON files that hold a table with many entries, an entry a line: written and read without holding all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from align_eval.formats.atomic import writing

ENTRY_BREAK = ",\n"

PutEntries = Callable[[Mapping[str, Any]], None]
"""Takes entries after those that it was given before; no key may come twice."""


@contextmanager
def entries_writer(path: Path, head: str = "{", tail: str = "}") -> Iterator[PutEntries]:
    """Open a table for writing, between two lines that make it JSON.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    with writing(path):
        file = path.open("w", encoding="utf-8", newline="\n")
    before = f"{head}\n"

    def put(entries: Mapping[str, Any]) -> None:
        nonlocal before
        for key, value in entries.items():
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            with writing(path):
                file.write(f"{before}{json.dumps(key, ensure_ascii=False)}: {text}")
            before = ENTRY_BREAK

    try:
        yield put
        with writing(path):
            file.write(f"{'' if before == ENTRY_BREAK else head}\n{tail}\n")
    finally:
        with writing(path):
            file.close()


def read_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """The entries of a table in their order, one held at a time; none where there is no file.

    Raises
    ------
    OSError, ValueError
        Where it cannot be read, or does not have its entries in lines of their own.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        line = next(file, "")
        if not line.endswith("{\n"):
            raise ValueError("does not begin with a line of its own")
        for line in file:
            if line.startswith('"'):
                yield from json.loads(f"{{{line.rstrip().removesuffix(',')}}}").items()
        if not line.startswith("}"):
            raise ValueError("is cut short")
