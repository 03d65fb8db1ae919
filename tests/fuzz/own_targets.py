"""Good files that align-eval writes itself, and models, with the readers that their damaged copies go through."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from align_eval.formats.run.audio_spans import read_audio_spans
from align_eval.formats.run.finding_json import read_finding, write_finding
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.languages import read_languages, write_languages
from align_eval.formats.run.maps import SavedMaps, read_maps
from align_eval.formats.run.words_file import utterance_tables
from align_eval.formats.run.words_table import read_words_table
from align_eval.lint_files import lint_path
from tests.conftest import a_tenth_of_the_draws
from tests.fuzz.targets import Fixture, Target, check, read_or_none
from tests.helpers.planted_run import write_planted
from tests.helpers.reported_run import write_reported
from tests.helpers.utterances import utterance

RUN_FILES = ("run.json", "words.parquet", "audio.json", "languages.json", "shard.json")


def runs(root: Path) -> Iterator[Fixture]:
    """A run with maps and audio, whose tables also come with other columns, types and values."""
    folder = _run(root)
    for name in RUN_FILES:
        yield Fixture(folder, name)
        yield Fixture(folder, name)
    for i, table in enumerate(_odd_tables(read_words_table(folder / "words.parquet"))):
        odd = root / f"odd-{i}" / "run"
        odd.mkdir(parents=True)
        (odd / "run.json").write_bytes((folder / "run.json").read_bytes())
        pq.write_table(table, odd / "words.parquet")
        yield Fixture(odd, "run.json")


def _run(root: Path) -> Path:
    from align_eval.engine.job import Shard
    from align_eval.engine.shard_file import ShardFacts, write_shard

    with a_tenth_of_the_draws():
        folder = write_reported(root / "run")
    write_languages(folder, {"a": {"language": "en", "probability": 0.5}})
    spoken = replace(utterance("a", audio=folder / "audio" / "a.wav"))
    write_shard(folder, ShardFacts(Shard(1, 2), (), (), ()), [spoken])
    return folder


ODD: dict[Callable[[pa.DataType], bool], list[Any]] = {
    pa.types.is_string: [None, "../x", ""],
    pa.types.is_floating: [None, -1.0, float("nan"), -1e308],
    pa.types.is_integer: [None, -1, 2**31 - 1],
    pa.types.is_list: [None, []],
}
"""Values that no run has, by the type of a column."""


def _odd_tables(table: pa.Table) -> Iterator[pa.Table]:
    """The table with one column gone, of another type, or with a value that no run has."""
    for i, field in enumerate(table.schema):
        yield table.remove_column(i)
        others = table.column(i).to_pylist()[1:]
        columns = [
            pa.array([value, *others], field.type)
            for is_type, values in ODD.items()
            if is_type(field.type)
            for value in values
        ]
        for column in (*columns, pa.array([[1]] * len(table)), pa.array(["text"] * len(table))):
            yield table.set_column(i, field.name, column)


def run_record(folder: Path, _file: Path) -> object:
    return read_run(folder)


def words(folder: Path, _file: Path) -> object:
    table = read_words_table(folder / "words.parquet")
    n_rows = sum(len(rows) for _, rows in utterance_tables(folder / "words.parquet"))
    check(n_rows == len(table), f"{n_rows} of {len(table)} rows are read")
    return table.to_pydict()


def linted_run(folder: Path, _file: Path) -> object:
    return lint_path(folder)


def compared(folder: Path, _file: Path) -> object:
    from align_eval.gate.compare import compare, read_side

    return compare(read_side(folder), read_side(folder))


def viewed(folder: Path, _file: Path) -> object:
    from align_eval.reporting.findings import gather_findings
    from align_eval.reporting.run_view import view_run

    view = view_run(folder)
    return view, gather_findings(view)


def kept_maps(folder: Path, _file: Path) -> object:
    from align_eval.findings.agreement.measure import measure_agreement
    from align_eval.findings.saved_run import read_saved_run

    return measure_agreement(read_saved_run(folder))


def other_tables(folder: Path, _file: Path) -> object:
    from align_eval.engine.shard_file import read_pieces, read_shard

    reads = (read_audio_spans, read_languages, read_shard, lambda run: list(read_pieces(run)))
    return [read_or_none(lambda read=read: read(folder)) for read in reads]


def findings(root: Path) -> Iterator[Fixture]:
    from align_eval.findings.agreement.measure import measure_agreement
    from align_eval.findings.drift import measure_drift
    from align_eval.findings.heads.measure import search_heads
    from align_eval.findings.saved_run import read_saved_run

    folder = write_planted(root / "run")
    write_finding(folder / "agree.json", measure_agreement(read_saved_run(folder)))
    write_finding(folder / "drift.json", measure_drift(folder))
    write_finding(folder / "heads.json", search_heads(read_saved_run(folder)))
    for name in ("agree.json", "drift.json", "heads.json"):
        yield Fixture(folder, name)


def finding(folder: Path, file: Path) -> object:
    from align_eval.findings.heads.records import heads_of_search
    from align_eval.formats.heads_export import export_heads
    from align_eval.reporting.findings import gather_findings
    from align_eval.reporting.run_view import view_run

    gathered = gather_findings(view_run(folder), [file])
    if file.name == "heads.json":
        heads, shape = heads_of_search(read_finding(file), file, "greedy by agreement", None)
        return gathered, export_heads(heads, shape, "openai")
    return gathered


def maps(root: Path) -> Iterator[Fixture]:
    folder = write_planted(root / "run")
    for path in sorted((folder / "maps").iterdir()):
        yield Fixture(folder, path.relative_to(folder).as_posix())


def saved_maps(_folder: Path, file: Path) -> object:
    return _checked_maps(read_maps(file))


def _checked_maps(found: SavedMaps) -> str:
    for stack in found.stacks.values():
        check(stack.ndim == 3 and np.isfinite(stack).all(), f"a stack has the shape {stack.shape}, or is not finite")
    return repr({name: hashlib.sha256(stack.tobytes()).hexdigest() for name, stack in found.stacks.items()})


# Cache and journal: the content is damaged, and then written with its right checksum, as a foreign program might


def cache_entries(root: Path) -> Iterator[Fixture]:
    from align_eval.engine.cache import _pack

    (root / "entry").write_bytes(_pack(_source_map()))
    yield Fixture(root, "entry")


def cached(folder: Path, file: Path) -> object:
    from align_eval.engine.cache import MapCache
    from align_eval.engine.cache_folder import CacheFolder
    from align_eval.pipeline import Speech
    from align_eval.relevance.source import parse_source

    made, source = _source_map(), parse_source("gradient")
    store = CacheFolder(folder / "cache", 10**9)
    speech = Speech(np.zeros(1600, np.float32), ("one", "two"), "en")
    maps_of = MapCache(store, {}).wrap(lambda sources: dict.fromkeys(sources, made), speech)
    maps_of([source])
    (entry,) = (path for path in (folder / "cache").rglob("*") if path.is_file())
    content = file.read_bytes()
    entry.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    relevance = maps_of([source])[source].relevance
    return relevance.spec, relevance.values.tobytes()


def _source_map() -> Any:
    from align_eval.pipeline import SourceMap
    from align_eval.records import RelevanceMap

    values = np.full((3, 5), 0.2, np.float32)
    pieces = (("one", 1), ("two", 1))
    words_of_rows = np.array([0, 1, -1], np.int32)
    return SourceMap(RelevanceMap(values, 0.02, -0.01, words_of_rows, "gradient", pieces=pieces), (0.5, 0.5))


KEY = "k" * 64


def journals(root: Path) -> Iterator[Fixture]:
    from align_eval.engine.journal import FOLDER, NAME, open_journal

    with open_journal(root / "out") as journal:
        for id_ in ("a", "b"):
            journal.put(id_, KEY, _result())
    lines = (root / "out" / FOLDER / NAME).read_bytes().splitlines()
    (root / "lines.jsonl").write_bytes(b"".join(line[65:] + b"\n" for line in lines))
    yield Fixture(root, "lines.jsonl")


def resumed(folder: Path, file: Path) -> object:
    from align_eval.engine.journal import FOLDER, NAME, _line, open_journal

    (folder / "new" / FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / "new" / FOLDER / NAME).write_bytes(
        b"".join(map(_line, file.read_bytes().removesuffix(b"\n").split(b"\n")))
    )
    with open_journal(folder / "new") as journal:
        return [journal.get(id_, KEY, list(_result().words)) for id_ in ("a", "b")]


def _result() -> Any:
    from align_eval.engine.utterance import Result
    from align_eval.records import Word
    from align_eval.systems import parse_system

    return Result({parse_system("gradient", "dtw"): (Word("one", 0.0, 0.5, 0.5),)}, {"gradient": {"mass": 0.1}})


# Models


def models(root: Path) -> Iterator[Fixture]:
    """A small model as transformers writes it, and the first variables of a ``model.bin``."""
    from tests.helpers.models import random_whisper
    from tests.helpers.transformers_folder import write_folder

    folder = write_folder(random_whisper(n_text_ctx=16, n_audio_ctx=16), root / "model")
    for path in sorted(folder.iterdir()):
        yield Fixture(folder, path.name)
    (root / "ctranslate2").mkdir()
    (root / "ctranslate2" / "model.bin").write_bytes(_model_bin())
    (root / "ctranslate2" / "config.json").write_text('{"alignment_heads": [[0, 1], [1, 0]], "lang_ids": [1]}')
    yield Fixture(root / "ctranslate2", "model.bin")
    yield Fixture(root / "ctranslate2", "config.json")


def model(folder: Path, _file: Path) -> object:
    from align_eval.model.load import load_model, model_checksum

    return model_checksum(load_model(folder))


def model_parts(folder: Path, _file: Path) -> object:
    """The variables of ``model.bin``, and the heads that ``config.json`` names for a model of two layers."""
    from align_eval.model.ctranslate2 import read_variables, set_alignment_heads
    from tests.helpers.models import random_whisper

    if folder.name != "ctranslate2":
        return None
    config = (folder / "config.json").read_text(encoding="utf-8", errors="replace")
    heads = read_or_none(lambda: set_alignment_heads(random_whisper(n_vocab=8), config, folder))
    variables = read_variables((folder / "model.bin").read_bytes(), folder)
    return heads, {name: array.shape for name, array in variables.items()}


def _model_bin() -> bytes:
    from align_eval.model.ctranslate2 import FORMAT_VERSION, SPECIFICATION

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    variables = b"".join(
        string(name) + struct.pack("<BIIBI", 2, 2, 3, 0, 24) + np.arange(6, dtype="<f4").tobytes()
        for name in ("encoder/conv1/weight", "encoder/conv2/weight")
    )
    head = struct.pack("<I", FORMAT_VERSION) + string(SPECIFICATION) + struct.pack("<II", 3, 2)
    return head + variables + struct.pack("<I", 1) + string("decoder/alias") + string("encoder/conv1/weight")


OWN: dict[str, Target] = {
    "runs": Target(runs, (run_record, words, linted_run, compared, viewed, kept_maps, other_tables)),
    "findings": Target(findings, (finding,)),
    "maps": Target(maps, (saved_maps, kept_maps)),
    "cache": Target(cache_entries, (cached,)),
    "journal": Target(journals, (resumed,)),
    "models": Target(models, (model, model_parts)),
}
"""Readers of our own files, and of models."""
