"""Slopes of planted errors against time in the recording."""

from pathlib import Path

import numpy as np
import pytest

from align_eval.errors import InputError
from align_eval.findings.drift import Slope, measure_drift
from align_eval.formats.run.folder import write_run
from align_eval.formats.run.words_table import words_table
from align_eval.records import AudioSpan, SystemName, Utterance, Word
from align_eval.run_record import Run
from tests.helpers.command_line import align_eval
from tests.helpers.hypothesis_files import HYPOTHESES
from tests.helpers.planted_run import SIGNATURE

SYSTEM = SystemName("attention:heads=all", "dtw")


def window(recording: str, speaker: str | None, start_s: float, n_words: int = 10) -> Utterance:
    """Words of 2 s every 3 s."""
    words = tuple(Word(f"w{i}", 3.0 * i, 3.0 * i + 2) for i in range(n_words))
    audio = AudioSpan(Path(f"{recording}.wav"), None, start_s, start_s + 30)
    id_ = f"{recording}@{start_s:09.3f}"
    return Utterance(id_, audio, words, "", "en", speaker, recording, 30.0, "manual", recording)


def run_of(folder, utterances, error_s):
    """A run whose words are off by ``error_s(recording, time in the recording)``, their starts twice as far."""

    def found(u):
        at = u.audio.start_s
        return tuple(
            Word(
                w.text,
                w.start_s + 2 * error_s(u.recording, w.start_s + at),
                w.end_s + error_s(u.recording, w.end_s + at),
            )
            for w in u.words
        )

    write_run(
        folder, Run(2, SIGNATURE, ()), words_table(utterances, [SYSTEM], {u.id: {SYSTEM: found(u)} for u in utterances})
    )
    return folder


def slopes(folder):
    return {row.boundary: row for row in measure_drift(folder).rows}


TALKS = [window(talk, speaker, 30.0 * i) for talk, speaker in (("a", "ann"), ("b", "bob")) for i in range(4)]


def test_a_planted_drift_is_measured_whatever_the_bias_of_each_recording(tmp_path):
    """12 ms a minute (0.2 ms a second) at ends, twice that at starts; recording b is 80 ms late throughout."""
    run_of(tmp_path, TALKS, lambda talk, at_s: 0.08 * (talk == "b") + 0.0002 * at_s)
    found = slopes(tmp_path)
    assert found["end"].slope_ms_per_min == pytest.approx(12.0)
    assert found["start"].slope_ms_per_min == pytest.approx(24.0)
    assert (found["end"].ci_low, found["end"].ci_high) == (None, None)  # of two speakers
    assert (found["end"].clusters, found["end"].n_clusters, found["end"].n_words) == ("speakers", 2, 80)
    assert found["end"].longest_min == pytest.approx((119 - 2) / 60)


def test_a_constant_bias_is_no_drift(tmp_path):
    run_of(tmp_path, TALKS, lambda talk, _: 0.05 + 0.3 * (talk == "b"))
    assert [row.slope_ms_per_min for row in slopes(tmp_path).values()] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_a_single_recording_is_resampled_by_its_windows(tmp_path):
    rng = np.random.default_rng(0)
    windows = [window("a", "ann", 30.0 * i) for i in range(6)]
    run_of(tmp_path / "six", windows, lambda _, at_s: 0.0002 * at_s + rng.normal(0, 0.005))
    row = slopes(tmp_path / "six")["end"]
    assert (row.clusters, row.n_clusters) == ("windows", 6)
    assert row.ci_low < 12.0 < row.ci_high
    assert row.ci_high - row.ci_low < 15.0
    run_of(tmp_path / "four", windows[:4], lambda _, at_s: 0.0002 * at_s + rng.normal(0, 0.005))
    row = slopes(tmp_path / "four")["end"]
    assert (row.n_clusters, row.ci_low, row.ci_high) == (4, None, None)


def test_a_clock_that_runs_fast_by_a_thousandth_drifts_by_60_ms_a_minute(tmp_path):
    run_of(tmp_path, TALKS, lambda _, at_s: 0.001 * at_s)
    assert slopes(tmp_path)["end"].slope_ms_per_min == pytest.approx(60.0)


def test_minutes_hold_the_errors_of_their_words(tmp_path):
    """Ends of recording a: 50 ms late in its first minute, 150 ms in its second."""
    run_of(tmp_path, TALKS[:4], lambda _, at_s: 0.05 if at_s < 60 else 0.15)
    minutes = [m for m in measure_drift(tmp_path).minutes if m.boundary == "end"]
    assert [(m.minute, m.n_words) for m in minutes] == [(0, 20), (1, 20)]
    assert [m.median_ms for m in minutes] == pytest.approx([50.0, 150.0])
    assert [m.mean_absolute_ms for m in minutes] == pytest.approx([50.0, 150.0])


def test_the_slope_of_weighted_clusters_is_that_of_their_points_repeated():
    rng = np.random.default_rng(1)
    x, y = rng.normal(100, 10, 40), rng.normal(size=40)
    group, cluster = np.repeat([0, 1], 20), np.tile([0, 1, 2, 3], 10)
    times = np.array([2, 0, 1, 3])
    points = np.repeat(np.arange(40), times[cluster])
    design = np.stack([x[points], group[points] == 0, group[points] == 1], axis=1).astype(float)
    expected = np.linalg.lstsq(design, y[points], rcond=None)[0][0]
    assert Slope(x, y, group, cluster).evaluate(times[None].astype(float)) == pytest.approx([expected])


def test_there_is_no_slope_through_points_at_one_time():
    one = np.array([0, 1])
    assert np.isnan(Slope(np.array([3.0, 7.0]), np.array([1.0, 2.0]), one, one).evaluate(np.ones((1, 2)))).all()


def test_a_run_without_times_is_refused(tmp_path):
    write_run(tmp_path, Run(2, SIGNATURE, ()), words_table(TALKS, [SYSTEM], {}))
    with pytest.raises(InputError, match="no file has two words with times; run again on longer recordings"):
        measure_drift(tmp_path)


def test_drift_of_a_run_that_was_scored_from_files_is_printed(tmp_path):
    """Its signature has no context: no model ran."""
    scored = align_eval("score", "demo", HYPOTHESES / "stable-ts", "--out", tmp_path / "run")
    assert scored.returncode == 2  # one clip of the demo
    done = align_eval("drift", tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "context=" not in done.stdout
