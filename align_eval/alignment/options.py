"""Options of the alignments, one frozen dataclass an alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DtwOptions:
    """Dynamic time warping over every row, the end of the text included; a word ends where the next one starts.

    ``grid``: a word starts at the left ``edge`` of its first column, or at that column's ``index`` times 20 ms, half a
    frame later, as openai-whisper counts. ``rows`` that the path passes: those of the ``text``, so that the first word
    starts at 0, the row of the ``start`` token before them first, which takes what comes before the first word, or the
    ``later`` ones, so that the first token has no time (transformers). ``punctuation``: ``kept`` in the word, or
    ``trimmed``: a word ends where the marks after it start. ``durations``: ``free``, or ``capped`` at twice the median
    word, which is at most 0.7 s: words beside the end of a sentence and the first two words (openai-whisper).
    ``silence``: ``kept`` in words, or ``suppressed``: a word is cut back to where its silence ends or starts, where
    the samples say so (stable-ts).
    """

    grid: Literal["edge", "index"] = "edge"
    rows: Literal["text", "start", "later"] = "text"
    punctuation: Literal["kept", "trimmed"] = "kept"
    durations: Literal["free", "capped"] = "free"
    silence: Literal["kept", "suppressed"] = "kept"


@dataclass(frozen=True, slots=True)
class ViterbiOptions:
    """Viterbi path through the words in order with optional silence before, between and after them.

    ``silence`` is what a frame of silence scores, ``level`` how readily. ``constant``: the mean of the map plus
    ``level`` of its standard deviations. ``zscore``: the same, of the tokens at that frame. ``energy``: the mean of the
    tokens at that frame, minus ``level`` times the standardised log energy times the distance from that mean to the
    best token there; at level 1 silence draws with the best token where it is one standard deviation quieter than the
    mean. ``energy-std`` is how Zeyer et al. 2026 have it: standardised energy, not its logarithm, and the tokens'
    standard deviation for that distance, which long texts with one sharp token a frame make too small
    (docs/method.md). ``end``: a word ends with its ``own`` last frame, or where the ``next`` word starts. ``loudness``:
    that many times the log energy is added to the map, and each row's exponentials scaled to sum to one (Zeyer et al.:
    0.5). ``pause_s``: so much of the silence between two words is split between them, half to either (CrisperWhisper:
    0.16 or, in its code, 0.12).

    The default level was chosen for ``energy`` on one speaker's read speech (LJSpeech), where it suits attention and
    gradient alike; for the others it is one standard deviation, not tuned.
    """

    silence: Literal["constant", "zscore", "energy", "energy-std"] = "energy"
    level: float = 1.0
    end: Literal["own", "next"] = "own"
    loudness: float = 0.0
    pause_s: float = 0.0

    def __post_init__(self) -> None:
        for key in ("loudness", "pause_s"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}={getattr(self, key):g} is below 0")


ALIGN_OPTIONS: dict[str, type] = {"dtw": DtwOptions, "viterbi": ViterbiOptions}
