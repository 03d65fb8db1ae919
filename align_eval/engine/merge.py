"""Shards put together again: the words, the scores and the signature of the run that nobody divided.

Beside what every run has, the folder of a shard has ``shard.json``: what its signature adds up from (for each
utterance the very bytes that the checksum of a corpus is made of), and its failures by where they come from. Words of
an utterance are in one shard; they are put in the order of ids, and scored anew.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from align_eval.corpus.folder import Corpus, checksum_of_pieces, checksum_pieces
from align_eval.engine.process import all_failed, by_id
from align_eval.engine.shard import Shard
from align_eval.engine.signature import NAMED, signature_id
from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write, write_bytes
from align_eval.formats.maps import FOLDER as MAPS
from align_eval.formats.run_folder import DETAILS_NAME, WORDS_NAME, read_run
from align_eval.formats.words_table import SCHEMA, read_words_table
from align_eval.records import Failure, Run
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_table

NAME = "shard.json"
SCHEMA_VERSION = 1
OF_THE_WHOLE = ("id", "corpus_checksum")
"""What the signature of a run has otherwise than those of its shards."""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What a shard knows that its run does not say.

    Attributes
    ----------
    shard : Shard
    pieces : tuple of (str, str, str)
        Of each utterance: its id, the checksum of its audio file in hexadecimal digits, and what else is hashed of it.
    corpus_failures, utterance_failures, second_failures : tuple of Failure
        Those of the whole corpus, of the shard's own utterances, and of the whole second reference.
    """

    shard: Shard
    pieces: tuple[tuple[str, str, str], ...]
    corpus_failures: tuple[Failure, ...]
    utterance_failures: tuple[Failure, ...]
    second_failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """The run that nobody divided, its words, and what sources said of themselves."""

    run: Run
    words: pa.Table
    details: dict[str, Any]


def shard_facts(
    shard: Shard, corpus: Corpus, utterance_failures: Sequence[Failure], second_failures: Sequence[Failure]
) -> ShardFacts:
    """What is written beside the run of a shard of a corpus."""
    pieces = tuple(checksum_pieces(corpus.utterances))
    return ShardFacts(shard, pieces, corpus.failures, tuple(utterance_failures), tuple(second_failures))


def write_shard(out: Path, facts: ShardFacts | None) -> None:
    """Write what a shard knows into its run folder; of a whole run, remove what an earlier shard left there.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    try:
        (out / NAME).unlink(missing_ok=True)
        if facts:
            text = json.dumps({"schema": SCHEMA_VERSION, **asdict(facts)}, ensure_ascii=False)
            write_bytes(out / NAME, f"{text}\n".encode())
    except OSError as error:
        raise cannot_write(out, error, "choose another --out") from error


def read_shard(run: Path) -> ShardFacts:
    """Read what a shard knows.

    Raises
    ------
    InputError
        Where the folder is not that of a shard.
    """
    try:
        data = json.loads((run / NAME).read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA_VERSION:
            raise ValueError(f"schema {data['schema']}")
        names = ("corpus_failures", "utterance_failures", "second_failures")
        return ShardFacts(
            shard=Shard(**data["shard"]),
            pieces=tuple((id_, audio, rest) for id_, audio, rest in data["pieces"]),
            **{name: tuple(Failure(**failure) for failure in data[name]) for name in names},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(run, f"is no shard of a run ({error})", "make it with run --shard i/n") from error


def merge_runs(folders: Sequence[Path], protocols: dict[str, Protocol] | None = None) -> Merged:
    """Put the shards of a run together.

    Parameters
    ----------
    protocols
        Protocols of one's own that the shards were scored by.

    Raises
    ------
    InputError
        Where a shard is missing or given twice, or they are of different runs.
    """
    facts = [read_shard(folder) for folder in folders]
    runs = [read_run(folder) for folder in folders]
    _check_numbers(folders, [f.shard for f in facts])
    _check_signatures(folders, runs)
    signature = dict(runs[0].signature)
    settings = {name: value for name, value in signature.items() if name not in ("id", "shard")}
    settings["corpus_checksum"] = checksum_of_pieces(piece for f in facts for piece in f.pieces)
    every = PROTOCOLS | (protocols or {})
    own = {name: protocol.hash for name, protocol in every.items()}
    if own != settings["protocols"]:
        raise InputError(folders[0], "was scored by other protocols", "give those of its run with --protocols")
    failed = [failure for f in facts for failure in f.utterance_failures]
    failures = by_id([*facts[0].corpus_failures, *failed])
    words = in_order([read_words_table(folder / WORDS_NAME) for folder in folders])
    if len(failed) == pc.count_distinct(words.column("utterance")).as_py():
        raise all_failed(Corpus(settings["corpus"], (), ()), failures)
    run = Run(
        schema=runs[0].schema,
        signature={"id": signature_id({k: v for k, v in settings.items() if k not in NAMED}), **settings},
        rows=score_table(words, text=settings["text"], seed=settings["seed"], protocols=protocols),
        failures=failures + facts[0].second_failures,
        environment=runs[0].environment,
    )
    return Merged(run, words, _merged_details(folders))


def merge_maps(folders: Sequence[Path], out: Path) -> int:
    """Copy the maps that shards kept; their number.

    Raises
    ------
    InputError
        Where they cannot be written.
    """
    n_maps = 0
    for folder in folders:
        for path in sorted((folder / MAPS).rglob("*.safetensors")):
            target = out / path.relative_to(folder)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            except OSError as error:
                raise cannot_write(target, error, "choose another --out") from error
            n_maps += 1
    return n_maps


def in_order(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of tables no two of which have an utterance in common, in the order of ids."""
    table = pa.concat_tables([SCHEMA.empty_table(), *tables]).combine_chunks()
    first_row: dict[str, int] = {}
    rows_of: dict[str, int] = {}
    for row, id_ in enumerate(table.column("utterance").to_pylist()):
        first_row.setdefault(id_, row)
        rows_of[id_] = rows_of.get(id_, 0) + 1
    slices = [table.slice(first_row[id_], rows_of[id_]) for id_ in sorted(first_row)]
    return pa.concat_tables([SCHEMA.empty_table(), *slices]).combine_chunks()


def _check_numbers(folders: Sequence[Path], shards: Sequence[Shard]) -> None:
    count = shards[0].count
    other = next((i for i, shard in enumerate(shards) if shard.count != count), None)
    if other is not None:
        problem = f"is one of {shards[other].count} shards, {folders[0]} one of {count}"
        raise InputError(folders[other], problem, "give the shards of one run")
    numbers = [shard.number for shard in shards]
    twice = next((i for i, number in enumerate(numbers) if number in numbers[:i]), None)
    if twice is not None:
        raise InputError(folders[twice], f"is shard {numbers[twice]}/{count} again", "give every shard once")
    missing = sorted(set(range(1, count + 1)) - set(numbers))
    if missing:
        listed = ", ".join(f"{number}/{count}" for number in missing[:5])
        raise InputError(f"shards of {folders[0]}", f"{listed} not given", "give every shard")


def _check_signatures(folders: Sequence[Path], runs: Sequence[Run]) -> None:
    """All that decides must be the same in all shards, but for what each has of the corpus."""
    first = runs[0].signature
    for folder, run in zip(folders, runs, strict=True):
        names = sorted(first.keys() | run.signature.keys())
        different = [
            name
            for name in names
            if name not in (*OF_THE_WHOLE, "shard") and first.get(name) != run.signature.get(name)
        ]
        if different:
            problem = f"differs from {folders[0]} in {', '.join(different)}"
            raise InputError(folder, problem, "make every shard with the same command and packages")


def _merged_details(folders: Sequence[Path]) -> dict[str, Any]:
    """What sources said of themselves, in the order of ids; then the languages of recordings that were cut."""
    found: dict[str, Any] = {}
    for folder in folders:
        path = folder / DETAILS_NAME
        if path.is_file():
            try:
                found |= json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise InputError(path, f"cannot be read ({error})", "run that shard again") from error
    return {id_: found[id_] for id_ in sorted(found, key=lambda id_: (set(found[id_]) == {"language"}, id_))}
