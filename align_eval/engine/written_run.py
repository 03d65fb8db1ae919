"""A job done into the folder of a run: its words go to the disk as they are found, and are never held whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pyarrow.dataset import Dataset, dataset

from align_eval.engine.job import Job
from align_eval.engine.journal import FOLDER, open_journal
from align_eval.engine.run import do_job, score_job
from align_eval.engine.shard_file import shard_facts, write_shard
from align_eval.engine.store import Store
from align_eval.formats.run.audio_spans import write_audio_spans
from align_eval.formats.run.folder import DETAILS_NAME, WORDS_NAME, place_run
from align_eval.formats.run.json_lines import entries_writer
from align_eval.formats.run.words_file import words_writer
from align_eval.records import Run
from align_eval.scoring.protocols import Protocol


@dataclass(frozen=True, slots=True)
class WrittenRun:
    """A run that stands in its folder.

    Attributes
    ----------
    run : Run
    words : Dataset
        Its words table, on the disk.
    languages : mapping
        Of each utterance whose language was detected, that, as its details have it.
    n_recalled : int
        Utterances that were done before the run was cut off, and not done again.
    """

    run: Run
    words: Dataset
    languages: dict[str, dict[str, Any]]
    n_recalled: int = 0


def run_into(
    out: Path,
    job: Job,
    *,
    protocols: Mapping[str, Protocol] | None = None,
    on_done: Callable[[str], None] | None = None,
    cache: Store | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
) -> WrittenRun:
    """Do a job, or what an earlier run in the folder left of it, score it and write it; see :func:`evaluate`.

    Raises
    ------
    InputError
        Where every utterance failed, another run uses the folder, or it cannot be written.
    BugError
        Where every utterance failed, of them one or more by an unexpected error.
    """
    with open_journal(out) as journal:
        words, details = (out / FOLDER / name for name in (WORDS_NAME, DETAILS_NAME))
        with words_writer(words) as put_rows, entries_writer(details) as put_details:
            done = do_job(
                job,
                put_rows,
                put_details,
                on_done=on_done,
                journal=journal,
                cache=cache,
                engine=engine,
                workers=workers,
            )
        run = score_job(done, dataset(words), protocols)
        write_shard(out, shard_facts(job, done.failures), done.job.corpus.utterances)
        write_audio_spans(out, {u.id: u.audio for u in job.utterances})
        place_run(out, run, words, details)
        journal.finish()
    return WrittenRun(run, dataset(out / WORDS_NAME), done.languages, journal.n_recalled)
