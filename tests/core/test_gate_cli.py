"""Command `compare`: exit codes, accepted baselines, job summary."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align_eval.errors import EXIT_NOT_COMPARABLE
from align_eval.formats.run.folder import read_run, write_baseline, write_run
from align_eval.formats.run.words_table import read_words_table
from tests.helpers.command_line import LOADED, Done, align_eval, start
from tests.helpers.planted_words import LABEL, SIGNATURE, by_word, corpus, jittered, moved, side, without

TABLE = corpus(np.random.default_rng(0), n_speakers=8, fewest=10, most=30)


@pytest.fixture
def folders(tmp_path) -> Path:
    """A baseline, and runs that are equal, shifted, undecided, of another corpus, or lost a word."""
    runs = {
        "baseline": side(TABLE),
        "same": side(TABLE),
        "shifted": side(moved(TABLE, 60.0, 60.0)),
        "unclear": side(jittered(TABLE, np.random.default_rng(0), by_word, 25.0)),
        "elsewhere": side(TABLE, corpus_checksum="c" * 64),
        "lost": side(without(TABLE, [5])),
    }
    for name, run in runs.items():
        write_baseline(tmp_path / name, run.run, run.words, "")
    return tmp_path


def compare(folders: Path, run: str, *options: object, baseline: str = "baseline") -> Done:
    return align_eval("compare", folders / baseline, folders / run, *options)


@pytest.mark.parametrize(
    ("run", "options", "code"),
    [
        ("same", [], 0),
        ("same", ["--strict"], 0),
        ("unclear", [], 0),
        ("unclear", ["--strict"], 1),
        ("unclear", ["--strict", "--margin-ms", "50", "--shift-ms", "50"], 0),
        ("shifted", [], 1),
        ("shifted", ["--shift-ms", "70", "--margin-ms", "70"], 0),
        ("lost", [], 1),
    ],
)
def test_exit_codes_of_comparable_runs(folders, run, options, code):
    assert compare(folders, run, *options).returncode == code


def test_runs_that_are_not_comparable_are_exit_code_3_with_the_key(folders):
    done = align_eval("compare", str(folders / "baseline"), str(folders / "elsewhere"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "they differ in corpus_checksum (bbbbbbbbbbbb... in the baseline, cccccccccccc... in the run)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "same"], "there is no such folder"),
        (["baseline", "empty"], "holds no run (no run.json)"),
        (["baseline", "broken"], "words.parquet: was edited since the run was written"),
        (["baseline", "broken", "--edited"], "cannot be read as a words table"),
        (["baseline", "same", "--margin-ms", "0"], "is not a positive number of milliseconds"),
        (["baseline", "same", "--system", "dtw"], f"there is no system 'dtw'; choose one of: {LABEL}"),
        (["baseline", "same", "--map", "dtw"], "is not of the form 'OLD -> NEW'"),
        (["baseline", "same", "--accept", "run"], "is the folder of a run"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folders, arguments, message):
    (folders / "empty").mkdir()
    write_baseline(folders / "broken", side(TABLE).run, TABLE, "")
    (folders / "broken" / "words.parquet").write_bytes((folders / "same" / "words.parquet").read_bytes()[:2000])
    write_run(folders / "run", side(TABLE).run, TABLE)
    done = align_eval("compare", *arguments, cwd=folders)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1, "rows": 3}', "\x00", "null", "nan"])
def test_an_invalid_run_json_is_exit_code_2(folders, text):
    (folders / "same" / "run.json").write_text(text)
    done = compare(folders, "same")
    assert (done.returncode, done.stderr.partition(": ")[0]) == (2, "error")


def test_nothing_heavy_is_loaded(folders):
    done = start("-c", LOADED, "compare", str(folders / "baseline"), str(folders / "same"))
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_the_report_is_appended_to_the_job_summary(folders, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folders / "summary.md"))
    compare(folders, "same")
    compare(folders, "shifted")
    text = (folders / "summary.md").read_text()
    assert [line.split(": ")[1] for line in text.splitlines() if line.startswith("## ")] == ["pass", "regression"]


def test_no_file_is_written_without_options(folders, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(folders)
    before = sorted(os.walk(folders))
    compare(folders, "shifted")
    assert sorted(os.walk(folders)) == before


def test_reports_are_written_to_out(folders):
    compare(folders, "shifted", "--out", str(folders / "gate"))
    assert json.loads((folders / "gate" / "compare.json").read_text())["verdict"] == "regression"


def test_an_accepted_regression_becomes_the_baseline_with_a_note_of_its_changes(folders):
    accepted = folders / "accepted"
    done = compare(folders, "shifted", "--accept", str(accepted))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"accepted: {accepted}"
    note = (accepted / "accepted.md").read_text()
    assert "starts 60.0 ms later in the median" in note
    assert read_words_table(accepted / "words.parquet").equals(read_words_table(folders / "shifted" / "words.parquet"))
    assert compare(folders, "shifted", "--strict", baseline="accepted").returncode == 0
    assert compare(folders, "same", baseline="accepted").returncode == 1


def test_a_baseline_can_be_replaced_by_the_compared_run(folders):
    assert compare(folders, "shifted", "--accept", str(folders / "baseline")).returncode == 0
    assert compare(folders, "shifted", "--strict").returncode == 0


def test_a_run_on_another_corpus_can_be_accepted_with_a_note_of_the_reason(folders):
    assert compare(folders, "elsewhere").returncode == EXIT_NOT_COMPARABLE
    assert compare(folders, "elsewhere", "--accept", str(folders / "new")).returncode == 0
    assert "corpus\\_checksum" in (folders / "new" / "accepted.md").read_text()


def test_a_baseline_has_signature_and_words_but_no_scores(folders):
    run = read_run(folders / "baseline")
    assert (run.signature, run.rows) == (SIGNATURE, ())
    assert {path.name for path in (folders / "baseline").iterdir()} == {"run.json", "words.parquet", "accepted.md"}
    assert replace(run) == run
