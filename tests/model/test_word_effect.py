"""Effect of agreement on a word's error: planted effects are found, and effects of other causes are not.

statsmodels fits the same regressions independently. These tests run no model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from align_eval.findings.budget.word_effect import quartiles, random_head_sets, word_effect


def observations(
    seed: int = 0, slope_ms: float = 0.0, entropy_ms: float = 0.0, n_clusters: int = 30, n_sets: int = 24
) -> dict[str, np.ndarray]:
    """Words under sets of heads, 5 words per speaker, with planted slopes.

    Error is 500 ms, more for the word, the planted slopes, noise of 20 ms, and a slope of the speaker's own of mean 0,
    which makes the errors of one speaker depend on each other. Hard words have low agreement, by 200 ms a unit: between
    words alone, agreement looks as if it mattered.
    """
    rng = np.random.default_rng(seed)
    n_words = 5 * n_clusters
    word = np.repeat(np.arange(n_words), n_sets)
    cluster = word // 5
    ease = rng.normal(0.0, 0.5, n_words)[word]
    agreement = ease + rng.normal(0.0, 0.3, len(word))
    entropy = 4 - 0.5 * agreement + rng.normal(0.0, 0.2, len(word))
    own = rng.normal(0.0, 10.0, n_clusters)[cluster]
    error = 500 - 200 * ease + (slope_ms + own) * agreement + entropy_ms * entropy + rng.normal(0.0, 20.0, len(word))
    sign = rng.choice([-1.0, 1.0], len(word))  # early or late: only how far off counts
    return {
        "error_ms": sign * error, "agreement": agreement, "entropy": entropy, "word": word, "cluster": cluster,
        "head_set": np.tile(np.arange(n_sets), n_words),
    }  # fmt: skip


def with_dummies(data: dict[str, np.ndarray]):
    """The same regression written out: one dummy per word, nothing absorbed."""
    dummies = (data["word"][:, None] == np.unique(data["word"])).astype(float)
    return sm.OLS(np.abs(data["error_ms"]), np.column_stack([data["agreement"], data["entropy"], dummies])).fit()


def deviations(data: dict[str, np.ndarray], column: np.ndarray) -> np.ndarray:
    means = np.bincount(data["word"], column) / np.bincount(data["word"])
    return column - means[data["word"]]


def interval_by_hand(data: dict[str, np.ndarray]) -> tuple[float, float]:
    """Variance by clusters, plus that by sets, minus that by both, each from fits without one group after another."""
    x = np.column_stack([deviations(data, data[name]) for name in ("agreement", "entropy")])
    y = deviations(data, np.abs(data["error_ms"]))
    both = data["cluster"] * 1000 + data["head_set"]

    def slope(rows: np.ndarray) -> float:
        return np.linalg.lstsq(x[rows], y[rows], rcond=None)[0][0]

    def variance(groups: np.ndarray) -> float:
        names = np.unique(groups)
        without = np.array([slope(groups != name) for name in names])
        return (len(names) - 1) / len(names) * ((without - whole) ** 2).sum()

    whole = slope(np.ones(len(y), dtype=bool))

    by_cluster, by_set, by_both = (variance(groups) for groups in (data["cluster"], data["head_set"], both))
    error = np.sqrt(max(by_cluster + by_set - by_both, by_cluster, by_set))
    weights = [np.bincount(data[name], x[:, 0] ** 2) for name in ("cluster", "head_set")]
    n_effective = min(w.sum() ** 2 / (w**2).sum() for w in weights)
    reach = stats.t.ppf(0.975, n_effective - 1) * error
    return whole - reach, whole + reach


def test_slopes_without_noise_are_known_by_hand():
    # Words of base 100, 50 and 10 ms, and error = base - 8 agreement + 3 entropy: exactly that comes back.
    word = np.repeat([0, 1, 2], 3)
    agreement = np.array([0.1, 0.2, 0.6, 0.3, 0.9, 0.0, 0.5, 0.4, 0.6])
    entropy = np.array([1.0, 3.0, 2.0, 2.0, 2.0, 5.0, 1.0, 4.0, 1.0])
    error = np.array([100.0, 50.0, 10.0])[word] - 8 * agreement + 3 * entropy
    effect = word_effect(error, agreement, entropy, word, np.array([7, 7, 9])[word], np.tile([0, 1, 2], 3))
    assert effect.slope_ms == pytest.approx(-8, abs=1e-10)
    assert effect.entropy_slope == pytest.approx(3, abs=1e-10)
    # deviations from words' means: -.2 -.1 .3, -.1 .5 -.4, 0 -.1 .1; their squares sum to .14 + .42 + .02
    assert effect.slope_ms_per_sd == pytest.approx(-8 * np.sqrt(0.58 / 9), abs=1e-10)
    assert (effect.n_observations, effect.n_words, effect.n_clusters, effect.n_sets, effect.n_left_out) == (
        9,
        3,
        2,
        3,
        0,
    )


def test_planted_slopes_come_back_and_their_intervals_cover_them():
    effects = [word_effect(**observations(seed, slope_ms=-40.0, entropy_ms=15.0)) for seed in range(100)]
    slopes, entropy_slopes = np.array([(e.slope_ms, e.entropy_slope) for e in effects]).T
    for found, planted in ((slopes, -40), (entropy_slopes, 15)):
        assert abs(found.mean() - planted) < 3 * found.std() / np.sqrt(100)
    assert all(e.p < 0.001 for e in effects)
    # 95 of 100 intervals give or take 2.2; the variance is never below that of clusters, so that more may cover
    assert sum(e.ci_low < -40 < e.ci_high for e in effects) >= 90


def test_a_pooled_regression_is_fooled_by_hard_words_and_this_one_is_not():
    nothing = observations(seed=1)  # hard words have low agreement, and that is all there is
    pooled_design = sm.add_constant(np.column_stack([nothing["agreement"], nothing["entropy"]]))
    pooled = sm.OLS(np.abs(nothing["error_ms"]), pooled_design).fit()
    # -200 times the share of agreement's variance that lies between words, .25 / (.25 + .09); entropy says little of it
    assert pooled.params[1] == pytest.approx(-147, abs=30)
    assert pooled.pvalues[1] < 1e-10
    assert abs(word_effect(**nothing).slope_ms) < 13  # 4 standard errors of 3.1


def test_difficulty_of_words_changes_nothing():
    data = observations(seed=2, slope_ms=-40.0)
    harder = (
        np.abs(data["error_ms"]) + 1000 * np.random.default_rng(0).random(int(data["word"].max()) + 1)[data["word"]]
    )
    own, moved = word_effect(**data), word_effect(**{**data, "error_ms": harder})
    assert moved.slope_ms == pytest.approx(own.slope_ms, rel=1e-8)
    assert moved.p == pytest.approx(own.p, rel=1e-6)


def test_no_effect_is_found_no_more_often_than_p_says():
    # Of 200 draws 10 fall below .05 give or take 3.1, and fewer where the variance of clusters alone is the greatest.
    p = np.array([word_effect(**observations(seed)).p for seed in range(200)])
    assert (p < 0.05).sum() <= 19
    assert (p < 0.5).sum() <= 121


def of_unequal_sets(seed: int) -> dict[str, np.ndarray]:
    """Observations without an effect: some sets time all words well, and some agree with the saliency in all words."""
    rng = np.random.default_rng(seed)
    data = observations(seed)
    of_set = rng.normal(0.0, 20.0, 24), rng.normal(0.0, 0.3, 24)  # independent of each other
    error = np.abs(data["error_ms"]) + of_set[0][data["head_set"]]
    return data | {"error_ms": error, "agreement": data["agreement"] + of_set[1][data["head_set"]]}


def test_sets_that_time_all_words_well_are_no_effect_of_agreement():
    """A set is one sample, however many words show it. By speakers alone, most intervals leave out zero."""
    corpora = [of_unequal_sets(seed) for seed in range(200)]
    effects = [word_effect(**data) for data in corpora]
    assert sum(not e.ci_low <= 0 <= e.ci_high for e in effects) <= 19  # 5 % of 200, give or take 3 deviations
    by_speaker = [clustered_by_speaker(data) for data in corpora[:50]]
    assert np.mean([not low <= 0 <= high for low, high in by_speaker]) > 0.5


def clustered_by_speaker(data: dict[str, np.ndarray]) -> tuple[float, float]:
    x = np.column_stack([deviations(data, data[name]) for name in ("agreement", "entropy")])
    groups = {"groups": data["cluster"], "use_correction": True}
    fit = sm.OLS(deviations(data, np.abs(data["error_ms"])), x).fit(cov_type="cluster", cov_kwds=groups, use_t=True)
    return tuple(fit.conf_int(0.05)[0])


@pytest.mark.parametrize("n_sets", [6, 12])
def test_slopes_are_those_of_explicit_dummies(n_sets):
    data = observations(seed=3, slope_ms=-40.0, n_clusters=12, n_sets=n_sets)
    effect, full = word_effect(**data), with_dummies(data)
    assert effect.slope_ms == pytest.approx(full.params[0], rel=1e-8)
    assert effect.entropy_slope == pytest.approx(full.params[1], rel=1e-8)


@pytest.mark.parametrize("make", [observations, of_unequal_sets])
def test_the_interval_is_the_two_way_jackknife_by_hand(make):
    data = make(4)
    effect = word_effect(**data)
    low, high = interval_by_hand(data)
    assert (effect.ci_low, effect.ci_high) == (pytest.approx(low, rel=1e-6), pytest.approx(high, rel=1e-6))
    assert (effect.p < 0.05) == (not low <= 0 <= high)


def test_observations_that_come_in_another_order_or_under_other_numbers_say_the_same():
    data = observations(seed=5, slope_ms=-40.0, n_clusters=6)
    order = np.random.default_rng(0).permutation(len(data["word"]))
    shuffled = {name: column[order] for name, column in data.items()}
    shuffled |= {"word": 1000 - 3 * shuffled["word"], "cluster": 50 - shuffled["cluster"]}
    shuffled["head_set"] = 70 - 2 * shuffled["head_set"]
    own, other = word_effect(**data), word_effect(**shuffled)
    for name in ("slope_ms", "ci_low", "ci_high", "p", "entropy_slope"):
        assert getattr(other, name) == pytest.approx(getattr(own, name), rel=1e-8)


def test_words_under_one_set_are_left_out_and_counted():
    data = observations(seed=6, n_clusters=6)
    alone = {"error_ms": 9999.0, "agreement": 0.9, "entropy": 1.0, "word": 5000, "cluster": 77, "head_set": 3}
    found = word_effect(**{name: np.append(column, alone[name]) for name, column in data.items()})
    assert found == replace(word_effect(**data), n_left_out=1)


def test_four_sets_are_too_few_for_an_interval():
    effect = word_effect(**observations(seed=7, slope_ms=-40.0, n_sets=4))
    assert (effect.ci_low, effect.ci_high, effect.p, effect.n_sets) == (None, None, None, 4)


def test_one_cluster_has_a_slope_and_no_interval():
    effect = word_effect(**(observations(seed=7, slope_ms=-40.0) | {"cluster": np.zeros(3600, dtype=int)}))
    assert effect.slope_ms == pytest.approx(-40, abs=13)  # 4 times the scatter of slopes
    assert (effect.ci_low, effect.ci_high, effect.p, effect.n_clusters) == (None, None, None, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entropy": np.full(3600, np.nan)}, "error, agreement and entropy must be finite"),
        ({"cluster": np.arange(3600)}, "a word must lie in one cluster"),
        ({"agreement": np.repeat(np.linspace(0.1, 0.3, 150), 24)}, "must each vary within words, and not as one"),
        ({"entropy": np.full(3600, 0.7)}, "must each vary within words, and not as one"),
        ({"entropy": 3 - 2 * observations()["agreement"]}, "must each vary within words, and not as one"),
        ({"word": np.arange(3600)}, "must each vary within words, and not as one"),
    ],
    ids=["not finite", "two clusters", "constant agreement", "constant entropy", "collinear", "one set a word"],
)
def test_what_has_no_slope_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        word_effect(**(observations() | change))


def test_head_sets_are_distinct_sets_of_one_size():
    sets = random_head_sets(24, 6, 40, seed=0)
    assert sets.shape == (40, 6)
    assert (np.diff(sets, axis=1) > 0).all()  # no head twice
    assert (sets.min(), sets.max()) == (0, 23)
    assert len({tuple(row) for row in sets}) == 40
    np.testing.assert_array_equal(sets, random_head_sets(24, 6, 40, seed=0))
    assert (sets != random_head_sets(24, 6, 40, seed=1)).any()
    # every set there is, where all are asked for: C(5, 2) = 10
    assert len({tuple(row) for row in random_head_sets(5, 2, 10, seed=0)}) == 10
    with pytest.raises(ValueError, match="5 heads have 10 sets of 2, not 11"):
        random_head_sets(5, 2, 11, seed=0)


def test_every_head_is_as_likely():
    # 2000 sets of 2 of 64: C(64, 2) = 2016, each head in 63 of those, so in 62.5 give or take less than 3
    drawn = np.bincount(random_head_sets(64, 2, 2000, seed=0).ravel(), minlength=64)
    assert drawn.min() > 55
    assert drawn.max() <= 63


def test_quarters_are_of_equal_size_and_begin_with_the_least_agreement():
    agreement = np.array([0.8, 0.1, 0.5, 0.2, 0.6, 0.3, 0.7, 0.4])
    error = np.array([1.0, -80.0, 20.0, 60.0, -10.0, 40.0, 3.0, 30.0])
    # .1 and .2, .3 and .4, .5 and .6, .7 and .8
    np.testing.assert_array_equal(quartiles(agreement, error), [70.0, 35.0, 15.0, 2.0])
    with pytest.raises(ValueError, match="3 observations have no quarters"):
        quartiles(agreement[:3], error[:3])
