"""JSON tables with one entry per line, written and read without holding all entries in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from align_eval.errors import InputError
from align_eval.formats.atomic import check_name, writing, written_whole
from align_eval.formats.json_file import Kind, decode_json

T = TypeVar("T")

ENTRY_BREAK = ",\n"

MAX_LINE = 10_000_000
"""Bytes of the longest line: an utterance has a few thousand."""

PutEntries = Callable[[Mapping[str, Any]], None]
"""Appends entries to the table; no key may occur twice."""


@contextmanager
def entries_writer(path: Path, head: str = "{", tail: str = "}") -> Iterator[PutEntries]:
    """Open a table for writing. It takes its place if the context ends without an error.

    Parameters
    ----------
    head, tail
        First and last line of the file, which make the entries between them JSON.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    separator = f"{head}\n"

    def put(entries: Mapping[str, Any]) -> None:
        nonlocal separator
        for key, value in entries.items():
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            with writing(path):
                line = f"{separator}{json.dumps(key, ensure_ascii=False)}: {text}"
                file.write(line.encode(errors="backslashreplace"))  # a path may hold bytes that are no UTF-8
            separator = ENTRY_BREAK

    with written_whole(path) as file:
        yield put
        with writing(path):
            file.write(f"{'' if separator == ENTRY_BREAK else head}\n{tail}\n".encode())


def read_entries(path: Path, type_: type[T], kind: Kind) -> Iterator[tuple[str, T]]:
    """Yield the entries of a table by utterance id in order, one at a time; none if the file does not exist.

    Parameters
    ----------
    type_
        Type of the values.
    kind
        Kind of the file; its schema version is not checked.

    Raises
    ------
    InputError
        If the file cannot be read, is cut short, does not hold one entry per line, an entry does not fit the type, or
        an id cannot name a file.
    """
    if not path.is_file():
        return
    form: Any = dict[str, type_]  # type: ignore[valid-type]
    kind = replace(kind, schema=None)
    try:
        with path.open("rb") as file:
            number, line = 1, file.readline(MAX_LINE)
            if not line.endswith(b"{\n"):
                raise _refused(path, kind, "its first line does not end in {")
            while line := file.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE:
                    raise _refused(f"{path}, line {number}", kind, f"the line has more than {MAX_LINE / 1e6:g} MB")
                if line.startswith(b"}"):
                    return
                if line != b"\n":
                    entry = b"{%b}" % line.rstrip().removesuffix(b",")
                    place = f"{path}, line {number}"
                    for id_, value in decode_json(entry, form, place, kind).items():
                        yield check_name(place, id_), value
    except OSError as error:
        raise _refused(path, kind, error.strerror or str(error)) from error
    raise _refused(path, kind, "it is cut short")


def _refused(place: object, kind: Kind, problem: str) -> InputError:
    return InputError(place, f"{kind.problem} ({problem})", kind.remedy)
