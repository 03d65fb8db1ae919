"""Known failures, replayed on the accepted baseline of the demo: real speech, timed by tiny.en with 17 systems.

Each must exit with 1 and print the system, the milliseconds and the worst words.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align_eval.corpus.bundled import bundled_path
from align_eval.formats.run.folder import write_baseline
from align_eval.formats.run.words_table import read_words_table
from align_eval.gate.compare import compare, read_side
from align_eval.gate.verdicts import MIN_WORDS
from align_eval.records import SystemName
from align_eval.systems import short_names
from tests.helpers.command_line import align_eval
from tests.helpers.planted_words import corpus, moved, side, without

BASELINE = bundled_path("demo") / "baseline"
WORDS = read_words_table(BASELINE / "words.parquet")
SPEAKERS = WORDS.column("speaker").to_pylist()
SYSTEMS = list(dict.fromkeys(zip(WORDS.column("source").to_pylist(), WORDS.column("align").to_pylist(), strict=True)))
NAMES = short_names(SystemName(*system) for system in SYSTEMS)
LARGE = [name for name, n in Counter(SPEAKERS).items() if n / len(SYSTEMS) >= MIN_WORDS]


def of_speaker(name: str) -> np.ndarray:
    return np.array([speaker == name for speaker in SPEAKERS])


def gate(tmp_path: Path, words, *options: str):
    """Exit code and output of `compare` on the baseline and a run with these words."""
    run = tmp_path / "run"
    write_baseline(run, replace(read_side(BASELINE).run), words, "")
    return align_eval("compare", str(BASELINE), str(run), *options)


def regressed_systems(output: str) -> set[str]:
    """Systems in the lines of regressions that have a value in ms and words with their places."""
    pattern = r"^regression: (.*), (?:manual|automatic) reference; .*\d ms.*; worst: '.+' \(\S+, \d+\.\d\d s\) "
    return {match.group(1) for match in re.finditer(pattern, output, re.MULTILINE)}


def test_the_baseline_has_two_large_speakers_and_17_systems():
    assert len(LARGE) == 2
    assert len(SYSTEMS) == 17


@pytest.mark.parametrize("by_ms", [60.0, -60.0])
@pytest.mark.parametrize("speaker", LARGE)
def test_shifted_words_of_one_speaker_are_caught(tmp_path, speaker, by_ms):
    later = np.where(of_speaker(speaker), by_ms, 0.0)
    done = gate(tmp_path, moved(WORDS, later, later))
    assert done.returncode == 1
    assert regressed_systems(done.stdout) == set(NAMES.values())
    direction = "later" if by_ms > 0 else "earlier"
    pattern = f"speaker {speaker}: .*starts 60.0 ms {direction} .*, ends 60.0 ms {direction} "
    assert len(re.findall(pattern, done.stdout)) == len(SYSTEMS)


def test_a_shifted_run_is_caught(tmp_path):
    done = gate(tmp_path, moved(WORDS, 60.0, 60.0))
    assert done.returncode == 1
    assert regressed_systems(done.stdout)
    assert len(re.findall("all words: .*starts 60.0 ms later .*, ends 60.0 ms later ", done.stdout)) == 2 * len(SYSTEMS)


def test_loss_of_a_tenth_of_the_words_is_caught(tmp_path):
    done = gate(tmp_path, without(WORDS, range(0, len(WORDS), 10)))
    assert done.returncode == 1
    assert regressed_systems(done.stdout)
    assert re.search(r"all words: 1\d of 108 words lost their times, the longest \d+ ms; .*worst: ", done.stdout)


def test_evenly_spread_times_are_caught(tmp_path):
    """Equal lengths of all words are the path through a flat map, as without any attention."""
    index, n = (WORDS.column(name).to_numpy() for name in ("word_index", "n_words"))
    length = WORDS.column("duration_s").to_numpy() / n
    starts, ends = (WORDS.column(name).to_numpy() for name in ("start_s", "end_s"))
    flat = moved(WORDS, (index * length - starts) * 1000, ((index + 1) * length - ends) * 1000)
    done = gate(tmp_path, flat)
    assert done.returncode == 1
    assert re.search(
        r"regression: .*: \+\d+\.\d ms \[.*\] of mean absolute error \(margin 5 ms\); worst: ", done.stdout
    )


def test_the_baseline_itself_passes_even_if_strict(tmp_path):
    done = gate(tmp_path, WORDS, "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning" not in done.stdout


def check_that_only_the_shifted_speaker_is_caught(names: slice) -> None:
    """Shift each large speaker of a simulated corpus in turn, and check that no other is caught."""
    table = corpus(np.random.default_rng(0))
    speakers = np.array(table.column("speaker").to_pylist())
    large = [name for name, n in Counter(speakers.tolist()).items() if n >= MIN_WORDS]
    assert len(large) > 20
    for i, name in enumerate(large[names]):
        later = np.where(speakers == name, 60.0 * (-1) ** i, 0.0)
        result = compare(side(table), side(moved(table, later, later)))
        caught = {(c.speaker, c.metric) for c in result.checks if c.verdict == "regression"}
        assert {(name, "start_shift"), (name, "end_shift")} <= caught
        assert {speaker for speaker, _ in caught} == {name}


def test_each_of_some_shifted_speakers_of_40_is_caught():
    check_that_only_the_shifted_speaker_is_caught(slice(0, None, 6))


@pytest.mark.validate
def test_each_shifted_speaker_of_40_is_caught():
    check_that_only_the_shifted_speaker_is_caught(slice(None))
