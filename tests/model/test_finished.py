"""A finished run in ``--out``: used again where it is the same, else kept; and a run that is interrupted."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import files_of, write_corpus, write_model

N_UTTERANCES = 4
SYSTEMS = ("--source", "attention:heads=all", "--source", "gradient", "--align", "dtw")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model, a corpus, and a finished run of it with a report, which no test changes."""
    folder = tmp_path_factory.mktemp("finished")
    write_model(folder / "model")
    write_corpus(folder / "corpus", N_UTTERANCES)
    done = align_eval(*command("done"), cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "done" / "report.html").write_text("a report")
    write_corpus(folder / "longer", N_UTTERANCES + 1)
    (folder / "mine.toml").write_text('[mine]\nboundaries = "starts"\nmeasures = ["mean"]\nwords = "paired"\n')
    return folder


@pytest.fixture(autouse=True)
def _few_draws(few_draws):
    pass


def command(out: str, *options: str, systems: tuple[str, ...] = SYSTEMS, corpus: str = "corpus") -> list[str]:
    return ["run", corpus, "--model", "model", "--out", out, *systems, *options]


def table(stdout: str) -> list[str]:
    """The output of a run without the lines that tell new runs from reused ones."""
    return [line for line in stdout.splitlines() if not line.startswith(("already done", "written"))]


def test_a_run_of_the_same_plan_prints_the_same_and_changes_nothing(place, monkeypatch):
    before = files_of(place / "done")
    times = {path: path.stat().st_mtime_ns for path in (place / "done").rglob("*")}

    def process(*_, **__):
        raise AssertionError("the model went through the corpus")

    monkeypatch.setattr("align_eval.engine.run.process_job", process)
    again = align_eval(*command("done"), cwd=place)
    assert again.returncode == 0
    assert f"already done: done ({N_UTTERANCES} utterances)" in again.stdout
    assert "written:" not in again.stdout
    assert "gradient:at=encoder-output" in again.stdout
    assert files_of(place / "done") == before
    assert {path: path.stat().st_mtime_ns for path in (place / "done").rglob("*")} == times


def test_it_prints_the_tables_and_the_json_of_the_run_that_was_made(place):
    first, again = (align_eval(*command("twice"), cwd=place) for _ in range(2))
    assert table(first.stdout) == table(again.stdout)
    assert "already done" in again.stdout
    as_json = align_eval(*command("twice", "--json"), cwd=place)
    assert as_json.stdout.startswith("{")
    assert as_json.stdout.count("\n") == 1


OTHER_PLANS = [
    (command("done", "--align", "viterbi"), "other systems"),
    (command("done", systems=("--source", "gradient", "--align", "dtw")), "other systems"),
    (command("done", "--seed", "1"), "seed 0"),
    (command("done", "--context", "fit"), "context full"),
    (command("done", "--batch", "2"), "no batch"),
    (command("done", "--text", "hypothesis"), "text words"),
    (command("done", "--shard", "1/2"), "no shard"),
    (command("done", corpus="longer"), "corpus corpus"),
    (command("done", "--language", "de"), "another state of corpus corpus"),
    (command("done", "--speaker-characters", "3"), "another state of corpus corpus"),
    (command("done", "--second-reference", "corpus"), "no second_reference"),
    (command("done", "--keep", "maps"), "without its maps"),
    (command("done", "--keep", "heads"), "without its maps"),
    (command("done", "--align", "openai", "--toggle"), "other systems"),
    (command("done", "--protocols", "mine.toml"), "other protocols"),
]


@pytest.mark.parametrize(("arguments", "problem"), OTHER_PLANS, ids=[problem for _, problem in OTHER_PLANS])
def test_a_run_of_another_plan_is_refused_and_the_finished_one_stays(place, arguments, problem):
    before = files_of(place / "done")
    refused = align_eval(*arguments, cwd=place)
    assert refused.returncode == 2, refused.stdout
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert line.startswith("error: done: holds a finished run ")
    assert problem in line
    assert line.endswith("; add --force to replace it, or choose another --out")
    assert files_of(place / "done") == before


def test_force_replaces_it_with_all_that_was_made_from_it(place, tmp_path):
    folder = copied(place, tmp_path)
    done = align_eval(*command("done", "--align", "viterbi", "--force"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "written: done/run.json" in done.stdout
    assert not (folder / "done" / "report.html").exists()
    assert "already done" in align_eval(*command("done", "--align", "viterbi"), cwd=folder).stdout


def copied(place: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(place, tmp_path / "copy"))


def edit_words(run: Path) -> None:
    (run / "words.parquet").write_bytes(b"edited by hand")


def cut_run_json(run: Path) -> None:
    (run / "run.json").write_text("{")


def accept(run: Path) -> None:
    shutil.rmtree(run / "textgrids")
    (run / "accepted.md").write_text("accepted")


def remove_textgrids(run: Path) -> None:
    shutil.rmtree(run / "textgrids")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (edit_words, "done/words.parquet: "),
        (cut_run_json, "done/run.json: "),
        (accept, "done: holds an accepted baseline"),
        (remove_textgrids, "done: holds a finished run without its TextGrids"),
    ],
)
def test_what_somebody_did_to_a_run_is_not_overwritten(place, tmp_path, change, problem):
    folder = copied(place, tmp_path)
    change(folder / "done")
    before = files_of(folder / "done")
    refused = align_eval(*command("done"), cwd=folder)
    assert (refused.returncode, refused.stderr.splitlines()[-1].startswith(f"error: {problem}")) == (2, True)
    assert files_of(folder / "done") == before
    assert align_eval(*command("done", "--force"), cwd=folder).returncode == 0


def test_code_that_was_edited_since_is_another_plan(place, monkeypatch):
    monkeypatch.setattr("align_eval.engine.finished.own_modules_checksum", lambda: "0" * 12)
    refused = align_eval(*command("done"), cwd=place)
    assert (refused.returncode, "other code of align-eval" in refused.stderr) == (2, True)


def test_saved_maps_are_used_by_a_run_that_needs_fewer(place):
    """Maps of all heads hold more than their mean, and the mean more than nothing."""
    for keep, others in (("heads", ("maps", "nothing")), ("maps", ("nothing",))):
        assert align_eval(*command(keep, "--keep", keep), cwd=place).returncode == 0
        for other in (keep, *others):
            assert "already done" in align_eval(*command(keep, "--keep", other), cwd=place).stdout
    refused = align_eval(*command("maps", "--keep", "heads"), cwd=place)
    assert "maps: holds a finished run without the maps of single heads" in refused.stderr


def test_maps_that_were_removed_are_missed(place):
    options = command("emptied", "--keep", "maps")
    assert align_eval(*options, cwd=place).returncode == 0
    shutil.rmtree(place / "emptied" / "maps")
    assert "emptied: holds a finished run without its maps" in align_eval(*options, cwd=place).stderr


def test_an_audio_file_that_still_fails_is_listed_again_with_its_exit_code(place, tmp_path):
    folder = copied(place, tmp_path)
    (folder / "corpus" / "u00001.wav").write_bytes(b"no audio")
    (folder / "corpus" / "u00002.TextGrid").write_bytes(b"no words")
    first, again = (align_eval(*command("failed"), cwd=folder) for _ in range(2))
    assert (first.returncode, again.returncode) == (2, 2)
    assert "already done: failed (3 utterances)" in again.stdout
    assert table(first.stdout) == table(again.stdout)
    (folder / "corpus" / "u00002.wav").unlink()  # its pair has no words, and is no utterance
    (folder / "corpus" / "u00002.TextGrid").unlink()
    third = align_eval(*command("failed"), cwd=folder)
    assert "u00002" not in third.stdout
    assert "written: failed/run.json" in third.stdout
    shutil.copy(place / "corpus" / "u00001.wav", folder / "corpus")
    mended = align_eval(*command("failed"), cwd=folder)
    assert "another state of corpus corpus" in mended.stderr
    assert align_eval(*command("failed", "--force"), cwd=folder).returncode == 0


@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError("a bug"), 70), (MemoryError("no room"), 2)])
def test_an_utterance_that_met_a_bug_or_a_lack_of_memory_is_tried_again(place, monkeypatch, error, code):
    from align_eval.engine import utterance

    def fail(u, *arguments):
        if u.id == "u00000":
            raise error
        return time_speech(u, *arguments)

    time_speech = utterance.time_speech
    with monkeypatch.context() as patch:
        patch.setattr(utterance, "time_speech", fail)
        failed = align_eval(*command("tried"), cwd=place)
    assert failed.returncode == code
    again = align_eval(*command("tried"), cwd=place)
    assert (again.returncode, "written: tried/run.json" in again.stdout) == (0, True)
    shutil.rmtree(place / "tried")


def test_detected_languages_are_those_of_the_finished_run(place, monkeypatch):
    first = align_eval(*command("detected", "--language", "auto"), cwd=place)
    monkeypatch.setattr("align_eval.model.language.detect_language", None)  # it is not asked
    again = align_eval(*command("detected", "--language", "auto"), cwd=place)
    assert "already done" in again.stdout
    assert table(first.stdout) == table(again.stdout)


def test_toggles_are_measured_again_and_not_written_again(place):
    options = command("toggled", "--toggle", systems=("--align", "openai"))
    first = align_eval(*options, cwd=place)
    before = (place / "toggled" / "toggles.json").stat().st_mtime_ns
    again = align_eval(*options, cwd=place)
    assert ("already done" in again.stdout, table(first.stdout)) == (True, table(again.stdout))
    assert (place / "toggled" / "toggles.json").stat().st_mtime_ns == before


def test_a_merged_run_is_not_merged_again_and_no_shard_is_replaced(place):
    for i in (1, 2):
        assert align_eval(*command(f"part{i}", "--shard", f"{i}/2"), cwd=place).returncode == 0
    assert "already done: part1" in align_eval(*command("part1", "--shard", "1/2"), cwd=place).stdout
    merge = ("merge", "part1", "part2", "--out")
    assert "written: merged/run.json" in align_eval(*merge, "merged", cwd=place).stdout
    (place / "merged" / "report.html").write_text("a report")
    again = align_eval(*merge, "merged", cwd=place)
    assert "already done: merged" in again.stdout
    assert (place / "merged" / "report.html").is_file()
    assert "already done: merged" in align_eval(*command("merged"), cwd=place).stdout
    before = files_of(place / "part1")
    refused = align_eval(*merge, "part1", cwd=place)
    assert (refused.returncode, files_of(place / "part1")) == (2, before)
    assert "part1: holds a finished run of another state of corpus corpus" in refused.stderr
    assert "shard 1/2" in refused.stderr
    assert "written" in align_eval(*merge, "part1", "--force", cwd=place).stdout


def test_a_search_of_heads_does_not_replace_a_run_beside_it(place):
    before = files_of(place / "done")
    searched = align_eval("heads", "search", "corpus", "--model", "model", "--out", "done.json", cwd=place)
    assert searched.returncode == 2
    assert "done: holds a finished run of other systems; choose another --out" in searched.stderr
    assert files_of(place / "done") == before


@pytest.mark.slow
def test_an_unfinished_run_goes_on_and_a_forced_one_too(place, tmp_path):
    """The folder of a forced run that was cut off holds the finished run and the journal of the new one."""
    folder = copied(place, tmp_path)
    options = ("--align", "viterbi", "--force")
    before = (folder / "done" / "run.json").read_bytes()
    interrupted = interrupt(command("done", *options), folder, signal.SIGINT, after=2)
    assert (folder / "done" / "run.json").read_bytes() == before
    assert shlex.join(["align-eval", *command("done", *options)]) in interrupted.stderr
    again = align_eval(*command("done", *options), cwd=folder)
    assert "utterances were processed before this run was interrupted" in again.stdout


def interrupt(arguments: list[str], folder: Path, number: int, after: int) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, and send it a signal after some utterances.

    A shell starts commands in the background with SIGINT ignored, and their children inherit that; a person does not.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": "1"}
    program = [sys.executable, "-m", "align_eval", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(program, cwd=folder, env=environment, preexec_fn=heeding, **pipes) as process:  # noqa: PLW1509
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(f"[{after}/"):
                process.send_signal(number)
        stdout = process.stdout.read()
    return subprocess.CompletedProcess(program, process.returncode, stdout, "".join(lines))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_says_what_is_done_and_the_same_command_goes_on(place, number):
    corpus, out = f"corpus of {number.name}", f"out of {number.name}"
    write_corpus(place / corpus, 20)
    arguments = command(out, corpus=corpus)
    interrupted = interrupt(arguments, place, number, after=3)
    last = interrupted.stderr.splitlines()[-1]
    n_done = int(last.split()[2])
    assert interrupted.returncode == 130
    assert 3 <= n_done < 20
    wanted = f"interrupted after {n_done} of 20 utterances; the same command goes on from there: "
    assert last == wanted + shlex.join(["align-eval", *arguments])
    assert shlex.quote(out) in last
    assert "Aborted" not in interrupted.stderr
    assert "Traceback" not in interrupted.stderr
    again = align_eval(*arguments, cwd=place)
    assert (again.returncode, f"{n_done} utterances were processed before" in again.stdout) == (0, True)


def test_a_run_of_one_file_is_that_of_a_folder_with_it_alone(place, tmp_path):
    """It has the signature of the folder, and the command for a recording names no other."""
    folder = copied(place, tmp_path)
    for suffix in (".wav", ".TextGrid"):
        (folder / "alone").mkdir(exist_ok=True)
        shutil.copy(folder / "corpus" / f"u00001{suffix}", folder / "alone")
    one = align_eval(*command("one", corpus="corpus/u00001.wav"), cwd=folder)
    assert (one.returncode, "one recording: the errors are those of its words." in one.stdout) == (0, True)
    assert "already done: one (1 utterance)" in align_eval(*command("one", corpus="alone"), cwd=folder).stdout
    (folder / "corpus" / "u00001.TextGrid").unlink()
    refused = align_eval(*command("one", corpus="corpus/u00001.wav"), cwd=folder)
    assert (refused.returncode, "align-eval align corpus/u00001.wav --text ..." in refused.stderr) == (2, True)


def test_scores_of_files_are_kept_too(place, tmp_path):
    folder = copied(place, tmp_path)
    grids, theirs = folder / "corpus", folder / "theirs"
    theirs.mkdir()
    for grid in grids.glob("*.TextGrid"):
        shutil.copy(grid, theirs)
    score = ("score", "corpus", "theirs", "--out", "scored")
    assert "written: scored/run.json" in align_eval(*score, cwd=folder).stdout
    (folder / "scored" / "report.html").write_text("a report")
    before = files_of(folder / "scored")
    assert "already done: scored" in align_eval(*score, cwd=folder).stdout
    for others in (("--seed", "1"), ("--name", "ours")):
        refused = align_eval(*score, *others, cwd=folder)
        assert (refused.returncode, "add --force to replace it" in refused.stderr) == (2, True)
    write_words(theirs / "u00000.TextGrid", {"words": [Word("two", 0.1, 0.2)]}, 1.0)
    assert "scored: holds a finished run of other word times of textgrid" in align_eval(*score, cwd=folder).stderr
    assert files_of(folder / "scored") == before
    into_run = align_eval("score", "corpus", "theirs", "--out", "done", cwd=folder)
    assert "done: holds a finished run of model model; " in into_run.stderr
    assert "written: scored" in align_eval(*score, "--force", cwd=folder).stdout
    assert not (folder / "scored" / "report.html").exists()
