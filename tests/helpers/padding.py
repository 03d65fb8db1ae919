"""Silence inserted into speech in whole frames, so that each column of the speech's map has its place in the new one.

Column ``j`` of a map is centred at sample 320 j and reaches 160 samples to either side. Silence before column ``j`` so
begins at sample 320 j - 160, and in front of the speech at sample 0, the centre of column 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from align_eval.records import RelevanceMap
from align_eval.units import FRAME_S, SAMPLE_RATE, START_S

FRAME = round(FRAME_S * SAMPLE_RATE)
FADE = round(0.01 * SAMPLE_RATE)
"""The speech fades out and in at a join, so that it does not click."""

Samples = np.ndarray
Times = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Padded:
    """Speech with silence, and where its columns went.

    Attributes
    ----------
    samples : float32[n_samples]
    inserts : mapping of int to int
        From the column before which silence begins to its number of frames. The number of columns means behind.
    kept : int[n_columns]
        Column of the new map for each column of the speech.
    """

    samples: Samples
    inserts: Mapping[int, int]
    kept: np.ndarray

    def shifted(self, times: Times) -> list[tuple[float, float]]:
        """Times in the speech as times in the padded one; a time at a join stays with its word."""
        return [(self._moved(start, "right"), self._moved(end, "left")) for start, end in times]

    def _moved(self, time_s: float, side: str) -> float:
        joins = sorted(column for column in self.inserts if column < len(self.kept))  # nothing comes after the speech
        n_passed = int(np.searchsorted([join_s(column) for column in joins], time_s + 1e-9 * (side == "right"), side))
        return time_s + FRAME_S * sum(self.inserts[column] for column in joins[:n_passed])


def join_s(column: int) -> float:
    """Time at which silence before a column begins."""
    return max(START_S + column * FRAME_S, 0.0)


def n_columns_of(samples: Samples) -> int:
    """Columns of the map of these samples: whole frames, as the model counts them."""
    return len(samples) // FRAME


def padded(samples: Samples, inserts: Mapping[int, int], rms: float = 0.0, seed: int = 0) -> Padded:
    """Insert silence before columns: zeros, or white noise of this root mean square."""
    rng = np.random.default_rng(seed)
    n_columns = n_columns_of(samples)
    joins = sorted(inserts)
    cuts = [0, *(len(samples) if j == n_columns else max(FRAME * j - FRAME // 2, 0) for j in joins), len(samples)]
    parts: list[Samples] = []
    for i, (first, after) in enumerate(pairwise(cuts)):
        part = samples[first:after].astype(np.float32)
        if len(part) and i > 0:
            part[:FADE] *= np.linspace(0, 1, FADE, dtype=np.float32)[: len(part)]
        if len(part) and i < len(joins):
            part[-FADE:] *= np.linspace(1, 0, FADE, dtype=np.float32)[-len(part) :]
        parts.append(part)
        if i < len(joins):
            parts.append((rms * rng.standard_normal(FRAME * inserts[joins[i]])).astype(np.float32))
    kept = np.arange(n_columns)
    for column, n in inserts.items():
        kept[column:] += n
    return Padded(np.concatenate(parts), dict(inserts), kept)


def padded_map(relevance: RelevanceMap, inserts: Mapping[int, int], columns: np.ndarray) -> RelevanceMap:
    """The map with copies of ``columns``, ``float32[n_rows]`` or one number, inserted before its columns."""
    values = with_columns(relevance.values, inserts, columns)
    return RelevanceMap(
        values, relevance.frame_s, relevance.start_s, relevance.word_of_token, relevance.spec, letters=relevance.letters
    )


def with_columns(values: np.ndarray, inserts: Mapping[int, int], columns: np.ndarray | float) -> np.ndarray:
    """An array whose last axis are columns, with the same ``columns`` inserted before some."""
    at = np.repeat(list(inserts), list(inserts.values())).astype(int)
    return np.insert(values, at, np.asarray(columns)[..., None], axis=-1)


def restricted(relevance: RelevanceMap, kept: np.ndarray) -> RelevanceMap:
    """The map of padded speech without the columns of its padding."""
    return RelevanceMap(
        relevance.values[:, kept], relevance.frame_s, relevance.start_s, relevance.word_of_token, relevance.spec,
        letters=relevance.letters,
    )  # fmt: skip
