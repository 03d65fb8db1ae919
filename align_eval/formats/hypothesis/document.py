"""A file before its format is known: its bytes, its Unicode text and its JSON content.

Text is UTF-8, or UTF-16 with its byte-order mark. whisper.cpp writes parts of characters; their bytes become halves of
surrogate pairs, which its reader joins. JSON is one document, or several, as one per line. Refused are a key that
occurs twice in one table, nesting that no system writes, and numbers of thousands of digits. ``NaN`` and ``Infinity``,
which Python writes although JSON lacks them, are accepted. Reading executes nothing.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from align_eval.errors import InputError
from align_eval.formats.praat import CHRONOLOGICAL
from align_eval.reading import MAX_BYTES, read_bytes

_SPACE = re.compile(r"\s*")

MAY_BE_EMPTY = (".srt", ".vtt")
"""Suffixes of files without content that are empty transcripts: subtitles without a cue."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read.

    Attributes
    ----------
    text : str
        Empty if ``praat``, since Praat files have other encodings, and of an empty file of subtitles.
    json : any
        Content of a text that begins as JSON does, else None. If ``lines``, a list with one entry per document.
    lines : bool
        Whether the text has several documents, as JSON Lines has.
    praat : bool
        Whether the bytes begin as a Praat file does.
    """

    path: Path
    data: bytes
    text: str
    json: Any = None
    lines: bool = False
    praat: bool = False


def read_document(path: Path, *, may_be_empty: bool = False) -> Document:
    """Read a file, and unpack it if it is gzip.

    Parameters
    ----------
    may_be_empty
        Whether a file without content is a document; one with a suffix of :data:`MAY_BE_EMPTY` always is.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, is not text, or begins as JSON and is not valid JSON.
    """
    data = read_bytes(path, MAX_BYTES, unpack=True)
    if _is_praat(data):
        return Document(path, data, "", praat=True)
    text = data.decode("utf-8-sig", "surrogateescape") if _is_whisper_cpp(data) else decode_unicode(data, path)
    if not text.strip():
        if may_be_empty or path.suffix.lower() in MAY_BE_EMPTY:
            return Document(path, data, "")
        raise InputError(path, "the file is empty", "write it again")
    if text.lstrip()[0] not in "[{":
        return Document(path, data, text)
    content, lines = _read_json(text, path)
    return Document(path, data, text, content, lines)


def lines_of(text: str) -> list[str]:
    """Split at line breaks as text editors do. Other Unicode separators may occur inside a word."""
    return re.split(r"\r\n|\n|\r", text)


def decode_unicode(data: bytes, place: object) -> str:
    """Decode UTF-8, or UTF-16 by its byte-order mark.

    Raises
    ------
    InputError
        If the bytes are in another encoding; names the first invalid byte.
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


def _is_praat(data: bytes) -> bool:
    if data.startswith(b"ooBinaryFile"):
        return True
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    start = data[:400].decode("utf-16" if utf16 else "utf-8-sig", errors="ignore").lstrip()
    return start.startswith(('File type = "ooTextFile', '"ooTextFile', f'"{CHRONOLOGICAL}"'))


def _is_whisper_cpp(data: bytes) -> bool:
    """Tell whether UTF-8 begins as a table with the key ``transcription``, which comes after settings of the model."""
    start = data[:8000].removeprefix(codecs.BOM_UTF8).lstrip()
    return start.startswith(b"{") and b'"transcription"' in start and b"\0" not in data


def _read_json(text: str, path: Path) -> tuple[Any, bool]:
    """Read one document, or several that follow each other, as in JSON Lines."""
    decoder = json.JSONDecoder(object_pairs_hook=_table_of_pairs)
    values: list[Any] = []
    text = text.rstrip()
    at = _past_space(text, 0)
    while at < len(text):
        value, at = _decode(decoder, text, at, path)
        values.append(value)
        at = _past_space(text, at)
    return (values, True) if len(values) > 1 else (values[0], False)


def _past_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _decode(decoder: json.JSONDecoder, text: str, at: int, place: object) -> tuple[Any, int]:
    """Read the document that begins at a character, and return it with its end."""
    try:
        return decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        where = f"{place}, line {error.lineno}" if error.lineno > 1 else place
        raise InputError(
            f"{where}, column {error.colno}", f"is not JSON ({error.msg})", "the file may be cut short: write it again"
        ) from error
    except RecursionError:
        raise InputError(place, "is JSON nested too deeply", "write the file again") from None
    except ValueError as error:  # a table with a key twice, or a number of more digits than Python reads
        problem = str(error) if isinstance(error, _RepeatedKeyError) else "holds a number of thousands of digits"
        raise InputError(place, problem, "write the file again") from None


class _RepeatedKeyError(ValueError):
    pass


def _table_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RepeatedKeyError(f"key {twice[:40]!r} occurs twice in one table")
    return table
