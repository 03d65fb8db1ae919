"""Specs: one short string says exactly what was done, ``name:key=value,key=value``.

A spec is parsed once, against a literal table of option dataclasses, into a frozen dataclass. Unknown names and keys
are refused with the known ones listed. A value may hold a spec of its own in parentheses.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from align_eval.errors import InputError

ALWAYS = {"always": True}
"""Field metadata: the key that says what a source is stands in its spec also where it has its default."""

Options = Any
"""An instance of one of the option dataclasses of a table."""


def parse_spec(text: str, table: Mapping[str, type], kind: str) -> tuple[str, Options]:
    """Parse ``name:key=value,...`` into the name and an instance of ``table[name]``.

    Raises
    ------
    InputError
        For an unknown name or key, a value of the wrong kind, or a key given twice.
    """
    place = f"{kind} {text!r}"
    name, _, tail = text.strip().partition(":")
    if name not in table:
        raise InputError(place, f"unknown {kind} {name!r}", f"known: {', '.join(table)}")
    hints = _hints(table[name])
    values: dict[str, Any] = {}
    for part in _split(tail, place) if tail else []:
        key, equals, raw = part.partition("=")
        if key not in hints or not equals:
            raise InputError(
                place, f"unknown key {part!r}", f"keys of {name}: {', '.join(hints) or 'none'}, as key=value"
            )
        if key in values:
            raise InputError(place, f"key {key!r} given twice", "give each key once")
        values[key] = _convert(raw, hints[key], f"{place}, key {key!r}")
    try:
        return name, table[name](**values)
    except InputError:  # of a spec inside this one, which is the place
        raise
    except ValueError as error:
        raise InputError(place, str(error), "see `align-eval list`") from error


def format_spec(name: str, options: Options, *, full: bool = False) -> str:
    """Write a spec back: canonical, keys in the order of their dataclass.

    Defaults are left out unless ``full``, but for keys that their dataclass marks with :data:`ALWAYS`.
    """
    parts = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if full or value != field.default or field.metadata == ALWAYS:
            parts.append(f"{field.name}={_format(value)}")
    return f"{name}:{','.join(parts)}" if parts else name


_hints = lru_cache(get_type_hints)
"""Specs are parsed for every utterance, and types of an option dataclass are evaluated from its source text."""


def _split(tail: str, place: str) -> list[str]:
    """Split at the commas that stand outside parentheses."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(tail):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        if char == "," and depth == 0:
            parts.append(tail[start:i])
            start = i + 1
    if depth != 0:
        raise InputError(place, "unbalanced parentheses", "close every parenthesis that is opened")
    return [*parts, tail[start:]]


def _convert(raw: str, hint: Any, place: str) -> Any:
    if get_origin(hint) is Literal:
        if raw not in get_args(hint):
            raise InputError(place, f"{raw!r} is not a choice", f"choose one of {', '.join(get_args(hint))}")
        return raw
    try:
        value = hint(raw)
    except ValueError as error:
        raise InputError(place, f"{raw!r} is not a number", "give a plain number") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(place, f"{raw!r} is not finite", "give a finite number")
    return value


def _format(value: Any) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
