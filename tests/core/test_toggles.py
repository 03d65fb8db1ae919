"""Switched heuristics: the systems that are made, and the worth of a planted difference."""

import re
from io import StringIO

import numpy as np
import pytest
from pyarrow.dataset import dataset
from rich.console import Console

from align_eval.errors import InputError
from align_eval.findings.toggles import measure_toggles
from align_eval.formats.run.words_table import words_table
from align_eval.heuristics import HEURISTICS, Heuristic, Toggled, toggled_systems
from align_eval.records import AudioSpan, SystemName, Utterance, Word
from align_eval.reporting.terminal.toggles import print_toggles
from align_eval.systems import PRESETS, make_systems, parse_system
from tests.helpers.maps import canonical_align, canonical_source


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_canonical(preset):
    name = PRESETS[preset].name
    assert (canonical_source(name.source), canonical_align(name.align)) == (name.source, name.align)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_heuristic_of_a_preset_changes_one_key_of_it(preset):
    toggled = toggled_systems([], [], [preset])
    assert [item.heuristic for item in toggled] == list(HEURISTICS[preset])
    for item in toggled:
        assert item.base == PRESETS[preset]
        same = {"source": "align", "align": "source"}[item.heuristic.part]
        base, other = item.base.name, item.other.name
        assert getattr(other, same) == getattr(base, same)
        assert getattr(other, item.heuristic.part) != getattr(base, item.heuristic.part)


def test_a_source_under_a_presets_name_takes_the_presets_ways_and_is_toggled_where_it_has_the_key():
    """The gradient has no heads to choose and no softmax, but a preparation; its path has the path's heuristics."""
    (base,) = make_systems(["gradient"], ["openai"])
    toggled = toggled_systems(["gradient"], ["openai"])
    assert {item.base for item in toggled} == {base}
    assert [item.heuristic.key for item in toggled] == ["prep", "prep", "grid", "punctuation", "durations"]
    (heads,) = make_systems(["attention:heads=all"], ["transformers"])
    assert heads.name == SystemName("attention:heads=all,softmax=full,rows=later", "dtw:grid=index,rows=later")


def test_toggling_without_a_preset_is_refused():
    with pytest.raises(
        InputError, match=re.escape("--toggle: no preset is named; name one as --align or --preset: op")
    ):
        toggled_systems(["attention"], ["dtw"])


BASE_SYSTEM = parse_system("attention:heads=alignment", "dtw:grid=index")
OTHER_SYSTEM = parse_system("attention:heads=alignment", "dtw")
BASE, OTHER = BASE_SYSTEM.name, OTHER_SYSTEM.name
N_SPEAKERS = 8


def planted(shift_s, lost=()):
    """Words of eight speakers, 50 ms late under the base and ``shift_s`` more, per speaker, under the other system.

    The base has no words of the utterances in ``lost``.
    """
    utterances, results = [], {}
    for i in range(N_SPEAKERS):
        words = tuple(Word(f"w{j}", j + 0.2, j + 0.7) for j in range(4))
        span = AudioSpan(__file__)
        utterances.append(Utterance(f"u{i}", span, words, "w", "en", f"s{i}", f"r{i}", 5.0, "manual"))
        by_system = {}
        for system, off in ((BASE, 0.05), (OTHER, 0.05 + shift_s[i])):
            by_system[system] = tuple(Word(w.text, w.start_s + off, w.end_s + off) for w in words)
        results[f"u{i}"] = {system: of for system, of in by_system.items() if system != BASE or f"u{i}" not in lost}
    return words_table(utterances, (BASE, OTHER), results)


def finding(shift_s, *, adds=False, lost=()):
    heuristic = Heuristic("half a frame", "align", "grid", "edge", adds)
    return measure_toggles(
        dataset(planted(shift_s, lost)), [Toggled("openai", heuristic, BASE_SYSTEM, OTHER_SYSTEM)], "0123456789ab"
    )


def test_worth_is_the_error_without_minus_the_error_with():
    """Without it every boundary is 10 to 17 ms further off: 13.5 ms on average, on all eight speakers the same sign."""
    shifts = 0.010 + 0.001 * np.arange(N_SPEAKERS)
    rows = finding(shifts).rows
    assert {row.boundaries for row in rows} == {"all", "interior"}
    for row in rows:
        assert (row.with_ms, row.without_ms, row.worth_ms) == pytest.approx((50.0, 63.5, 13.5))
        assert 10 <= row.ci_low < 13.5 < row.ci_high <= 17
        assert row.p_value == row.p_holm == pytest.approx(2 / 2**N_SPEAKERS)
        assert (row.n_words, row.n_clusters, row.change) == (32, N_SPEAKERS, "off: grid=edge")


def test_systems_are_compared_on_the_utterances_that_both_timed():
    """The base failed on u7, where the other is 100 ms off: on the words of both, the other is 10 ms further off."""
    shifts = np.array([0.01] * 7 + [0.05])
    for row in finding(shifts, lost=["u7"]).rows:
        assert (row.with_ms, row.without_ms, row.worth_ms) == pytest.approx((50.0, 60.0, 10.0))


def test_a_heuristic_that_a_preset_adds_is_worth_what_switching_it_on_gains():
    rows = finding(np.full(N_SPEAKERS, -0.02), adds=True).rows
    assert {row.boundaries for row in rows} == {"all", "interior"}
    for row in rows:
        assert (row.with_ms, row.without_ms, row.worth_ms) == pytest.approx((30.0, 50.0, 20.0))
        assert row.change == "on: grid=edge"


def test_the_table_says_worth_with_its_interval_and_p():
    file = StringIO()
    shifts = 0.010 + 0.001 * np.arange(N_SPEAKERS)
    print_toggles(finding(shifts), Console(file=file, width=200))
    # The mean of eight: 13.5 ms, with an sd of 2.45 ms; Student's t of 7 is 2.365, so that the reach is 2.05 ms.
    row = r"half a frame +off: grid=edge +50\.0 +63\.5 +\+13\.5 \[11\.[45], 15\.[56]\] +0\.008"
    assert re.search(row, file.getvalue())


def test_under_five_speakers_a_heuristic_has_neither_interval_nor_p():
    # the base failed on four of the eight: four are scored
    for row in finding(0.010 + 0.001 * np.arange(N_SPEAKERS), lost=["u0", "u1", "u2", "u3"]).rows:
        assert row.worth_ms == pytest.approx(15.5)  # the mean of 14 to 17
        assert (row.ci_low, row.ci_high, row.p_value, row.p_holm) == (None, None, None, None)
        assert (row.n_clusters, row.n_effective_clusters) == (4, 4)
