"""Evaluating systems on a corpus: process every utterance, collect, score."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.engine.process import process
from align_eval.engine.signature import run_environment, run_signature
from align_eval.errors import InputError
from align_eval.formats.run_folder import SCHEMA_VERSION
from align_eval.formats.words_table import words_table
from align_eval.presets import DEFAULT_ALIGNS, DEFAULT_SOURCES, make_systems
from align_eval.records import Failure, Plan, Run, System, Word
from align_eval.scoring.summary import score_table

if TYPE_CHECKING:
    from whisper.model import Whisper


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run with the words that it was scored from."""

    run: Run
    words: pa.Table


def evaluate(
    corpus: Corpus | str | Path,
    model: Whisper | str = "tiny.en",
    *,
    sources: Sequence[str] = DEFAULT_SOURCES,
    aligns: Sequence[str] = DEFAULT_ALIGNS,
    presets: Sequence[str] = ("openai",),
    device: str = "cpu",
    seed: int = 0,
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
    on_done
        Called with each utterance's id when it is done, failed or not.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown. An utterance that fails is listed in
        ``run.failures``, and its words count against coverage.
    """
    from align_eval.model.load import load_model, model_checksum

    systems = make_systems(sources, aligns, presets)
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    if not corpus.utterances:
        listed = "; ".join(f.message for f in corpus.failures[:3])
        raise InputError(f"corpus {corpus.name}", f"has no usable utterance: {listed}", "mend what is listed")
    name = model if isinstance(model, str) else "a loaded model"
    loaded = load_model(model, device=device) if isinstance(model, str) else model
    plan = Plan(model=name, systems=systems, device=loaded.device.type, seed=seed)
    results: dict[str, dict[System, tuple[Word, ...]]] = {}
    failures = list(corpus.failures)
    for utterance in corpus.utterances:
        try:
            results[utterance.id] = process(utterance, plan, loaded)
        except InputError as error:
            failures.append(Failure(utterance.id, str(error)))
        gc.collect(0)  # graphs of large tensors are cyclic: without this they pile up
        if on_done:
            on_done(utterance.id)
    words = words_table(corpus.utterances, systems, results)
    if not results:
        listed = "; ".join(f.message for f in failures[:3])
        raise InputError(f"corpus {corpus.name}", f"every utterance failed: {listed}", "mend what is listed")
    run = Run(
        schema=SCHEMA_VERSION,
        signature=run_signature(
            plan,
            model_checksum=model_checksum(loaded),
            corpus=corpus.name,
            corpus_checksum=corpus_checksum(corpus.utterances),
        ),
        rows=score_table(words, text=plan.text, seed=seed),
        failures=tuple(sorted(failures, key=lambda f: f.id)),
        environment=run_environment(),
    )
    return Evaluation(run, words)
