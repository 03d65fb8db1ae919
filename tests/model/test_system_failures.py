"""A system that fails on an utterance fails alone: the others time it, and its own words there are lost.

The failure is a real one: kernel SHAP over blocks of 1.1 s refuses u00000 and u00005, which last 1.0 s and are a single
block; the other utterances are two blocks.
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import soundfile

from align_eval.alignment import word_times
from align_eval.api import align, evaluate
from align_eval.engine.journal import FOLDER, NAME
from align_eval.errors import InputError
from align_eval.findings.saved_run import read_saved_run
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.tracebacks import traceback_name
from align_eval.formats.textgrids import write_words
from align_eval.model import decode
from align_eval.model.decode import Stretch
from align_eval.model.load import load_model
from align_eval.records import FlatRows, Word
from align_eval.relevance.source import FLAT_ROWS
from tests.helpers.command_line import align_eval
from tests.helpers.models import random_whisper
from tests.helpers.tiny_run import files_of, write_corpus, write_model
from tests.helpers.transformers_folder import write_folder

FAILING = "kernel-shap:at=encoder-output,window_s=1.1,n_samples=4"
OTHER = "attention:heads=all"
N_UTTERANCES, FAILED = 6, ["u00000", "u00005"]
SOURCES = ("--source", FAILING, "--source", OTHER)
OPTIONS = (*SOURCES, "--align", "dtw", "--align", "viterbi")
PROBLEM = "the audio is a single block; use a shorter window_s"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failing")
    write_model(folder / "model")
    write_corpus(folder / "corpus", N_UTTERANCES)
    folder.joinpath("printed").write_text(run(folder, "whole", "--keep", "maps").stdout)
    return folder


def run(folder, out, *more, options=OPTIONS):
    return align_eval("run", folder / "corpus", "--model", folder / "model", *options, "--out", folder / out, *more)


def times_of(run_folder, source):
    """Starts by utterance of one source, over both aligners."""
    table = pq.read_table(run_folder / "words.parquet")
    rows = table.filter(pc.equal(table.column("source"), source)).to_pylist()
    starts: dict[str, list] = {}
    for row in rows:
        starts.setdefault(row["utterance"], []).append(row["start_s"])
    return starts


def source_names(run_folder):
    return set(pq.read_table(run_folder / "words.parquet").column("source").to_pylist())


def test_the_other_systems_time_the_utterance_and_its_own_words_are_lost(workplace):
    run_folder = workplace / "whole"
    (failing,) = source_names(run_folder) - {OTHER}
    written = json.loads((run_folder / "run.json").read_text())
    source = f"source {failing.partition(',')[0]},window_s=1.1"
    assert written["failures"] == [
        {"id": id_, "message": f"utterance {id_}, {failing}, {source}: {PROBLEM}", "system": failing} for id_ in FAILED
    ]
    assert [failure.system for failure in read_run(run_folder).failures] == [failing, failing]
    lost = times_of(run_folder, failing)
    assert {id_ for id_, starts in lost.items() if starts == [None] * 6} == set(FAILED)
    assert all(None not in starts for id_, starts in lost.items() if id_ not in FAILED)
    assert all(None not in starts for starts in times_of(run_folder, OTHER).values())


def test_coverage_falls_and_systems_are_compared_on_the_words_that_all_timed(workplace):
    rows = {
        (row.source, row.align, row.metric): row
        for row in read_run(workplace / "whole").rows
        if row.boundaries == "all" and row.calibration == "none"
    }
    (failing,) = {source for source, _, _ in rows} - {OTHER}
    assert rows[failing, "dtw", "coverage"].value == pytest.approx(4 / 6)
    assert rows[OTHER, "dtw", "coverage"].value == 1.0
    for align_spec in ("dtw", "viterbi"):
        assert rows[failing, align_spec, "wbe_mean_common"].value == rows[failing, align_spec, "wbe_mean"].value
        common, own = (rows[OTHER, align_spec, name] for name in ("wbe_mean_common", "wbe_mean"))
        assert common.value != own.value
        assert (common.n_words, own.n_words) == (12, 18)


def test_a_run_prints_one_line_for_the_system_and_exits_2(workplace):
    done = run(workplace, "again")
    assert done.returncode == 2
    (failing,) = source_names(workplace / "again") - {OTHER}
    lost = f"failed: {failing} in 2 utterances, whose words it lost; the first: utterance u00000, {failing}"
    assert lost in done.stdout
    assert "not scored" not in done.stdout
    assert "WBE common" in done.stdout


@pytest.mark.parametrize("more", [("--batch", "3"), ("--cache", "CACHE")], ids=["in batches", "with a cache"])
def test_the_same_fails_in_batches_and_with_a_cache(workplace, tmp_path, more):
    more = [str(tmp_path) if value == "CACHE" else value for value in more]
    for _ in range(2):
        assert run(workplace, tmp_path / "out", *more).returncode == 2
        got, expected = (read_run(folder).failures for folder in (tmp_path / "out", workplace / "whole"))
        assert got == expected


def test_merged_shards_are_the_whole_run(workplace):
    parts = [workplace / f"part{number}" for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        run(workplace, part, "--shard", f"{number}/2", "--keep", "maps")
    assert align_eval("merge", *parts, "--out", workplace / "merged").returncode == 2
    assert files_of(workplace / "merged") == files_of(workplace / "whole")


def test_a_run_that_was_cut_off_tries_it_again_and_ends_the_same(workplace, monkeypatch):
    from align_eval.engine import run as engine_run

    with monkeypatch.context() as patched:
        patched.setattr(engine_run, "score_job", None)  # a bug after all utterances are done
        assert run(workplace, "cut", "--keep", "maps").returncode == 70
    lines = (workplace / "cut" / FOLDER / NAME).read_text().splitlines()
    assert not set(FAILED) & {json.loads(line[65:])["id"] for line in lines}
    assert run(workplace, "cut", "--keep", "maps").returncode == 2
    assert files_of(workplace / "cut") == files_of(workplace / "whole")


def test_findings_leave_those_utterances_out(workplace):
    saved = read_saved_run(workplace / "whole")
    assert [item.id for items in saved.items.values() for item in items] == ["u00001", "u00002", "u00003", "u00004"]


def test_a_report_shows_the_other_systems(workplace):
    assert align_eval("report", workplace / "whole", "--out", workplace / "page.html").returncode == 0
    assert PROBLEM in (workplace / "page.html").read_text()


def test_where_every_system_fails_the_utterance_fails(workplace, tmp_path):
    done = run(workplace, tmp_path / "out", options=("--source", FAILING, "--align", "dtw"))
    assert done.returncode == 2
    failures = read_run(tmp_path / "out").failures
    assert [(failure.id, failure.system) for failure in failures] == [(id_, None) for id_ in FAILED]
    assert "2 failed and are not scored." in done.stdout


def test_one_system_alone_raises_its_error(workplace):
    with pytest.raises(InputError, match=PROBLEM):
        align(load_model(workplace / "model"), workplace / "corpus" / "u00000.wav", "two plus seven", source=FAILING)


def test_a_bug_of_one_aligner_is_the_failure_of_its_systems_with_their_tracebacks(workplace, tmp_path, monkeypatch):
    def broken(*_):
        raise IndexError("no such row")

    monkeypatch.setattr(word_times, "dtw_token_frames", broken)
    done = run(workplace, tmp_path / "out", options=("--source", OTHER, "--align", "dtw", "--align", "viterbi"))
    assert done.returncode == 70
    assert f"error: {tmp_path}/out/run.json: {N_UTTERANCES} of the utterances met a bug in align-eval" in done.stderr
    failures = json.loads((tmp_path / "out" / "run.json").read_text())["failures"]
    name = traceback_name("u00000", f"{OTHER} | dtw")
    problem = "a bug in align-eval (IndexError: no such row); report it with its traceback"
    assert failures[0] == {
        "id": "u00000",
        "message": f"utterance u00000, {OTHER} | dtw: {problem}",
        "traceback": f"tracebacks/{name}",
        "system": f"{OTHER} | dtw",
    }
    assert (tmp_path / "out" / "tracebacks" / name).read_text().endswith("IndexError: no such row\n")
    assert all(None not in starts[3:] for starts in times_of(tmp_path / "out", OTHER).values())  # those of viterbi


def test_flat_rows_are_counted_in_the_run_and_listed_in_the_details(workplace, tmp_path):
    """Without the output of its cross-attention the model hears nothing: four rows for three words and their end."""
    model = random_whisper()
    for block in model.decoder.blocks:
        block.cross_attn.out.weight.data.zero_()
    write_folder(model, tmp_path / "model")
    (tmp_path / "corpus").symlink_to(workplace / "corpus")
    options = ("--source", "gradient", "--source", OTHER, "--align", "dtw")
    done = run(tmp_path, "whole", options=options)
    assert done.returncode == 0
    line = "24 of 24 rows of gradient:at=encoder-output were flat: it found nothing for those tokens"
    assert line in done.stdout
    assert "rows of attention" not in done.stdout
    details = json.loads((tmp_path / "whole" / "details.json").read_text())
    assert all(of["gradient:at=encoder-output"][FLAT_ROWS] == [0, 1, 2, 3] for of in details.values())
    counted = (FlatRows(OTHER, 0, 24), FlatRows("gradient:at=encoder-output", 24, 24))
    assert read_run(tmp_path / "whole").flat_rows == counted
    parts = [tmp_path / f"part{number}" for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        run(tmp_path, part, "--shard", f"{number}/2", options=options)
    assert align_eval("merge", *parts, "--out", tmp_path / "merged").returncode == 0
    assert files_of(tmp_path / "merged") == files_of(tmp_path / "whole")
    evaluated = evaluate(tmp_path / "corpus", model, sources=["gradient"], aligns=["dtw"], presets=[])
    assert evaluated.run.flat_rows == counted[1:]


def test_a_system_that_fails_in_one_window_of_a_long_recording_loses_the_recording_alone(tmp_path, monkeypatch):
    """The model with random weights recognises nothing: its windows are planted, of 30 s and of 1 s, a single block."""
    windows = [Stretch(0.0, 30.0, "two plus"), Stretch(30.0, 31.0, "seven")]
    monkeypatch.setattr(decode, "recognise_long", lambda *_: iter(windows))
    soundfile.write(tmp_path / "talk.wav", np.random.default_rng(0).standard_normal(31 * 16000) * 0.1, 16000)
    spoken = [Word("two", 1.0, 2.0), Word("plus", 2.0, 3.0), Word("seven", 30.2, 30.8)]
    write_words(tmp_path / "talk.TextGrid", {"words": spoken}, 31.0)
    evaluated = evaluate(
        tmp_path, random_whisper(), sources=[FAILING, OTHER], aligns=["dtw"], presets=[], text="hypothesis"
    )
    (failure,) = evaluated.run.failures
    assert failure.id == "talk"
    assert failure.message.endswith(f"{PROBLEM} (from 30.00 s on)")
    rows = evaluated.words.to_pylist()
    assert [r["hypothesis"] for r in rows if r["source"] == failure.system] == [None] * 3
    found = [r for r in rows if r["source"] == OTHER]
    assert [r["hypothesis"] for r in found] == ["two", "plus", "seven"]
    assert found[2]["start_s"] >= 30 > found[1]["start_s"]
    assert [(of.source, of.n_rows) for of in evaluated.run.flat_rows] == [(OTHER, 5), (failure.system, 3)]
