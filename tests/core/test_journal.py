"""What a killed run wrote down is what a run that goes on from it reads: the same floats, or nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from align_eval.engine.process import Outcome

from align_eval.corpus.pocketsphinx import Aligned
from align_eval.engine.journal import FOLDER, NAME, open_journal
from align_eval.engine.utterance import attempt
from align_eval.engine.workers import local_engine, outcomes
from align_eval.errors import InputError, InputWarning
from align_eval.formats.run.maps import KeptMaps, maps_path
from align_eval.options import Engine
from align_eval.records import Failure, Pairing, System, Unit, Utterance, Word
from tests.helpers.utterances import utterance

SYSTEMS = (System("attention:heads=all", "dtw"), System("gradient", "viterbi"))
KEY = "k" * 64


def aligned(seed: int, **fields: object) -> Aligned:
    rng = np.random.default_rng(seed)
    start_s, length_s, p = (float(value) for value in rng.random(3))
    words = (Word('naïve\n"x"', start_s, start_s + length_s, p), Word("яма", 0.1 + 0.2, 1 / 3, None))
    return Aligned(dict.fromkeys(SYSTEMS, words), {"gradient": {"mass_on_padding": length_s / 7}}, **fields)


def kept() -> KeptMaps:
    words = {"subword": np.array([0, -1], dtype=np.int32)}
    return KeptMaps({"gradient": np.full((1, 2, 3), 1 / 3, dtype=np.float32)}, words, np.zeros(3), 0.02, -0.01, {})


def each(work: Callable[[Utterance], Aligned]) -> Callable[[Sequence[Utterance]], list[Outcome]]:
    return lambda group: [attempt(u, work) for u in group]


def journal_file(out: Path) -> Path:
    return out / FOLDER / NAME


def test_what_was_written_down_is_recalled_to_the_last_bit(tmp_path):
    pairing = Pairing((Unit((0, 1), (0,), same=False),), (2,), (1,), (2,), n_reference=3, n_hypothesis=3)
    written = {f"s/{i}": aligned(i, pairing=pairing if i else None) for i in range(3)}
    with open_journal(tmp_path) as journal:
        for id_, found in written.items():
            journal.put(id_, KEY, found)
    with open_journal(tmp_path) as journal:
        assert {id_: journal.get(id_, KEY, SYSTEMS) for id_ in written} == written
        assert journal.n_recalled == 3
        assert journal.get("other", KEY, SYSTEMS) is None
        journal.finish()
    assert not (tmp_path / FOLDER).exists()


def test_a_result_that_follows_from_something_else_is_not_recalled(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, aligned(0))
        assert journal.get("a", "other" * 10, SYSTEMS) is None
        assert journal.get("a", None, SYSTEMS) is None
        journal.put("a", "other" * 10, aligned(1))  # the later line counts
    with open_journal(tmp_path) as journal:
        assert journal.get("a", KEY, SYSTEMS) is None
        assert journal.get("a", "other" * 10, SYSTEMS) == aligned(1)


def test_an_entry_of_another_version_is_not_recalled(tmp_path, monkeypatch):
    """Keys do not cover the code that writes entries, so that an entry itself says its version."""
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, aligned(0))
    with open_journal(tmp_path) as journal:
        assert journal.get("a", KEY, SYSTEMS) == aligned(0)
        monkeypatch.setattr("align_eval.engine.journal.SCHEMA_VERSION", 0)
        assert journal.get("a", KEY, SYSTEMS) is None


@pytest.mark.filterwarnings("error")
def test_a_line_torn_at_any_byte_is_as_if_it_were_not_there(tmp_path):
    """A kill leaves any beginning of a line: the lines before it count, and what is written after it is read."""
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, aligned(0))
        first = journal_file(tmp_path).stat().st_size
        journal.put("b", KEY, aligned(1))
    whole = journal_file(tmp_path).read_bytes()
    for end in range(first, len(whole), 7):
        journal_file(tmp_path).write_bytes(whole[:end])
        with open_journal(tmp_path) as journal:
            assert journal.get("a", KEY, SYSTEMS) == aligned(0)
            assert journal.get("b", KEY, SYSTEMS) is None
            journal.put("b", KEY, aligned(1))
        assert journal_file(tmp_path).read_bytes() == whole


@pytest.mark.parametrize("at", [3, 64, 65, 90, -30, -2])
def test_a_damaged_line_is_done_again_with_a_warning(tmp_path, at):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, aligned(0))
        first = journal_file(tmp_path).stat().st_size
        journal.put("b", KEY, aligned(1))
    data = bytearray(journal_file(tmp_path).read_bytes())
    data[at if at >= 0 else first + at] ^= 1
    journal_file(tmp_path).write_bytes(data)
    opened = open_journal(tmp_path)
    with pytest.warns(InputWarning, match="1 entries are damaged"):
        journal = opened.__enter__()
    assert journal.get("a", KEY, SYSTEMS) is None
    assert journal.get("b", KEY, SYSTEMS) == aligned(1)
    opened.__exit__(None, None, None)


def test_maps_that_are_not_as_they_were_written_are_made_again(tmp_path):
    with open_journal(tmp_path) as journal:
        for id_ in ("s/a", "s/b", "s/c"):
            journal.put(id_, KEY, aligned(0, kept=kept()))
    damaged = maps_path(tmp_path, "s/a")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    maps_path(tmp_path, "s/b").unlink()
    with open_journal(tmp_path) as journal:
        for id_ in ("s/a", "s/b"):
            with pytest.warns(InputWarning, match=f"the maps of {id_} are damaged or missing"):
                assert journal.get(id_, KEY, SYSTEMS) is None
        assert journal.get("s/c", KEY, SYSTEMS) == aligned(0)


def test_maps_of_utterances_that_are_no_part_of_the_finished_run_are_removed(tmp_path):
    with open_journal(tmp_path) as journal:
        for id_ in ("old", "again"):
            journal.put(id_, KEY, aligned(0, kept=kept()))
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
        journal.put("a", KEY, aligned(0))
    with open_journal(tmp_path) as journal:  # and once it has ended they do not
        assert journal.get("a", KEY, SYSTEMS) == aligned(0)


def test_a_full_disk_is_said_with_its_remedy_and_what_was_done_stays(tmp_path):
    """/dev/full is a disk that is: the kernel itself refuses."""
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, aligned(0))
        ours, journal._file = journal._file, io.FileIO("/dev/full", "w")
        match = "No space left on device.*make room and give the same command again"
        with journal._file, pytest.raises(InputError, match=match):
            journal.put("b", KEY, aligned(1))
        journal._file = ours
    with open_journal(tmp_path) as journal:
        assert journal.get("a", KEY, SYSTEMS) == aligned(0)


def test_failures_are_not_written_down(tmp_path):
    """A disk that was away, or memory that was short, must not fail the run that goes on."""

    def work(u: Utterance) -> Aligned:
        if u.id == "b":
            raise InputError("b.wav", "is away", "bring it back")
        return aligned(0)

    with open_journal(tmp_path) as journal:
        found = dict(outcomes(map(utterance, "abc"), local_engine(each(work)), SYSTEMS, journal, lambda _: KEY))
    assert [isinstance(outcome, Failure) for outcome in found.values()] == [False, True, False]
    lines = journal_file(tmp_path).read_text().splitlines()
    assert [json.loads(line[65:])["id"] for line in lines] == ["a", "c"]


def test_outcomes_are_in_order_and_no_more_are_under_way_than_an_engine_bears():
    begun: list[str] = []
    ended: list[str] = []

    def submit(u: Utterance):
        begun.append(u.id)
        assert len(begun) - len(ended) <= 3
        return lambda: ended.append(u.id) or aligned(0)

    ids = [f"{i:02}" for i in range(20)]
    assert [u.id for u, _ in outcomes(map(utterance, ids), Engine(submit, depth=3), SYSTEMS)] == ids
    assert begun == ended == ids


def test_what_is_known_is_not_done_again(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.put("b", KEY, aligned(5))
    done: list[str] = []
    with open_journal(tmp_path) as journal:

        def work(u: Utterance) -> Aligned:
            done.append(u.id)
            return aligned(0)

        found = list(outcomes(map(utterance, "abc"), local_engine(each(work)), SYSTEMS, journal, lambda _: KEY))
    assert done == ["a", "c"]
    assert [outcome for _, outcome in found] == [aligned(0), aligned(5), aligned(0)]
