"""Punctuation and long words by openai-whisper's rules, by hand."""

import numpy as np
import pytest

from align_eval.alignment.punctuation import piece_word_times, word_texts
from align_eval.records import EOT_WORD


def times(starts, pieces, words, *, capped=False, trimmed=False):
    pieces = tuple(pieces)
    word_of_token = np.array([*words, EOT_WORD], dtype=np.int32)
    return piece_word_times(np.array(starts), pieces, word_of_token, capped=capped, trimmed=trimmed)


def test_a_word_ends_where_the_mark_behind_it_starts():
    pieces = [(" so", 1), (",", 1), (" there", 2), (".", 1)]
    starts, words = [0.0, 0.3, 0.5, 0.7, 1.0, 1.4], [0, 0, 1, 1, 1]
    assert times(starts, pieces, words, trimmed=True) == ((0.0, 0.3), (0.5, 1.0))
    assert times(starts, pieces, words) == ((0.0, 0.5), (0.5, 1.4))


def test_a_word_starts_after_the_mark_before_it_and_a_hyphen_stays_inside():
    pieces = [(' "', 1), ("well", 1), ("-", 1), ("known", 1), ('"', 1)]
    starts, words = [0.0, 0.1, 0.4, 0.5, 0.8, 1.0], [0, 0, 0, 0, 0]
    assert times(starts, pieces, words, trimmed=True) == ((0.1, 0.8),)


def test_a_word_of_marks_alone_keeps_its_time():
    """A word of marks alone has no neighbouring piece to merge with, so no word is lost."""
    pieces = [(" ...", 1), (" so", 1)]
    assert times([0.0, 0.2, 0.5], pieces, [0, 1], trimmed=True)[0] == (0.0, 0.2)


def test_a_word_of_marks_that_are_merged_has_the_times_of_its_neighbour():
    """openai-whisper merges an opening mark with the word after it, and a closing one with the word before it."""
    pieces = [(" -", 1), (" so", 1), ("。", 1)]
    starts, words = [0.0, 0.2, 0.5, 0.6], [0, 1, 2]
    assert times(starts, pieces, words, trimmed=True) == ((0.2, 0.5),) * 3
    assert times(starts, pieces, words) == ((0.0, 0.6),) * 3  # untrimmed, "so" has the marks' times too


def test_a_long_word_after_a_sentence_gives_up_its_start_and_a_long_mark_its_end():
    """Median of 0.2, 0.2, 0.2, 1.0 and 0.2 s is 0.2: pieces longer than 0.4 s are cut next to the mark."""
    pieces = [(" a", 1), (" b", 1), (".", 1), (" c", 1), (" d", 1)]
    starts, words = [0.0, 0.2, 0.4, 0.6, 1.6, 1.8], [0, 1, 1, 2, 3]
    found = times(starts, pieces, words, capped=True)
    assert found[2] == (pytest.approx(1.2), 1.6)
    starts = [0.0, 0.2, 0.4, 1.4, 1.6, 1.8]
    assert times(starts, pieces, words, capped=True)[1] == (0.2, pytest.approx(0.8))


def test_the_first_word_after_a_pause_gives_up_what_is_longer_than_two_medians():
    """1.0, 0.2, 0.2, 0.2: the first may last 0.4 s, before its end."""
    pieces = [(" a", 1), (" b", 1), (" c", 1), (" d", 1)]
    found = times([0.0, 1.0, 1.2, 1.4, 1.6], pieces, [0, 1, 2, 3], capped=True)
    assert found[0] == (pytest.approx(0.6), 1.0)
    assert found[1:] == ((1.0, 1.2), (1.2, 1.4), (1.4, 1.6))


def test_a_first_and_a_second_word_that_are_too_long_share_the_boundary_that_is_moved():
    """1.0, 1.0, 0.2, 0.2, 0.2: the second keeps 0.4 s before its end, and the first as much before that."""
    pieces = [(f" {c}", 1) for c in "abcde"]
    found = times([0.0, 1.0, 2.0, 2.2, 2.4, 2.6], pieces, [0, 1, 2, 3, 4], capped=True)
    assert found[:2] == (pytest.approx((1.2, 1.6)), pytest.approx((1.6, 2.0)))


def test_words_of_no_length_cap_nothing():
    assert times([0.0, 0.0, 0.0], [(" a", 1), (" b", 1)], [0, 1], capped=True) == ((0.0, 0.0), (0.0, 0.0))


def test_the_texts_of_words_are_their_pieces():
    pieces = ((" so", 1), (",", 1), (" there", 2))
    assert word_texts(pieces, np.array([0, 0, 1, 1, EOT_WORD])) == ("so,", "there")
