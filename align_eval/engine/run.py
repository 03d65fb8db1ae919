"""Evaluating systems on a corpus: process every utterance, collect, score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.engine.process import Aligned, Keep, each_utterance, process
from align_eval.engine.signature import run_environment, run_signature
from align_eval.errors import InputError
from align_eval.formats.maps import KeptMaps
from align_eval.formats.run_folder import SCHEMA_VERSION
from align_eval.formats.words_table import words_table
from align_eval.presets import DEFAULT_ALIGNS, DEFAULT_SOURCES, make_systems, toggled_systems
from align_eval.records import Plan, Run, Utterance
from align_eval.scoring.summary import score_table

if TYPE_CHECKING:
    from whisper.model import Whisper


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run with the words that it was scored from, and what sources said of themselves, by utterance and spec."""

    run: Run
    words: pa.Table
    details: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


def evaluate(
    corpus: Corpus | str | Path,
    model: Whisper | str = "tiny.en",
    *,
    sources: Sequence[str] = DEFAULT_SOURCES,
    aligns: Sequence[str] = DEFAULT_ALIGNS,
    presets: Sequence[str] = ("openai",),
    toggle: bool = False,
    context: Literal["full", "fit"] = "full",
    device: str = "cpu",
    seed: int = 0,
    keep: Keep = "nothing",
    on_kept: Callable[[str, KeptMaps], None] | None = None,
    on_done: Callable[[str], None] | None = None,
) -> Evaluation:
    """Derive word times by every system and score them against the corpus's own.

    Parameters
    ----------
    corpus
        A loaded corpus, a bundled name or a folder.
    model
        A loaded model, or what :func:`~align_eval.model.load.load_model` takes.
    sources, aligns, presets
        Every source is read by every alignment; presets are pairs of their own.
    toggle
        Also every preset with each of its heuristics switched alone.
    context
        Encode the whole window of 30 s, or the audio and a second of silence (faster, and not quite the same model).
    keep, on_kept
        What is kept of the sources' stacks, and what is called with it and the utterance's id when that is done.
    on_done
        Called with each utterance's id when it is done, failed or not.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown. An utterance that fails is listed in
        ``run.failures``, and its words count against coverage.
    """
    from align_eval.model.load import check_precision, load_model, model_checksum

    systems = make_systems(sources, aligns, presets)
    if toggle:
        others = (item.other for item in toggled_systems(sources, aligns, presets))
        systems = tuple(dict.fromkeys((*systems, *others)))
    if not systems:
        raise InputError("systems", "there are none", "give sources and aligns, or presets")
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    if not corpus.utterances:
        listed = "; ".join(f.message for f in corpus.failures[:3])
        raise InputError(f"corpus {corpus.name}", f"has no usable utterance: {listed}", "mend what is listed")
    loaded = load_model(model, device=device) if isinstance(model, str) else model
    check_precision(loaded)
    name = model if isinstance(model, str) else "a loaded model"
    plan = Plan(model=name, systems=systems, context=context, device=loaded.device.type, seed=seed)

    def work(utterance: Utterance) -> Aligned:
        aligned = process(utterance, plan, loaded, keep)
        if aligned.kept and on_kept:
            on_kept(utterance.id, aligned.kept)
        return replace(aligned, kept=None)  # a corpus of maps is never held

    results, failures = each_utterance(corpus, work, on_done)
    words = words_table(corpus.utterances, systems, {id_: aligned.words for id_, aligned in results.items()})
    details = {id_: aligned.details for id_, aligned in sorted(results.items()) if aligned.details}
    run = Run(
        schema=SCHEMA_VERSION,
        signature=run_signature(
            plan,
            model_checksum=model_checksum(loaded),
            corpus=corpus.name,
            corpus_checksum=corpus_checksum(corpus.utterances),
        ),
        rows=score_table(words, text=plan.text, seed=seed),
        failures=failures,
        environment=run_environment(),
    )
    return Evaluation(run, words, details)
