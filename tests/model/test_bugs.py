"""An unexpected error is a bug of ours: one utterance fails by it with its traceback, and the exit code is 70.

The bug is an IndexError of the alignment, for the one utterance that lasts 1.5 s, which has 75 frames of 20 ms.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from align_eval.alignment import word_times
from align_eval.alignment.dtw import dtw_token_frames
from align_eval.api import evaluate
from align_eval.corpus.bundled import load_corpus
from align_eval.engine.batch import process_many
from align_eval.engine.journal import FOLDER, NAME
from align_eval.errors import BugError
from align_eval.findings.faithfulness import measure as faithfulness
from align_eval.formats.run.folder import read_run, write_run
from align_eval.formats.run.staging import NEW
from align_eval.model import forward, language
from align_eval.options import Plan, RunOptions
from align_eval.records import Failure
from align_eval.systems import parse_system
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import OPTIONS, files_of, write_corpus, write_model

BAD = "u00002"
OTHERS = ["u00000", "u00001", "u00003", "u00004"]
ASKED = {"sources": ["attention:heads=all"], "aligns": ["dtw"], "presets": []}
MESSAGE = f"utterance {BAD}: a bug in align-eval (IndexError: no such row); report it with its traceback"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bugs")
    write_model(folder / "model")
    write_corpus(folder / "corpus", 5)
    return folder


@pytest.fixture
def bug(monkeypatch):
    """The bug, until the function that it gives is called."""

    def broken(values, *others):
        if values.shape[1] == 75:
            raise IndexError("no such row")
        return dtw_token_frames(values, *others)

    with monkeypatch.context() as patched:
        patched.setattr(word_times, "dtw_token_frames", broken)
        yield patched.undo


def run(folder: Path, out: Path, *more: object) -> int:
    return align_eval("run", folder / "corpus", "--model", folder / "model", *OPTIONS, "--out", out, *more).returncode


def traceback_of(out: Path, id_: str = BAD) -> str:
    return (out / "tracebacks" / f"{id_}.txt").read_text(encoding="utf-8")


@pytest.mark.usefixtures("bug")
@pytest.mark.parametrize("options", [(), ("--batch", "3")], ids=["alone", "in batches"])
def test_one_utterance_fails_with_its_traceback_and_the_others_are_written(workplace, tmp_path, capsys, options):
    assert run(workplace, tmp_path / "out", *options) == 70
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    assert written["failures"] == [{"id": BAD, "message": MESSAGE, "traceback": f"tracebacks/{BAD}.txt"}]
    assert sorted(path.stem for path in (tmp_path / "out" / "textgrids").iterdir()) == sorted([*OTHERS, BAD])
    assert sorted(path.stem for path in (tmp_path / "out" / "maps").iterdir()) == OTHERS
    text = traceback_of(tmp_path / "out")
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("IndexError: no such row\n")
    assert "in broken" in text
    printed = capsys.readouterr()
    assert MESSAGE in printed.out
    place = tmp_path / "out"
    assert printed.err.splitlines()[-1] == (
        f"error: {place}/run.json: 1 of the utterances met a bug in align-eval, the first at "
        f"{place}/tracebacks/{BAD}.txt; report it to the developers with that traceback and the signature in the file"
    )


def test_it_is_tried_again_and_its_traceback_goes_once_it_is_mended(workplace, tmp_path, bug):
    """A run of which nothing was wrong is what stands in the folder in the end: to the byte."""
    assert run(workplace, tmp_path / "out") == 70
    bug()
    assert run(workplace, tmp_path / "out") == 0
    assert run(workplace, tmp_path / "whole") == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_run_that_was_cut_off_after_it_does_it_again(workplace, tmp_path, bug, monkeypatch):
    from align_eval.engine import run as engine_run

    with monkeypatch.context() as patched:
        patched.setattr(engine_run, "score_job", None)  # a bug after all utterances are done
        assert run(workplace, tmp_path / "out") == 70
    lines = (tmp_path / "out" / FOLDER / NAME).read_text().splitlines()
    assert [json.loads(line[65:])["id"] for line in lines] == OTHERS
    assert traceback_of(tmp_path / "out" / FOLDER / NEW)
    bug()
    assert run(workplace, tmp_path / "out") == 0
    assert not (tmp_path / "out" / "tracebacks").exists()


@pytest.mark.usefixtures("bug")
def test_merged_shards_are_the_whole_run_with_its_traceback(workplace, tmp_path):
    assert run(workplace, tmp_path / "whole") == 70
    parts = [tmp_path / f"part{number}" for number in (1, 2)]
    codes = [run(workplace, out, "--shard", f"{number}/2") for number, out in enumerate(parts, start=1)]
    assert sorted(codes) == [0, 70]
    assert align_eval("merge", *parts, "--out", tmp_path / "merged").returncode == 70
    assert files_of(tmp_path / "merged").keys() == files_of(tmp_path / "whole").keys()
    assert traceback_of(tmp_path / "merged") == traceback_of(parts[codes.index(70)])
    assert (tmp_path / "merged" / "run.json").read_bytes() == (tmp_path / "whole" / "run.json").read_bytes()


def test_where_every_utterance_meets_it_the_run_ends_with_70_and_the_tracebacks_are_there(
    workplace, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(word_times, "dtw_token_frames", None)
    assert run(workplace, tmp_path / "out") == 70
    assert "TypeError: 'NoneType' object is not callable" in traceback_of(tmp_path / "out" / FOLDER / NEW, "u00004")
    first, *rest = capsys.readouterr().err.split("error: ")[1].splitlines()
    assert first.startswith("corpus corpus: every utterance failed: utterance u00000: a bug in align-eval (TypeError")
    assert rest[0] == "Traceback (most recent call last):"
    with pytest.raises(BugError, match="every utterance failed") as raised:
        evaluate(str(workplace / "corpus"), str(workplace / "model"), **ASKED)
    assert "NoneType" in raised.value.traceback


@pytest.mark.usefixtures("bug")
def test_the_library_gives_the_traceback_and_warns(workplace, tmp_path):
    match = "1 of the utterances met a bug in align-eval, whose tracebacks are in run.failures: utterance u00002"
    with pytest.warns(RuntimeWarning, match=match):
        found = evaluate(str(workplace / "corpus"), str(workplace / "model"), **ASKED)
    (failure,) = found.run.failures
    assert (failure.id, failure.message) == (BAD, MESSAGE)
    assert failure.traceback.endswith("IndexError: no such row\n")
    write_run(tmp_path, found.run, found.words)
    assert traceback_of(tmp_path) == failure.traceback
    assert read_run(tmp_path).failures == (replace(failure, traceback=None),)
    write_run(tmp_path, replace(found.run, failures=()), found.words)
    assert not (tmp_path / "tracebacks").exists()


@pytest.mark.usefixtures("bug")
def test_a_bad_input_beside_it_leaves_the_exit_code_70(workplace, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", 5)
    (corpus / "u00003.wav").write_bytes(b"no audio")
    (tmp_path / "model").symlink_to(workplace / "model")
    assert run(tmp_path, tmp_path / "out") == 70
    failures = json.loads((tmp_path / "out" / "run.json").read_text())["failures"]
    assert [sorted(failure) for failure in failures] == [["id", "message", "traceback"], ["id", "message"]]


def test_one_recording_and_a_dry_run_end_with_70(workplace, tmp_path, capsys, monkeypatch):
    """They have no run folder, and no other utterance to save: the traceback is on standard error."""
    monkeypatch.setattr(word_times, "dtw_token_frames", None)
    recording = (workplace / "corpus" / f"{BAD}.wav", "--text", "two plus seven", "--language", "en")
    with_model = ("--model", workplace / "model")
    for arguments in (
        ("align", *recording, *with_model, "--align", "dtw"),
        ("explain", *recording, *with_model, "--align", "dtw", "--out", tmp_path / "page.html"),
        ("run", workplace / "corpus", *with_model, *OPTIONS, "--out", tmp_path / "out", "--dry-run"),
    ):
        assert align_eval(*arguments).returncode == 70, arguments
        message, *traceback = capsys.readouterr().err.split("error: ")[1].splitlines()
        assert message == (
            "a bug in align-eval (TypeError: 'NoneType' object is not callable); "
            "report it to the developers with the command, `align-eval --version` and this:"
        )
        assert traceback[0] == "Traceback (most recent call last):"
    assert list(tmp_path.iterdir()) == []


def test_a_bug_in_the_features_of_one_utterance_is_its_own_in_a_batch(workplace, monkeypatch, random_model):
    """The batch's pass is begun for all of them at once, outside what each may fail by."""
    mel_of = forward.mel_of

    def broken(model, samples, *others):
        if len(samples) == 24000:
            raise IndexError("no such row")
        return mel_of(model, samples, *others)

    monkeypatch.setattr(forward, "mel_of", broken)
    found = outcomes_of(workplace, random_model)
    assert {id_ for id_, outcome in found.items() if isinstance(outcome, Failure)} == {BAD}
    assert found[BAD].message == MESSAGE


def test_a_bug_in_the_pass_of_a_batch_is_that_of_its_utterances(workplace, monkeypatch, random_model):
    """Batches of three by length: u00000, u00001 and u00002, whose longest is the one with the bug, and the rest."""
    forced_passes = forward.forced_passes

    def broken(model, taps, texts, n_frames):
        if 75 in n_frames:
            raise IndexError("no such row")
        return forced_passes(model, taps, texts, n_frames)

    monkeypatch.setattr(forward, "forced_passes", broken)
    found = outcomes_of(workplace, random_model)
    assert {id_ for id_, outcome in found.items() if isinstance(outcome, Failure)} == {"u00000", "u00001", BAD}


def outcomes_of(workplace, model):
    utterances = load_corpus(str(workplace / "corpus")).utterances
    plan = Plan("m", (parse_system("attention:heads=all", "dtw"),), RunOptions(batch=3))
    return dict(zip((u.id for u in utterances), process_many(utterances, plan, model), strict=True))


def test_a_bug_in_the_detection_of_a_language_is_that_of_the_utterance(workplace, monkeypatch, random_model):
    detect = language.detect_language

    def broken(model, samples):
        if len(samples) == 24000:
            raise IndexError("no such row")
        return detect(model, samples)

    monkeypatch.setattr(language, "detect_language", broken)
    corpus = load_corpus(str(workplace / "corpus"))
    auto = replace(corpus, utterances=tuple(replace(u, language="auto") for u in corpus.utterances))
    with pytest.warns(RuntimeWarning):
        found = evaluate(auto, random_model, **ASKED)
    assert [(f.id, f.message) for f in found.run.failures] == [(BAD, MESSAGE)]


def numpys_memory_error() -> MemoryError:
    """No machine has an exbibyte. The class of the error is private to numpy."""
    with pytest.raises(MemoryError) as raised:
        np.empty(2**60, dtype=np.uint8)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        numpys_memory_error(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.07 GB, max allowed: 9.07 GB)"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    ],
    ids=["device", "numpy", "processor", "library", "apple", "driver"],
)
def test_a_lack_of_memory_is_no_bug(workplace, monkeypatch, error, capsys, tmp_path):
    def broken(values, *others):
        if values.shape[1] == 75:
            raise error
        return dtw_token_frames(values, *others)

    monkeypatch.setattr(word_times, "dtw_token_frames", broken)
    assert run(workplace, tmp_path / "out") == 2
    assert f"utterance {BAD}: does not fit into memory ({type(error).__name__}" in capsys.readouterr().out
    recording = (workplace / "corpus" / f"{BAD}.wav", "--text", "two plus seven", "--language", "en")
    assert align_eval("align", *recording, "--model", workplace / "model", "--align", "dtw").returncode == 2
    assert "out of memory" in capsys.readouterr().err


def test_torchs_own_allocator_says_it_lacks_memory_as_is_expected():
    """No machine has an exbibyte: torch's own message, whatever its version, must be known as no bug."""
    from align_eval.errors import is_out_of_memory

    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_an_error_of_shapes_is_a_bug_though_torch_raises_it(workplace, monkeypatch, tmp_path):
    """It was said to be the model's failure, with exit code 2."""

    def broken(values, *others):
        if values.shape[1] == 75:
            torch.zeros(2, 3) @ torch.zeros(2, 3)
        return dtw_token_frames(values, *others)

    monkeypatch.setattr(word_times, "dtw_token_frames", broken)
    assert run(workplace, tmp_path / "out") == 70
    assert "shapes cannot be multiplied" in traceback_of(tmp_path / "out")


def test_faithfulness_lists_it_and_writes_the_traceback_beside_the_finding(workplace, monkeypatch, tmp_path, capsys):
    energy_at_columns = faithfulness.energy_at_columns

    def broken(samples, *others):
        if len(samples) == 24000:
            raise IndexError("no such row")
        return energy_at_columns(samples, *others)

    monkeypatch.setattr(faithfulness, "energy_at_columns", broken)
    fast = ("--step", 50, "--random-orders", 1, "--infidelity-samples", 0, "--sensitivity-samples", 0)
    asked = (workplace / "corpus", "--model", workplace / "model", *fast)
    assert align_eval("faithfulness", *asked, "--out", tmp_path / "faithfulness.json", "--json").returncode == 70
    found = json.loads((tmp_path / "faithfulness.json").read_text())
    named = f"faithfulness.tracebacks/{BAD}.txt"
    assert found["failures"] == [{"id": BAD, "message": MESSAGE, "traceback": named}]
    assert json.loads(capsys.readouterr().out)["failures"] == found["failures"]
    assert len(found["utterances"]) == len(OTHERS)
    assert (tmp_path / named).read_text(encoding="utf-8").endswith("IndexError: no such row\n")


@pytest.mark.usefixtures("bug")
def test_a_search_of_heads_goes_on_with_the_others_and_ends_with_70(workplace, tmp_path):
    out = tmp_path / "heads.json"
    assert (
        align_eval("heads", "search", workplace / "corpus", "--model", workplace / "model", "--out", out).returncode
        == 70
    )
    assert out.is_file()
    assert traceback_of(tmp_path / "heads")


@pytest.mark.peers
def test_a_workers_traceback_comes_as_text(workplace):
    """A patch does not reach another process: the bug is an utterance whose words are none."""
    from align_eval.engine.ray_workers import ray_workers
    from align_eval.engine.workers import results
    from align_eval.model.load import load_model, model_checksum
    from align_eval.signature import plan_facts

    model = load_model(str(workplace / "model"))
    plan = Plan("m", (parse_system("attention:heads=all", "dtw"),), RunOptions(workers=1))
    utterances = [
        replace(u, words=None) if u.id == BAD else u for u in load_corpus(str(workplace / "corpus")).utterances
    ]
    with ray_workers(model, plan, None, plan_facts(plan, model_checksum(model))) as workers:
        found = {u.id: outcome for u, outcome in results(utterances, workers, plan.systems)}
    assert [id_ for id_, outcome in found.items() if isinstance(outcome, Failure)] == [BAD]
    assert "TypeError: 'NoneType' object is not iterable" in found[BAD].traceback
