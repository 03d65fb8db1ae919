"""Segmentation of recordings: known pauses and barriers, and properties that hold for any words."""

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from align_eval.corpus.readers.segmentation import LONG_PAUSE_S, MARGIN_S, SHORTEST_PAUSE_S, cut_at_pauses
from align_eval.records import Word


def words(*spans):
    return [Word(f"w{i}", start_s, end_s) for i, (start_s, end_s) in enumerate(spans)]


def texts(segments):
    return [" ".join(w.text for w in segment.words) for segment in segments]


def test_what_fits_is_one_segment_with_a_margin():
    (segment,) = cut_at_pauses(words((5, 6), (6.5, 7)), 20).segments
    assert (segment.start_s, segment.end_s) == (4.75, 7.25)


def test_the_audio_ends_the_margin():
    (segment,) = cut_at_pauses(words((0.1, 1)), 1.05).segments
    assert (segment.start_s, segment.end_s) == (0.0, 1.05)


def test_a_long_pause_always_parts():
    assert texts(cut_at_pauses(words((0, 1), (1.9, 3), (4, 5)), 5).segments) == ["w0 w1", "w2"]


def test_the_longest_pause_parts_first():
    """40 s of words: the pause of 0.4 s, not the ones of 0.2 s, and then all fits."""
    result = cut_at_pauses(words((0, 9), (9.2, 19), (19.4, 29), (29.2, 40)), 40)
    assert texts(result.segments) == ["w0 w1", "w2 w3"]
    assert (result.segments[0].end_s, result.segments[1].start_s) == (19.2, 19.2)  # half of the pause each


def test_without_a_pause_nothing_is_cut_and_the_stretch_is_listed():
    result = cut_at_pauses(words((0, 20), (20.04, 41)), 41)
    assert (result.segments, texts(result.too_long)) == ((), ["w0 w1"])


def test_a_barrier_parts_and_keeps_the_audio_out():
    result = cut_at_pauses(words((0, 1), (1.5, 2)), 3, [(1.1, 1.4)])
    assert [(s.start_s, s.end_s) for s in result.segments] == [(0.0, 1.1), (1.4, 2.25)]


def test_a_barrier_of_no_length_parts_words_that_touch():
    assert texts(cut_at_pauses(words((0, 1), (1, 2)), 3, [(1, 1)]).segments) == ["w0", "w1"]


def test_words_that_a_barrier_overlaps_are_left_out_with_their_audio():
    result = cut_at_pauses(words((0, 1), (1.1, 2), (2.1, 3)), 3, [(1.5, 1.6)])
    assert texts(result.segments) == ["w0", "w2"]
    assert [w.text for w in result.overlapped] == ["w1"]
    assert [(s.start_s, s.end_s) for s in result.segments] == [(0.0, 1.1), (2.0, 3.0)]


@st.composite
def recordings(draw):
    """Words in order in a recording of up to about 5 minutes, and spans of other speech."""
    steps = draw(st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 12)), min_size=1, max_size=40))
    at_s, spans = 0.0, []
    for pause_s, length_s in steps:
        spans.append((at_s + pause_s, at_s + pause_s + length_s))
        at_s = spans[-1][1]
    duration_s = at_s + draw(st.floats(0, 2))
    edges = draw(st.lists(st.tuples(st.floats(0, duration_s), st.floats(0, 2)), max_size=5))
    return words(*spans), duration_s, [(start_s, start_s + length_s) for start_s, length_s in edges]


@settings(deadline=None, max_examples=300)
@given(recordings())
@example((words((0, 12), (12, 24), (24, 36)), 36.0, []))  # no pause to cut at: too long for a segment
@example((words((0, 12), (12.1, 24), (24.1, 36)), 36.0, []))  # pauses that are just long enough
def test_no_word_is_lost_doubled_or_spoken_over_and_no_segment_is_too_long(recording):
    spoken, duration_s, barriers = recording
    result = cut_at_pauses(spoken, duration_s, barriers)
    kept = [w for segment in (*result.segments, *result.too_long) for w in segment.words]
    assert sorted([*kept, *result.overlapped], key=lambda w: w.start_s) == spoken
    for segment in result.segments:
        first, last = segment.words[0], segment.words[-1]
        assert segment.end_s - segment.start_s <= 30 + 1e-9
        assert 0 <= segment.start_s <= first.start_s
        assert last.end_s <= segment.end_s <= duration_s + 1e-9
        assert max(first.start_s - segment.start_s, segment.end_s - last.end_s) <= MARGIN_S + 1e-9
        assert all(end_s <= segment.start_s + 1e-5 or start_s >= segment.end_s - 1e-5 for start_s, end_s in barriers)
    for segment in result.too_long:
        pauses = [b.start_s - a.end_s for a, b in zip(segment.words, segment.words[1:], strict=False)]
        assert max(pauses, default=0) < SHORTEST_PAUSE_S < LONG_PAUSE_S
    for a, b in zip(result.segments, result.segments[1:], strict=False):
        assert a.end_s <= b.start_s + 1e-9


def test_a_segment_lasts_no_longer_than_the_limit():
    spans = [(i, i + 0.9) for i in range(100)]
    assert max(s.end_s - s.start_s for s in cut_at_pauses(words(*spans), 100, max_s=5).segments) == pytest.approx(
        5, abs=1
    )
