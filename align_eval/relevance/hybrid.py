"""A convex combination of two sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from whisper.model import Whisper

from align_eval.model.forward import Pass
from align_eval.relevance.source import FLAT_ROWS, HybridOptions
from align_eval.relevance.stack import Stack, StackOf, shares, text_rows


def hybrid(_model: Whisper, shared: Pass, options: HybridOptions, stack_of: StackOf) -> Stack:
    """``(1 - alpha) a + alpha b`` of the two sources' mean maps, ``(1, token, frame)``: ``alpha=0`` is ``a``.

    Details: those of both sources, and the rows that are flat in either.
    """
    stacks = [stack_of(source) for source in options.inner]
    a, b = (mean_distribution(text_rows(stack.values, stack.first_row, shared.text)) for stack in stacks)
    return Stack(
        ((1 - options.alpha) * a + options.alpha * b)[None], joint_details(dict(zip("ab", stacks, strict=True)))
    )


def joint_details(stacks: Mapping[str, Stack]) -> dict[str, Any]:
    """Details of the stacks that a map is made of, by their keys, and the rows that are flat in any of them."""
    details: dict[str, Any] = {key: dict(stack.details) for key, stack in stacks.items() if stack.details}
    flat = sorted({row for stack in stacks.values() for row in stack.details.get(FLAT_ROWS, [])})
    return {**details, FLAT_ROWS: flat} if flat else details


def mean_distribution(values: Tensor) -> Tensor:
    """Mean over the maps of ``(map, row, frame)``, its rows scaled to sum to one."""
    return shares(values.mean(dim=0))
