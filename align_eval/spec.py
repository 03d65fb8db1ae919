"""Specs: one short text per source or aligner, ``name:key=value,key=value``, parsed once into a frozen record.

A table maps every name to a dataclass of options. Unknown names and keys are refused, and the message lists the known
ones. A value may hold another spec in parentheses.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from align_eval.errors import InputError, did_you_mean

ALWAYS = {"always": True}
"""Field metadata: write the key even where it has its default, because it says what the source is."""

AFTER_SHARED = {"after_shared": True}
"""Field metadata: write the key after those that all sources share."""

Options = Any
"""An instance of one of the option dataclasses of a table."""


def parse_spec(text: str, table: Mapping[str, type], kind: str) -> tuple[str, Options]:
    """Parse ``name:key=value,...`` into the name and an instance of ``table[name]``.

    Parameters
    ----------
    text : str
    table : mapping of str to dataclass
    kind : str
        The noun for messages, as ``source``.

    Raises
    ------
    InputError
        For an unknown name or key, a value of the wrong kind, or a key given twice.
    """
    place = f"{kind} {text!r}"
    name, _, tail = text.strip().partition(":")
    if name not in table:
        raise InputError(place, f"unknown {kind} {name!r}", f"{did_you_mean(name, table)}known: {', '.join(table)}")
    hints = types_of_keys(table[name])
    values: dict[str, Any] = {}
    for part in _split(tail, place) if tail else []:
        key, equals, value_text = part.partition("=")
        if key not in hints or not equals:
            known = f"keys of {name}: {', '.join(hints) or 'none'}, as key=value"
            raise InputError(
                place, f"unknown key {part!r}", (did_you_mean(key, hints) if key not in hints else "") + known
            )
        if key in values:
            raise InputError(place, f"key {key!r} given twice", "give each key once")
        values[key] = _convert(value_text, hints[key], f"{place}, key {key!r}")
    try:
        return name, table[name](**values)
    except InputError:  # a nested spec was refused, and the error names it
        raise
    except ValueError as error:
        raise InputError(place, str(error), "see `align-eval list`") from error


def format_spec(name: str, options: Options, *, full: bool = False) -> str:
    """Write a spec: canonical, its keys in a fixed order.

    Defaults are left out, except for keys marked with :data:`ALWAYS`; ``full`` writes all of them.
    """
    parts = []
    options_type: type = type(options)
    for field in _keys(options_type):
        value = getattr(options, field.name)
        if full or value != field.default or field.metadata == ALWAYS:
            parts.append(f"{field.name}={_format(value)}")
    return f"{name}:{','.join(parts)}" if parts else name


def with_value(options: Options, key: str, value_text: str) -> Options:
    """Return options with one key set from its text.

    Raises
    ------
    InputError, ValueError
        Where the value is none of that key's.
    """
    options_type: type = type(options)
    value = _convert(value_text, types_of_keys(options_type)[key], f"key {key!r}")
    return dataclasses.replace(options, **{key: value})


@cache
def _keys(options: type) -> list[dataclasses.Field[Any]]:
    """Fields that a spec can set, in canonical order: own keys, shared keys, then keys marked AFTER_SHARED."""
    shared = {field.name for base in options.__mro__[1:-1] for field in dataclasses.fields(base)}
    fields = [field for field in dataclasses.fields(options) if field.init]
    return sorted(fields, key=lambda field: 1 if field.name in shared else 2 * (field.metadata == AFTER_SHARED))


@cache
def types_of_keys(options: type) -> dict[str, Any]:
    """The type of each key of a dataclass of options, in canonical order."""
    hints = get_type_hints(options, localns={"Source": object})  # a field that no key sets
    return {field.name: hints[field.name] for field in _keys(options)}


def _split(tail: str, place: str) -> list[str]:
    """Split at the commas outside parentheses."""
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


def _convert(text: str, type_: Any, place: str) -> Any:
    if get_origin(type_) is Literal:
        if text not in get_args(type_):
            choices = get_args(type_)
            remedy = f"{did_you_mean(text, choices)}choose one of {', '.join(choices)}"
            raise InputError(place, f"{text!r} is not a choice", remedy)
        return text
    try:
        value = type_(text)
    except ValueError as error:
        raise InputError(place, f"{text!r} is not a number", "give a plain number") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(place, f"{text!r} is not finite", "give a finite number")
    return value


def _format(value: Any) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
