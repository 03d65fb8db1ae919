"""A resumed run reads from the journal of a killed one the same floats, or nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from align_eval.engine.journal import FOLDER, NAME, open_journal
from align_eval.engine.utterance import Result, attempt
from align_eval.engine.workers import Workers, local_workers, results
from align_eval.errors import InputError, InputWarning
from align_eval.formats.run.maps import SavedMaps, maps_path
from align_eval.options import Plan
from align_eval.records import Failure, Pairing, Unit, Utterance, Word
from align_eval.systems import parse_system
from tests.helpers.utterances import utterance

SYSTEMS = (parse_system("attention:heads=all", "dtw"), parse_system("gradient", "viterbi"))
PLAN = Plan("tiny.en", SYSTEMS)
KEY = "k" * 64


def result(seed: int, **fields: object) -> Result:
    rng = np.random.default_rng(seed)
    start_s, length_s, p = (float(value) for value in rng.random(3))
    words = (Word('naïve\n"x"', start_s, start_s + length_s, p), Word("яма", 0.1 + 0.2, 1 / 3, None))
    return Result(dict.fromkeys(SYSTEMS, words), {"gradient": {"mass_on_padding": length_s / 7}}, **fields)


def saved() -> SavedMaps:
    words = {"subword": np.array([0, -1], dtype=np.int32)}
    return SavedMaps({"gradient": np.full((1, 2, 3), 1 / 3, dtype=np.float32)}, words, np.zeros(3), 0.02, -0.01, {})


def each(work: Callable[[Utterance], Result]) -> Callable[[Sequence[Utterance]], list[Result | Failure]]:
    return lambda group: [attempt(u, work) for u in group]


def journal_file(out: Path) -> Path:
    return out / FOLDER / NAME


def test_results_come_back_to_the_last_bit(tmp_path):
    pairing = Pairing((Unit((0, 1), (0,), same=False),), (2,), (1,), (2,), n_reference=3, n_hypothesis=3)
    written = {f"s/{i}": result(i, pairing=pairing if i else None) for i in range(3)}
    with open_journal(tmp_path) as journal:
        for id_, found in written.items():
            journal.put(id_, KEY, found)
    with open_journal(tmp_path) as journal:
        assert {id_: journal.get(id_, KEY, SYSTEMS) for id_ in written} == written
        assert journal.n_resumed == 3
        assert journal.get("other", KEY, SYSTEMS) is None
        journal.finish()
    assert not (tmp_path / FOLDER).exists()


def test_a_result_under_another_key_is_not_used(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
        assert journal.get("a", "other" * 10, SYSTEMS) is None
        assert journal.get("a", None, SYSTEMS) is None
        journal.put("a", "other" * 10, result(1))  # the later line counts
    with open_journal(tmp_path) as journal:
        assert journal.get("a", KEY, SYSTEMS) is None
        assert journal.get("a", "other" * 10, SYSTEMS) == result(1)


def test_an_entry_of_another_version_is_not_used(tmp_path, monkeypatch):
    """Keys do not cover the code that writes entries, so that an entry itself says its version."""
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
    with open_journal(tmp_path) as journal:
        assert journal.get("a", KEY, SYSTEMS) == result(0)
        monkeypatch.setattr("align_eval.engine.journal.SCHEMA_VERSION", 0)
        assert journal.get("a", KEY, SYSTEMS) is None


@pytest.mark.filterwarnings("error")
def test_a_line_torn_at_any_byte_counts_as_missing(tmp_path):
    """A kill leaves any beginning of a line: the lines before it count, and what is written after it is read."""
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
        first = journal_file(tmp_path).stat().st_size
        journal.put("b", KEY, result(1))
    whole = journal_file(tmp_path).read_bytes()
    for end in range(first, len(whole), 7):
        journal_file(tmp_path).write_bytes(whole[:end])
        with open_journal(tmp_path) as journal:
            assert journal.get("a", KEY, SYSTEMS) == result(0)
            assert journal.get("b", KEY, SYSTEMS) is None
            journal.put("b", KEY, result(1))
        assert journal_file(tmp_path).read_bytes() == whole


@pytest.mark.parametrize("at", [3, 64, 65, 90, -30, -2])
def test_a_damaged_line_is_computed_again_with_a_warning(tmp_path, at):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
        first = journal_file(tmp_path).stat().st_size
        journal.put("b", KEY, result(1))
    data = bytearray(journal_file(tmp_path).read_bytes())
    data[at if at >= 0 else first + at] ^= 1
    journal_file(tmp_path).write_bytes(data)
    opened = open_journal(tmp_path)
    with pytest.warns(InputWarning, match="1 entries are damaged"):
        journal = opened.__enter__()
    assert journal.get("a", KEY, SYSTEMS) is None
    assert journal.get("b", KEY, SYSTEMS) == result(1)
    opened.__exit__(None, None, None)


def test_maps_that_are_not_as_they_were_written_are_made_again(tmp_path):
    with open_journal(tmp_path) as journal:
        for id_ in ("s/a", "s/b", "s/c"):
            journal.put(id_, KEY, result(0, saved=saved()))
    damaged = maps_path(tmp_path, "s/a")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    maps_path(tmp_path, "s/b").unlink()
    with open_journal(tmp_path) as journal:
        for id_ in ("s/a", "s/b"):
            with pytest.warns(InputWarning, match=f"the maps of {id_} are damaged or missing"):
                assert journal.get(id_, KEY, SYSTEMS) is None
        assert journal.get("s/c", KEY, SYSTEMS) == result(0)


def test_maps_of_utterances_that_are_no_part_of_the_finished_run_are_removed(tmp_path):
    with open_journal(tmp_path) as journal:
        for id_ in ("old", "again"):
            journal.put(id_, KEY, result(0, saved=saved()))
    (tmp_path / "maps" / "old.safetensors.77.writing").write_bytes(b"torn")
    (tmp_path / "maps" / "notes.txt").write_text("mine")
    with open_journal(tmp_path) as journal:
        journal.get("again", KEY, SYSTEMS)
        journal.finish()
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["again.safetensors", "notes.txt"]


def test_two_runs_in_one_folder_refuse_each_other(tmp_path):
    with open_journal(tmp_path) as journal:
        with pytest.raises(InputError, match=r"is in use by another run; wait for it to end") as raised:
            open_journal(tmp_path).__enter__()
        assert raised.value.exit_code == 2
        journal.put("a", KEY, result(0))
    with open_journal(tmp_path) as journal:  # and once it has ended they do not
        assert journal.get("a", KEY, SYSTEMS) == result(0)


def test_a_full_disk_is_said_with_its_remedy_and_what_was_done_stays(tmp_path):
    """/dev/full is a disk that is: the kernel itself refuses."""
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
        ours, journal._file = journal._file, io.FileIO("/dev/full", "w")
        match = "No space left on device.*make room and give the same command again"
        with journal._file, pytest.raises(InputError, match=match):
            journal.put("b", KEY, result(1))
        journal._file = ours
    with open_journal(tmp_path) as journal:
        assert journal.get("a", KEY, SYSTEMS) == result(0)


def test_failures_are_not_in_the_journal(tmp_path):
    """A disk that was away, or memory that was short, must not fail the run that goes on."""

    def work(u: Utterance) -> Result:
        if u.id == "b":
            raise InputError("b.wav", "is away", "bring it back")
        return result(0)

    with open_journal(tmp_path) as journal:
        found = dict(results(map(utterance, "abc"), local_workers(each(work), PLAN), SYSTEMS, journal, lambda _: KEY))
    assert [isinstance(outcome, Failure) for outcome in found.values()] == [False, True, False]
    lines = journal_file(tmp_path).read_text().splitlines()
    assert [json.loads(line[65:])["id"] for line in lines] == ["a", "c"]


def test_results_are_in_order_and_no_more_are_under_way_than_workers_allow():
    submitted: list[str] = []
    waited_for: list[str] = []

    class Waiting(Future):
        def result(self, _timeout=None):
            waited_for.append(submitted[len(waited_for)])
            return [result(0)]

    def submit(group: Sequence[Utterance]) -> Future:
        submitted.extend(u.id for u in group)
        assert len(submitted) - len(waited_for) <= 3
        return Waiting()

    ids = [f"{i:02}" for i in range(20)]
    assert [u.id for u, _ in results(map(utterance, ids), Workers(submit, n_ahead=3), SYSTEMS)] == ids
    assert submitted == waited_for == ids


def test_a_group_is_submitted_when_it_is_full_or_its_result_is_needed(tmp_path):
    """Groups of three of seven utterances, of which the journal knows the second: the last group is not full."""
    groups: list[list[str]] = []

    def submit(group: Sequence[Utterance]) -> Future:
        groups.append([u.id for u in group])
        future: Future = Future()
        future.set_result([result(int(u.id)) for u in group])
        return future

    with open_journal(tmp_path) as journal:
        journal.put("1", KEY, result(11))
    with open_journal(tmp_path) as journal:
        workers = Workers(submit, group_size=3, n_ahead=3)
        computed = [r for _, r in results(map(utterance, "0123456"), workers, SYSTEMS, journal, lambda _: KEY)]
    assert groups == [["0", "2"], ["3", "4", "5"], ["6"]]
    assert computed == [result(0), result(11), *(result(i) for i in range(2, 7))]


def test_a_result_in_the_journal_is_not_computed_again(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.put("b", KEY, result(5))
    done: list[str] = []
    with open_journal(tmp_path) as journal:

        def work(u: Utterance) -> Result:
            done.append(u.id)
            return result(0)

        found = list(results(map(utterance, "abc"), local_workers(each(work), PLAN), SYSTEMS, journal, lambda _: KEY))
    assert done == ["a", "c"]
    assert [outcome for _, outcome in found] == [result(0), result(5), result(0)]
