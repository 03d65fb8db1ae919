"""Saved relevance maps as grey levels for display."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align_eval.formats.run.maps import SavedMaps
from align_eval.relevance.source import parse_source
from align_eval.reporting.run_view import family_of

GAMMA = 0.5
"""Each row is divided by its greatest value and raised to this power, so that weak values are visible."""


@dataclass(frozen=True, slots=True)
class MapImage:
    """The mean map of a source over its heads, as grey levels.

    Attributes
    ----------
    levels
        ``uint8[n_rows, n_frames]``, 0 to 255. Column ``j`` covers ``frame_s`` from ``start_s + j * frame_s``, counted
        from the start of the utterance.
    word_of_row
        Index of the word of each row; -1 for the end of the text, which is the last row.
    """

    levels: npt.NDArray[np.uint8]
    word_of_row: tuple[int, ...]
    frame_s: float
    start_s: float


def map_images(maps: SavedMaps) -> dict[str, MapImage]:
    """The images of all sources except controls, by the name of their stack."""
    return {
        spec: MapImage(
            _levels(stack.mean(axis=0)),
            tuple(int(word) for word in maps.word_of_token[parse_source(spec).tokens.unit]),
            maps.frame_s,
            maps.start_s,
        )
        for spec, stack in maps.stacks.items()
        if family_of(spec) != "control"
    }


def _levels(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    top = values.max(axis=1, keepdims=True)
    share = np.divide(values, top, out=np.zeros_like(values), where=top > 0)
    return np.asarray(np.round(255 * np.clip(share, 0.0, 1.0) ** GAMMA), dtype=np.uint8)
