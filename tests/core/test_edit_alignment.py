"""Pairings with the fewest edits: jiwer's counts, and of equals the closest in time."""

from itertools import combinations

import jiwer
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from align_eval import edit_alignment
from align_eval.edit_alignment import edit_links


def times(*starts_s, length_s=0.3):
    return np.array([(start_s, start_s + length_s) for start_s in starts_s])


def counts(links, reference, hypothesis):
    """Substitutions, deletions and insertions."""
    n_substituted = sum(reference[r] != hypothesis[h] for r, h in links)
    return n_substituted, len(reference) - len(links), len(hypothesis) - len(links)


def distance_s(links, reference_s, hypothesis_s):
    return sum(np.abs(reference_s[r] - hypothesis_s[h]).sum() for r, h in links)


def test_a_word_goes_to_the_equal_word_at_its_time():
    assert edit_links(["no", "no"], ["no"], times(0, 5), times(5)) == [(1, 0)]
    assert edit_links(["no", "no"], ["no"], times(0, 5), times(0.2)) == [(0, 0)]
    assert edit_links(["no"], ["no", "no"], times(5), times(0, 5)) == [(0, 1)]


def test_times_never_buy_a_worse_text():
    """At its time stands another word: the equal word far away is paired all the same."""
    assert edit_links(["yes", "no"], ["no"], times(5, 0), times(5)) == [(1, 0)]


def test_words_without_times_count_as_between_their_neighbours():
    hypothesis_s = times(4, 5, 6)
    hypothesis_s[1] = np.nan
    assert edit_links(["a", "no", "no", "b"], ["a", "no", "b"], times(0, 1, 5, 6), hypothesis_s) == [
        (0, 0), (2, 1), (3, 2),
    ]  # fmt: skip


def test_without_any_time_the_pairing_is_jiwers():
    unknown = np.full((1, 2), np.nan)
    assert edit_links(["no", "no"], ["no"], times(0, 5), unknown) == edit_links(["no", "no"], ["no"])


TEXT = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)
STARTS = st.lists(st.floats(0, 9), min_size=6, max_size=6).map(sorted)


@given(TEXT, TEXT, STARTS, STARTS)
@settings(deadline=None, max_examples=300)
def test_of_all_pairings_with_jiwers_counts_it_is_the_closest(reference, hypothesis, r_starts, h_starts):
    reference_s, hypothesis_s = times(*r_starts[: len(reference)]), times(*h_starts[: len(hypothesis)])
    links = edit_links(reference, hypothesis, reference_s, hypothesis_s)
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    wanted = output.substitutions, output.deletions, output.insertions
    assert counts(links, reference, hypothesis) == wanted
    n = len(links)
    every = (
        list(zip(r, h, strict=True))
        for r in combinations(range(len(reference)), n)
        for h in combinations(range(len(hypothesis)), n)
    )
    distances = [distance_s(p, reference_s, hypothesis_s) for p in every if counts(p, reference, hypothesis) == wanted]
    assert distance_s(links, reference_s, hypothesis_s) <= min(distances) + 1e-9


@given(st.lists(st.sampled_from("abcdefg"), min_size=20, max_size=60), st.data())
@settings(deadline=None, max_examples=50)
def test_texts_that_are_cut_keep_jiwers_counts(reference, data):
    hypothesis = [word for word in reference if data.draw(st.integers(0, 4))] or ["z"]
    reference_s, hypothesis_s = times(*range(len(reference))), times(*range(len(hypothesis)))
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    longest, edit_alignment.MAX_BLOCK = edit_alignment.MAX_BLOCK, 10
    try:
        links = edit_links(reference, hypothesis, reference_s, hypothesis_s)
    finally:
        edit_alignment.MAX_BLOCK = longest
    assert counts(links, reference, hypothesis) == (output.substitutions, output.deletions, output.insertions)
    assert links == sorted(links)
    assert len({r for r, _ in links}) == len({h for _, h in links}) == len(links)
