"""Windows of long recordings: every word in one window, no window too long, times on the recording's clock."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align_eval.corpus.folder import Corpus
from align_eval.corpus.windows import MARGIN_S, ROUNDING_S, cut_windows, windowed, with_room_for_windows
from align_eval.formats.atomic import is_file_name
from align_eval.formats.praat import read_textgrid
from align_eval.formats.run.folder import write_run
from align_eval.formats.run.words_table import words_table
from align_eval.formats.textgrids import words_of_tier
from align_eval.records import AudioSpan, SystemName, Utterance, Word
from align_eval.run_record import Run
from align_eval.scoring.boundaries import counted
from align_eval.scoring.recognition import recognition_of
from align_eval.scoring.statistics import cluster_rows
from align_eval.scoring.summary import score_table
from tests.helpers.planted_run import SIGNATURE

SYSTEM = SystemName("attention:heads=all", "dtw")


def recording(words: list[Word], duration_s: float, from_s: float = 0.0) -> Utterance:
    text = " ".join(word.text for word in words)
    return Utterance(
        "talk", AudioSpan(Path("talk.wav"), None, from_s), tuple(words), text, "en", "ann", "day", duration_s
    )


def spoken(*spans: tuple[float, float]) -> list[Word]:
    return [Word(f"w{i}", start_s, end_s) for i, (start_s, end_s) in enumerate(spans)]


def spans_of(windows: tuple[Utterance, ...]) -> list[tuple[float, float]]:
    return [(round(w.audio.start_s, 6), round(w.audio.end_s, 6)) for w in windows]


def test_an_utterance_that_fits_is_not_cut():
    u = recording(spoken((0.0, 1.0), (29.0, 30.0)), 30.0)
    assert cut_windows(u) == (u,)


def test_a_window_ends_in_the_middle_of_the_longest_pause_in_its_second_half():
    """Pauses: 2 s at 10 s (the first half), 0.2 s at 18 s, 0.6 s at 24 s, 0.4 s at 28 s; then the rest fits."""
    words = spoken((0.0, 9.0), (11.0, 17.9), (18.1, 23.7), (24.3, 27.8), (28.2, 40.0))
    first, second = cut_windows(recording(words, 40.0))
    assert spans_of((first, second)) == [(0.0, 24.0), (24.0, 40.0)]
    assert [w.text for w in first.words] == ["w0", "w1", "w2"]
    assert [w.text for w in second.words] == ["w3", "w4"]
    assert second.words[0].start_s == pytest.approx(0.3)
    assert (first.id, second.id) == ("talk@00000.000", "talk@00024.000")
    assert {w.part_of for w in (first, second)} == {"talk"}


def test_windows_keep_only_the_margin_of_a_long_silence():
    windows = cut_windows(recording(spoken((5.0, 6.0), (100.0, 101.0), (160.0, 161.0)), 200.0))
    assert spans_of(windows) == [(5 - MARGIN_S, 6 + MARGIN_S), (99.0, 102.0), (159.0, 162.0)]


def test_words_that_touch_are_parted_where_they_touch():
    windows = cut_windows(recording(spoken(*((float(i), i + 1.0) for i in range(40))), 40.0))
    # of equal pauses the last: 29 s is the last that a window shorter than 30 s by a millisecond holds
    assert spans_of(windows) == [(0.0, 29.0), (29.0, 40.0)]


def test_words_that_overlap_are_not_parted():
    """The second word ends in the third: the only pause is after the first."""
    windows = cut_windows(recording(spoken((0.0, 8.0), (8.5, 20.0), (19.0, 31.0)), 31.0))
    assert [[w.text for w in window.words] for window in windows] == [["w0"], ["w1", "w2"]]


def test_a_word_longer_than_a_window_stays_whole_to_be_refused_by_the_model():
    windows = cut_windows(recording(spoken((0.0, 1.0), (2.0, 40.0), (41.0, 42.0)), 45.0))
    assert [[w.text for w in window.words] for window in windows] == [["w0"], ["w1"], ["w2"]]
    assert windows[1].duration_s > 30


def test_windows_of_a_stretch_of_a_file_are_stretches_of_that_file():
    (first, second) = cut_windows(recording(spoken((0.0, 9.0), (10.0, 40.0)), 40.0, from_s=100.0), 32.0)
    assert spans_of((first, second)) == [(100.0, 109.5), (109.5, 140.0)]
    assert second.words[0].start_s == pytest.approx(0.5)


def test_a_corpus_is_cut_utterance_by_utterance():
    short = recording(spoken((0.0, 1.0)), 2.0)
    long = recording(spoken((0.0, 20.0), (21.0, 40.0)), 41.0)
    corpus = windowed(Corpus("c", (short, long), ()))
    assert [u.id for u in corpus.utterances] == ["talk", "talk@00000.000", "talk@00020.500"]


@st.composite
def recordings(draw) -> Utterance:
    """Words of 0.05 to 12 s with pauses of 0 to 40 s, some of them begun before the last one ended."""
    steps = draw(
        st.lists(
            st.tuples(st.floats(0.05, 12.0), st.sampled_from((-0.04, 0.0, 0.01, 0.3, 1.0, 40.0))),
            min_size=1,
            max_size=60,
        )
    )
    words, at_s = [], 0.0
    for i, (length_s, pause_s) in enumerate(steps):
        start_s = max(at_s + pause_s, 0.0)
        words.append(Word(f"w{i}", start_s, start_s + length_s))
        at_s = start_s + length_s
    return recording(words, at_s + draw(st.sampled_from((0.0, 0.5, 50.0))))


@given(u=recordings(), longest_s=st.sampled_from((13.0, 30.0)))
def test_no_word_is_lost_doubled_or_moved(u, longest_s):
    windows = cut_windows(u, longest_s)
    back = [
        (w.text, w.start_s + window.audio.start_s, w.end_s + window.audio.start_s)
        for window in windows
        for w in window.words
    ]
    assert [text for text, _, _ in back] == [w.text for w in u.words]
    for (_, start_s, end_s), word in zip(back, u.words, strict=True):
        assert (start_s, end_s) == pytest.approx((word.start_s, word.end_s), abs=1e-9)


@given(u=recordings(), longest_s=st.sampled_from((13.0, 30.0)))
def test_windows_hold_their_words_follow_one_another_and_fit(u, longest_s):
    windows = cut_windows(u, longest_s)
    if len(windows) == 1 and windows[0] is u:
        assert u.duration_s <= longest_s
        return
    assert len({w.id for w in windows}) == len(windows)
    assert [w.id for w in windows] == sorted(w.id for w in windows)
    end_s = 0.0
    for window in windows:
        assert window.audio.start_s >= end_s - 1e-9
        end_s = window.audio.end_s
        assert window.duration_s == pytest.approx(window.audio.end_s - window.audio.start_s)
        assert min(w.start_s for w in window.words) >= -1e-9
        assert max(w.end_s for w in window.words) <= window.duration_s + 1e-9
        # no word is over 12 s and margins are 2 s: only words that overlap make a window longer
        overlapped = any(a.end_s > b.start_s for a, b in zip(window.words, window.words[1:], strict=False))
        assert window.duration_s <= longest_s - ROUNDING_S + 1e-9 or overlapped or len(window.words) == 1
    assert end_s <= max(u.duration_s, u.words[-1].end_s) + 1e-9


# On the recording's clock


@pytest.fixture
def long_run():
    """Two windows of a recording, each word found 0.25 s late; and one short file."""
    words = spoken((1.0, 20.0), (22.0, 30.0), (34.0, 39.0))
    windows = cut_windows(recording(words, 60.0))
    assert len(windows) == 2
    short = Utterance("short", AudioSpan(Path("short.wav")), tuple(spoken((0.0, 1.0))), "w0", "en", "bob", "short", 2.0)
    every = (*windows, short)
    late = {u.id: {SYSTEM: tuple(Word(w.text, w.start_s + 0.25, w.end_s + 0.25) for w in u.words)} for u in every}
    return words, words_table(every, [SYSTEM], late)


def test_the_table_holds_times_in_the_recording(long_run):
    words, table = long_run
    rows = [row for row in table.to_pylist() if row["audio"] == "talk"]
    assert [row["word"] for row in rows] == ["w0", "w1", "w2"]
    for row, word in zip(rows, words, strict=True):
        assert (row["reference_start_s"], row["reference_end_s"]) == pytest.approx((word.start_s, word.end_s))
        assert (row["start_s"], row["end_s"]) == pytest.approx((word.start_s + 0.25, word.end_s + 0.25))
        assert (row["start_error_s"], row["end_error_s"]) == pytest.approx((0.25, 0.25))


def test_interior_leaves_out_the_outer_boundaries_of_every_window(long_run):
    """The path is pinned at the ends of each window, not of the recording."""
    words, table = long_run
    talk = table.filter([audio == "talk" for audio in table.column("audio").to_pylist()])
    starts, ends = counted(recognition_of(talk, cluster_rows(talk)[1]).times, "interior")
    first_of_window = [row["word_index"] == 0 for row in talk.to_pylist()]
    assert sum(first_of_window) == 2
    assert (starts.sum(), ends.sum()) == (1, 1)
    assert len(words) == 3


def test_there_is_one_textgrid_a_recording(long_run, tmp_path):
    words, table = long_run
    write_run(tmp_path, Run(2, SIGNATURE, score_table(table)), table)
    assert sorted(path.name for path in (tmp_path / "textgrids").iterdir()) == ["short.TextGrid", "talk.TextGrid"]
    grid, _ = read_textgrid(tmp_path / "textgrids" / "talk.TextGrid")
    reference, system = (words_of_tier(tier) for tier in grid.tiers)
    assert [(w.text, w.start_s, w.end_s) for w in reference] == [
        (w.text, pytest.approx(w.start_s), pytest.approx(w.end_s)) for w in words
    ]
    assert [w.start_s for w in system] == pytest.approx([1.25, 22.25, 34.25])


def test_an_id_without_room_for_those_of_its_windows_is_a_failure():
    """Ids of windows are eleven bytes longer, and the part of a name has less than 240."""
    talk = recording(spoken((0.0, 9.0), (11.0, 40.0)), 40.0)
    short, long = (replace(talk, id=letter * n) for letter, n in (("s", 229), ("t", 230)))
    fits = replace(talk, id="u" * 239, duration_s=30.0)
    corpus = with_room_for_windows(Corpus("c", (short, long, fits), ()), 30.0)
    assert corpus.utterances == (short, fits)
    assert [(f.id, "cannot name a file" in f.message) for f in corpus.failures] == [(long.id, True)]
    assert all(is_file_name(u.id) for u in windowed(corpus).utterances)
