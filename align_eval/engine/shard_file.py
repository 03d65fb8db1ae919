"""``shard.json`` in the run folder of a shard: the metadata that `merge` needs and run.json does not hold.

It has the shard's number, its failures by origin, and one line per utterance with the bytes that the checksum of a
corpus is made from, in the order of ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from align_eval.corpus.checksums import FileChecksums
from align_eval.corpus.folder import checksum_pieces
from align_eval.engine.job import Job, Shard
from align_eval.errors import InputError
from align_eval.formats.atomic import check_name
from align_eval.formats.json_file import MAX_BYTES, Kind, decode_json
from align_eval.formats.run.json_lines import entries_writer, read_entries
from align_eval.formats.run.tracebacks import as_json
from align_eval.records import Failure, Utterance

NAME = "shard.json"
SCHEMA_VERSION = 1
SHARD_JSON = Kind("is no shard of a run", "make it with run --shard i/n", SCHEMA_VERSION)
HEAD_ENDS, TAIL = ', "pieces": {', "}}"


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """Shard metadata that run.json does not hold, without the lines of utterances.

    Attributes
    ----------
    shard : Shard
    corpus_failures, utterance_failures, second_failures : tuple of Failure
        Failures of the whole corpus, of the shard's utterances, and of the whole second reference.
    """

    shard: Shard
    corpus_failures: tuple[Failure, ...]
    utterance_failures: tuple[Failure, ...]
    second_failures: tuple[Failure, ...]


def shard_facts(job: Job, shard: Shard, utterance_failures: tuple[Failure, ...]) -> ShardFacts:
    """The metadata of a job that is a shard."""
    second_failures = job.second_reference.failures if job.second_reference else ()
    return ShardFacts(shard, job.corpus.failures, utterance_failures, second_failures)


def write_shard(
    out: Path, facts: ShardFacts, utterances: Iterable[Utterance], checksums: FileChecksums | None = None
) -> None:
    """Write the metadata of a shard of these utterances.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    head = json.dumps({"schema": SCHEMA_VERSION, **as_json(facts, folder=None)}, ensure_ascii=False)
    with entries_writer(out / NAME, head.removesuffix("}") + HEAD_ENDS, TAIL) as put:
        for id_, audio, rest in checksum_pieces(sorted(utterances, key=lambda u: u.id), checksums):
            put({id_: [audio, rest]})


def read_shard(run: Path) -> ShardFacts:
    """Read the metadata of a shard.

    Raises
    ------
    InputError
        Where the folder is not that of a shard.
    """
    path = run / NAME
    try:
        with path.open("rb") as file:
            head = file.readline(MAX_BYTES)
    except OSError as error:
        problem = f"{SHARD_JSON.problem} ({error.strerror or error})"
        raise InputError(path, problem, SHARD_JSON.remedy) from error
    facts = decode_json(head + TAIL.encode(), ShardFacts, path, SHARD_JSON)
    for failure in facts.utterance_failures:
        check_name(path, failure.id)
    return facts


def read_pieces(run: Path) -> Iterator[tuple[str, str, str]]:
    """Read the parts of the corpus checksum by utterance (:func:`~align_eval.corpus.folder.checksum_pieces`).

    Raises
    ------
    InputError
        Where the folder is not that of a shard.
    """
    for id_, (audio, rest) in read_entries(run / NAME, tuple[str, str], SHARD_JSON):
        yield id_, audio, rest
