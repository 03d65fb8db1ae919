"""Options of the alignments, one frozen dataclass an alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DtwOptions:
    """Dynamic time warping over every row, the end of the text included; a word ends where the next one starts.

    ``grid``: a word starts at the left ``edge`` of its first column, or at that column's ``index`` times 20 ms, half a
    frame later, as openai-whisper counts.
    """

    grid: Literal["edge", "index"] = "edge"


@dataclass(frozen=True, slots=True)
class ViterbiOptions:
    """Viterbi path through the words in order with optional silence before, between and after them.

    ``silence`` is what a frame of silence scores, ``level`` how readily. ``constant``: the mean of the map plus
    ``level`` of its standard deviations. ``zscore``: the same, of the tokens at that frame. ``energy``: the mean of the
    tokens at that frame, minus ``level`` times the standardised log energy times the distance from that mean to the
    best token there; at level 1 silence draws with the best token where it is one standard deviation quieter than the
    mean. (Zeyer et al. 2026 have the tokens' standard deviation for that distance, which long texts with one sharp
    token a frame make too small: docs/method.md.) ``end``: a word ends with its ``own`` last frame, or where the
    ``next`` word starts.

    The default level was chosen for ``energy`` on one speaker's read speech (LJSpeech), where it suits attention and
    gradient alike; for the other two it is one standard deviation, not tuned.
    """

    silence: Literal["constant", "zscore", "energy"] = "energy"
    level: float = 1.0
    end: Literal["own", "next"] = "own"


ALIGN_OPTIONS: dict[str, type] = {"dtw": DtwOptions, "viterbi": ViterbiOptions}
