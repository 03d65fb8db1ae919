"""Custom protocols from a TOML file: one table per protocol, with the fields of the record as keys.

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

from align_eval.errors import InputError, did_you_mean, reason
from align_eval.reading import MAX_SETTINGS_BYTES, read_bytes
from align_eval.scoring.protocols import PROTOCOLS, Average, Boundaries, Measure, Normaliser, Protocol, Words

DEFAULTS: dict[str, Any] = {"normaliser": "letters", "collars_ms": (), "cut_ms": None, "averages": ("micro",)}
"""Values of optional keys; boundaries, words and measures are required."""


LONGEST_MS = 1e9
"""Largest number of milliseconds, the longest time of a word (11 days); not a number and infinity are none."""


def read_protocols(path: Path) -> dict[str, Protocol]:
    """Read the protocols of a file, by name.

    Raises
    ------
    InputError
        If the file cannot be read, a name is that of a built-in protocol, or a key or value is unknown.
    """
    data = read_bytes(path, MAX_SETTINGS_BYTES)
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also of numbers too long
        raise InputError(path, f"cannot be read as TOML in UTF-8 ({reason(error)})", "see docs/protocols.md") from error
    if not tables:
        raise InputError(path, "has no protocol", "add a table, for example [mine]")
    return {name: _protocol(path, name, table) for name, table in tables.items()}


def _protocol(path: Path, name: str, table: Any) -> Protocol:
    place = f"{path}, [{name}]"
    if name in PROTOCOLS:
        raise InputError(place, "has the name of a built-in protocol", "choose another name")
    if not isinstance(table, dict):
        raise InputError(place, f"is {table!r}, not a table", f"write [{name}] and its keys below it")
    values = dict(DEFAULTS)
    for key, value in table.items():
        if key not in READERS:
            raise InputError(
                place, f"unknown key {key!r}", f"{did_you_mean(key, READERS)}use one of {', '.join(READERS)}"
            )
        values[key] = READERS[key](f"{place}, key {key!r}", value)
    missing = [key for key in READERS if key not in values and key != "paper"]
    if missing:
        raise InputError(place, f"has no {', '.join(missing)}", "add it: every protocol needs it")
    try:
        return Protocol(**values)
    except ValueError as error:
        raise InputError(place, str(error), "see docs/protocols.md") from error


def _one_of(choices: tuple[str, ...]) -> Callable[[str, Any], str]:
    def read(place: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            remedy = f"{did_you_mean(str(value), choices)}choose one of {', '.join(choices)}"
            raise InputError(place, f"{value!r} is not a choice", remedy)
        return value

    return read


def _number(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LONGEST_MS:
        problem = f"{value!r:.40} is not a number up to {LONGEST_MS:g}"
        raise InputError(place, problem, "write milliseconds as a plain number")
    return float(value)


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(place, f"{value!r} is not a string", "put it in quotation marks")
    return value


def _list_of(read: Callable[[str, Any], Any]) -> Callable[[str, Any], tuple[Any, ...]]:
    def read_all(place: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InputError(place, f"{value!r} is not a list", "put it in brackets")
        items = tuple(read(place, item) for item in value)
        if len(set(items)) < len(items):
            raise InputError(place, f"{value!r} repeats a value", "write each value once")
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
