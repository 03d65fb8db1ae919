"""Paths through states by enumeration, and small maps in which there are few of them."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from align_eval.records import EOT_WORD


@st.composite
def small_maps(draw):
    """A map, the word of each token, and the energy of each frame."""
    tokens_of_word = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    word_of_token = np.array([*np.repeat(np.arange(len(tokens_of_word)), tokens_of_word), EOT_WORD], dtype=np.int32)
    n_frames = draw(st.integers(len(word_of_token) - 1, 14))
    values = draw(hnp.arrays(np.float32, (len(word_of_token), n_frames), elements=st.floats(-2, 2, width=16)))
    return values, word_of_token, draw(hnp.arrays(np.float64, n_frames, elements=st.floats(0, 1, width=16)))


def admissible(path, skippable, n_final=None):
    """Only skippable states lie before the first state, between neighbours, and after the last without ``n_final``."""
    stops = [-1, *path] if n_final else [-1, *path, len(skippable)]
    if n_final and path[-1] < len(skippable) - n_final:
        return False
    return all(skippable[low + 1 : high].all() for low, high in pairwise(stops) if high > low)


def every_path(skippable, n_frames, n_final=None) -> list[tuple[int, ...]]:
    """All admissible paths."""
    paths = combinations_with_replacement(range(len(skippable)), n_frames)
    return [path for path in paths if admissible(path, skippable, n_final)]
