"""Merge the shards of a run: the words, scores and signature of the run that was never divided.

The words of an utterance are in one shard. They are merged in the order of ids, one utterance at a time, and scored
anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from heapq import merge
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.dataset import dataset

from align_eval.corpus.folder import checksum_of_pieces
from align_eval.engine.answer import answers
from align_eval.engine.finished import finished_run, refuse_other_plan
from align_eval.engine.job import Shard
from align_eval.engine.shard_file import read_pieces, read_shard
from align_eval.engine.utterance import all_failed, by_id
from align_eval.errors import InputError, listed
from align_eval.formats.atomic import write_bytes, writing
from align_eval.formats.checksum import check_same
from align_eval.formats.run.audio_spans import merge_audio_spans
from align_eval.formats.run.folder import DETAILS_JSON, DETAILS_NAME, WORDS_NAME, place_run, read_run
from align_eval.formats.run.json_lines import entries_writer, read_entries
from align_eval.formats.run.languages import read_languages
from align_eval.formats.run.map_checksums import read_checksums, write_checksums
from align_eval.formats.run.maps import maps_path
from align_eval.formats.run.staging import staging
from align_eval.formats.run.words_file import utterance_tables, words_writer
from align_eval.reading import opened
from align_eval.records import sum_flat_rows
from align_eval.run_record import Run
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_words
from align_eval.signature import with_id

OF_THE_WHOLE = ("id", "corpus_checksum")
"""Settings in which the signature of a run differs from those of its shards."""


def merge_into(
    out: Path,
    folders: Sequence[Path],
    protocols: Mapping[str, Protocol] | None = None,
    *,
    edited: bool = False,
    force: bool = False,
    on_already: Callable[[], None] | None = None,
) -> Run:
    """Merge the shards of a run into a folder: the files that the undivided run would have written.

    Parameters
    ----------
    out : Path
    folders : sequence of Path
        Run folders of all shards, in any order.
    protocols : mapping of str to Protocol, optional
        User-defined protocols that the shards were scored by.
    edited : bool
        Accept shards whose files were changed since they were written.
    force : bool
        Replace the finished run of another plan.

    on_already : function, optional
        Called where the folder holds the merged run already, which then stays as it is.

    Raises
    ------
    InputError
        Where a shard is missing or given twice, they are of different runs, the folder holds the finished run of
        another plan, or it cannot be written.
    """
    runs = [read_run(folder, edited=edited) for folder in folders]
    facts = [read_shard(folder) for folder in folders]
    _check_numbers(folders, [f.shard for f in facts])
    _check_signatures(folders, runs)
    deciding = {name: value for name, value in runs[0].signature.items() if name not in ("id", "shard")}
    deciding["corpus_checksum"] = checksum_of_pieces(merge(*map(read_pieces, folders), key=itemgetter(0)))
    hashes = {name: protocol.hash for name, protocol in (PROTOCOLS | dict(protocols or {})).items()}
    if hashes != deciding["protocols"]:
        raise InputError(folders[0], "was scored by other protocols", "give those of its run with --protocols")
    failed = [failure for f in facts for failure in f.utterance_failures]
    failures = by_id([*facts[0].corpus_failures, *failed])
    signature = with_id(deciding)
    done = None if force else finished_run(out)
    if done:
        refuse_other_plan(out, done, signature)
        maps = {id_: checksum for folder in folders for id_, checksum in read_checksums(folder).items()}
        if done.failures == failures + facts[0].second_failures and read_checksums(out) == maps:
            if on_already:
                on_already()
            return done
    with staging(out) as new:
        words = new / WORDS_NAME
        with words_writer(words) as put_rows:
            n_utterances = 0
            for _, rows in in_order(folders):
                put_rows(rows)
                n_utterances += 1
        if sum(failure.system is None for failure in failed) == n_utterances:
            raise all_failed(deciding["corpus"], failures)
        _merge_details(folders, new / DETAILS_NAME)
        rows = score_words(dataset(words), text=deciding["text"], seed=deciding["seed"], protocols=protocols)
        answer, no_answer = answers(dataset(words), rows, deciding)
        run = Run(
            schema=runs[0].schema,
            signature=signature,
            rows=rows,
            failures=failures + facts[0].second_failures,
            environment=runs[0].environment,
            flat_rows=sum_flat_rows(rows for run in runs for rows in run.flat_rows),
            answer=answer,
            no_answer=no_answer,
        )
        merge_maps(folders, new, edited=edited)
        languages = {id_: detected for folder in folders for id_, detected in read_languages(folder).items()}
        merge_audio_spans(folders, new)
        return place_run(out, new, run, dict(sorted(languages.items())))


def merge_maps(folders: Sequence[Path], new: Path, *, edited: bool = False) -> None:
    """Copy the saved maps of shards, and write their checksums.

    Raises
    ------
    InputError
        Where they cannot be read or written, or are not those that the shard wrote.
    """
    checksums: dict[str, str] = {}
    for folder in folders:
        for id_, checksum in read_checksums(folder).items():
            path = maps_path(folder, id_)
            with opened(path) as file:
                content = file.read()
            checksums[id_] = sha256(content).hexdigest()
            if not edited:
                check_same(path, checksums[id_], checksum)
            with writing(new):
                write_bytes(maps_path(new, id_), content)
    write_checksums(new, checksums)


def in_order(folders: Sequence[Path]) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of each utterance with its id, in the order of ids, from run folders of different utterances."""
    return merge(*(utterance_tables(folder / WORDS_NAME) for folder in folders), key=itemgetter(0))


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
    missing = list(islice((number for number in range(1, count + 1) if number not in numbers), 5))
    if missing:
        numbers_missing = listed(f"{number}/{count}" for number in missing)
        raise InputError(f"shards of {folders[0]}", f"{numbers_missing} not given", "give every shard")


def _check_signatures(folders: Sequence[Path], runs: Sequence[Run]) -> None:
    """Refuse shards that differ in a setting that decides word times, other than the part of the corpus."""
    first = runs[0].signature
    for folder, run in zip(folders, runs, strict=True):
        names = sorted(first.keys() | run.signature.keys())
        different = [
            name
            for name in names
            if name not in (*OF_THE_WHOLE, "shard") and first.get(name) != run.signature.get(name)
        ]
        if different:
            problem = f"differs from {folders[0]} in {listed(different)}"
            raise InputError(folder, problem, "make every shard with the same command and packages")


def _merge_details(folders: Sequence[Path], path: Path) -> None:
    """Write the details of all shards in the order of ids."""
    entries = (read_entries(folder / DETAILS_NAME, Any, DETAILS_JSON) for folder in folders)
    with entries_writer(path) as put:
        for id_, details in merge(*entries, key=itemgetter(0)):
            put({id_: details})
