"""What a run is to do, before any of it is done: its plan, model, utterances in order, and what its signature adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus
from align_eval.corpus.second import MaybeWords, SecondReference, of_windows, second_checksum
from align_eval.corpus.transcript import transcripts_checksum
from align_eval.corpus.windows import windowed
from align_eval.engine.shard import Shard, in_shard
from align_eval.errors import InputError
from align_eval.presets import make_systems, toggled_systems
from align_eval.records import SECOND_REFERENCE, Failure, Plan, System, Utterance

if TYPE_CHECKING:
    from whisper.model import Whisper

TEXTS = ("words", "hypothesis", "transcript")
DTYPES = ("float32", "float16", "bfloat16")


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
    shard: Shard | None = None


def prepare_job(
    corpus: Corpus | str | Path,
    model: Whisper | str,
    *,
    sources: Sequence[str],
    aligns: Sequence[str],
    presets: Sequence[str],
    toggle: bool,
    text: str,
    context: str,
    window_s: float,
    second_reference: SecondReference | None,
    device: str,
    dtype: str,
    batch: int,
    seed: int,
    keep: str,
    shard: Shard | None,
) -> Job:
    """Check what is asked for, load what is needed, cut windows; see :func:`align_eval.engine.run.evaluate`.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown.
    """
    from align_eval.model.load import check_precision, load_model

    systems = make_systems(sources, aligns, presets)
    if toggle:
        others = (item.other for item in toggled_systems(sources, aligns, presets))
        systems = tuple(dict.fromkeys((*systems, *others)))
    if not systems:
        raise InputError("systems", "there are none", "give sources and aligns, or presets")
    if text not in TEXTS:
        raise InputError("text", f"there is no {text!r}", f"one of {', '.join(TEXTS)}")
    if dtype not in DTYPES:
        raise InputError("dtype", f"there is no {dtype!r}", f"one of {', '.join(DTYPES)}")
    if batch < 1 or (batch > 1 and text == "hypothesis"):
        problem = f"{batch} utterances cannot go through the model at once where it recognises them one by one"
        raise InputError("batch", problem if batch > 1 else f"is {batch}", "use --batch 1")
    if keep != "nothing" and text != "words":
        raise InputError("keep", f"maps of {text} belong to no reference word", "keep maps with --text words")
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    if not corpus.utterances:
        listed = "; ".join(f.message for f in corpus.failures[:3])
        raise InputError(f"corpus {corpus.name}", f"has no usable utterance: {listed}", "mend what is listed")
    loaded = load_model(model, device=device) if isinstance(model, str) else model
    check_precision(loaded)
    longest_s = window_s if text == "words" else None
    any_cut = longest_s is not None and windowed(corpus, longest_s).utterances != corpus.utterances
    settings: dict[str, Any] = {"window_s": window_s} if any_cut else {}
    if text == "transcript":
        settings["transcripts_checksum"] = transcripts_checksum(corpus.utterances)
    second: dict[str, MaybeWords] = {}
    second_system = None
    if second_reference:
        second_system = System(SECOND_REFERENCE, second_reference.name)
        words = second_reference.words
        second = dict(words) if longest_s is None else of_windows(corpus, words, longest_s)
        settings["second_reference"] = [second_system.align, second_checksum(second_reference.words)]
    if shard:
        settings["shard"] = [shard.number, shard.count]
        corpus = in_shard(corpus, shard)
    return Job(
        model=loaded,
        plan=Plan(
            model=model if isinstance(model, str) else "a loaded model",
            systems=systems,
            text=text,
            context=context,
            device=loaded.device.type,
            dtype=dtype,
            batch=batch,
            seed=seed,
        ),
        corpus=corpus,
        utterances=_in_order(corpus, longest_s),
        window_s=longest_s,
        second=second,
        second_system=second_system,
        second_failures=second_reference.failures if second_reference else (),
        settings=settings,
        shard=shard,
    )


def with_corpus(job: Job, corpus: Corpus) -> Job:
    """The job on the same utterances with other languages: those that were detected."""
    return replace(job, corpus=corpus, utterances=_in_order(corpus, job.window_s))


def _in_order(corpus: Corpus, window_s: float | None) -> tuple[Utterance, ...]:
    cut = corpus if window_s is None else windowed(corpus, window_s)
    return tuple(sorted(cut.utterances, key=lambda u: u.id))
