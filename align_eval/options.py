"""Options of a run: one record from the command line, or the keywords of ``evaluate``, to the plan.

Each option of a run has its type, default and help here. :mod:`align_eval.cli.from_record` makes the options of
the command line from them; :func:`align_eval.evaluate` takes them as keywords.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from align_eval.errors import InputError, did_you_mean
from align_eval.units import WINDOW_S

if TYPE_CHECKING:
    from align_eval.corpus.second_reference import SecondReference
    from align_eval.systems import System

Text = Literal["words", "hypothesis", "transcript"]
Context = Literal["full", "fit"]
Dtype = Literal["float32", "float16", "bfloat16"]
Keep = Literal["nothing", "maps", "heads"]
Engine = Literal["local", "ray"]


def option(default: Any, help_: str, **command_line: Any) -> Any:
    """A field with its help, and what else the command line needs: ``flag``, ``min``, ``max``."""
    return field(default=default, metadata={"help": help_, **command_line})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of a run beside its corpus and its model; ``None`` for sources, aligns and presets means the default."""

    sources: Sequence[str] | None = option(None, "A relevance source; may be repeated.", flag="source")
    aligns: Sequence[str] | None = option(None, "An aligner for every source; may be repeated.", flag="align")
    presets: Sequence[str] | None = option(
        None, "A source and aligner by name, as openai; may be repeated.", flag="preset"
    )
    saliency: str | None = option(
        None, "Saliency of the default run, as spes:at=encoder-output; default: the gradient at the encoder output."
    )
    grid: bool = option(False, "Score a grid of 17 systems: heads, depths, preparations and paths.")
    toggle: bool = option(False, "Add each heuristic of the presets switched alone: its effect in ms.")
    text: Text = option(
        "words",
        "Words to align: those of the reference, those that the model recognises, or the .txt beside the audio.",
    )
    context: Context = option(
        "full", "Encode the full 30 s window, or fit it to the audio: faster, with slightly other results."
    )
    window_s: float = option(
        WINDOW_S, "Cut longer recordings at pauses of the reference into windows of at most this, in s.", min=5, max=30
    )
    second_reference: SecondReference | str | None = option(
        None,
        "Another reference, scored like a system: a folder of TextGrids with the same names, or the name of a tier.",
    )
    keep: Keep = option(
        "nothing",
        "Save maps in the run folder: each source's mean map, or every head, as agree and budget need.",
    )
    device: str = option("cpu", "A torch device: cpu, cuda.")
    dtype: Dtype = option(
        "float32", "Number format of the model; half formats are faster on GPUs, and on CPUs that support them."
    )
    batch: int = option(1, "Utterances per batch, for GPUs; changes last bits.", min=1)
    seed: int = option(0, "Seed of the bootstrap.", min=0)
    shard: str | None = option(None, "i/n: only part i of n of the corpus, by a hash of each id; see `merge`.")
    engine: Engine = option("local", "Run in this process, or on actors of Ray (extra `ray`).")
    workers: int | None = option(None, "Number of Ray actors.", min=1)
    cache: Path | None = option(
        None, "Folder that keeps maps by model, audio, text and source: other aligners then need no model."
    )
    limit_gb: float = option(10.0, "Size limit of the cache; the least recently used maps are removed.", min=0.001)

    def __post_init__(self) -> None:
        for key, choices in choices_of(RunOptions).items():
            if getattr(self, key) not in choices:
                value = getattr(self, key)
                remedy = f"{did_you_mean(str(value), choices)}one of {', '.join(choices)}"
                raise InputError(key, f"there is no {value!r}", remedy)
        if self.batch < 1 or (self.batch > 1 and self.text == "hypothesis"):
            problem = f"{self.batch} utterances cannot go through the model at once where it recognises them one by one"
            raise InputError("batch", problem if self.batch > 1 else f"is {self.batch}", "use --batch 1")
        if self.keep != "nothing" and self.text != "words":
            raise InputError("keep", f"maps of {self.text} belong to no reference word", "keep maps with --text words")

        named = [name for name in ("sources", "aligns", "presets") if getattr(self, name) is not None]
        flags = [f"--{name[:-1]}" for name in named] + ["--grid"] * self.grid + ["--saliency"] * bool(self.saliency)
        if len(flags) > 1 and (self.grid or self.saliency):
            raise InputError(flags[-1], f"chooses the systems of a run, as does {flags[0]}", "leave one of them out")

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> RunOptions:
        """Make the record from the values of a command; a list without items means that none was given."""
        plain: dict[str, Any] = dict(values)
        for name, value in values.items():
            if isinstance(value, Enum):
                plain[name] = value.value
            elif value == []:
                plain[name] = None
        return cls(**plain)


def choices_of(record: type) -> dict[str, tuple[str, ...]]:
    """The choices of each field of a record whose type is a Literal."""
    hints = get_type_hints(record, localns={"SecondReference": object})
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a result, and nothing else.

    Attributes
    ----------
    model : str
        Name or path.
    systems : tuple of System
    options : RunOptions
        Of these text, context, device, dtype, batch and seed decide.
    """

    model: str
    systems: tuple[System, ...]
    options: RunOptions = RunOptions()


@dataclass(frozen=True, slots=True)
class SystemSpecs:
    """Specs of the systems of a run, with defaults filled in."""

    sources: tuple[str, ...]
    aligns: tuple[str, ...]
    presets: tuple[str, ...]

    def systems(self) -> tuple[System, ...]:
        """Parse them; see :func:`~align_eval.systems.make_systems`."""
        from align_eval.systems import make_systems

        return make_systems(self.sources, self.aligns, self.presets)

    @property
    def names_best(self) -> bool:
        """True if the heads of a source depend on the model's weights."""
        from align_eval.systems import names_best

        return any(names_best(source) for source in self.sources)

    def with_heads(self, heads: Sequence[str]) -> SystemSpecs:
        """The specs with the best heads written out; see :func:`~align_eval.systems.with_heads`."""
        from align_eval.systems import with_heads

        return replace(self, sources=tuple(with_heads(source, heads) for source in self.sources))


def specs_of(options: RunOptions) -> SystemSpecs:
    """Fill in the defaults of sources, aligns and presets.

    Without any of them, the systems that the answer needs (:func:`~align_eval.systems.answer_specs`), or the grid:
    openai's preset, and attention and gradient with two preparations and two paths. With ``toggle`` and no source, a
    preset's name as an aligner stands for the preset alone. Sources without aligns get both of the grid's, and aligns
    without sources get the grid's sources.
    """
    from align_eval.systems import ALIGN, GRID_ALIGNS, GRID_SOURCES, PRESETS, SALIENCY, answer_specs

    nothing = options.sources is options.aligns is options.presets is None
    if nothing:
        if options.grid:
            return SystemSpecs(GRID_SOURCES, GRID_ALIGNS, ("openai",))
        return SystemSpecs(answer_specs(options.saliency or SALIENCY), (ALIGN,), ("openai",))
    presets = () if options.presets is None else tuple(options.presets)
    if options.toggle and options.sources is None:
        named = tuple(name for name in options.aligns or () if name in PRESETS)
        others = tuple(name for name in options.aligns or () if name not in PRESETS)
        return SystemSpecs((), others, presets + named)
    default_sources = GRID_SOURCES if options.aligns is not None else ()
    sources = default_sources if options.sources is None else tuple(options.sources)
    aligns = GRID_ALIGNS if options.aligns is None else tuple(options.aligns)
    return SystemSpecs(sources, aligns, presets)
