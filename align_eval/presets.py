"""Systems by name: literal pairs of a source and an alignment.

A preset of another system keeps that system's own ways, also where they differ from what the fair comparison does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

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
}

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

    An alignment that bears a preset's name stands for that preset's alignment; an attention source under it is read
    the preset's way (all decoder rows).

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    systems = [_preset(name) for name in presets]
    systems += [_pair(source, align) for source in sources for align in aligns]
    return tuple(dict.fromkeys(systems))


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
    if name == "attention" and options.rows != "all":
        canonical = format_spec(name, replace(options, rows="all"))
    return System(canonical, canonical_align(PRESETS[align].align))
