"""Shards: who has what depends on ids alone, and together they are the whole; what does not fit together is refused."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.engine.job import Shard, in_shard, parse_shard
from align_eval.engine.merge import in_order, merge_into
from align_eval.engine.shard_file import ShardFacts, write_shard
from align_eval.errors import InputError
from align_eval.formats.run.audio_spans import write_audio_spans
from align_eval.formats.run.folder import WORDS_NAME, place_run, write_run
from align_eval.formats.run.staging import staging
from align_eval.formats.run.words_file import words_writer, write_words_table
from align_eval.formats.run.words_table import read_words_table, words_table
from align_eval.options import Plan
from align_eval.records import Failure, Utterance
from align_eval.run_record import Run
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.scoring.summary import score_table
from align_eval.signature import run_signature
from align_eval.systems import parse_system
from tests.helpers.utterances import utterance

PLANNED = (parse_system("attention:heads=all", "dtw"), parse_system("gradient", "viterbi"))
PLAN = Plan("tiny.en", PLANNED)
SYSTEMS = tuple(system.name for system in PLANNED)
IDS = [f"speaker{i % 3}/clip {i:02}" for i in range(30)]


def of_speaker(id_: str, **fields: object) -> Utterance:
    """An utterance of the speaker whose name begins its id."""
    return utterance(id_, speaker=id_[:8], **fields)


def part(ids: list[str], number: int, count: int) -> list[str]:
    corpus = Corpus("c", tuple(map(of_speaker, ids)), ())
    return [u.id for u in in_shard(corpus, Shard(number, count)).utterances]


def test_every_utterance_is_in_one_shard_whatever_the_order():
    shuffled = random.Random(0).sample(IDS, len(IDS))
    for count in (1, 2, 7, 50):
        parts = [part(IDS, number, count) for number in range(1, count + 1)]
        assert sorted(id_ for ids in parts for id_ in ids) == sorted(IDS)
        assert [sorted(part(shuffled, number, count)) for number in range(1, count + 1)] == [sorted(p) for p in parts]


def test_the_rule_is_the_one_that_is_documented():
    first_8_bytes = int(hashlib.sha256(IDS[4].encode()).hexdigest()[:16], 16)
    assert IDS[4] in part(IDS, first_8_bytes % 7 + 1, 7)


def test_an_utterance_that_is_added_moves_no_other():
    assert set(part(IDS[:-1], 2, 4)) == set(part(IDS, 2, 4)) - {IDS[-1]}


def test_windows_of_a_recording_are_together():
    windows = tuple(of_speaker(f"long@{i:09.3f}", part_of="long") for i in range(20))
    sizes = [len(in_shard(Corpus("c", windows, ()), Shard(number, 4)).utterances) for number in range(1, 5)]
    assert sorted(sizes) == [0, 0, 0, 20]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/", "/4", "-1/4", "1/0", "1/4/2", "a/b", "1/99999999"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InputError, match="is no i/n with i from 1 to n"):
        parse_shard(text)


def test_a_shard_is_read():
    assert parse_shard("3/14") == Shard(3, 14)


@pytest.fixture
def corpus(tmp_path):
    utterances = []
    for i, id_ in enumerate(IDS):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, [i / 100] * 1600, 16000)
        utterances.append(of_speaker(id_, audio=path))
    return Corpus("c", tuple(utterances), (Failure("bad", "bad.wav: is no audio"),))


def run_of(corpus: Corpus, shard: Shard | None = None) -> tuple[Run, pa.Table, ShardFacts | None]:
    """A run as `evaluate` makes one, with times planted by id; clip 07 fails."""
    found = {
        u.id: dict.fromkeys(SYSTEMS, tuple(replace(w, end_s=w.end_s + len(u.id) / 1000) for w in u.words))
        for u in corpus.utterances
        if "07" not in u.id
    }
    words = words_table(corpus.utterances, SYSTEMS, found)
    failed = [Failure(u.id, "failed") for u in corpus.utterances if u.id not in found]
    signature = run_signature(
        PLAN,
        model_checksum="0" * 64,
        corpus=corpus.name,
        corpus_checksum=corpus_checksum(corpus.utterances),
        settings={"shard": [shard.number, shard.count]} if shard else {},
        protocols=PROTOCOLS,
    )
    failures = tuple(sorted([*corpus.failures, *failed], key=lambda f: f.id))
    no_answer = None if shard else "the run lacks Whisper's own word times (--preset openai)"
    run = Run(2, signature, score_table(words), failures, {"python": "3"}, no_answer=no_answer)
    return run, words, ShardFacts(shard, corpus.failures, tuple(failed), ()) if shard else None


def write_whole(out: Path, corpus: Corpus, run: Run, words: pa.Table, facts: ShardFacts | None = None) -> Run:
    """Write the folder of a run or, with its facts, of a shard."""
    with staging(out) as new:
        write_words_table(new / WORDS_NAME, words)
        write_audio_spans(new, {u.id: u.audio for u in corpus.utterances})
        if facts:
            write_shard(new, facts, corpus.utterances)
        return place_run(out, new, run)


def write_parts(corpus: Corpus, folder: Path, count: int) -> list[Path]:
    parts = [folder / f"part{number}" for number in range(1, count + 1)]
    for number, out in enumerate(parts, start=1):
        of_shard = in_shard(corpus, Shard(number, count))
        run, words, facts = run_of(of_shard, Shard(number, count))
        write_whole(out, of_shard, run, words, facts)
    return parts


@pytest.mark.parametrize("count", [1, 3, 40])
def test_shards_together_are_the_run_that_nobody_divided(corpus, tmp_path, count):
    run, words, _ = run_of(corpus)
    parts = write_parts(corpus, tmp_path, count)
    merged = merge_into(tmp_path / "merged", parts[::-1])
    assert read_words_table(tmp_path / "merged" / "words.parquet").equals(words)
    assert write_whole(tmp_path / "whole", corpus, run, words) == merged
    for path in (path for path in (tmp_path / "whole").rglob("*") if path.is_file()):
        assert (tmp_path / "merged" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


def test_a_shard_that_is_missing_or_there_twice_is_named(corpus, tmp_path):
    parts = write_parts(corpus, tmp_path, 3)
    with pytest.raises(InputError, match="2/3 not given; give every shard"):
        merge_into(parts[0].parent / "merged", [parts[0], parts[2]])
    with pytest.raises(InputError, match="part1: is shard 1/3 again"):
        merge_into(parts[0].parent / "merged", [*parts, parts[0]])
    others = write_parts(corpus, tmp_path / "other", 2)
    with pytest.raises(InputError, match=r"part2: is one of 2 shards, .*part1 one of 3"):
        merge_into(parts[0].parent / "merged", [parts[0], others[1], parts[2]])


def test_shards_of_different_runs_are_refused_with_what_differs(corpus, tmp_path):
    parts = write_parts(corpus, tmp_path, 2)
    second = in_shard(corpus, Shard(2, 2))
    run, words, facts = run_of(second, Shard(2, 2))
    other = replace(run, signature=run.signature | {"context": "fit", "seed": 1})
    write_whole(parts[1], second, other, words, facts)
    with pytest.raises(InputError, match=r"part2: differs from .*part1 in context, seed; make every shard"):
        merge_into(parts[0].parent / "merged", parts)


def test_a_run_that_is_no_shard_is_refused(corpus, tmp_path):
    run, words, _ = run_of(corpus)
    write_run(tmp_path / "whole", run, words)
    with pytest.raises(InputError, match=r"whole/shard\.json: is no shard of a run .*; make it with run --shard i/n"):
        merge_into(tmp_path / "merged", [tmp_path / "whole"])


def test_shards_in_which_every_utterance_failed_are_no_run(corpus, tmp_path):
    failing = replace(corpus, utterances=tuple(u for u in corpus.utterances if "07" in u.id))
    parts = write_parts(failing, tmp_path, 2)
    with pytest.raises(InputError, match="every utterance failed: "):
        merge_into(parts[0].parent / "merged", parts)


def test_rows_are_put_in_the_order_of_ids_in_blocks_that_do_not_depend_on_the_shards(tmp_path):
    """600 utterances are three row groups, as they are where nobody divides them."""
    ids = ["a", "яма", "a@1", "a-1", *(f"u{i}" for i in range(596))]
    whole = words_table(map(of_speaker, ids), SYSTEMS, {})
    write_words_table(tmp_path / "whole.parquet", whole)
    for i in range(3):
        (tmp_path / f"part{i}").mkdir()
        write_words_table(tmp_path / f"part{i}" / "words.parquet", words_table(map(of_speaker, ids[i::3]), SYSTEMS, {}))
    with words_writer(tmp_path / "merged.parquet") as put:
        for _, rows in in_order([tmp_path / f"part{i}" for i in range(3)]):
            put(rows)
    assert pq.ParquetFile(tmp_path / "whole.parquet").num_row_groups == 3
    assert (tmp_path / "merged.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert read_words_table(tmp_path / "merged.parquet").equals(whole)


ESCAPES = ("../../ESCAPED", "/tmp/ESCAPED", "a\\..\\b", "a\nb", "")


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("column", ["audio", "utterance"])
def test_a_shard_whose_words_name_a_file_elsewhere_is_refused(corpus, tmp_path, column, name):
    parts = write_parts(corpus, tmp_path, 2)
    table = pq.read_table(parts[1] / "words.parquet")
    names = [name if value == IDS[0] else value for value in table.column(column).to_pylist()]
    names[-1] = name
    changed = table.set_column(table.column_names.index(column), table.field(column), [names])
    pq.write_table(changed, parts[1] / "words.parquet")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        InputError, match=r"words\.parquet, column \w+: the name .* cannot name a file; run again"
    ) as no:
        merge_into(tmp_path / "deep" / "er" / "merged", parts, edited=True)
    assert no.value.exit_code == 2
    written = sorted(path for path in tmp_path.rglob("*") if tmp_path / "deep" not in (path, *path.parents))
    assert written == before
    assert not (tmp_path / "deep" / "er" / "merged" / "run.json").exists()
    assert not (tmp_path / "deep" / "ESCAPED.TextGrid").exists()


@pytest.mark.parametrize("link", ["textgrids", "maps", ".partial", "tracebacks", "textgrids/speaker0", "maps/speaker0"])
def test_a_link_in_the_output_folder_leads_nothing_out(corpus, tmp_path, link):
    parts = write_parts(corpus, tmp_path, 2)
    for part_ in parts:
        (part_ / "maps" / "speaker0").mkdir(parents=True)
        (part_ / "maps" / "speaker0" / f"{part_.name}.safetensors").write_bytes(b"maps")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.safetensors").write_text("mine")
    (tmp_path / "merged" / link).parent.mkdir(parents=True)
    (tmp_path / "merged" / link).symlink_to(elsewhere)
    refused = r"is outside .*, to which a link leads; remove the link|is of no run, and a run would replace it"
    with pytest.raises(InputError, match=refused):
        merge_into(tmp_path / "merged", parts)
    assert [(path.name, path.read_text()) for path in elsewhere.iterdir()] == [("x.safetensors", "mine")]
    assert not (tmp_path / "merged" / "run.json").exists()


@pytest.mark.parametrize("place", ["pieces", "utterance_failures"])
def test_an_id_of_a_shard_that_cannot_name_a_file_is_refused(corpus, tmp_path, place):
    (part_,) = write_parts(corpus, tmp_path, 1)
    text = (part_ / "shard.json").read_text()
    found = f'{{"id": "{IDS[7]}"' if place == "utterance_failures" else f'"{IDS[3]}": ['
    assert found in text
    (part_ / "shard.json").write_text(text.replace(found, found.replace("speaker", "../speaker")))
    with pytest.raises(InputError, match=r"shard\.json.*: the name '\.\./speaker.* cannot name a file"):
        merge_into(tmp_path / "merged", [part_], edited=True)
    assert not (tmp_path / "merged" / "run.json").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("audio.json", '{"schema": 1, "spans": {\n"../a": {"path": "/a.wav"}\n}}\n'),
        ("details.json", '{\n"../a": {}\n}\n'),
        ("languages.json", '{"../a": {"detected": "en", "probability": 1.0}}\n'),
    ],
)
def test_an_id_of_another_table_that_cannot_name_a_file_is_refused(corpus, tmp_path, name, text):
    (part_,) = write_parts(corpus, tmp_path, 1)
    (part_ / name).write_text(text)
    with pytest.raises(InputError, match=rf"{name}.*: the name '\.\./a' cannot name a file"):
        merge_into(tmp_path / "merged", [part_], edited=True)


def test_a_failure_of_a_shard_has_its_traceback_in_the_folder_whatever_its_id(corpus, tmp_path):
    """Failures of the whole corpus may name a file in place of an id; the text is that of a JSON file."""
    (part_,) = write_parts(replace(corpus, failures=(Failure("../../ESCAPED", "bug", "IndexError\n"),)), tmp_path, 1)
    merge_into(tmp_path / "merged", [part_])
    (path,) = (tmp_path / "merged" / "tracebacks").rglob("*.txt")
    assert path.read_text() == "IndexError\n"
    named = json.loads((tmp_path / "merged" / "run.json").read_text())["failures"][0]["traceback"]
    assert tmp_path / "merged" / named == path
