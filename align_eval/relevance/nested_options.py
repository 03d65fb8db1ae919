"""Options of the sources that are made from other sources, which stand in parentheses inside their spec."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from align_eval.relevance.options import SourceOptions
from align_eval.spec import ALWAYS

if TYPE_CHECKING:
    from align_eval.relevance.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedOptions(SourceOptions):
    """Base of these options. ``inner`` holds the sources in parentheses, parsed, in the order of their keys."""

    inner: tuple[Source, ...] = field(default=(), init=False, compare=False, repr=False)

    def parse_inner(self, *keys: str) -> None:
        """Parse the sources that these keys hold, and write the keys in canonical form."""
        sources = tuple(parse_in_parentheses(key, getattr(self, key), self) for key in keys)
        for key, source in zip(keys, sources, strict=True):
            object.__setattr__(self, key, f"({_without_shared(source)})")
        object.__setattr__(self, "inner", sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridOptions(NestedOptions):
    """Two sources mixed: ``(1 - alpha) a + alpha b`` of their mean maps, rows summing to one.

    ``a`` and ``b``: sources in parentheses, without ``prep`` or ``unit``, which apply to the mixture. ``alpha``: share
    of ``b``, 0 to 1.
    """

    a: str = field(default="(attention:heads=all)", metadata=ALWAYS)
    b: str = field(default="(gradient:at=encoder-output)", metadata=ALWAYS)
    alpha: float = field(default=0.5, metadata=ALWAYS)

    def __post_init__(self) -> None:
        self.parse_inner("a", "b")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha:g} is not between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlShuffledOptions(NestedOptions):
    """Another source with its rows permuted among the tokens, so that no token keeps its row.

    ``of``: that source in parentheses, without ``prep`` or ``unit``.
    """

    of: str = field(default="(gradient:at=encoder-output)", metadata=ALWAYS)
    seed: int = field(default=0, metadata=ALWAYS)

    def __post_init__(self) -> None:
        self.parse_inner("of")
        _refuse_negative(self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRandomWeightsOptions(NestedOptions):
    """Another source from a Whisper with random parameters of the same mean and standard deviation per tensor.

    ``of``: that source in parentheses, without ``prep`` or ``unit``.
    """

    of: str = field(default="(attention:heads=alignment)", metadata=ALWAYS)
    seed: int = field(default=0, metadata=ALWAYS)

    def __post_init__(self) -> None:
        self.parse_inner("of")
        _refuse_negative(self.seed)


def parse_in_parentheses(key: str, value: str, outer: SourceOptions) -> Source:
    """Parse a source in parentheses that is the value of a key; it gets the unit of the source around it.

    Raises
    ------
    InputError
        Where the source in parentheses is refused; the error names it.
    ValueError
        Where there are no parentheses, or ``prep``, ``unit`` or ``prompt`` is set inside them.
    """
    from align_eval.relevance.source import parse_source  # its table holds the options of this module

    if not (value.startswith("(") and value.endswith(")")):
        raise ValueError(f"{key}={value} is no source in parentheses, as {key}=(attention:heads=all) is")
    inside = re.search(r"[:,](prep|unit|prompt)=", value)
    if inside:
        raise ValueError(f"{key}={value} has a {inside[1]} inside: give it outside the parentheses, once for the whole")
    return parse_source(value[1:-1]).with_options(unit=outer.unit)


def _without_shared(source: Source) -> str:
    return source.with_options(unit="subword").text


def _refuse_negative(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"seed={seed} is below 0")
