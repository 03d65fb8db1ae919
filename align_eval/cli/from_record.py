"""Options of a command made from a record: each field gives a name, a type, a default and a help text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from align_eval.options import choices_of

C = TypeVar("C", bound=Callable[..., None])

TYPES = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "int | None": int | None,
    "Path | None": Path | None,
    "Sequence[str] | None": list[str] | None,
}
"""Types of the command line by the annotation of a field; another one is text."""


def with_options_of(record: type) -> Callable[[C], C]:
    """Give a command one option per field of a record, in place of its ``**options``.

    A field whose type is a Literal gets its choices. Metadata: ``help``, and where needed ``flag`` (the name of the
    option, where it is not the field's), ``min`` and ``max``.
    """
    return with_parameters([_parameter(f, choices_of(record).get(f.name)) for f in fields(record)])


def with_parameters(added: Sequence[inspect.Parameter]) -> Callable[[C], C]:
    """Give a command further options, in place of its ``**`` parameter; several such decorators may be stacked."""

    def decorate(command: C) -> C:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *added)]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return command

    return decorate


def _parameter(f: Field[Any], choices: tuple[str, ...] | None) -> inspect.Parameter:
    type_: Any = _enum(f.name, choices) if choices else TYPES.get(str(f.type), str | None)
    flag = f"--{f.metadata.get('flag', f.name).replace('_', '-')}"
    option = typer.Option(flag, help=f.metadata["help"], min=f.metadata.get("min"), max=f.metadata.get("max"))
    default = type_(f.default) if choices else f.default
    return inspect.Parameter(
        f.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[type_, option]
    )


def _enum(name: str, choices: tuple[str, ...]) -> type[Enum]:
    return StrEnum(name, {choice: choice for choice in choices})  # type: ignore[return-value]
