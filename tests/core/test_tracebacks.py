"""Tracebacks: every traceback that a JSON file names exists as long as the JSON file does."""

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
from align_eval.records import AudioSpan, Failure, SystemName, Utterance, Word
from align_eval.run_record import Run
from tests.helpers.planted_run import SIGNATURE

BUG, BAD_INPUT = Failure("s1/u", "a bug in align-eval", "IndexError\n"), Failure("v", "holds no samples")


@dataclass(frozen=True)
class Finding:
    """A minimal finding with failures."""

    schema: int
    finding: dict[str, Any]
    signature: dict[str, Any]
    failures: tuple[Failure, ...]


OF_FINDING = {"finding": "test", "id": "a", "run": SIGNATURE["id"], "seed": 0}
FINDING = Finding(1, OF_FINDING, SIGNATURE, (BUG, BAD_INPUT))
RUN = Run(2, SIGNATURE, (), (BUG, BAD_INPUT))
WORD = Word("one", 0.5, 1.0)
UTTERANCE = Utterance("w", AudioSpan(Path("w.wav")), (WORD,), "one", "en", None, "w", 2.0, "manual")
WORDS = words_table([UTTERANCE], (SystemName("gradient", "dtw"),), {"w": {SystemName("gradient", "dtw"): (WORD,)}})


def tracebacks_of(file: Path) -> list[str]:
    """Texts of the tracebacks that a JSON file names."""
    named = [failure["traceback"] for failure in json.loads(file.read_text())["failures"] if "traceback" in failure]
    return [(file.parent / name).read_text() for name in named]


def test_findings_and_a_run_in_one_folder_have_separate_tracebacks(tmp_path):
    """In a shared folder, a finding would overwrite those of an earlier one, and a run would remove them."""
    for name in ("one", "other"):
        finding = replace(FINDING, failures=(replace(BUG, traceback=name), BAD_INPUT))
        write_finding(tmp_path / f"{name}.json", finding)
    for _ in range(2):
        write_run(tmp_path, RUN, WORDS)
    assert [tracebacks_of(tmp_path / f"{name}.json") for name in ("one", "other", "run")] == [
        ["one"],
        ["other"],
        [BUG.traceback],
    ]


def test_tracebacks_of_an_earlier_finding_are_removed(tmp_path):
    path = tmp_path / "finding.json"
    write_finding(path, FINDING)
    write_finding(path, replace(FINDING, failures=(replace(BUG, id="x"),)))
    assert [file.name for file in (tmp_path / "finding.tracebacks").rglob("*")] == ["x.txt"]
    write_finding(path, replace(FINDING, failures=()))
    assert [file.name for file in tmp_path.iterdir()] == ["finding.json"]


def test_a_failure_is_read_back_without_its_traceback_from_findings_and_runs(tmp_path):
    path = tmp_path / "finding.json"
    write_finding(path, FINDING)
    write_run(tmp_path, RUN, WORDS)
    read = (replace(BUG, traceback=None), BAD_INPUT)
    assert finding_of(read_finding(path), Finding, 1).failures == read
    assert read_run(tmp_path).failures == read


def test_tracebacks_of_a_finished_run_remain_until_another_run_replaces_it(tmp_path):
    """Beginning another run in the folder leaves run.json, so that the files it names must remain too."""
    write_run(tmp_path, RUN, WORDS)
    for _ in range(2):
        with open_journal(tmp_path):
            assert tracebacks_of(tmp_path / "run.json") == [BUG.traceback]
    write_run(tmp_path, replace(RUN, failures=(BAD_INPUT,)), WORDS)
    assert not (tmp_path / "tracebacks").exists()


def test_tracebacks_of_an_interrupted_run_are_removed_when_it_resumes(tmp_path):
    """Its failed utterances are run again, and no run.json names their tracebacks."""
    with open_journal(tmp_path) as journal:
        journal.put_failure(BUG)
    assert (tmp_path / FOLDER / NAME).is_file()
    assert (tmp_path / FOLDER / "new" / "tracebacks" / "s1" / "u.txt").is_file()
    with open_journal(tmp_path) as journal:
        assert not (journal.new / "tracebacks").exists()


def test_an_entry_that_cannot_be_removed_is_named_with_the_remedy(tmp_path):
    """A file at the place of the folder was not written by this package, and is left unchanged."""
    path = tmp_path / "finding.json"
    (tmp_path / "finding.tracebacks").write_text("mine")
    with pytest.raises(InputError, match=r"tracebacks: cannot be removed \(.*\); remove it, or choose another --out"):
        write_finding(path, FINDING)
    assert (tmp_path / "finding.tracebacks").read_text() == "mine"


@pytest.mark.parametrize("id_", ["../../x", "/x", "a\nb", "", "caf\udce9", "x" * 300, "a.wav, line 3"])
@pytest.mark.parametrize("system", [None, "gradient | dtw"])
def test_a_traceback_has_a_name_in_its_folder_whatever_the_id(tmp_path, id_, system):
    failure = Failure(id_, "a bug", "IndexError\n", system)
    write_finding(tmp_path / "deep" / "er" / "test.json", replace(FINDING, failures=(failure,)))
    assert tracebacks_of(tmp_path / "deep" / "er" / "test.json") == ["IndexError\n"]
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert {path.name for path in (tmp_path / "deep" / "er").iterdir()} == {"test.json", "test.tracebacks"}


def test_a_link_in_the_folder_of_tracebacks_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tracebacks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is of no run, and a run would replace it"):
        write_run(tmp_path / "run", RUN, WORDS)
    assert list((tmp_path / "elsewhere").iterdir()) == []
