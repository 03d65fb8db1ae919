"""A run whose words go to the disk as they are found is the one that the library returns whole."""

from __future__ import annotations

import hashlib
import json

import pyarrow.parquet as pq
import pytest

from align_eval.api import evaluate
from align_eval.engine.journal import FOLDER, NAME
from align_eval.formats.run import words_file
from align_eval.formats.run.folder import write_run
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import files_of, write_corpus, write_model

SYSTEMS = {"sources": ["attention:heads=all", "gradient"], "aligns": ["dtw"], "presets": []}
OPTIONS = ("--source", "attention:heads=all", "--source", "gradient", "--align", "dtw")
N_UTTERANCES = 7


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    return write_corpus(folder / "corpus", N_UTTERANCES), write_model(folder / "model")


def test_the_command_line_writes_what_the_library_returns_and_writes(speech, tmp_path, monkeypatch):
    """In blocks of three utterances: seven of them are several."""
    monkeypatch.setattr(words_file, "BLOCK", 3)
    corpus, model = speech
    assert align_eval("run", corpus, "--model", model, *OPTIONS, "--out", tmp_path / "streamed").returncode == 0
    found = evaluate(corpus, str(model), **SYSTEMS)
    write_run(tmp_path / "whole", found.run, found.words, found.details)
    streamed, whole = files_of(tmp_path / "streamed"), files_of(tmp_path / "whole")
    run, run_of_library = (json.loads(files.pop("run.json")) for files in (streamed, whole))
    assert run["files"].pop("audio.json") == hashlib.sha256(streamed.pop("audio.json")).hexdigest()
    assert (run, streamed) == (run_of_library, whole)
    assert pq.ParquetFile(tmp_path / "streamed" / "words.parquet").num_row_groups == 3
    assert json.loads(streamed["details.json"]) == found.details
    assert list(found.details) == sorted(found.details)
    assert len(found.details) == N_UTTERANCES


def test_a_run_that_is_cut_off_while_it_writes_leaves_the_one_before_it_and_goes_on(speech, tmp_path, monkeypatch):
    """Cut off after the words of the first block are on the disk; the run that stood there is whole meanwhile."""
    from align_eval.engine import run

    corpus, model = speech
    command = ("run", corpus, "--model", model, *OPTIONS, "--out", tmp_path / "out", "--force")
    assert align_eval(*command).returncode == 0
    before = files_of(tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.setattr(words_file, "BLOCK", 3)
        patched.setattr(run, "_rows", interrupted_at_the_fifth(run._rows))
        assert align_eval(*command).returncode != 0
    partial = {name for name in files_of(tmp_path / "out") if name.startswith(FOLDER)}
    assert f"{FOLDER}/{NAME}" in partial
    assert {name: data for name, data in files_of(tmp_path / "out").items() if name not in partial} == before
    assert align_eval(*command).returncode == 0
    assert files_of(tmp_path / "out") == before


def interrupted_at_the_fifth(rows):
    calls = []

    def cut_off(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return rows(*arguments)

    return cut_off
