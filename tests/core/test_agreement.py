"""Agreement of two maps on small or planted matrices whose correlations are known. No torch."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from align_eval.findings.agreement.ceilings import faithful_by_construction
from align_eval.findings.agreement.correlation import (
    METHODS,
    NORMALISATIONS,
    agreement,
    head_groups,
    normalised,
    z_scored,
)
from align_eval.findings.agreement.coverage import entropy, relevance_coverage
from align_eval.findings.agreement.measure import summarise_agreement
from align_eval.scoring.statistics import draw_weights

WORDS = np.array([0, 0, 1, 2, 2, 2], dtype=np.int32)

# Less their means, rows of attention are (2, -1, -1) / 12 and (-1, -1, 2) / 12, of saliency (8, -1, -7) / 30 and
# (-4, -1, 5) / 30. Attention differs between tokens in the outer frames only.
ATTENTION = np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
SALIENCY = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])


def random_maps(seed: int = 0, n_tokens: int = 6, n_frames: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(rng.dirichlet(np.full(n_frames, 0.3), size=n_tokens) for _ in range(2))


def distribution(rows: np.ndarray) -> np.ndarray:
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("normalisation", ["rows", "none"])
def test_a_map_agrees_with_itself_by_one(normalisation, method):
    attention, _ = random_maps()
    found = agreement(attention, attention, WORDS, normalisation, method)
    assert [found.utterance, *found.words, *found.tokens] == pytest.approx(np.ones(1 + 3 + 6), abs=1e-12)


@pytest.mark.parametrize(
    ("normalisation", "utterance", "tokens"),
    [
        # Dot products of the rows above: 24 and 15, over the norms sqrt(6) of attention, sqrt(114) and sqrt(42).
        ("none", 39 / np.sqrt(12 * 156), [24 / np.sqrt(6 * 114), 15 / np.sqrt(6 * 42)]),
        # With all rows of one norm the whole is the mean of its rows.
        ("rows", (24 / np.sqrt(6 * 114) + 15 / np.sqrt(6 * 42)) / 2, [24 / np.sqrt(6 * 114), 15 / np.sqrt(6 * 42)]),
        # Attention per frame over two tokens is (1, 0, -1) and (-1, 0, 1): dot products 15 and 9.
        (
            "paper",
            (15 / np.sqrt(114) + 9 / np.sqrt(42)) / np.sqrt(4 * 2),
            [15 / np.sqrt(2 * 114), 9 / np.sqrt(2 * 42)],
        ),
    ],
)
def test_pearson_by_hand(normalisation, utterance, tokens):
    found = agreement(ATTENTION, SALIENCY, np.array([0, 1]), normalisation, "pearson")
    assert found.utterance == pytest.approx(utterance)
    assert found.tokens == pytest.approx(tokens)
    assert found.words == pytest.approx(tokens)  # a word of one token is that token
    one_word = agreement(ATTENTION, SALIENCY, np.array([0, 0]), normalisation, "pearson")
    assert one_word.words == pytest.approx([utterance])  # an utterance of one word is that word


def test_spearman_by_hand():
    """Ranks, ties sharing their mean, of the whole: 5.5, four times 2.5, 5.5, and 6, 3.5, 1, 2, 3.5, 5.

    Less 3.5: (2, -1, -1, -1, -1, 2) and (2.5, 0, -2.5, -1.5, 0, 1.5); the dot product is 12, the norms squared 12 and
    17. Within a row: (3, 1.5, 1.5) and (3, 2, 1); less 2, 1.5 over sqrt(1.5 * 2).
    """
    found = agreement(ATTENTION, SALIENCY, np.array([0, 1]), "none", "spearman")
    assert found.utterance == pytest.approx(12 / np.sqrt(12 * 17))
    assert found.tokens == pytest.approx([1.5 / np.sqrt(3)] * 2)


@pytest.mark.parametrize(("method", "oracle"), [("pearson", pearsonr), ("spearman", spearmanr)])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_all_levels_are_scipys_correlations_of_what_was_flattened(normalisation, method, oracle, seed):
    """Values are rounded to thousandths, so that there are ties, and in single precision, like real maps."""
    attention, saliency = (distribution(m.round(3) + 1e-3).astype(np.float32) for m in random_maps(seed))
    found = agreement(attention, saliency, WORDS, normalisation, method)
    a, s = normalised(attention, saliency, normalisation)

    def correlation(rows: np.ndarray) -> float:
        return oracle(a[rows].ravel(), s[rows].ravel()).statistic

    assert found.utterance == pytest.approx(correlation(np.arange(6)))
    assert found.words == pytest.approx([correlation(np.flatnonzero(i == WORDS)) for i in range(3)])
    assert found.tokens == pytest.approx([correlation(np.array([i])) for i in range(6)])


def test_the_papers_recipe_standardises_attention_per_frame_and_saliency_per_token():
    attention, saliency = random_maps()
    a, s = normalised(attention, saliency, "paper")
    assert a == pytest.approx((attention - attention.mean(axis=0)) / attention.std(axis=0))
    of_token = saliency.T  # (frame, token)
    assert s.T.tolist() == [pytest.approx(row) for row in (of_token - of_token.mean(axis=0)) / of_token.std(axis=0)]


@pytest.mark.parametrize("r", [-0.5, 0.0, 0.3, 1.0])
def test_a_planted_correlation_is_found(r):
    """A row r x + sqrt(1 - r^2) y, of orthogonal x and y of mean 0 and norm 1, correlates with x by r."""
    phase = 2 * np.pi * np.arange(50) / 50
    x, y = np.sin(phase) / 5, np.cos(phase) / 5
    attention = np.tile(1 / 50 + x / 50, (6, 1))
    saliency = np.tile(1 / 50 + (r * x + np.sqrt(1 - r**2) * y) / 50, (6, 1))
    found = agreement(attention, saliency, WORDS, "none", "pearson")
    assert [found.utterance, *found.words, *found.tokens] == pytest.approx([r] * 10, abs=1e-12)


def test_a_linear_relation_is_perfect_and_one_of_its_own_in_each_row_only_within_rows():
    """Saliency that is b attention + (1 - b) / n_frames is as faithful as can be; rows with their own b are not once
    flattened, unless rows are standardised first. A negative b turns the sign.
    """
    attention, _ = random_maps()
    flat = np.full_like(attention, 1 / attention.shape[1])
    shared = agreement(attention, 0.3 * attention + 0.7 * flat, WORDS, "none", "pearson")
    assert shared.utterance == pytest.approx(1)
    own = np.linspace(0.1, 0.9, 6)[:, None]
    saliency = own * attention + (1 - own) * flat
    assert agreement(attention, saliency, WORDS, "rows", "pearson").utterance == pytest.approx(1)
    raw = agreement(attention, saliency, WORDS, "none", "pearson")
    assert raw.tokens == pytest.approx(np.ones(6))
    assert raw.utterance < 0.95
    turned = agreement(attention, 1.01 * flat - 0.01 * attention, WORDS, "none", "pearson")
    assert turned.utterance == pytest.approx(-1)


def test_with_standardised_rows_the_utterance_is_the_mean_of_its_tokens():
    found = agreement(*random_maps(), WORDS, "rows", "pearson")
    assert found.utterance == pytest.approx(found.tokens.mean())
    assert found.words == pytest.approx([found.tokens[i == WORDS].mean() for i in range(3)])


def test_rank_correlation_ignores_a_monotone_transform_where_no_z_score_comes_between():
    attention, saliency = random_maps()
    bent = np.sqrt(attention)  # order is kept; rows no longer sum to one, which rank correlation does not use
    before, after = (agreement(a, saliency, WORDS, "none", "spearman") for a in (attention, bent))
    assert (before.utterance, *before.words, *before.tokens) == (after.utterance, *after.words, *after.tokens)
    before, after = (agreement(a, saliency, WORDS, "rows", "spearman") for a in (attention, bent))
    assert before.tokens.tolist() == after.tokens.tolist()  # z-scores keep the order within a row ...
    assert before.utterance != after.utterance  # ... but not that between rows
    before, after = (agreement(a, saliency, WORDS, "none", "pearson") for a in (attention, bent))
    assert before.utterance != after.utterance


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 7), st.integers(2, 12), st.sampled_from(NORMALISATIONS))
def test_the_order_of_frames_and_of_tokens_does_not_matter(seed, n_tokens, n_frames, normalisation):
    """Both maps are permuted alike, and the correlations of tokens with them. Pearson only: ranks of values that are
    equal except for rounding are not stable.
    """
    attention, saliency = random_maps(seed, n_tokens, n_frames)
    rng = np.random.default_rng(seed)
    frames, tokens = rng.permutation(n_frames), rng.permutation(n_tokens)
    each = np.arange(n_tokens)
    found = agreement(attention, saliency, each, normalisation, "pearson")
    by_frame = agreement(attention[:, frames], saliency[:, frames], each, normalisation, "pearson")
    by_token = agreement(attention[tokens], saliency[tokens], each, normalisation, "pearson")
    close = {"abs": 1e-9, "nan_ok": True}
    assert by_frame.utterance == pytest.approx(found.utterance, **close)
    assert by_frame.tokens == pytest.approx(found.tokens, **close)
    assert by_token.utterance == pytest.approx(found.utterance, **close)
    assert by_token.tokens == pytest.approx(found.tokens[tokens], **close)
    values = np.array([found.utterance, *found.tokens])
    assert (np.isnan(values) | (np.abs(values) <= 1)).all()
    if normalisation != "paper":
        turned = agreement(saliency, attention, each, normalisation, "pearson")
        assert turned.tokens == pytest.approx(found.tokens, **close)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("normalisation", ["rows", "none"])
def test_a_constant_row_agrees_with_nothing_and_says_so(normalisation, method):
    attention, saliency = random_maps()
    attention[2] = 1 / 40  # word 1, of one token
    saliency[3] = 1 / 40  # one token of three of word 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = agreement(attention, saliency, WORDS, normalisation, method)
    assert np.isnan(found.tokens).tolist() == [False, False, True, True, False, False]
    assert np.isnan(found.words).tolist() == [False, True, False]
    assert np.isfinite(found.utterance)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_flat_attention_agrees_with_nothing(normalisation, method):
    """1/40 has no exact sum: the rounding of its mean must not become a correlation."""
    _, saliency = random_maps()
    found = agreement(np.full((6, 40), 1 / 40), saliency, WORDS, normalisation, method)
    assert np.isnan([found.utterance, *found.words, *found.tokens]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_single_token_or_frame_leaves_nothing_to_correlate(method):
    attention, saliency = random_maps(n_tokens=1)
    found = agreement(attention, saliency, np.array([0]), "paper", method)  # a frame of one token is constant
    assert np.isnan([found.utterance, *found.words, *found.tokens]).all()
    assert np.isfinite(agreement(attention, saliency, np.array([0]), "rows", method).utterance)
    found = agreement(np.ones((6, 1)), np.ones((6, 1)), WORDS, "rows", method)
    assert np.isnan([found.utterance, *found.words, *found.tokens]).all()


def test_constant_lines_become_zeros_and_others_keep_their_ties_at_any_scale():
    values = np.array([[0.1, 0.1, 0.1], [1e-200, 1e-200, 3e-200]])
    assert z_scored(values, axis=1)[0].tolist() == [0, 0, 0]
    low, same, high = z_scored(values, axis=1)[1]  # (0, 0, 1): mean 1/3, standard deviation sqrt(2) / 3
    assert low == same == pytest.approx(-1 / np.sqrt(2))
    assert high == pytest.approx(np.sqrt(2))
    assert z_scored(np.array([[0.7, 0.2], [0.1, 0.2]]), axis=0).tolist() == [[1, 0], [-1, 0]]


def test_groups_of_heads_are_averages_over_the_axes_they_name():
    heads = np.random.default_rng(0).dirichlet(np.ones(7), size=(2, 3, 5)).astype(np.float32)
    groups = head_groups(heads)
    of_heads = [f"head {i}.{j}" for i in range(2) for j in range(3)]
    assert list(groups) == [*of_heads, "layer 0", "layer 1", "head *.0", "head *.1", "head *.2", "all"]
    assert groups["head 1.2"].tolist() == heads[1, 2].tolist()
    assert groups["layer 1"] == pytest.approx(sum(groups[f"head 1.{j}"].astype(float) for j in range(3)) / 3)
    assert groups["head *.2"] == pytest.approx((groups["head 0.2"].astype(float) + groups["head 1.2"]) / 2)
    assert groups["all"] == pytest.approx((groups["layer 0"] + groups["layer 1"]) / 2)
    assert all(group.sum(axis=1) == pytest.approx(np.ones(5)) for group in groups.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_faithful_map_scores_one_but_by_the_papers_recipe(method):
    """The paper standardises the two sides differently, so that even the saliency itself scores less than 1."""
    _, saliency = random_maps()
    assert faithful_by_construction(saliency, "rows", method) == pytest.approx(1)
    assert faithful_by_construction(saliency, "none", method) == pytest.approx(1)
    by_paper = faithful_by_construction(saliency, "paper", method)
    assert 0.3 < by_paper < 0.95
    assert by_paper == pytest.approx(agreement(saliency, saliency, WORDS, "paper", method).utterance)


def test_a_faithful_map_is_taken_as_a_distribution_so_that_loud_tokens_do_not_rule_its_frames():
    _, saliency = random_maps()
    loud = saliency * np.array([1, 1, 1000, 1, 1, 1])[:, None]
    expected = faithful_by_construction(saliency, "paper", "pearson")
    assert faithful_by_construction(loud, "paper", "pearson") == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_of_two_halves_one_stands_for_attention_and_noise_costs_too(normalisation, method):
    truth, _ = random_maps()
    rng = np.random.default_rng(1)
    first, second = (distribution(truth + 0.02 * rng.random(truth.shape)) for _ in range(2))
    found = faithful_by_construction(first, normalisation, method, second)
    assert found == pytest.approx(agreement(first, second, WORDS, normalisation, method).utterance)
    assert found < faithful_by_construction(first, normalisation, method)


def test_attention_on_a_single_frame_covers_the_saliency_of_that_frame():
    _, saliency = random_maps()
    at = np.array([3, 0, 39, 7, 7, 20])
    assert relevance_coverage(np.eye(40)[at], saliency) == pytest.approx(saliency[np.arange(6), at])


@pytest.mark.parametrize(
    ("mass", "expected"),
    [(0.4, 0.1), (0.41, 0.1 + 0.2), (0.7, 0.3), (0.71, 0.3 + 0.3), (0.85, 0.6), (0.9, 1.0), (1.0, 1.0)],
)
def test_coverage_takes_the_fewest_frames_by_falling_attention(mass, expected):
    """Attention falls over frames 1, 3, 0, 2, holding .4, .7, .85 and 1: the equal ones, 0 and 2, in order of time."""
    attention = np.array([[0.15, 0.4, 0.15, 0.3]])
    saliency = np.array([[0.3, 0.1, 0.4, 0.2]])
    assert relevance_coverage(attention, saliency, mass) == pytest.approx([expected])


@pytest.mark.parametrize("n_frames", [10, 60, 150, 320])
def test_flat_attention_covers_as_many_frames_as_its_mass_and_the_first_ones(n_frames):
    """Nine tenths of equal frames are nine tenths of them, although 0.1 added nine times is not 0.9."""
    attention = np.full((1, n_frames), 1 / n_frames)
    saliency = np.eye(n_frames)[[n_frames * 9 // 10 - 1]]
    assert relevance_coverage(attention, saliency).tolist() == [1]
    assert relevance_coverage(attention, np.roll(saliency, 1, axis=1)).tolist() == [0]


def test_equal_frames_are_taken_in_order_of_time():
    """Twenty even frames hold 3/4 of attention; half of all is 13 1/3 of them, so the first 14: frames 0, 2, ... 26."""
    attention = distribution(np.tile([[3.0, 1.0]], 20))
    saliency = np.arange(40.0)[None]
    assert relevance_coverage(attention, saliency, 0.5) == pytest.approx([sum(range(0, 27, 2)) / sum(range(40))])


def test_a_map_covers_at_least_the_mass_of_itself():
    attention, _ = random_maps()
    assert (relevance_coverage(attention, attention) >= 0.9).all()
    assert relevance_coverage(attention, attention, 1.0) == pytest.approx(np.ones(6))


@pytest.mark.parametrize("mass", [0.0, -0.1, 1.1])
def test_a_mass_that_is_no_share_is_refused(mass):
    with pytest.raises(ValueError, match=f"a mass of {mass} is not above 0 and at most 1"):
        relevance_coverage(ATTENTION, SALIENCY, mass)


def test_entropy_of_known_distributions():
    """Flat: log n. One frame: 0, since 0 log 0 is. (1/2, 1/4, 1/4, 0): 3/2 log 2."""
    rows = np.array([[0.25] * 4, [0, 1, 0, 0], [0.5, 0.25, 0.25, 0]])
    found = entropy(rows)
    assert found == pytest.approx([np.log(4), 0, 1.5 * np.log(2)])
    assert not np.signbit(found).any()


CONDITIONS = {
    "source": "attention:heads=all",
    "saliency": "gradient:at=mel",
    "group": "layer 0",
    "normalisation": "paper",
    "method": "pearson",
    "level": "word",
    "clusters": "speakers",
}


def test_the_mean_counts_every_defined_value_once_and_the_undefined_apart():
    """Four values of mean 0.45: its square is .2025, while the mean of squares is .2325. Clusters of 3 and 1 words are
    worth 16 / 10.
    """
    values = np.array([0.3, np.nan, 0.4, 0.3, 0.8, np.nan])
    cluster = np.array([0, 0, 0, 0, 1, 2])
    row = summarise_agreement(values, cluster, draw_weights(3, seed=0), **CONDITIONS)
    assert row.value == pytest.approx(0.45)
    assert row.squared == pytest.approx(0.2025)
    assert (row.n, row.n_undefined, row.n_clusters) == (4, 2, 2)
    assert row.n_effective_clusters == pytest.approx(1.6)
    assert (row.ci_low, row.ci_high) == (None, None)  # two clusters tell nothing
    assert {name: getattr(row, name) for name in CONDITIONS} == CONDITIONS


def test_the_square_of_a_negative_mean_is_positive():
    row = summarise_agreement(np.array([-0.2, -0.4]), np.array([0, 1]), draw_weights(2, seed=0), **CONDITIONS)
    assert (row.value, row.squared) == pytest.approx((-0.3, 0.09))


def test_the_interval_resamples_clusters_not_values():
    """100 values of one speaker are one piece of evidence: their interval is that of the speakers' own values."""
    own = np.array([0.1, 0.2, 0.5, 0.6, 0.4])
    weights = draw_weights(5, seed=0)
    few = summarise_agreement(own, np.arange(5), weights, **CONDITIONS)
    many = summarise_agreement(np.repeat(own, 100), np.repeat(np.arange(5), 100), weights, **CONDITIONS)
    assert (many.ci_low, many.ci_high) == pytest.approx((few.ci_low, few.ci_high))
    assert few.ci_low < few.value < few.ci_high


def test_the_interval_of_a_correlation_ends_at_one():
    # Four of 1 and one of 0: mean 0.8, sd 0.447, t of 4 is 2.776, so that the reach is 0.56.
    row = summarise_agreement(np.array([1.0] * 4 + [0.0]), np.arange(5), draw_weights(5, seed=0), **CONDITIONS)
    assert row.ci_high == 1.0
    assert row.ci_low == pytest.approx(0.8 - 2.776 * 0.447 / 5**0.5, rel=0.05)


def test_one_cluster_with_a_value_has_no_interval_and_none_has_no_row():
    weights = draw_weights(2, seed=0)
    row = summarise_agreement(np.array([0.2, 0.4, np.nan]), np.array([0, 0, 1]), weights, **CONDITIONS)
    assert (row.value, row.ci_low, row.ci_high) == (pytest.approx(0.3), None, None)
    assert summarise_agreement(np.full(3, np.nan), np.array([0, 0, 1]), weights, **CONDITIONS) is None


def test_agreement_needs_no_model():
    code = "import sys, align_eval.findings.agreement.measure\nprint(*({'torch', 'whisper'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
