"""Stacks of maps, which sources return, and shared steps: pooling frames, reducing features, normalising rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from whisper.model import Whisper

from align_eval.errors import InputError
from align_eval.model.forward import Pass
from align_eval.model.text import ForcedText
from align_eval.relevance.source import FLAT_ROWS, MADE_OF_OTHERS, SOURCE_FUNCTIONS, Source


@dataclass(frozen=True, slots=True)
class Stack:
    """Maps of one source before preparation.

    Attributes
    ----------
    values : Tensor
        ``(map, row, frame)``, non-negative, on the encoder frames that hold audio; one map per head or layer, or one.
    details : mapping
        Diagnostics of the source: plain numbers, strings and lists.
    first_row : int
        Row of the first text token; rows before it belong to the prompt. At -1 the first token has no row, and row 0
        belongs to the second token.
    """

    values: Tensor
    details: Mapping[str, Any] = field(default_factory=dict)
    first_row: int = 0


StackOf = Callable[[Source], Stack]


def stacks_of(model: Whisper, shared: Pass) -> StackOf:
    """Make a function from sources to their stacks on one pass; each stack is computed once.

    The rows are those of the pass, whatever tokens a source asks for.
    """
    stacks: dict[str, Stack] = {}

    def stack_of(source: Source) -> Stack:
        if source.stack not in stacks:
            module, function = SOURCE_FUNCTIONS[source.name].split(":")
            others = (stack_of,) if source.name in MADE_OF_OTHERS else ()
            stacks[source.stack] = getattr(import_module(module), function)(model, shared, source.options, *others)
        return stacks[source.stack]

    return stack_of


def pool_mel_frames(values: Tensor) -> Tensor:
    """Pool ``(..., mel frame)`` to ``(..., encoder frame)`` by overlap in time.

    Encoder frame j is centred on mel frame 2j and twice as long: it covers that frame and half of each neighbour.
    """
    padded = torch.nn.functional.pad(values, (1, 1))
    middle, left, right = padded[..., 1:-1:2], padded[..., 0:-2:2], padded[..., 2::2]
    return middle + (left + right) / 2


def reduce_features(values: Tensor, reduce: str, feature_axis: int) -> Tensor:
    """Reduce features to a magnitude: the norm ``l2`` or ``l1``, or the absolute value of the ``sum``."""
    if reduce == "sum":
        return values.sum(dim=feature_axis).abs()
    norms: Tensor = torch.linalg.vector_norm(values, ord={"l2": 2, "l1": 1}[reduce], dim=feature_axis)
    return norms


def rows_to_distributions(magnitudes: Tensor, n_frames: int, place: str) -> Tensor:
    """Crop a map to the frames that hold audio and scale each row to sum to one; a row of zeros becomes flat.

    Parameters
    ----------
    magnitudes : Tensor
        ``(row, frame)``, non-negative.
    n_frames : int
        Encoder frames that hold audio.
    place : str
        The source, for error messages.

    Returns
    -------
    Tensor
        ``(row, n_frames)``.

    Raises
    ------
    InputError
        If a row is not finite.
    """
    cropped = _wide(magnitudes[:, :n_frames])
    totals = cropped.sum(dim=-1)
    bad = (~totals.isfinite()).nonzero()
    if len(bad):
        row = int(bad[0, 0])
        raise InputError(
            f"{place}, token row {row}",
            f"the map sums to {totals[row]:g} over the audio",
            "check the model's weights, compute in float32 (--dtype float32), or use another source",
        )
    return shares(cropped)


def shares(values: Tensor) -> Tensor:
    """Scale rows ``(..., frame)`` to sum to one. A row of zeros says nothing, so that it becomes flat."""
    totals = values.sum(dim=-1, keepdim=True)
    return torch.where(totals == 0, 1 / values.shape[-1], values / totals)


def stack_of_magnitudes(
    maps: Mapping[str, Tensor], n_frames: int, details: Mapping[str, Any] = MappingProxyType({})
) -> Stack:
    """Make a stack of maps whose rows sum to one over the audio (:func:`rows_to_distributions`).

    A row that is zero over the audio, in any of the maps, is flat there; ``details`` then lists it in ``flat_rows``.

    Parameters
    ----------
    maps : mapping of str to Tensor
        Magnitudes ``(row, frame)`` by their place for error messages, as ``source spes:at=mel``.
    n_frames : int
        Encoder frames that hold audio.
    details : mapping
        Other diagnostics of the source.
    """
    values = torch.stack([rows_to_distributions(of, n_frames, place) for place, of in maps.items()])
    is_flat = torch.stack([(of[:, :n_frames] == 0).all(dim=-1) for of in maps.values()]).any(dim=0)
    flat = is_flat.nonzero()[:, 0].tolist()
    return Stack(values, {**details, FLAT_ROWS: flat} if flat else dict(details))


def mass_on_padding(magnitudes: Tensor, n_frames: int) -> float:
    """Share of the mass of ``(..., row, frame of the window)`` past the end of the audio, as mean over maps and rows.

    Each row counts equally, whatever its scale; rows of zeros do not count. 0 if all rows are zeros.
    """
    whole = _wide(magnitudes)
    totals, on_padding = whole.sum(dim=-1), whole[..., n_frames:].sum(dim=-1)
    counted = totals != 0
    return float((on_padding[counted] / totals[counted]).mean()) if counted.any() else 0.0


def _wide(values: Tensor) -> Tensor:
    """Convert half precision to float32, since small shares would round to zero."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def text_rows(values: Tensor, first_row: int, text: ForcedText) -> Tensor:
    """Select the rows of the text tokens and the end of the text from values with the rows of a :class:`Stack`.

    Parameters
    ----------
    values : Tensor
        ``(..., row, frame)``.
    first_row : int
        See :class:`Stack`. At -1, the first token gets a constant row, the mean of all values.

    Returns
    -------
    Tensor
        ``(..., n_tokens, frame)``.
    """
    if first_row < 0:
        flat = values.mean(dim=(-2, -1), keepdim=True).expand_as(values[..., :1, :])
        return torch.cat([flat, values], dim=-2)
    return values[..., first_row : first_row + len(text.tokens), :]
