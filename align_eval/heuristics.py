"""Heuristics of the presets, each a key with another value, so that each can be switched alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from align_eval.alignment.aligner import Aligner
from align_eval.errors import InputError
from align_eval.relevance.source import Source
from align_eval.spec import with_value
from align_eval.systems import PRESETS, System, find_preset, pair


@dataclass(frozen=True, slots=True)
class Heuristic:
    """A heuristic of a system: the key of source or aligner that it sets, and the value of that key without it.

    With ``adds``, the preset does not include the heuristic, and the value is the one with it.
    """

    name: str
    part: Literal["source", "align"]
    key: str
    value: str
    adds: bool = False


_HEADS = Heuristic("chosen heads", "source", "heads", "all")
_CROPPED = Heuristic("softmax over the audio, not the window", "source", "softmax", "full")
_PROMPT_ROWS = Heuristic("rows of the prompt in the standardisation", "source", "rows", "text")
_MEDIAN = Heuristic("median filter", "source", "prep", "zscore")
_STANDARDISED = Heuristic("standardisation and median filter", "source", "prep", "mean")
_INDEX = Heuristic("times half a frame later", "align", "grid", "edge")
_MARKS = Heuristic("punctuation left out of words", "align", "punctuation", "kept")
_CAPS = Heuristic("durations capped", "align", "durations", "free")
_LOGITS = Heuristic("median filter of the logits", "source", "median", "1")
_OPENAI = (_HEADS, _CROPPED, _PROMPT_ROWS, _MEDIAN, _STANDARDISED, _INDEX)

_BEST = (
    _HEADS,
    Heuristic("logarithm in place of openai's preparation", "source", "prep", "zscore-median"),
    Heuristic("silence by loudness", "align", "silence", "constant"),
    Heuristic("boundaries at the median of all paths", "align", "boundary", "frame"),
    Heuristic("a state per letter", "align", "states", "token"),
    Heuristic("characters", "source", "unit", "character", adds=True),
)

HEURISTICS = {
    "openai": (
        *_OPENAI,
        Heuristic("punctuation left out of words", "align", "punctuation", "trimmed", adds=True),
        Heuristic("durations capped", "align", "durations", "capped", adds=True),
    ),
    "openai-transcribe": (*_OPENAI, _MARKS, _CAPS),
    "faster-whisper": (*_OPENAI, _MARKS, _CAPS),
    "transformers": (
        _HEADS,
        _MEDIAN,
        _STANDARDISED,
        _INDEX,
        Heuristic("softmax over the window, not the audio", "source", "softmax", "cropped"),
        Heuristic("no time for the first token", "align", "rows", "text"),
    ),
    "whisper.cpp": (
        _HEADS,
        _PROMPT_ROWS,
        _MEDIAN,
        _STANDARDISED,
        _INDEX,
        Heuristic("softmax over the window, not the audio", "source", "softmax", "cropped"),
    ),
    "whisper-timestamped": (
        _HEADS,
        _LOGITS,
        Heuristic("norm over tokens", "source", "prep", "mean"),
        Heuristic("softmax over the audio, not the window", "source", "softmax", "full"),
        Heuristic("prompted with a timestamp", "source", "prompt", "no-timestamps"),
        Heuristic("a row before the first word", "align", "rows", "text"),
        _INDEX,
        _MARKS,
    ),
    "stable-ts": (
        _HEADS,
        _CROPPED,
        _MEDIAN,
        _STANDARDISED,
        _INDEX,
        Heuristic("silence suppressed", "align", "silence", "kept"),
        Heuristic("heads chosen by row (dynamic_heads)", "source", "heads", "nearest6", adds=True),
    ),
    "yeh": (
        _HEADS,
        _LOGITS,
        Heuristic("characters", "source", "unit", "subword"),
        Heuristic("norm over tokens", "source", "prep", "mean"),
        Heuristic("rows of the prompt in heads and norm", "source", "rows", "text"),
        _INDEX,
    ),
    "crisper-pauses": (Heuristic("pauses split", "align", "pause_s", "0"), _HEADS, _MEDIAN, _STANDARDISED),
    "zeyer": (
        Heuristic("depth 3/4, not the encoder's output", "source", "at", "encoder-output"),
        Heuristic("silence by energy", "align", "silence", "zscore"),
        Heuristic("loudness in the score", "align", "loudness", "0"),
        Heuristic("characters", "source", "unit", "character", adds=True),
    ),
    "best-tiny.en": _BEST,
    "best-base": _BEST,
}
"""Heuristics of each preset."""


@dataclass(frozen=True, slots=True)
class Toggled:
    """A preset's system with one heuristic switched."""

    preset: str
    heuristic: Heuristic
    base: System
    other: System


def toggled_systems(sources: Sequence[str], aligns: Sequence[str], presets: Iterable[str] = ()) -> tuple[Toggled, ...]:
    """Every preset, and every source under an aligner that bears a preset's name, with each heuristic switched alone.

    A heuristic is left out where the source lacks its key, or has that value already.

    Raises
    ------
    InputError
        For an unknown name, key or value, or where no preset is named.
    """
    bases = [(name, find_preset(name)) for name in presets]
    bases += [(align, pair(source, align)) for source in sources for align in aligns if align in PRESETS]
    if not bases:
        raise InputError("--toggle", "no preset is named", f"name one as --align or --preset: {', '.join(PRESETS)}")
    toggled = [
        Toggled(name, heuristic, base, other)
        for name, base in bases
        for heuristic in HEURISTICS[name]
        if (other := _switched(base, heuristic)) not in (None, base)
    ]
    return tuple(dict.fromkeys(toggled))


def _switched(base: System, heuristic: Heuristic) -> System | None:
    part: Source | Aligner = base.source if heuristic.part == "source" else base.aligner
    if not hasattr(part.options, heuristic.key):
        return None
    switched = replace(part, options=with_value(part.options, heuristic.key, heuristic.value))
    return System(switched, base.aligner) if isinstance(switched, Source) else System(base.source, switched)
