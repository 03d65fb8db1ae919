"""Evaluating systems on a corpus: process every utterance, collect, score."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pyarrow.dataset import Dataset, dataset

from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.corpus.second_reference import SecondReference, partners
from align_eval.engine.batch import process_many
from align_eval.engine.cache import MapCache
from align_eval.engine.job import Context, Dtype, Job, JobOptions, Text, prepare_job, with_corpus
from align_eval.engine.journal import Journal
from align_eval.engine.keys import plan_facts, utterance_keys
from align_eval.engine.languages import with_languages
from align_eval.engine.process import Aligned, Keep, Outcome, all_failed, by_id
from align_eval.engine.ray_workers import ray_engine
from align_eval.engine.shard import Shard
from align_eval.engine.store import Store
from align_eval.engine.workers import local_engine, outcomes
from align_eval.formats.run.folder import SCHEMA_VERSION
from align_eval.formats.run.json_lines import PutEntries
from align_eval.formats.run.maps import KeptMaps
from align_eval.formats.run.words_file import BLOCK, PutRows
from align_eval.formats.run.words_table import SCHEMA, words_table
from align_eval.presets import DEFAULT_ALIGNS, DEFAULT_SOURCES
from align_eval.records import Failure, Pairing, Run, System, Utterance, Word
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_words
from align_eval.signature import run_environment, run_signature
from align_eval.units import WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper

LANGUAGE = "language"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run with the words that it was scored from, and what sources said of themselves, by utterance and spec.

    A language that was detected stands among the details of its utterance as ``language``.
    """

    run: Run
    words: pa.Table
    details: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What is left of a job that is done, its words and details given away: what is signed and scored with them.

    Attributes
    ----------
    job : Job
        With the languages that were detected.
    model_checksum : str
    failures : tuple of Failure
        Those of utterances.
    languages : mapping
        Of each utterance whose language was detected, that, as its details have it.
    """

    job: Job
    model_checksum: str
    failures: tuple[Failure, ...]
    languages: dict[str, dict[str, Any]]


def evaluate(
    corpus: Corpus | str | Path,
    model: Whisper | str = "tiny.en",
    *,
    sources: Sequence[str] = DEFAULT_SOURCES,
    aligns: Sequence[str] = DEFAULT_ALIGNS,
    presets: Sequence[str] = ("openai",),
    toggle: bool = False,
    text: Text = "words",
    context: Context = "full",
    window_s: float = WINDOW_S,
    second_reference: SecondReference | None = None,
    device: str = "cpu",
    dtype: Dtype = "float32",
    batch: int = 1,
    seed: int = 0,
    protocols: Mapping[str, Protocol] | None = None,
    keep: Keep = "nothing",
    on_kept: Callable[[str, KeptMaps], None] | None = None,
    on_done: Callable[[str], None] | None = None,
    journal: Journal | None = None,
    cache: Store | None = None,
    shard: Shard | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
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
    text
        What is aligned: the reference's own words, what the model recognises, or the text beside the audio. The latter
        two are paired with the reference's words by their text.
    context
        Encode the whole window of 30 s, or the audio and a second of silence (faster, and not quite the same model).
    dtype
        Number format that the model computes in. What a source says of a format of its own goes before.
    batch
        How many utterances go through the model at once; their maps then differ in their last bits.
    window_s
        Utterances longer than that are cut into windows at pauses of their reference.
    second_reference
        Other times of the same words, scored as a system is: how far two references lie apart.
    protocols
        Protocols of one's own, by name, beside those that are built in.
    keep, on_kept
        What is kept of the sources' stacks, and what is called with it and the utterance's id when that is done.
    on_done
        Called with each utterance's id when it is done, failed or not.
    shard
        Do that part of the corpus alone.
    engine, workers
        Who does the utterances: this process, or so many actors of Ray. What they find is the same.
    cache
        Where maps are looked up that an earlier run made of the same speech, and those kept that are made.
    journal
        Of the run's folder (:func:`~align_eval.engine.journal.open_journal`): what it knows is not done again.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown. An utterance that fails is listed in
        ``run.failures``, and its words count against coverage. If it met an unexpected error, its failure there has the
        traceback, and a RuntimeWarning says so.
    BugError
        Where every utterance failed, of them one or more by an unexpected error.
    """
    asked = JobOptions(
        sources=sources,
        aligns=aligns,
        presets=presets,
        toggle=toggle,
        text=text,
        context=context,
        window_s=window_s,
        second_reference=second_reference,
        device=device,
        dtype=dtype,
        batch=batch,
        seed=seed,
        keep=keep,
        shard=shard,
    )
    tables = [SCHEMA.empty_table()]
    details: dict[str, dict[str, dict[str, Any]]] = {}
    done = do_job(
        prepare_job(corpus, model, asked),
        tables.append,
        details.update,
        on_kept=on_kept,
        on_done=on_done,
        journal=journal,
        cache=cache,
        engine=engine,
        workers=workers,
    )
    bugs = [failure for failure in done.failures if failure.traceback]
    if bugs:
        message = f"{len(bugs)} of the utterances met a bug in align-eval, whose tracebacks are in run.failures"
        warnings.warn(f"{message}: {bugs[0].message}", RuntimeWarning, stacklevel=2)
    words = pa.concat_tables(tables).combine_chunks()
    return Evaluation(score_job(done, dataset(words), protocols), words, details)


def do_job(
    job: Job,
    put_rows: PutRows,
    put_details: PutEntries,
    *,
    on_kept: Callable[[str, KeptMaps], None] | None = None,
    on_done: Callable[[str], None] | None = None,
    journal: Journal | None = None,
    cache: Store | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
) -> Done:
    """Do a job, utterance by utterance in the order of ids, and give away what is found, some utterances at a time.

    Parameters
    ----------
    put_rows
        Called with rows of the words table, in their order.
    put_details
        Called with what sources said of themselves, by utterance; those of which nothing is said but their language
        come last.

    The others are those of :func:`evaluate`.
    """
    from align_eval.model.load import model_checksum

    weights = model_checksum(job.model)
    spoken, languages = with_languages(job.corpus, job.model)
    job = with_corpus(job, spoken)
    plan, keep = job.plan, job.keep
    facts = plan_facts(plan, weights)
    maps = MapCache(cache, facts) if cache else None
    failures: list[Failure] = []
    detected = {id_: {LANGUAGE: language} for id_, language in sorted(languages.items())}
    without_details = dict(detected)
    n_done = 0
    with ExitStack() as stack:
        if engine == "ray":
            doing = stack.enter_context(ray_engine(job.model, plan, keep, maps, facts, workers))
        else:
            doing = local_engine(lambda group: process_many(group, plan, job.model, keep, maps), plan.batch, keep)
        found = outcomes(job.utterances, doing, plan.systems, journal, utterance_keys(plan, weights, keep))
        while block := _block(found, on_kept, on_done):
            failures += [outcome for _, outcome in block if isinstance(outcome, Failure)]
            done = {u.id: outcome for u, outcome in block if isinstance(outcome, Aligned)}
            n_done += len(done)
            put_rows(_rows([u for u, _ in block], done, job))
            details = {id_: aligned.details for id_, aligned in done.items() if aligned.details}
            put_details({id_: {**said, **without_details.pop(id_, {})} for id_, said in details.items()})
    if not n_done and not job.shard:
        raise all_failed(job.corpus, [*job.corpus.failures, *failures])
    put_details(without_details)
    return Done(job, weights, tuple(failures), detected)


def score_job(done: Done, words: Dataset, protocols: Mapping[str, Protocol] | None = None) -> Run:
    """Score the words of a job that is done, and sign them."""
    job, plan = done.job, done.job.plan
    return Run(
        schema=SCHEMA_VERSION,
        signature=run_signature(
            plan,
            model_checksum=done.model_checksum,
            corpus=job.corpus.name,
            corpus_checksum=corpus_checksum(job.corpus.utterances),
            settings=job.settings,
            protocols=PROTOCOLS | dict(protocols or {}),
        ),
        rows=score_words(words, text=plan.text, seed=plan.seed, protocols=protocols),
        failures=by_id([*job.corpus.failures, *done.failures]) + job.second_failures,
        environment=run_environment(),
    )


def _block(
    found: Iterator[tuple[Utterance, Outcome]],
    on_kept: Callable[[str, KeptMaps], None] | None,
    on_done: Callable[[str], None] | None,
) -> list[tuple[Utterance, Outcome]]:
    """The next outcomes, without the maps that were kept: a block of them is never held.

    Its words are objects, which take ten times the memory of a table's columns.
    """
    block: list[tuple[Utterance, Outcome]] = []
    for utterance, outcome in islice(found, BLOCK):
        if isinstance(outcome, Aligned) and outcome.kept:
            if on_kept:
                on_kept(utterance.id, outcome.kept)
            block.append((utterance, replace(outcome, kept=None)))
        else:
            block.append((utterance, outcome))
        if on_done:
            on_done(utterance.id)
    return block


def _rows(utterances: Sequence[Utterance], done: Mapping[str, Aligned], job: Job) -> pa.Table:
    """Rows of some utterances, with those of the second reference where there is one."""
    systems = job.plan.systems
    times: dict[str, dict[System, Sequence[Word]]] = {id_: dict(found.words) for id_, found in done.items()}
    pairings: dict[str, dict[System, Pairing]] = {
        id_: dict.fromkeys(systems, found.pairing) for id_, found in done.items() if found.pairing
    }
    if job.second_system:
        systems += (job.second_system,)
        for id_ in (u.id for u in utterances if u.id in job.second):
            second = job.second[id_]
            times.setdefault(id_, {})[job.second_system] = [word for word in second if word]
            pairings.setdefault(id_, {})[job.second_system] = partners(second)
    return words_table(utterances, systems, times, pairings)
