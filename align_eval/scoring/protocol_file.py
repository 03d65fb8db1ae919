"""Protocols of one's own, read from a TOML file: a table a protocol, its keys those of the record.

[mine]
boundaries = "starts"
words = "recognised"
collars_ms = [20, 40]
measures = ["mean", "within"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from align_eval.errors import InputError
from align_eval.scoring.protocols import PROTOCOLS, Average, Boundaries, Measure, Normaliser, Protocol, Words

DEFAULTS: dict[str, Any] = {"normaliser": "whisper", "collars_ms": (), "cut_ms": None, "averages": ("micro",)}
"""What a protocol of a file need not say; it must say its boundaries, words and measures."""


def read_protocols(path: Path) -> dict[str, Protocol]:
    """Read the protocols of a file, by name.

    Raises
    ------
    InputError
        Where the file cannot be read, a name is built in already, or a key or value is not one that is known.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(path, f"cannot be read as TOML in UTF-8 ({error})", "see docs/protocols.md") from error
    if not tables:
        raise InputError(path, "holds no protocol", "add a table, as [mine]")
    return {name: _protocol(path, name, table) for name, table in tables.items()}


def _protocol(path: Path, name: str, table: Any) -> Protocol:
    place = f"{path}, [{name}]"
    if name in PROTOCOLS:
        raise InputError(place, "bears the name of a protocol that is built in", "choose another name")
    if not isinstance(table, dict):
        raise InputError(place, f"is {table!r}, not a table", f"write [{name}] and its keys below it")
    values = dict(DEFAULTS)
    for key, value in table.items():
        if key not in READERS:
            raise InputError(place, f"unknown key {key!r}", f"known: {', '.join(READERS)}")
        values[key] = READERS[key](f"{place}, key {key!r}", value)
    missing = [key for key in READERS if key not in values and key != "paper"]
    if missing:
        raise InputError(place, f"lacks {', '.join(missing)}", "every protocol says these")
    try:
        return Protocol(**values)
    except ValueError as error:
        raise InputError(place, str(error), "see docs/protocols.md") from error


def _one_of(choices: tuple[str, ...]) -> Callable[[str, Any], str]:
    def read(place: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise InputError(place, f"{value!r} is not a choice", f"choose of {', '.join(choices)}")
        return value

    return read


def _number(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(place, f"{value!r} is not a number", "give milliseconds as a plain number")
    return float(value)


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(place, f"{value!r} is not a text", "put it in quotation marks")
    return value


def _list_of(read: Callable[[str, Any], Any]) -> Callable[[str, Any], tuple[Any, ...]]:
    def read_all(place: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InputError(place, f"{value!r} is not a list", "put it in brackets")
        items = tuple(read(place, item) for item in value)
        if len(set(items)) < len(items):
            raise InputError(place, f"{value!r} says something twice", "say each once")
        return items

    return read_all


READERS: dict[str, Callable[[str, Any], Any]] = {
    "boundaries": _one_of(get_args(Boundaries)),
    "words": _one_of(get_args(Words)),
    "normaliser": _one_of(get_args(Normaliser)),
    "collars_ms": _list_of(_number),
    "cut_ms": _number,
    "averages": _list_of(_one_of(get_args(Average))),
    "measures": _list_of(_one_of(get_args(Measure))),
    "paper": _text,
}
