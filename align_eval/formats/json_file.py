"""JSON files of this package, read strictly into records. Every error names the file and the place inside it.

A value of another type, a missing key, a number that is not finite, an integer of more than 64 bits, and nesting beyond
:data:`MAX_DEPTH` are refused. So is a key that a record inside others lacks; one of the outermost record
is ignored, since later versions may add it. Of a key that occurs twice, the last counts, as in Python. Memory is
bounded by the size of the file, which is limited. Reading executes nothing.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from align_eval.errors import InputError
from align_eval.reading import refuse_special

MAX_BYTES = 200_000_000
"""Largest accepted file: the failures of a million utterances in ``run.json``."""

MAX_DEPTH = 32
"""Tables and lists inside each other. This package writes 6."""

INT_BITS = 63
"""Without the sign."""

BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_MALFORMED = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_INVALID = re.compile(r"(.*) - at `(\$.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of JSON file, for messages.

    Attributes
    ----------
    problem : str
        The problem with a file that cannot be read, as ``is no run of this version``.
    remedy : str
    schema : int or None
        The version in the key ``schema``; None where the file has no such key.
    """

    problem: str
    remedy: str
    schema: int | None = None


@dataclass(frozen=True, slots=True)
class _Version:
    schema: int


def read_json(path: Path, type_: type[T], kind: Kind, *, partial: bool = False) -> T:
    """Read a JSON file into a record, or into another type such as ``dict[str, float]``.

    Raises
    ------
    InputError
        If the file cannot be read, is larger than :data:`MAX_BYTES`, has another schema version, or does not fit.
    """
    return decode_json(read_limited(path, kind), type_, path, kind, partial=partial)


def read_limited(path: Path, kind: Kind, max_bytes: int = MAX_BYTES) -> bytes:
    """Read the bytes of a file of at most ``max_bytes``.

    Raises
    ------
    InputError
        If it cannot be read or is larger.
    """
    try:
        refuse_special(path)
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(path, f"{kind.problem} ({error.strerror or error})", kind.remedy) from error
    if len(data) > max_bytes:
        raise InputError(path, f"{kind.problem} (it is larger than {max_bytes / 1e6:g} MB)", kind.remedy)
    return data


def decode_json(data: bytes, type_: type[T], place: object, kind: Kind, *, partial: bool = False) -> T:
    """Decode JSON into a record, or into another type (see :func:`read_json`).

    Parameters
    ----------
    place
        The file, and the line in it where ``data`` is one of many.
    partial
        Whether the type is a part of the file, as of one that another program wrote: other keys are not checked.

    Raises
    ------
    InputError
        If the bytes are no JSON in UTF-8, have another schema version, or do not fit the type.
    """
    if data.startswith(BYTE_ORDER_MARKS):
        problem = f"{kind.problem} (it begins with a byte-order mark)"
        raise InputError(place, problem, "save it as UTF-8 without that mark")
    try:
        plain = msgspec.json.decode(data)
        if kind.schema is not None:
            version = msgspec.convert(plain, _Version).schema
            if version != kind.schema:
                raise InputError(place, f"{kind.problem} (schema {version!s:.20})", kind.remedy)
        value: T = msgspec.convert(plain, type_, dec_hook=_path)
        refused = None if partial else _refused(plain, value)
    except RecursionError as error:
        raise InputError(place, f"{kind.problem} (nested too deeply)", kind.remedy) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where, detail = _explained(str(error), data)
        raise InputError(f"{place}{where}", f"{kind.problem} ({detail})", kind.remedy) from error
    if refused:
        raise InputError(f"{place}, ${refused[0]}", f"{kind.problem} ({refused[1]})", kind.remedy)
    return value


def _path(type_: type, value: object) -> object:
    if type_ is not Path or not isinstance(value, str) or "\0" in value:
        raise ValueError(f"no path: {value!a:.80}")
    return Path(value)


def _explained(message: str, data: bytes) -> tuple[str, str]:
    """Place inside the file, and the problem there."""
    if malformed := _MALFORMED.fullmatch(message):
        at = int(malformed[2])
        line = data.count(b"\n", 0, at) + 1
        found = data[at : at + 20].decode("utf-8", "replace").partition("\n")[0]
        return f", line {line}", f"no JSON from {found!a} on: {malformed[1]}"
    invalid = _INVALID.fullmatch(message)
    text, where = (invalid[1], f", {invalid[2]}") if invalid else (message, "")
    if missing := _MISSING.fullmatch(text):
        return where, f"the key {missing[1]!r} is missing"
    if "truncated" in text:
        return where, "it is cut short, or has half a character"
    return where, text[:1].lower() + text[1:]


def _refused(plain: object, value: object, depth: int = 0) -> tuple[str, str] | None:
    """Path and reason of the first integer, nesting or key of a record inside others that is refused.

    ``value`` is what was made of the plain tables and lists.
    """
    if isinstance(plain, int):
        return ("", f"an integer of {plain.bit_length()} bits") if plain.bit_length() > INT_BITS else None
    if depth > MAX_DEPTH:
        return "", f"nested in more than {MAX_DEPTH} levels"
    keys = {field.name for field in fields(value)} if is_dataclass(value) else None
    if isinstance(plain, dict):
        for key, child in plain.items():
            if depth and keys is not None and key not in keys:
                return f".{key}", "the key is unknown"
            inner = (
                getattr(value, key, None) if keys is not None else value.get(key) if isinstance(value, dict) else None
            )
            if refused := _refused(child, inner, depth + 1):
                return f".{key}{refused[0]}", refused[1]
    elif isinstance(plain, list):
        values = value if isinstance(value, list | tuple) else [None] * len(plain)
        for i, (child, inner) in enumerate(zip(plain, values, strict=True)):
            if refused := _refused(child, inner, depth + 1):
                return f"[{i}]{refused[0]}", refused[1]
    return None
