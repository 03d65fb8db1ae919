"""Systems by name: literal pairs of a source and an alignment, and their heuristics, each a key with another value.

A preset of another system keeps that system's own ways, also where they differ from what the fair comparison does. How
near each comes to the system itself is in docs/presets.md, held by tests against what is installed of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from align_eval.alignment import canonical_align
from align_eval.alignment.options import ALIGN_OPTIONS
from align_eval.errors import InputError
from align_eval.records import System
from align_eval.relevance import canonical_source
from align_eval.relevance.options import SOURCE_OPTIONS
from align_eval.spec import format_spec, parse_spec

PRESETS = {
    # openai-whisper, timing.find_alignment, before its duration heuristics: standardised over all decoder rows,
    # times at column index times 20 ms
    "openai": System("attention:heads=alignment,rows=all", "dtw:grid=index"),
    # openai-whisper, transcribe(word_timestamps=True): the same with its heuristics
    "openai-transcribe": System(
        "attention:heads=alignment,rows=all", "dtw:grid=index,punctuation=trimmed,durations=capped"
    ),
    # faster-whisper: CTranslate2's align, and openai-whisper's heuristics
    "faster-whisper": System(
        "attention:heads=alignment,rows=all", "dtw:grid=index,punctuation=trimmed,durations=capped"
    ),
    # transformers, generate(return_token_timestamps=True): rows as they are decoded, without the one of the prompt
    "transformers": System("attention:heads=alignment,softmax=full,rows=later", "dtw:grid=index,rows=later"),
    # whisper.cpp, --dtw: one time a token, t_dtw, which is the token's end
    "whisper.cpp": System("attention:heads=alignment,softmax=full,rows=all", "dtw:grid=index"),
    "whisper-timestamped": System(
        "attention:heads=alignment,prep=mean-norm,rows=start,median=9,prompt=timestamp",
        "dtw:grid=index,rows=start,punctuation=trimmed",
    ),
    "stable-ts": System("attention:heads=alignment", "dtw:grid=index,silence=suppressed"),
    # Yeh, Meng, Tang 2025
    "yeh": System("attention:heads=top10,prep=norm,unit=character,rows=all,median=3", "dtw:grid=index"),
    # CrisperWhisper's rule for pauses, on silence that a path finds: its own comes from a model of its own
    "crisper-pauses": System("attention:heads=alignment,softmax=full", "viterbi:pause_s=0.16"),
    # Zeyer, Schlüter, Ney 2026
    "zeyer": System("gradient:at=encoder.3/4,prep=log", "viterbi:silence=energy-std,level=2,loudness=0.5"),
    # the best that we could build of these parts; heads and path chosen on LJSpeech (docs/peers.md)
    "best-tiny.en": System("attention:heads=1.1+2.0+2.1+3.1+3.2,prep=log", "viterbi"),
    "best-base": System("attention:heads=3.1+3.3+4.0+4.1+5.1+5.3+5.4+5.6,prep=log", "viterbi"),
}

BEST = "best-"
"""What the name of a model's best aligner starts with; the model's name follows."""


@dataclass(frozen=True, slots=True)
class Heuristic:
    """One of a system's ways: the key that it hangs on, and that key's value without it.

    With ``adds`` the system named by the preset does it after what the preset covers: the value is the one with it.
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
    Heuristic("silence by energy", "align", "silence", "constant"),
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
"""What can be switched off, one at a time, of each preset."""


@dataclass(frozen=True, slots=True)
class Toggled:
    """A preset's system with one heuristic switched."""

    preset: str
    heuristic: Heuristic
    base: System
    other: System


DEFAULT_SOURCES = (
    "attention:heads=alignment",
    "attention:heads=alignment,prep=log",
    "attention:heads=all",
    "attention:heads=all,prep=log",
    "gradient:at=encoder.3/4",
    "gradient:at=encoder.3/4,prep=log",
    "gradient:at=encoder-output",
    "gradient:at=encoder-output,prep=log",
)
DEFAULT_ALIGNS = ("dtw", "viterbi")


def make_systems(sources: Sequence[str], aligns: Sequence[str], presets: Iterable[str] = ()) -> tuple[System, ...]:
    """Every preset, then every source with every alignment, canonical, each once.

    An alignment that bears a preset's name stands for that preset's alignment; a source of the kind that the preset
    reads takes the preset's value for every key that has its default.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    systems = [_preset(name) for name in presets]
    systems += [_pair(source, align) for source in sources for align in aligns]
    return tuple(dict.fromkeys(systems))


def best_preset(model: str) -> str:
    """The preset that was chosen for a model.

    Raises
    ------
    InputError
        Where none was.
    """
    known = [name.removeprefix(BEST) for name in PRESETS if name.startswith(BEST)]
    if model not in known:
        raise InputError(
            f"--best, model {model}",
            f"none was chosen for it, only for {', '.join(known)}",
            "search its heads (align-eval heads search) and give them: --source attention:heads=...,prep=log "
            "--align viterbi",
        )
    return f"{BEST}{model}"


def _preset(name: str) -> System:
    if name not in PRESETS:
        raise InputError(f"preset {name!r}", "unknown preset", f"known: {', '.join(PRESETS)}")
    return System(canonical_source(PRESETS[name].source), canonical_align(PRESETS[name].align))


def _pair(source: str, align: str) -> System:
    canonical = canonical_source(source)
    if align not in PRESETS:
        known = {**ALIGN_OPTIONS, **dict.fromkeys(PRESETS, object)}
        if align.partition(":")[0] not in ALIGN_OPTIONS:
            parse_spec(align, known, "align")  # refuses it with everything that is known
        return System(canonical, canonical_align(align))
    name, options = parse_spec(canonical, SOURCE_OPTIONS, "source")
    own_name, own = parse_spec(PRESETS[align].source, SOURCE_OPTIONS, "source")
    if name == own_name:
        left = {f.name: getattr(own, f.name) for f in fields(options) if getattr(options, f.name) == f.default}
        canonical = format_spec(name, replace(options, **left))
    return System(canonical, canonical_align(PRESETS[align].align))


def toggled_systems(sources: Sequence[str], aligns: Sequence[str], presets: Iterable[str] = ()) -> tuple[Toggled, ...]:
    """Every preset, and every source under an alignment that bears a preset's name, with each heuristic switched alone.

    A heuristic on a key that the source does not have, or has at that value already, is left out.

    Raises
    ------
    InputError
        For an unknown name, key or value, or where no preset is named.
    """
    bases = [(name, _preset(name)) for name in presets]
    bases += [(align, _pair(source, align)) for source in sources for align in aligns if align in PRESETS]
    if not bases:
        raise InputError("--toggle", "no preset is named", f"name one as --align or --preset: {', '.join(PRESETS)}")
    found = [
        Toggled(name, heuristic, base, other)
        for name, base in bases
        for heuristic in HEURISTICS[name]
        if (other := _switched(base, heuristic)) not in (None, base)
    ]
    return tuple(dict.fromkeys(found))


def _switched(base: System, heuristic: Heuristic) -> System | None:
    spec = getattr(base, heuristic.part)
    table = SOURCE_OPTIONS if heuristic.part == "source" else ALIGN_OPTIONS
    name, options = parse_spec(spec, table, heuristic.part)
    if not hasattr(options, heuristic.key):
        return None
    _, switched = parse_spec(f"{name}:{heuristic.key}={heuristic.value}", table, heuristic.part)
    value = getattr(switched, heuristic.key)
    return replace(base, **{heuristic.part: format_spec(name, replace(options, **{heuristic.key: value}))})
