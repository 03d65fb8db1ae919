"""A run: process every utterance of a job, hand out its rows, score them, and write the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.dataset import Dataset, dataset

from align_eval.corpus.audio import check_unchanged
from align_eval.corpus.folder import corpus_checksum
from align_eval.corpus.second_reference import partners
from align_eval.corpus.transcript_file import transcript_path
from align_eval.engine.answer import answers
from align_eval.engine.cache import MapCache
from align_eval.engine.cache_folder import CacheFolder
from align_eval.engine.job import Job, with_languages
from align_eval.engine.journal import Journal, open_journal
from align_eval.engine.ray_workers import ray_workers
from align_eval.engine.shard_file import shard_facts, write_shard
from align_eval.engine.utterance import Result, all_failed, by_id
from align_eval.engine.workers import computing, local_workers, results
from align_eval.formats.run.audio_spans import write_audio_spans
from align_eval.formats.run.folder import DETAILS_NAME, SCHEMA_VERSION, WORDS_NAME, place_run
from align_eval.formats.run.json_lines import PutEntries, entries_writer
from align_eval.formats.run.languages import Languages
from align_eval.formats.run.map_checksums import write_checksums
from align_eval.formats.run.maps import SavedMaps
from align_eval.formats.run.words_file import PutRows, words_writer
from align_eval.formats.run.words_table import words_table
from align_eval.records import Failure, FlatRows, Pairing, SystemName, Utterance, Word, sum_flat_rows
from align_eval.run_record import Run
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_words
from align_eval.signature import plan_facts, run_environment, run_signature, utterance_keys

OnMaps = Callable[[str, SavedMaps], None]
OnDone = Callable[[str], None]


def run_into(
    out: Path,
    job: Job,
    *,
    protocols: Mapping[str, Protocol] | None = None,
    on_done: OnDone | None = None,
    on_resumed: Callable[[int], None] | None = None,
) -> tuple[Run, Languages]:
    """Process a job, or what an interrupted run in the folder left of it, score it, and write the run folder.

    Words are written to disk as they are found; memory does not grow with the corpus.

    Parameters
    ----------
    out : Path
    job : Job
        Its languages ``auto`` are detected here, once the folder is locked.
    protocols : mapping of str to Protocol, optional
        User-defined protocols, beside those that are built in.
    on_done : function, optional
        Called with the id of each utterance when it is processed.
    on_resumed : function, optional
        Called with the number of utterances that an interrupted run had processed, if any.

    Returns
    -------
    run : Run
    languages : mapping
        Detected languages and their probabilities, by utterance id.

    Raises
    ------
    InputError
        Where every utterance failed, another run uses the folder, or it cannot be written.
    BugError
        Where every utterance failed, at least one by an unexpected error.
    """
    with open_journal(out) as journal:
        for failure in job.corpus.failures:
            journal.put_failure(failure)
        job = with_languages(job)
        words = journal.new / WORDS_NAME
        with words_writer(words) as put_rows, entries_writer(journal.new / DETAILS_NAME) as put_details:
            failures, flat_rows = process_job(job, put_rows, put_details, on_done=on_done, journal=journal)
        run = score_job(job, failures, dataset(words), protocols, flat_rows)
        if job.shard:
            write_shard(journal.new, shard_facts(job, job.shard, failures), job.corpus.utterances, job.checksums)
        write_audio_spans(journal.new, {u.id: u.audio for u in job.utterances})
        write_checksums(journal.new, journal.maps())
        run = place_run(out, journal.new, run, job.languages)
    if on_resumed and journal.n_resumed:
        on_resumed(journal.n_resumed)
    return run, job.languages


def process_job(
    job: Job,
    put_rows: PutRows,
    put_details: PutEntries,
    *,
    on_maps: OnMaps | None = None,
    on_done: OnDone | None = None,
    journal: Journal | None = None,
) -> tuple[tuple[Failure, ...], tuple[FlatRows, ...]]:
    """Process the utterances of a job in the order of ids, and hand out the rows of each.

    Parameters
    ----------
    job : Job
    put_rows : function
        Called with the rows of each utterance for the words table, in order.
    put_details : function
        Called with the evidence that sources give about themselves, by utterance id.
    on_maps : function, optional
        Called with the id of an utterance and its maps, where maps are saved.
    on_done, journal
        As of :func:`run_into`.

    Returns
    -------
    failures : tuple of Failure
        The utterances that failed, and those that one system failed.
    flat_rows : tuple of FlatRows
    """
    plan = job.plan
    facts = plan_facts(plan, job.model_checksum)
    cache = _cache(job, facts)
    failures: list[Failure] = []
    flat_rows: tuple[FlatRows, ...] = ()
    n_processed = 0
    with ExitStack() as stack:
        if plan.options.engine == "ray":
            workers = stack.enter_context(ray_workers(job.model, plan, cache, facts))
        else:
            workers = local_workers(computing(plan, job.model, cache), plan)
        keys = utterance_keys(plan, facts, job.checksums)

        def check(u: Utterance) -> None:
            for path in (u.audio.path, *((transcript_path(u),) if plan.options.text == "transcript" else ())):
                check_unchanged(path, job.checksums.states.get(path))

        for utterance, result in results(job.utterances, workers, plan.systems, journal, keys, check):
            put_rows(_rows(utterance, result, job))
            if isinstance(result, Failure):
                failures.append(result)
            else:
                n_processed += 1
                failures += result.failures
                flat_rows = sum_flat_rows((*flat_rows, *result.flat_rows))
                if result.saved and on_maps:
                    on_maps(utterance.id, result.saved)
                if result.details:
                    put_details({utterance.id: result.details})
            if on_done:
                on_done(utterance.id)
    if not n_processed and not job.shard:
        raise all_failed(job.corpus.name, [*job.corpus.failures, *failures])
    return tuple(failures), flat_rows


def score_job(
    job: Job,
    failures: Sequence[Failure],
    words: Dataset,
    protocols: Mapping[str, Protocol] | None = None,
    flat_rows: tuple[FlatRows, ...] = (),
) -> Run:
    """Score the words of a job, sign them, and answer what attention's incompleteness costs."""
    plan = job.plan
    signature = signature_of(job, protocols)
    rows = score_words(words, text=plan.options.text, seed=plan.options.seed, protocols=protocols)
    answer, no_answer = answers(words, rows, signature)
    return Run(
        schema=SCHEMA_VERSION,
        signature=signature,
        rows=rows,
        failures=by_id([*job.corpus.failures, *failures])
        + (job.second_reference.failures if job.second_reference else ()),
        environment=run_environment(),
        flat_rows=flat_rows,
        answer=answer,
        no_answer=no_answer,
    )


def signature_of(job: Job, protocols: Mapping[str, Protocol] | None = None) -> dict[str, Any]:
    """The signature of the run of a job, whose languages are known."""
    return run_signature(
        job.plan,
        model_checksum=job.model_checksum,
        corpus=job.corpus.name,
        corpus_checksum=corpus_checksum(job.corpus.utterances, job.checksums),
        settings=job.settings,
        protocols=PROTOCOLS | dict(protocols or {}),
    )


def _cache(job: Job, facts: Mapping[str, object]) -> MapCache | None:
    options = job.plan.options
    return MapCache(CacheFolder(Path(options.cache), round(options.limit_gb * 1e9)), facts) if options.cache else None


def _rows(utterance: Utterance, result: Result | Failure, job: Job) -> pa.Table:
    """Rows of the words table for one utterance, with those of the second reference.

    The words of an utterance, or of a system, that failed are missing.
    """
    names = tuple(system.name for system in job.plan.systems)
    words: dict[SystemName, Sequence[Word]] = {}
    pairings: dict[SystemName, Pairing] = {}
    if isinstance(result, Result):
        words = {system.name: timed for system, timed in result.words.items()}
        pairings = dict.fromkeys(names, result.pairing) if result.pairing else {}
    second = job.second_times
    if second:
        names += (second.name,)
        if utterance.id in second.words:
            words[second.name] = [word for word in second.words[utterance.id] if word]
            pairings[second.name] = partners(second.words[utterance.id])
    return words_table([utterance], names, {utterance.id: words}, {utterance.id: pairings})
