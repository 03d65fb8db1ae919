"""A file before its form is known: its bytes, its text in Unicode, and what it holds as JSON.

Strict: text is UTF-8, or UTF-16 with its byte-order mark. JSON is one document or one a line; a key that stands twice
in one table, nesting that no system writes and numbers of thousands of digits are refused. ``NaN`` and ``Infinity``,
which Python writes and JSON does not know, are let through here and refused where they are times or confidences.
Reading executes nothing.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from align_eval.errors import InputError
from align_eval.formats.praat import CHRONOLOGICAL

GZIP_MAGIC = b"\x1f\x8b"
MAX_BYTES = 2**30
"""A file may be that large, unpacked: some hundred million words would fit; a gzip bomb would not."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read.

    Attributes
    ----------
    text : str
        Empty where ``praat``: those files have encodings of their own.
    json : any
        What the text holds where it begins as JSON does; a list of one entry a line where ``lines``. None otherwise.
    praat : bool
        Whether the bytes begin as a Praat file does.
    """

    path: Path
    data: bytes
    text: str
    json: Any = None
    lines: bool = False
    praat: bool = False


def read_document(path: Path) -> Document:
    """Read a file, unpacking it where it is gzip.

    Raises
    ------
    InputError
        Where it cannot be read, is too large, is no text, or begins as JSON and is not.
    """
    data = _read_bytes(path)
    if _is_praat(data):
        return Document(path, data, "", praat=True)
    text = decode_unicode(data, path)
    if not text.strip():
        raise InputError(path, "the file is empty", "write it again")
    if text.lstrip()[0] not in "[{":
        return Document(path, data, text)
    content, lines = _read_json(text, path)
    return Document(path, data, text, content, lines)


def lines_of(text: str) -> list[str]:
    """Lines as text editors count them: other separators of Unicode may stand inside a word."""
    return re.split(r"\r\n|\n|\r", text)


def decode_unicode(data: bytes, place: object) -> str:
    """Decode UTF-8, or UTF-16 by its byte-order mark.

    Raises
    ------
    InputError
        For any other bytes; names the first that does not fit.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{place}, line {line}" if not utf16 else place,
            f"is not {'UTF-16, as its byte-order mark says' if utf16 else 'UTF-8'} (byte {error.start})",
            "save it as UTF-8",
        ) from error
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise InputError(f"{place}, line {line}", "holds zero characters", "save it as UTF-8 text")
    return text


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if data.startswith(GZIP_MAGIC):
            with gzip.open(path) as packed:
                data = packed.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(path, f"is damaged gzip ({error})", "pack it again") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    if len(data) > MAX_BYTES:
        raise InputError(path, f"is longer than {MAX_BYTES} bytes", "give a file a recording")
    return data


def _is_praat(data: bytes) -> bool:
    if data.startswith(b"ooBinaryFile"):
        return True
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    start = data[:400].decode("utf-16" if utf16 else "utf-8-sig", errors="ignore").lstrip()
    return start.startswith(('File type = "ooTextFile', '"ooTextFile', f'"{CHRONOLOGICAL}"'))


def _read_json(text: str, path: Path) -> tuple[Any, bool]:
    decoder = json.JSONDecoder(object_pairs_hook=_table)
    first, _, rest = text.lstrip().partition("\n")
    if rest.lstrip().startswith("{") and first.rstrip().endswith("}"):
        numbered = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
        return [_decode(decoder, line, f"{path}, line {i}") for i, line in numbered], True
    return _decode(decoder, text, path), False


def _decode(decoder: json.JSONDecoder, text: str, place: object) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        where = f"{place}, line {error.lineno}" if error.lineno > 1 else place
        raise InputError(
            f"{where}, column {error.colno}", f"is not JSON ({error.msg})", "the file may be cut short: write it again"
        ) from error
    except RecursionError:
        raise InputError(place, "is JSON nested too deeply", "no system that is read here writes that") from None
    except ValueError as error:  # a table with a key twice, or a number of more digits than Python reads
        problem = str(error) if isinstance(error, _RepeatedKeyError) else "holds a number of thousands of digits"
        raise InputError(place, problem, "write the file again") from None


class _RepeatedKeyError(ValueError):
    pass


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RepeatedKeyError(f"key {twice[:40]!r} stands twice in one table")
    return table
