"""Lint: each rule reports words that break it and no others."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align_eval.corpus.bundled import BUNDLED, bundled_path
from align_eval.formats.hypothesis.detect import read_transcripts
from align_eval.records import HypothesisWord
from align_eval.scoring.lint import RULES, lint_counts, lint_recording, lint_words, longest_s


def words(*times: tuple[float, float] | None) -> list[HypothesisWord]:
    """Words "w1", "w2" ... at these times, placed by their number."""
    return [HypothesisWord(f"w{i}", *(t or (None, None)), None, f"word {i}") for i, t in enumerate(times, 1)]


def found(*times: tuple[float, float] | None, end_s: float | None = None) -> list[tuple[str, str]]:
    return [(f.rule, f.word) for f in lint_words(words(*times), "a", end_s)]


CASES = {
    "nothing": ([(0.1, 0.4), (0.4, 0.9), (1.0, 1.2)], []),
    "of no length": ([(0.1, 0.4), (0.4, 0.4), (0.4, 0.9)], [("zero-length", "w2")]),
    "at the longest": ([(0.1, 1.3)], []),
    "longer": ([(0.1, 1.301)], [("long", "w1")]),
    "one pile of three": ([(0.1, 0.4)] * 3, [("piled-up", "w2"), ("piled-up", "w3")]),
    "a pile of no length": ([(0.1, 0.1)] * 2, [("zero-length", "w1"), ("zero-length", "w2"), ("piled-up", "w2")]),
    "overlap by two milliseconds, as of rounding": ([(0.1, 0.4), (0.398, 0.9)], []),
    "overlap by more": ([(0.1, 0.4), (0.3979, 0.9)], [("overlap", "w2")]),
    "with a word before the last": ([(0.1, 0.9), (0.2, 0.3), (0.5, 0.6)], [("overlap", "w2"), ("overlap", "w3")]),
    "same start": ([(0.1, 0.5), (0.1, 0.3)], [("overlap", "w2")]),
    "back in time": ([(5.0, 5.3), (1.0, 1.2), (1.3, 1.5)], [("order", "w2")]),
    "without times": ([(0.1, 0.4), None, (0.3, 0.6)], [("untimed", "w2"), ("overlap", "w3")]),
}  # fmt: skip


@pytest.mark.parametrize(("times", "expected"), CASES.values(), ids=CASES)
def test_a_rule_finds_what_breaks_it_and_nothing_else(times, expected):
    assert found(*times) == expected


def test_the_end_of_the_recording_may_be_missed_by_one_frame():
    assert found((0.1, 0.4), (0.5, 1.02), end_s=1.0) == []
    assert found((0.1, 0.4), (0.5, 1.0201), end_s=1.0) == [("outside", "w2")]
    assert found((0.1, 0.4), (0.5, 1.0201)) == []


def test_a_finding_says_where_and_what():
    (finding,) = lint_words(words((0.1, 0.4), (0.2, 0.5)), "a.srt")
    assert (finding.place, finding.problem) == ("a.srt, word 2", "starts before an earlier word ends (0.4 s)")
    assert lint_counts([finding, finding]) == {"overlap": 2}


@pytest.mark.parametrize(
    ("tolerance_s", "n_found", "counted"),
    [(0.002, 1, {"overlap": 2}), (0.0, 3, {}), (0.0005, 2, {"overlap": 1}), (0.01, 0, {"overlap": 3})],
)
def test_overlaps_up_to_the_tolerance_are_counted_and_not_found(tolerance_s, n_found, counted):
    """Overlaps of 0.5, 2 and 5 ms."""
    overlapping = words((0.1, 0.4), (0.3995, 0.9), (0.898, 1.2), (1.195, 1.5), (1.5, 1.7))
    findings, rounded = lint_recording(overlapping, "a", tolerance_s=tolerance_s)
    assert ([f.rule for f in findings], rounded) == (["overlap"] * n_found, counted)
    assert list(lint_words(overlapping, "a", tolerance_s=tolerance_s)) == findings


def test_an_overlap_is_rounding_also_where_the_word_before_it_is_shorter_than_the_tolerance():
    """The second word starts 1.5 ms before the first one: the overlap is of 1.6 ms, and time does not go back."""
    overlapping = words((0.5, 0.5001), (0.4985, 0.9))
    assert list(lint_words(overlapping, "a")) == []
    assert [f.rule for f in lint_words(overlapping, "a", tolerance_s=0)] == ["order"]


def test_ends_after_the_recording_within_a_frame_are_counted():
    assert lint_recording(words((0.1, 0.4), (0.5, 1.001)), "a", 1.0) == ([], {"outside": 1})
    assert lint_recording(words((0.1, 0.4), (0.5, 1.0)), "a", 1.0) == ([], {})


def test_a_word_with_impossible_times_is_listed_with_what_they_were():
    bad = HypothesisWord("a", None, None, None, "line 3", problem="ends (1.2 s) before it starts (1.5 s)")
    (finding,) = lint_words([bad], "a.ctm")
    assert (finding.rule, finding.problem) == ("untimed", "ends (1.2 s) before it starts (1.5 s)")


def test_only_letters_and_digits_make_a_word_longer():
    assert (longest_s("so"), longest_s('"so..."')) == (1.2, 1.2)


CORPORA = [bundled_path(name) for name in BUNDLED]


@pytest.mark.parametrize(
    "path", sorted(p for folder in CORPORA for p in folder.glob("*.TextGrid")), ids=lambda p: p.stem
)
def test_nothing_is_found_in_references(path: Path):
    """Made by hand and by forced aligners: what lint says of them would be said of every system."""
    (transcript,) = read_transcripts(path)[1]
    assert list(lint_words(transcript.words, "a", transcript.end_s)) == []


TIMES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)).map(lambda t: (min(t), max(t))), max_size=30)


@given(times=TIMES, end_s=st.none() | st.floats(0, 100))
def test_a_word_breaks_one_rule_at_most_of_each_kind(times, end_s):
    rules_of: dict[str, list[str]] = {}
    for rule, word in found(*times, end_s=end_s):
        rules_of.setdefault(word, []).append(rule)
    for rules in rules_of.values():
        assert len({"zero-length", "long"} & set(rules)) <= 1
        assert len({"piled-up", "order", "overlap"} & set(rules)) <= 1
        assert len(rules) == len(set(rules))
        assert set(rules) <= set(RULES)


@given(lengths=st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 1.0)), max_size=30))
def test_words_that_follow_each_other_break_no_rule(lengths):
    times, at = [], 0.0
    for gap_s, length_s in lengths:
        times.append((at + gap_s, at + gap_s + length_s))
        at = times[-1][1]
    assert found(*times, end_s=at) == []


def test_the_rules_are_documented():
    text = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) >= set(RULES)
