"""Aligners: the path that is searched in a map, with its options. ``align-eval list aligns`` prints the docstrings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from align_eval.spec import format_spec, parse_spec


@dataclass(frozen=True, slots=True)
class DtwOptions:
    """Dynamic time warping over every row, with the end of the text; a word ends where the next one starts.

    ``grid``: a word starts at the left ``edge`` of its first column, or at the column's ``index`` times 20 ms, half a
    frame later, as in openai-whisper. ``rows`` that the path passes: those of the ``text``, so that the first word
    starts at 0; from the row of the ``start`` token on, which takes the time before the first word; or the ``later``
    rows, so that the first token has no time (transformers). ``punctuation``: ``kept`` in the word, or ``trimmed``: a
    word ends where the marks after it start. ``durations``: ``free``, or ``capped`` at twice the median word, which
    counts as at most 0.7 s: words beside the end of a sentence and the first two words (openai-whisper). ``silence``:
    ``kept`` in words, or ``suppressed``: a word is cut back to the end or start of the silence in the samples
    (stable-ts).
    """

    grid: Literal["edge", "index"] = "edge"
    rows: Literal["text", "start", "later"] = "text"
    punctuation: Literal["kept", "trimmed"] = "kept"
    durations: Literal["free", "capped"] = "free"
    silence: Literal["kept", "suppressed"] = "kept"


@dataclass(frozen=True, slots=True)
class ViterbiOptions:
    """Path through the words in order, with optional silence before, between and after them.

    ``silence``: score of a frame of silence; ``level``: how readily silence is chosen. ``levels``: the mean of the
    tokens at that frame, plus a weight times the distance from that mean to the best token there. The weight falls from
    1.5 times ``level`` where the audio is as quiet as the noise around it, to minus that where it is as loud as speech;
    inside a pause of 0.24 s or more silence wins at any ``level``. It does not depend on how much silence there is.
    ``constant``: the mean of the map plus ``level`` times its standard deviation. ``zscore``: the same over the tokens
    at that frame. ``energy``: the mean of the tokens at that frame, minus ``level`` times the standardised log energy
    times the distance from that mean to the best token there; it fails where half of the frames or more are quiet.
    ``energy-std``: as in Zeyer et al. 2026, the standardised energy in place of its logarithm, and the tokens' standard
    deviation in place of that distance.

    ``boundary``: ``median``, where a boundary is as likely to be before as after over all paths, if the map is read as
    log-probabilities, to 0.1 ms; or the edge of a ``frame`` on the best path. ``states``: a token has at least one
    frame per ``letter`` (fewer in fast speech), and longer words are expected to take longer; or one per ``token``.
    ``end``: a word ends with its ``own`` last frame, or where the ``next`` word starts. ``loudness``: weight of the log
    energy that is added to the map before each row's exponentials are scaled to sum to one (Zeyer et al.: 0.5).
    ``pause_s``: this much of a silence between two words is divided between them, half each (CrisperWhisper: 0.16 or,
    in its code, 0.12).

    The defaults were chosen on LJSpeech and on half of the speakers of l2-english (docs/method.md), the same for
    attention and gradient. Levels of the other silences are not tuned.
    """

    silence: Literal["levels", "constant", "zscore", "energy", "energy-std"] = "levels"
    level: float = 1.0
    boundary: Literal["median", "frame"] = "median"
    states: Literal["letter", "token"] = "letter"
    end: Literal["own", "next"] = "own"
    loudness: float = 0.0
    pause_s: float = 0.0

    def __post_init__(self) -> None:
        for key in ("loudness", "pause_s"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}={getattr(self, key):g} is below 0")


ALIGNER_OPTIONS: dict[str, type] = {"dtw": DtwOptions, "viterbi": ViterbiOptions}


@dataclass(frozen=True, slots=True)
class Aligner:
    """A path with its options.

    Attributes
    ----------
    name : str
        A key of :data:`ALIGNER_OPTIONS`.
    options : DtwOptions or ViterbiOptions
    text : str
        The canonical spec, without defaults.
    full_text : str
        The canonical spec with its defaults.
    """

    name: str
    options: DtwOptions | ViterbiOptions
    text: str = field(init=False, compare=False)
    full_text: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", format_spec(self.name, self.options))
        object.__setattr__(self, "full_text", format_spec(self.name, self.options, full=True))

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=1024)
def parse_aligner(text: str) -> Aligner:
    """Parse the spec of an aligner, as ``viterbi:silence=constant``.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    return Aligner(*parse_spec(text, ALIGNER_OPTIONS, "align"))
