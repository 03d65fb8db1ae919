"""A resumed run reads from the journal of a killed one the same floats, or nothing."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
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


TEXTS = ('naïve\n"x"', "яма")


def spoken(id_: str) -> Utterance:
    """The utterance whose words the results time."""
    return utterance(id_, tuple(Word(text, 0.0, 1.0) for text in TEXTS))


def result(seed: int, **fields: object) -> Result:
    rng = np.random.default_rng(seed)
    start_s, length_s, p = (float(value) for value in rng.random(3))
    words = (Word(TEXTS[0], start_s, start_s + length_s, p), Word(TEXTS[1], 0.1 + 0.2, 1 / 3, None))
    return Result(dict.fromkeys(SYSTEMS, words), {"gradient": {"mass_on_padding": length_s / 7}}, **fields)


def saved() -> SavedMaps:
    """Maps of the two words by the sources of both systems."""
    words = {"subword": np.array([0, 1, -1], dtype=np.int32)}
    stack = np.full((1, 3, 3), 1 / 3, dtype=np.float32)
    return SavedMaps({system.source.stack: stack for system in SYSTEMS}, words, np.zeros(3), 0.02, -0.01, {})


def each(work: Callable[[Utterance], Result]) -> Callable[[Sequence[Utterance]], list[Result | Failure]]:
    return lambda group: [attempt(u, work) for u in group]


def journal_file(out: Path) -> Path:
    return out / FOLDER / NAME


def test_results_come_back_to_the_last_bit(tmp_path):
    counts = {"n_reference": 2, "n_hypothesis": 2}
    pairings = (
        None,
        Pairing((Unit((0, 1), (0,), same=False),), (), (1,), (), **counts),
        Pairing((Unit((0,), (1,), same=True),), (1,), (), (0,), **counts),
    )
    written = {f"s/{i}": result(i, pairing=pairing) for i, pairing in enumerate(pairings)}
    with open_journal(tmp_path) as journal:
        for id_, found in written.items():
            journal.put(id_, KEY, found)
    with open_journal(tmp_path) as journal:
        assert {id_: journal.get(spoken(id_), KEY, SYSTEMS) for id_ in written} == written
        assert journal.n_resumed == 3
        assert journal.get(spoken("other"), KEY, SYSTEMS) is None


def test_a_result_under_another_key_is_not_used(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
        assert journal.get(spoken("a"), "other" * 10, SYSTEMS) is None
        assert journal.get(spoken("a"), None, SYSTEMS) is None
        journal.put("a", "other" * 10, result(1))  # the later line counts
    with open_journal(tmp_path) as journal:
        assert journal.get(spoken("a"), KEY, SYSTEMS) is None
        assert journal.get(spoken("a"), "other" * 10, SYSTEMS) == result(1)


def test_an_entry_of_another_version_is_not_used(tmp_path, monkeypatch):
    """Keys do not cover the code that writes entries, so that an entry itself says its version."""
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
    with open_journal(tmp_path) as journal:
        assert journal.get(spoken("a"), KEY, SYSTEMS) == result(0)
        monkeypatch.setattr("align_eval.engine.journal.SCHEMA_VERSION", 0)
        assert journal.get(spoken("a"), KEY, SYSTEMS) is None


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
            assert journal.get(spoken("a"), KEY, SYSTEMS) == result(0)
            assert journal.get(spoken("b"), KEY, SYSTEMS) is None
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
    assert journal.get(spoken("a"), KEY, SYSTEMS) is None
    assert journal.get(spoken("b"), KEY, SYSTEMS) == result(1)
    opened.__exit__(None, None, None)


def test_maps_that_are_not_as_they_were_written_are_made_again(tmp_path):
    with open_journal(tmp_path) as journal:
        for id_ in ("s/a", "s/b", "s/c"):
            journal.put(id_, KEY, result(0, saved=saved()))
    new = tmp_path / FOLDER / "new"
    damaged = maps_path(new, "s/a")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    maps_path(new, "s/b").unlink()
    with open_journal(tmp_path) as journal:
        for id_ in ("s/a", "s/b"):
            with pytest.warns(InputWarning, match=f"the maps of {id_} are damaged or missing"):
                assert journal.get(spoken(id_), KEY, SYSTEMS) is None
        assert journal.get(spoken("s/c"), KEY, SYSTEMS) == result(0)


def test_maps_of_utterances_that_are_no_part_of_the_finished_run_are_removed(tmp_path):
    with open_journal(tmp_path) as journal:
        for id_ in ("old", "again"):
            journal.put(id_, KEY, result(0, saved=saved()))
    maps = tmp_path / FOLDER / "new" / "maps"
    (maps / "old.safetensors.77.writing").write_bytes(b"torn")
    with open_journal(tmp_path) as journal:
        journal.get(spoken("again"), KEY, SYSTEMS)
        assert list(journal.maps()) == ["again"]
    assert sorted(path.name for path in maps.iterdir()) == ["again.safetensors"]


def test_two_runs_in_one_folder_refuse_each_other(tmp_path):
    with open_journal(tmp_path) as journal:
        with pytest.raises(InputError, match=r"is in use by another run; wait for it to end") as raised:
            open_journal(tmp_path).__enter__()
        assert raised.value.exit_code == 2
        journal.put("a", KEY, result(0))
    with open_journal(tmp_path) as journal:  # and once it has ended they do not
        assert journal.get(spoken("a"), KEY, SYSTEMS) == result(0)


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
        assert journal.get(spoken("a"), KEY, SYSTEMS) == result(0)


def test_failures_are_not_in_the_journal(tmp_path):
    """A disk that was away, or memory that was short, must not fail the run that goes on."""

    def work(u: Utterance) -> Result:
        if u.id == "b":
            raise InputError("b.wav", "is away", "bring it back")
        return result(0)

    with open_journal(tmp_path) as journal:
        found = dict(results(map(spoken, "abc"), local_workers(each(work), PLAN), SYSTEMS, journal, lambda _: KEY))
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
    assert [u.id for u, _ in results(map(spoken, ids), Workers(submit, n_ahead=3), SYSTEMS)] == ids
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
        computed = [r for _, r in results(map(spoken, "0123456"), workers, SYSTEMS, journal, lambda _: KEY)]
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

        found = list(results(map(spoken, "abc"), local_workers(each(work), PLAN), SYSTEMS, journal, lambda _: KEY))
    assert done == ["a", "c"]
    assert [outcome for _, outcome in found] == [result(0), result(5), result(0)]


NAN, INF = float("nan"), float("inf")
PAIRED = {
    "units": [{"reference": [0], "hypothesis": [0], "same": True}],
    "deleted": [1], "inserted": [1], "ignored": [], "n_reference": 2, "n_hypothesis": 2,
}  # fmt: skip
NO_WORDS = {"reference": [], "hypothesis": [], "same": True}
NAMES = [[system.source.text, system.aligner.text] for system in SYSTEMS]
TIMED = [[text, 0.5, 1.0, None] for text in TEXTS]
FOREIGN = {
    "no result": lambda _: None,
    "a list": lambda _: [],
    "nothing": lambda _: {},
    "nested": lambda _: "nested",
    "one system": lambda r: r | {"systems": NAMES[:1], "words": r["words"][:1]},
    "a system twice": lambda r: r | {"systems": NAMES[:1] * 2},
    "another system": lambda r: r | {"systems": [NAMES[0], ["gradient", "dtw"]]},
    "systems of numbers": lambda r: r | {"systems": 5},
    "words of one system": lambda r: r | {"words": r["words"][:1]},
    "a word less": lambda r: r | {"words": [TIMED[:1], TIMED[:1]]},
    "a word more": lambda r: r | {"words": [TIMED + TIMED[:1]] * 2},
    "other words": lambda r: r | {"words": [[["x", 0.5, 1.0, None], TIMED[1]]] * 2},
    "a word without times": lambda r: r | {"words": [[[TEXTS[0]], TIMED[1]]] * 2},
    "a time that is no number": lambda r: r | {"words": [[[TEXTS[0], NAN, 1.0, None], TIMED[1]]] * 2},
    "an infinite time": lambda r: r | {"words": [[[TEXTS[0], 0.5, INF, None], TIMED[1]]] * 2},
    "a time beyond floats": lambda r: r | {"words": [[[TEXTS[0], 0.5, 10**400, None], TIMED[1]]] * 2},
    "a text for a time": lambda r: r | {"words": [[[TEXTS[0], "0.5", 1.0, None], TIMED[1]]] * 2},
    "a truth for a time": lambda r: r | {"words": [[[TEXTS[0], False, True, None], TIMED[1]]] * 2},
    "an end before its start": lambda r: r | {"words": [[[TEXTS[0], 0.5, 0.1, None], TIMED[1]]] * 2},
    "a list for a confidence": lambda r: r | {"words": [[[TEXTS[0], 0.5, 1.0, []], TIMED[1]]] * 2},
    "a number for a word": lambda r: r | {"words": [[[5, 0.5, 1.0, None], TIMED[1]]] * 2},
    "details as a list": lambda r: r | {"details": []},
    "details of numbers": lambda r: r | {"details": {"gradient": 5}},
    "details that are not finite": lambda r: r | {"details": {"gradient": {"mass": NAN}}},
    "a pairing of nothing": lambda r: r | {"pairing": {}},
    "a pairing of more words": lambda r: r | {"pairing": PAIRED | {"n_reference": 10**9}},
    "a word in two places": lambda r: r | {"pairing": PAIRED | {"inserted": [0, 1]}},
    "an index as a text": lambda r: r | {"pairing": PAIRED | {"deleted": ["1"]}},
    "an index as a truth": lambda r: r | {"pairing": PAIRED | {"deleted": [True]}},
    "a negative index": lambda r: r | {"pairing": PAIRED | {"deleted": [-1]}},
    "a unit of no words": lambda r: r | {"pairing": PAIRED | {"units": [*PAIRED["units"], NO_WORDS]}},
    "flat rows of a number": lambda r: r | {"flat_rows": 5},
    "more flat rows than rows": lambda r: r | {"flat_rows": [{"source": "gradient", "n_flat": 2, "n_rows": 1}]},
    "flat rows with more fields": lambda r: r | {"flat_rows": [{"source": "g", "n_flat": 0, "n_rows": 1, "x": 1}]},
    "flat rows of texts": lambda r: r | {"flat_rows": [{"source": "g", "n_flat": "0", "n_rows": "1"}]},
}  # fmt: skip


def replace_line(out: Path, entry: dict[str, object] | bytes) -> None:
    """Another entry in the journal, with a checksum that fits, since whoever can write the file can compute it."""
    content = entry if isinstance(entry, bytes) else json.dumps(entry).replace("Infinity", "1e999").encode()
    journal_file(out).write_bytes(hashlib.sha256(content).hexdigest().encode() + b" " + content + b"\n")


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_an_entry_that_does_not_fit_its_utterance_is_done_again_with_a_warning(tmp_path, change):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
    entry = json.loads(journal_file(tmp_path).read_bytes()[65:])
    changed = json.dumps(entry | {"result": change(entry["result"])}).replace("Infinity", "1e999")
    replace_line(tmp_path, changed.replace('"nested"', "[" * 900 + "]" * 900).encode())
    with open_journal(tmp_path) as journal:
        with pytest.warns(InputWarning, match="the entry of a is damaged; the utterance is processed again") as warned:
            assert journal.get(spoken("a"), KEY, SYSTEMS) is None
        assert (len(warned), journal.n_resumed) == (1, 0)
        journal.put("a", KEY, result(1))
    with open_journal(tmp_path) as journal:
        assert journal.get(spoken("a"), KEY, SYSTEMS) == result(1)


def test_the_entry_that_the_others_differ_from_fits(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0))
    entry = json.loads(journal_file(tmp_path).read_bytes()[65:])
    plain = entry["result"] | {"words": [TIMED, TIMED], "pairing": PAIRED}
    replace_line(tmp_path, entry | {"result": plain})
    with open_journal(tmp_path) as journal:
        assert journal.get(spoken("a"), KEY, SYSTEMS).pairing.deleted == (1,)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000, b"[]", b"5", b"{}", b'{"id": 5}', b'{"id": "../../mine"}', b'{"id": "a\\nb"}', b"not JSON", b"",
        b'{"id": "\xff"}',
    ],
)  # fmt: skip
def test_a_line_without_an_id_is_damaged_and_removes_no_file(tmp_path, content):
    """The maps of ids in the journal are removed with it: an id that leads out would remove a file elsewhere."""
    (tmp_path / "mine.safetensors").write_text("mine")
    out = tmp_path / "deep" / "run"
    with open_journal(out) as journal:
        journal.put("a", KEY, result(0))
    replace_line(out, content)
    with pytest.warns(InputWarning, match="1 entries are damaged"), open_journal(out) as journal:
        assert journal.get(spoken("a"), KEY, SYSTEMS) is None
    assert (tmp_path / "mine.safetensors").read_text() == "mine"


UNFIT_MAPS = {
    "of another source": lambda m: replace(m, stacks={"spes": next(iter(m.stacks.values()))}),
    "of one source": lambda m: replace(m, stacks=dict([next(iter(m.stacks.items()))])),
    "of other words": lambda m: replace(m, word_of_token={"subword": np.array([0, 0, -1], dtype=np.int32)}),
    "not finite": lambda m: replace(m, energy=np.full(3, np.nan)),
    "of another unit": lambda m: replace(m, word_of_token={"character": m.word_of_token["subword"]}),
}


@pytest.mark.parametrize("change", UNFIT_MAPS.values(), ids=UNFIT_MAPS)
def test_maps_that_do_not_fit_their_result_are_made_again(tmp_path, change):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0, saved=change(saved())))
    with open_journal(tmp_path) as journal:
        with pytest.warns(InputWarning, match="the maps of a are damaged or missing") as warned:
            assert journal.get(spoken("a"), KEY, SYSTEMS) is None
        assert (len(warned), journal.n_resumed) == (1, 0)


@pytest.mark.parametrize("checksum", [5, ["x"], "", "0" * 64, True])
def test_a_checksum_of_maps_that_is_none_is_refused(tmp_path, checksum):
    with open_journal(tmp_path) as journal:
        journal.put("a", KEY, result(0, saved=saved()))
    replace_line(tmp_path, json.loads(journal_file(tmp_path).read_bytes()[65:]) | {"maps": checksum})
    with open_journal(tmp_path) as journal, pytest.warns(InputWarning, match="the maps of a are damaged"):
        assert journal.get(spoken("a"), KEY, SYSTEMS) is None


@pytest.mark.parametrize("name", [NAME, "lock"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_place_of_the_journal_is_refused_and_its_target_stays(tmp_path, name, there):
    target = tmp_path / "mine.txt"
    if there:
        target.write_text("mine\nand torn")
    (tmp_path / "run" / FOLDER).mkdir(parents=True)
    (tmp_path / "run" / FOLDER / name).symlink_to(target)
    with pytest.raises(InputError, match="cannot be written"):
        open_journal(tmp_path / "run").__enter__()
    assert target.exists() == there
    assert not there or target.read_text() == "mine\nand torn"
