"""Every traceback that a JSON file names is there, from the first to the last moment that the file stands."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from align_eval.engine.journal import FOLDER, NAME, open_journal
from align_eval.errors import InputError
from align_eval.formats.run.finding_json import finding_of, read_finding, write_finding
from align_eval.formats.run.folder import read_run, write_run
from align_eval.formats.run.words_table import words_table
from align_eval.records import AudioSpan, Failure, Run, System, Utterance, Word

BUG, BAD_INPUT = Failure("s1/u", "a bug in align-eval", "IndexError\n"), Failure("v", "holds no samples")


@dataclass(frozen=True)
class Found:
    """A finding, as far as it has failures."""

    schema: int
    finding: dict[str, Any]
    failures: tuple[Failure, ...]


FINDING = Found(1, {"finding": "found"}, (BUG, BAD_INPUT))
RUN = Run(1, {"id": "0123456789ab"}, (), (BUG, BAD_INPUT))
WORD = Word("one", 0.5, 1.0)
UTTERANCE = Utterance("w", AudioSpan(Path("w.wav")), (WORD,), "one", "en", None, "w", 2.0, "manual")
WORDS = words_table([UTTERANCE], (System("gradient", "dtw"),), {"w": {System("gradient", "dtw"): (WORD,)}})


def tracebacks_of(file: Path) -> list[str]:
    """Texts of the tracebacks that a JSON file names."""
    named = [failure["traceback"] for failure in json.loads(file.read_text())["failures"] if "traceback" in failure]
    return [(file.parent / name).read_text() for name in named]


def test_findings_and_a_run_in_one_folder_have_each_their_own(tmp_path):
    """They were all in `tracebacks/`: the last finding overwrote those of the first, and a run removed them."""
    for name in ("one", "other"):
        of_finding = replace(FINDING, failures=(replace(BUG, traceback=name), BAD_INPUT))
        write_finding(tmp_path / f"{name}.json", of_finding)
    for _ in range(2):
        write_run(tmp_path, RUN, WORDS)
    assert [tracebacks_of(tmp_path / f"{name}.json") for name in ("one", "other", "run")] == [
        ["one"],
        ["other"],
        [BUG.traceback],
    ]


def test_those_of_an_earlier_finding_go(tmp_path):
    path = tmp_path / "found.json"
    write_finding(path, FINDING)
    write_finding(path, replace(FINDING, failures=(replace(BUG, id="x"),)))
    assert [file.name for file in (tmp_path / "found.tracebacks").rglob("*")] == ["x.txt"]
    write_finding(path, replace(FINDING, failures=()))
    assert [file.name for file in tmp_path.iterdir()] == ["found.json"]


def test_a_failure_is_read_back_without_its_traceback_from_a_finding_as_from_a_run(tmp_path):
    path = tmp_path / "found.json"
    write_finding(path, FINDING)
    write_run(tmp_path, RUN, WORDS)
    read = (replace(BUG, traceback=None), BAD_INPUT)
    assert finding_of(read_finding(path), Found, 1, path).failures == read
    assert read_run(tmp_path).failures == read


def test_those_of_a_finished_run_stay_until_another_takes_its_place(tmp_path):
    """A run that is begun in its folder, and cut off, left a run.json that named files that were gone."""
    write_run(tmp_path, RUN, WORDS)
    for _ in range(2):
        with open_journal(tmp_path):
            assert tracebacks_of(tmp_path / "run.json") == [BUG.traceback]
    write_run(tmp_path, replace(RUN, failures=(BAD_INPUT,)), WORDS)
    assert not (tmp_path / "tracebacks").exists()


def test_those_of_a_run_that_was_cut_off_go_when_it_goes_on(tmp_path):
    """Its utterances are done again, and no run.json names their tracebacks."""
    with open_journal(tmp_path) as journal:
        journal.put_failure(BUG)
    assert (tmp_path / FOLDER / NAME).is_file()
    assert (tmp_path / "tracebacks" / "s1" / "u.txt").is_file()
    with open_journal(tmp_path):
        assert not (tmp_path / "tracebacks").exists()


@pytest.mark.parametrize("write", [write_finding, lambda path, _: write_run(path.parent, RUN, WORDS)])
def test_what_cannot_be_removed_is_named_with_the_remedy(tmp_path, write):
    """A file stands where their folder should: it is no traceback of ours, and is left alone."""
    path = tmp_path / "found.json"
    (tmp_path / "run.json").write_text("{}")
    for name in ("tracebacks", "found.tracebacks"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=r"tracebacks: cannot be removed \(.*\); remove it, or choose another --out"):
        write(path, FINDING)
    assert (tmp_path / "found.tracebacks").read_text() == "mine"
