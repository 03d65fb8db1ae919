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


DEFAULT_LEVEL = {"constant": 1.0, "zscore": 1.0, "energy": 3.0}


@dataclass(frozen=True, slots=True)
class ViterbiOptions:
    """Viterbi path through the words in order with optional silence before, between and after them.

    ``silence`` is what a frame of silence scores, ``level`` how readily. ``constant``: the mean of the map plus
    ``level`` of its standard deviations. ``zscore``: the same, of the tokens at that frame. ``energy``: the mean of the
    tokens at that frame, minus ``level`` of their standard deviations times the standardised energy (Zeyer et al.
    2026). ``end``: a word ends with its ``own`` last frame, or where the ``next`` word starts.

    The default level of ``energy`` is the best one on one speaker's read speech (LJSpeech), for attention and for
    gradient alike; those of the other two are one standard deviation, not tuned.
    """

    silence: Literal["constant", "zscore", "energy"] = "energy"
    level: float | None = None
    end: Literal["own", "next"] = "own"

    @property
    def silence_level(self) -> float:
        """The level given, or the default of this kind of silence."""
        return DEFAULT_LEVEL[self.silence] if self.level is None else self.level


ALIGN_OPTIONS: dict[str, type] = {"dtw": DtwOptions, "viterbi": ViterbiOptions}
