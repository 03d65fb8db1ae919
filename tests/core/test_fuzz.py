"""The fuzzer finds planted faults, its good files are read, and a small number of damaged ones harms nothing."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import warnings
import zlib
from random import Random

import pytest

from align_eval.errors import AlignEvalError, BugError, InputError
from tests.fuzz import mutations, oracle, own_targets, run, targets
from tests.fuzz.mutations import CHANGES, damaged, pool_of
from tests.fuzz.run import PENDING, WEIGHTS, Bench, Finding, findings_of, keep, replay, runnable
from tests.fuzz.targets import Fixture, Target
from tests.helpers.hypothesis_files import GOOD

CORE = ["word times", "TextGrids", "corpora", "audio", "protocols"]
"""Targets that need neither torch nor lhotse."""


def test_a_few_hundred_damaged_files_are_read_or_refused(tmp_path, monkeypatch):
    """`make validate` damages 10,000 more, large ones and the manifests of Lhotse too."""
    monkeypatch.setattr(mutations, "MOST_BYTES", 50_000)
    assert [found for found in findings_of(250, 0, CORE, tmp_path) if isinstance(found, Finding)] == []


def test_the_good_files_are_read(tmp_path):
    """Else damage would be added to files that are refused as they are. The refused ones are named here."""
    bench, refused = Bench(CORE, tmp_path), set()
    for name in CORE:
        for good in bench.fixtures[name]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    bench.targets[name].reads[0](good.folder, good.folder / good.name)
                except AlignEvalError:
                    refused.add(good.name)
    assert refused == {"transformers-segments.json", "binary.TextGrid", "dialogue.TextGrid"}


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """Make a reader of one file of one byte the only target."""

    def plant(read):
        def make(root):
            (root / "good").write_bytes(b"a")
            return [Fixture(root, "good")]

        monkeypatch.setitem(targets.READERS, "planted", Target(make, (read,)))
        monkeypatch.setitem(run.WEIGHTS, "planted", 1)
        return lambda n_cases: [f for f in findings_of(n_cases, 0, ["planted"], tmp_path) if isinstance(f, Finding)]

    return plant


def test_a_process_that_dies_is_a_finding_and_the_cases_after_it_run(planted):
    """As many findings as damaged files of one kind: the process is started again behind each."""

    def dies(_folder, file):
        if file.read_bytes() not in (b"a", b""):
            os.kill(os.getpid(), signal.SIGKILL)

    found = planted(dies)(6)
    assert 1 < len(found) == len({f.number for f in found}) < 6
    assert {f.reason for f in found} == {"the process ended with exit code -9"}


def test_a_finding_is_kept_and_replayed_until_it_is_mended(planted, tmp_path, capsys):
    def fails(_folder, file):
        if len(file.read_bytes()) > 1:
            raise KeyError("no key")

    (finding, *_) = planted(fails)(20)
    path = keep(finding, tmp_path / "kept")
    assert json.loads(path.read_text())["seed"] == 0
    assert (replay(path), "KeyError: 'no key'" in capsys.readouterr().out) == (1, True)
    planted(lambda _folder, file: file.read_bytes())
    assert (replay(path), capsys.readouterr().out) == (0, "passes\n")


def spins():
    while True:
        pass


def swallows():
    try:
        raise MemoryError
    except MemoryError as error:
        raise InputError("a", "cannot be read", "write it again") from error


def one_after_the_other(values):
    return values.pop


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: 1 // 0, "ZeroDivisionError"),
        (spins, r"TooSlowError: not done after 0\.2 s"),
        (lambda: len(bytearray(90_000_000)), r"took [6-9]\d MB"),
        (lambda: bytearray(10**12), "MemoryError"),
        (swallows, "refuses the file for an error of its own"),
        (one_after_the_other([1, 2]), "gave another result the second time"),
        (lambda: (_ for _ in ()).throw(BugError("a bug", "")), "refuses the file for an error of its own"),
    ],
)
def test_every_rule_of_the_judge_is_kept(call, reason, monkeypatch):
    monkeypatch.setattr(oracle, "MOST_CPU_S", 0.2)
    monkeypatch.setattr(oracle, "MOST_BYTES", 2**26)
    found = oracle.finding_of(call)
    assert found is not None
    assert re.match(reason, found.removeprefix("AssertionError: "))


def test_a_result_and_a_refusal_of_ours_are_no_findings():
    def refuses():
        raise InputError("a.json", "is not JSON", "write it again")

    assert (oracle.finding_of(lambda: [1, 2]), oracle.finding_of(refuses)) == (None, None)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_is_drawn_from_the_seed_and_changes_a_file(change):
    data = f'{GOOD["whisperx"]}\n<c x="1">'.encode()
    pool = pool_of([data, GOOD["ctm"].encode()])
    made = [change(Random(i), data, pool) for i in range(20)]
    assert made == [change(Random(i), data, pool) for i in range(20)]
    assert len({*made, data}) > 2


def test_packed_files_are_damaged_inside():
    packed = gzip.compress(GOOD["lhotse"].encode(), mtime=0)
    made = [damaged(Random(i), packed, pool_of([packed])) for i in range(40)]
    assert sum(is_packed(data) for data in made) > 25


def is_packed(data):
    try:
        return bool(gzip.decompress(data))
    except (OSError, EOFError, zlib.error):
        return False


def test_every_target_has_a_weight():
    assert set(WEIGHTS) | set(PENDING) == set(targets.READERS) | set(own_targets.OWN)
    assert set(runnable(CORE)) == set(CORE)
