"""``shard.json`` in the run folder of a shard: the metadata that `merge` needs and run.json does not hold.

It has the shard's number, its failures by origin, and one line per utterance with the bytes that the checksum of a
corpus is made from, in the order of ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from align_eval.corpus.folder import checksum_pieces
from align_eval.engine.job import Job, Shard
from align_eval.errors import InputError
from align_eval.formats.atomic import check_name, write_whole, writing
from align_eval.formats.run.json_lines import entries_writer, read_entries
from align_eval.formats.run.tracebacks import as_json
from align_eval.records import Failure, Utterance

NAME = "shard.json"
SCHEMA_VERSION = 1
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


def write_shard(out: Path, facts: ShardFacts, utterances: Iterable[Utterance]) -> None:
    """Write the metadata of a shard of these utterances.

    Raises
    ------
    InputError
        Where it cannot be written.
    """

    def write(path: Path) -> None:
        head = json.dumps({"schema": SCHEMA_VERSION, **as_json(facts, folder=None)}, ensure_ascii=False)
        with entries_writer(path, head.removesuffix("}") + HEAD_ENDS, TAIL) as put:
            for id_, audio, rest in checksum_pieces(sorted(utterances, key=lambda u: u.id)):
                put({id_: [audio, rest]})

    with writing(out):
        write_whole(out / NAME, write)


def read_shard(run: Path) -> ShardFacts:
    """Read the metadata of a shard.

    Raises
    ------
    InputError
        Where the folder is not that of a shard.
    """
    try:
        with (run / NAME).open(encoding="utf-8") as file:
            data = json.loads(next(file, "") + TAIL)
        if data["schema"] != SCHEMA_VERSION:
            raise ValueError(f"schema {data['schema']}")
        names = ("corpus_failures", "utterance_failures", "second_failures")
        facts = ShardFacts(
            shard=Shard(**data["shard"]),
            **{name: tuple(Failure(**failure) for failure in data[name]) for name in names},
        )
        for failure in facts.utterance_failures:
            check_name(run / NAME, failure.id)
        return facts
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_shard(run, error) from error


def read_pieces(run: Path) -> Iterator[tuple[str, str, str]]:
    """Read the parts of the corpus checksum by utterance (:func:`~align_eval.corpus.folder.checksum_pieces`).

    Raises
    ------
    InputError
        Where the folder is not that of a shard.
    """
    try:
        for id_, (audio, rest) in read_entries(run / NAME):
            yield id_, audio, rest
    except (OSError, ValueError, TypeError) as error:
        raise _no_shard(run, error) from error


def _no_shard(run: Path, error: Exception) -> InputError:
    return InputError(run, f"is no shard of a run ({error})", "make it with run --shard i/n")
