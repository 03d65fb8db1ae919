"""Systems: the ways to get word times, each a relevance source and an aligner; and presets, which are systems by name.

A preset of another program keeps that program's ways, also where they differ from the fair comparison. docs/presets.md
says how near each comes to the program itself; tests hold that against the programs that are installed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from align_eval.alignment.aligner import ALIGNER_OPTIONS, Aligner, parse_aligner
from align_eval.errors import InputError, did_you_mean
from align_eval.records import SECOND_REFERENCE, SystemName
from align_eval.relevance.options import AttentionOptions
from align_eval.relevance.source import NestedOptions, ResidualOptions, Source, parse_source
from align_eval.spec import parse_spec


@dataclass(frozen=True, slots=True)
class System:
    """A relevance source and an aligner.

    Attributes
    ----------
    source : Source
    aligner : Aligner
    name : SystemName
        Their canonical specs: the name under which tables hold the system's words and scores.
    """

    source: Source
    aligner: Aligner
    name: SystemName = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", SystemName(self.source.text, self.aligner.text))

    def __str__(self) -> str:
        return f"{self.source} | {self.aligner}"


def parse_system(source: str, align: str) -> System:
    """Parse the specs of a source and an aligner.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    return System(parse_source(source), parse_aligner(align))


PRESETS = {
    # openai-whisper, timing.find_alignment, before its duration heuristics: standardised over all decoder rows,
    # times at column index times 20 ms
    "openai": parse_system("attention:heads=alignment,rows=all", "dtw:grid=index"),
    # openai-whisper, transcribe(word_timestamps=True): the same with its heuristics
    "openai-transcribe": parse_system(
        "attention:heads=alignment,rows=all", "dtw:grid=index,punctuation=trimmed,durations=capped"
    ),
    # faster-whisper: CTranslate2's align, and openai-whisper's heuristics
    "faster-whisper": parse_system(
        "attention:heads=alignment,rows=all", "dtw:grid=index,punctuation=trimmed,durations=capped"
    ),
    # transformers, generate(return_token_timestamps=True): rows as they are decoded, without the one of the prompt
    "transformers": parse_system("attention:heads=alignment,softmax=full,rows=later", "dtw:grid=index,rows=later"),
    # whisper.cpp, --dtw: one time a token, t_dtw, which is the token's end
    "whisper.cpp": parse_system("attention:heads=alignment,softmax=full,rows=all", "dtw:grid=index"),
    "whisper-timestamped": parse_system(
        "attention:heads=alignment,prep=mean-norm,rows=start,median=9,prompt=timestamp",
        "dtw:grid=index,rows=start,punctuation=trimmed",
    ),
    "stable-ts": parse_system("attention:heads=alignment", "dtw:grid=index,silence=suppressed"),
    # Yeh, Meng, Tang 2025
    "yeh": parse_system("attention:heads=top10,prep=norm,unit=character,rows=all,median=3", "dtw:grid=index"),
    # CrisperWhisper's rule for pauses, on silence that a path finds: its own comes from a model of its own
    "crisper-pauses": parse_system("attention:heads=alignment,softmax=full", "viterbi:pause_s=0.16"),
    # Zeyer, Schlüter, Ney 2026
    "zeyer": parse_system(
        "gradient:at=encoder.3/4,prep=log",
        "viterbi:silence=energy-std,level=2,boundary=frame,states=token,loudness=0.5",
    ),
    # the best that we could build of these parts; heads and path chosen on LJSpeech (docs/peers.md)
    "best-tiny.en": parse_system("attention:heads=0.3+1.1+2.0+2.1+3.1+3.2,prep=log", "viterbi"),
    "best-base": parse_system("attention:heads=3.1+3.3+4.0+4.1+5.1+5.3+5.4+5.6,prep=log", "viterbi"),
}

BEST_OF_WEIGHTS = {
    "7f5460d32b58ad1797d5397b109979b9b41dfb5baced11cfeb71e70243d2fdb2": "best-tiny.en",
    "72ae728964b504948d43d895a32c182a63565838b9ae78e31ba78cad4e21460d": "best-base",
}
"""Best preset by the checksum of the weights that its heads were chosen for, whatever the file is called."""

BEST_OF_MODELS = {
    "2b3de9985693ddfe266567d70ac053a7c90913fab109887e9a6b58f3eab8b69c": "best-tiny.en",
    "62ca34e1ce11169a5af0b795fbddc60eeb10808395ee47c555602e4d17ca7a53": "best-base",
}
"""The same by the checksum that a run records, in which the alignment heads of the file count."""

CHOSEN_ON = r"LJ\d{3}-\d{4}"
"""Ids of the corpus that those heads were chosen on, LJSpeech."""

GRID_SOURCES = (
    "attention:heads=alignment",
    "attention:heads=alignment,prep=log",
    "attention:heads=all",
    "attention:heads=all,prep=log",
    "gradient:at=encoder.3/4",
    "gradient:at=encoder.3/4,prep=log",
    "gradient:at=encoder-output",
    "gradient:at=encoder-output,prep=log",
)
GRID_ALIGNS = ("dtw", "viterbi")


def make_systems(sources: Sequence[str], aligns: Sequence[str], presets: Iterable[str] = ()) -> tuple[System, ...]:
    """Parse systems: every preset, then every source with every aligner, each once.

    An aligner that bears a preset's name stands for that preset's aligner. A source of the same kind as the preset's
    then takes the preset's value for every key that has its default.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    systems = [find_preset(name) for name in presets]
    systems += [pair(source, align) for source in sources for align in aligns]
    return tuple(dict.fromkeys(systems))


SALIENCY = "gradient:at=encoder-output"
"""Saliency that is used where none is named."""

AMOUNTS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Amounts of a residual among which the answer chooses, beside 0, which is attention itself."""

ATTENTION, OTHERS = "attention:heads=best", "attention:heads=rest"
BEST = f"{ATTENTION},prep=log"
ALIGN = "viterbi"
"""Attention and path of the default run: heads chosen for the weights, and the path with silence."""

_SYMBOLIC = re.compile(r"\bheads=(best|rest)\b")


def answer_specs(saliency: str = SALIENCY) -> tuple[str, ...]:
    """Sources of the default run: what the answer needs (:mod:`align_eval.scoring.answer`), by the path ``ALIGN``.

    Attention, the saliency, and attention plus the residual of the saliency, and of the other heads, at every amount.
    """
    source = parse_source(saliency).with_options(prep="log")
    if source.name == "attention":
        raise InputError(f"--saliency {saliency}", "is attention", f"name a saliency, as {SALIENCY}")
    injected = [
        f"residual:of=({of}),to=({ATTENTION}),amount={amount!r}" for of in (source.stack, OTHERS) for amount in AMOUNTS
    ]
    return (BEST, source.text, *injected)


def names_best(spec: str) -> bool:
    """True if the heads of a spec depend on the model's weights: ``heads=best`` or ``heads=rest``."""
    return _SYMBOLIC.search(spec) is not None


def with_heads(spec: str, heads: Sequence[str] | Literal["alignment"]) -> str:
    """A spec with the best heads of a model written out, and all others for ``rest``.

    Parameters
    ----------
    spec : str
        Spec of a source.
    heads : sequence of str, or "alignment"
        Layers and heads, as ``("0.3", "1.1")``. With ``alignment``, ``best`` is the model's alignment heads, and
        ``rest`` is refused where the spec is parsed.
    """
    literal = {"best": "+".join(heads), "rest": "-".join(("all", *heads))}
    if heads == "alignment":
        literal = {"best": "alignment", "rest": "rest"}
    return _SYMBOLIC.sub(lambda match: f"heads={literal[match[1]]}", spec)


def chosen_heads(checksum: str) -> tuple[str, ...] | None:
    """Heads that were chosen for weights on other speech, or None.

    Parameters
    ----------
    checksum : str
        That of the weights (:func:`~align_eval.model.load.weights_checksum`), or that of a model as its run records it
        (:func:`~align_eval.model.load.model_checksum`).
    """
    preset = {**BEST_OF_WEIGHTS, **BEST_OF_MODELS}.get(checksum)
    if preset is None:
        return None
    options = PRESETS[preset].source.options
    assert isinstance(options, AttentionOptions)
    return tuple(options.heads.split("+"))


def find_preset(name: str) -> System:
    """The system of a preset.

    Raises
    ------
    InputError
        Where there is no preset of that name.
    """
    if name not in PRESETS:
        raise InputError(
            f"preset {name!r}", "unknown preset", f"{did_you_mean(name, PRESETS)}known: {', '.join(PRESETS)}"
        )
    return PRESETS[name]


def pair(source_text: str, align: str) -> System:
    """The system of a source and an aligner, or a preset's name in place of the aligner.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    source = parse_source(source_text)
    if align not in PRESETS:
        if align.partition(":")[0] not in ALIGNER_OPTIONS:
            names = {**ALIGNER_OPTIONS, **dict.fromkeys(PRESETS, object)}
            parse_spec(align, names, "align")  # refuses it and lists aligners and presets
        return System(source, parse_aligner(align))
    preset = PRESETS[align]
    if source.name == preset.source.name:
        options, theirs = source.options, preset.source.options
        defaults = [f.name for f in fields(options) if f.init and getattr(options, f.name) == f.default]
        source = source.with_options(**{key: getattr(theirs, key) for key in defaults})
    return System(source, preset.aligner)


def short_names(names: Iterable[SystemName]) -> dict[SystemName, str]:
    """A short name for every system: ``whisper``, ``attention``, ``gradient``, ``attention+gradient 0.25``.

    Two systems of one short name keep their specs, as do the files of other programs.
    """
    names = list(dict.fromkeys(names))
    short = {name: _short_name(name) for name in names}
    shared = {text for text, n in Counter(short.values()).items() if n > 1}
    return {name: str(name) if text in shared else text for name, text in short.items()}


def is_made_of(source: Source, name: str) -> bool:
    """True if a source is that of a name, or contains it in parentheses."""
    inner = source.options.inner if isinstance(source.options, NestedOptions) else ()
    return source.name == name or any(is_made_of(part, name) for part in inner)


def is_own(name: SystemName) -> bool:
    """True if a system is made of our parts: not a file of another program, nor a second reference."""
    try:
        parse_system(name.source, name.align)
    except InputError:
        return False
    return True


def _short_name(name: SystemName) -> str:
    if name.source == SECOND_REFERENCE:
        return f"{name.source} {name.align}"
    if not is_own(name):
        return name.source
    if name == PRESETS["openai"].name:
        return "whisper"
    preset = ", ".join(of for of, system in PRESETS.items() if system.name == name and not of.startswith("best-"))
    source = parse_source(name.source)
    if preset or not isinstance(source.options, ResidualOptions):
        return preset or source.name
    of, to = source.options.inner
    added = "other heads" if of.name == to.name == "attention" else of.name
    return f"{to.name}+{added} {source.options.amount:g}"
