"""A terminal of 80 columns: tables fold names and cut none."""

from __future__ import annotations

import re
import shutil

import pytest
from rich.console import Console

from align_eval.cli.progress import progress
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import write_corpus, write_model

LONG = "control-random-weights:of=(gradient:at=encoder-output)"
PATH = "viterbi:silence=energy-std,level=2,boundary=frame,states=token,loudness=0.5"
WIDTH = 80


@pytest.fixture(autouse=True)
def _narrow(few_draws, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr("align_eval.cli.common.PIPED_WIDTH", WIDTH)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model, and a corpus with long names whose text beside the audio is not that of the reference."""
    folder = tmp_path_factory.mktemp("narrow")
    write_model(folder / "model")
    write_corpus(folder / "corpus", 3)
    for path in sorted((folder / "corpus").iterdir()):
        renamed = path.rename(path.with_stem(f"{path.stem}_{'a_long_name_of_a_recording_' * 4}"))
        renamed.with_suffix(".txt").write_text("two plus seven or so")
    return folder


def is_whole(stdout: str) -> bool:
    """Tell whether a table, which is as wide as the terminal at most, has no cut text."""
    tables = [line for line in stdout.splitlines() if line.endswith(" ")]
    return "…" not in stdout and bool(tables) and all(len(line) <= WIDTH for line in tables)


MODEL = ("--model", "model")
SYSTEMS = ("--source", "attention:heads=all", "--source", LONG, "--align", PATH, "--align", "dtw")

COMMANDS = {
    "run": ("run", "corpus", *MODEL, "--out", "run", *SYSTEMS),
    "toggle": ("run", "corpus", *MODEL, "--out", "toggled", "--align", "whisper-timestamped", "--toggle"),
    "transcript": ("run", "corpus", *MODEL, "--out", "said", "--text", "transcript", "--source", LONG, "--align", PATH),
    "score": ("score", "corpus", "corpus", "--out", "scored", "--name", LONG),
    "heads": ("heads", "search", "corpus", *MODEL, "--out", "heads.json"),
    "faithfulness": ("faithfulness", "corpus", *MODEL, "--out", "f.json", "--source", LONG, "--infidelity-samples", 2),
}


SLOW = ("faithfulness",)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in COMMANDS])
def test_a_command_with_a_model_cuts_no_name(place, name):
    done = align_eval(*COMMANDS[name], cwd=place)
    assert done.returncode in (0, 2)  # noise has too many tokens for one of the paths
    assert is_whole(done.stdout)


@pytest.mark.parametrize("name", ["agree", pytest.param("budget", marks=pytest.mark.slow), "drift", "compare"])
def test_a_finding_cuts_no_name(reported, tmp_path, name):
    run = shutil.copytree(reported, tmp_path / "run")
    done = align_eval(name, run, *([run] if name == "compare" else []))
    assert done.returncode == 0
    assert is_whole(done.stdout)


def test_the_bar_of_progress_cuts_no_name():
    console = Console(width=WIDTH, force_terminal=True, record=True)
    id_ = "a_long_name_of_a_recording_" * 4
    with progress(2, console) as report:
        report(id_)
    text = console.export_text()
    assert "…" not in text
    assert id_ in re.sub(r"[━╸\s]|[012]/2|-/s|-:--:--", "", text)
