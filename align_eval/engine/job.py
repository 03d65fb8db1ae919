"""What a run is to do, before any of it is done: its plan, model, utterances in order, and what its signature adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus
from align_eval.corpus.second_reference import MaybeWords, SecondReference, of_windows, second_checksum
from align_eval.corpus.transcript_file import transcripts_checksum
from align_eval.corpus.windows import windowed
from align_eval.engine.process import Keep
from align_eval.engine.shard import Shard, in_shard
from align_eval.errors import InputError
from align_eval.presets import DEFAULT_ALIGNS, DEFAULT_SOURCES, make_systems, toggled_systems
from align_eval.records import SECOND_REFERENCE, Failure, Plan, System, Utterance
from align_eval.units import WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper

Text = Literal["words", "hypothesis", "transcript"]
Context = Literal["full", "fit"]
Dtype = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What is asked of a run, beside its corpus and model; :func:`align_eval.engine.run.evaluate` says what each is."""

    sources: Sequence[str] = DEFAULT_SOURCES
    aligns: Sequence[str] = DEFAULT_ALIGNS
    presets: Sequence[str] = ("openai",)
    toggle: bool = False
    text: Text = "words"
    context: Context = "full"
    window_s: float = WINDOW_S
    second_reference: SecondReference | None = None
    device: str = "cpu"
    dtype: Dtype = "float32"
    batch: int = 1
    seed: int = 0
    keep: Keep = "nothing"
    shard: Shard | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """All that a run needs to know before it starts.

    Attributes
    ----------
    model : Whisper
    plan : Plan
    corpus : Corpus
        As it was read, of a shard those utterances alone.
    utterances : tuple of Utterance
        Those to be done, windows of long recordings in their place, in the order of ids.
    window_s : float or None
        How long these are at most; None where recordings are not cut.
    second : mapping
        Second times of the words, by id of those utterances.
    second_system : System or None
        The name under which they are scored.
    second_failures : tuple of Failure
    settings : mapping
        What the signature adds to that of the plan; of a shard what it adds to that of the whole run.
    keep : str
        What is kept of the sources' stacks.
    shard : Shard or None
    """

    model: Whisper
    plan: Plan
    corpus: Corpus
    utterances: tuple[Utterance, ...]
    window_s: float | None
    second: dict[str, MaybeWords]
    second_system: System | None
    second_failures: tuple[Failure, ...]
    settings: dict[str, Any]
    keep: Keep
    shard: Shard | None


def prepare_job(corpus: Corpus | str | Path, model: Whisper | str, asked: JobOptions) -> Job:
    """Check what is asked for, load what is needed, cut windows.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown.
    """
    from align_eval.model.load import check_precision, load_model

    systems = make_systems(asked.sources, asked.aligns, asked.presets)
    if asked.toggle:
        others = (item.other for item in toggled_systems(asked.sources, asked.aligns, asked.presets))
        systems = tuple(dict.fromkeys((*systems, *others)))
    if not systems:
        raise InputError("systems", "there are none", "give sources and aligns, or presets")
    if asked.text not in get_args(Text):
        raise InputError("text", f"there is no {asked.text!r}", f"one of {', '.join(get_args(Text))}")
    if asked.dtype not in get_args(Dtype):
        raise InputError("dtype", f"there is no {asked.dtype!r}", f"one of {', '.join(get_args(Dtype))}")
    if asked.batch < 1 or (asked.batch > 1 and asked.text == "hypothesis"):
        problem = f"{asked.batch} utterances cannot go through the model at once where it recognises them one by one"
        raise InputError("batch", problem if asked.batch > 1 else f"is {asked.batch}", "use --batch 1")
    if asked.keep != "nothing" and asked.text != "words":
        raise InputError("keep", f"maps of {asked.text} belong to no reference word", "keep maps with --text words")
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    if not corpus.utterances:
        listed = "; ".join(f.message for f in corpus.failures[:3])
        raise InputError(f"corpus {corpus.name}", f"has no usable utterance: {listed}", "mend what is listed")
    loaded = load_model(model, device=asked.device) if isinstance(model, str) else model
    check_precision(loaded)
    longest_s = asked.window_s if asked.text == "words" else None
    cut = corpus if longest_s is None else windowed(corpus, longest_s)
    any_cut = cut.utterances != corpus.utterances
    settings: dict[str, Any] = {"window_s": asked.window_s} if any_cut else {}
    if asked.text == "transcript":
        settings["transcripts_checksum"] = transcripts_checksum(corpus.utterances)
    second: dict[str, MaybeWords] = {}
    second_system = None
    if asked.second_reference:
        second_system = System(SECOND_REFERENCE, asked.second_reference.name)
        words = asked.second_reference.words
        second = dict(words) if longest_s is None else of_windows(corpus, words, longest_s)
        settings["second_reference"] = [second_system.align, second_checksum(words)]
    if asked.shard:
        settings["shard"] = [asked.shard.number, asked.shard.count]
        corpus, cut = in_shard(corpus, asked.shard), in_shard(cut, asked.shard)
    return Job(
        model=loaded,
        plan=Plan(
            model=model if isinstance(model, str) else "a loaded model",
            systems=systems,
            text=asked.text,
            context=asked.context,
            device=loaded.device.type,
            dtype=asked.dtype,
            batch=asked.batch,
            seed=asked.seed,
        ),
        corpus=corpus,
        utterances=_in_order(cut),
        window_s=longest_s,
        second=second,
        second_system=second_system,
        second_failures=asked.second_reference.failures if asked.second_reference else (),
        settings=settings,
        keep=asked.keep,
        shard=asked.shard,
    )


def with_corpus(job: Job, corpus: Corpus) -> Job:
    """The job on the same utterances with other languages: those that were detected."""
    if corpus is job.corpus:
        return job
    cut = corpus if job.window_s is None else windowed(corpus, job.window_s)
    return replace(job, corpus=corpus, utterances=_in_order(cut))


def _in_order(cut: Corpus) -> tuple[Utterance, ...]:
    return tuple(sorted(cut.utterances, key=lambda u: u.id))
