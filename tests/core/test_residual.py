"""The residual of saliency given attention, its injection, and placebos."""

import subprocess
import sys

import numpy as np
import pytest

from align_eval.findings.budget.residual import LAMBDAS, arms, entropy, permuted_tokens, rolled, sharpened
from align_eval.relevance.injection import injected, normalised, rescaled, residual, scaled_residual

FRAME_S = 0.02


def log_map(seed: int, n_tokens: int = 5, n_frames: int = 60, spread: float = 2.0) -> np.ndarray:
    """A map as ``prep=log`` makes it: computed in float32, its rows' exponentials summing to one."""
    drawn = np.random.default_rng(seed).normal(0.0, spread, (n_tokens, n_frames))
    return normalised(drawn).astype(np.float32).astype(np.float64)


def test_log_saliency_is_a_line_in_log_attention_and_the_residual():
    log_attention = np.array([[-3.0, -2.0, -1.0], [-1.0, -1.0, -4.0]])
    lacking = np.array([[0.1, -0.2, 0.1], [0.3, -0.3, 0.0]])
    # Each row of `lacking` sums to zero and so does its product with log attention: no line can have any of it.
    log_saliency = np.array([[2.0], [-1.0]]) + np.array([[0.5], [-2.0]]) * log_attention + lacking
    np.testing.assert_allclose(residual(log_attention, log_saliency), lacking, atol=1e-14)


def test_a_residual_has_no_mean_and_is_uncorrelated_with_attention():
    log_attention, log_saliency = log_map(0), log_map(1)
    lacking = residual(log_attention, log_saliency)
    np.testing.assert_allclose(lacking.mean(axis=1), 0, atol=1e-13)
    np.testing.assert_allclose((lacking * log_attention).sum(axis=1), 0, atol=1e-10)  # hence uncorrelated
    # polyfit finds the same line by another algorithm of numpy.
    for a, s, r in zip(log_attention, log_saliency, lacking, strict=True):
        np.testing.assert_allclose(s - np.polyval(np.polyfit(a, s, 1), a), r, atol=1e-12)
    # Saliency that is attention at another temperature lacks nothing.
    np.testing.assert_allclose(residual(log_attention, normalised(0.3 * log_attention)), 0, atol=1e-12)


def test_constant_attention_has_no_slope():
    log_attention, log_saliency = log_map(0), log_map(1)
    log_attention[2] = -np.log(log_attention.shape[1])
    lacking = residual(log_attention, log_saliency)
    np.testing.assert_allclose(lacking[2], log_saliency[2] - log_saliency[2].mean(), atol=1e-14)


def test_maps_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"saliency \(5, 61\) is not of attention's shape \(5, 60\)"):
        residual(log_map(0), log_map(0, n_frames=61))


def test_an_amount_of_zero_is_attention_byte_for_byte():
    log_attention = log_map(0)
    log_attention[0, 0] = -0.0  # -0.0 + 0 * R would be +0.0, other bytes
    assert injected(log_attention, log_map(1), 0.0).tobytes() == log_attention.tobytes()
    np.testing.assert_array_equal(injected(log_attention, log_map(1), 0.5), log_attention + log_map(1) / 2)


def test_a_roll_keeps_every_rows_values_and_moves_all_tokens_alike_by_no_less_than_a_fifth_of_a_second():
    lacking = residual(log_map(0), log_map(1))
    n_frames = lacking.shape[1]
    shifts = set()
    for seed in range(400):
        moved = rolled(lacking, FRAME_S, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.sort(moved, axis=1), np.sort(lacking, axis=1))
        # values of a row are all different, so where the first one went is how far the row was moved
        to = {int(np.flatnonzero(row == own[0])[0]) for row, own in zip(moved, lacking, strict=True)}
        assert len(to) == 1
        shifts |= to
    assert shifts == set(range(10, n_frames - 10 + 1))  # 0.2 s is 10 frames, and 10 are left the other way round


@pytest.mark.parametrize(("n_frames", "shift"), [(20, 10), (19, 9), (7, 3), (2, 1), (1, 0)])
def test_an_utterance_too_short_for_the_least_roll_is_moved_by_half(n_frames, shift):
    lacking = np.arange(2.0 * n_frames).reshape(2, n_frames)
    for seed in range(5):
        moved = rolled(lacking, FRAME_S, np.random.default_rng(seed))
        np.testing.assert_array_equal(moved, np.roll(lacking, shift, axis=1))


@pytest.mark.parametrize("n_tokens", [2, 3, 8])
def test_no_token_keeps_its_own_residual_and_none_is_lost(n_tokens):
    lacking = np.tile(np.arange(float(n_tokens))[:, None], (1, 4))  # the value of a row is the number of its token
    for seed in range(50):
        owner = permuted_tokens(lacking, seed)[:, 0].astype(int)
        assert not (owner == np.arange(n_tokens)).any()
        seen, at = [], 0
        for _ in range(n_tokens):
            seen.append(at)
            at = owner[at]
        assert (at, sorted(seen)) == (0, list(range(n_tokens)))  # one cycle through all rows, the end of the text too
    orders = {tuple(permuted_tokens(lacking, seed)[:, 0]) for seed in range(50)}
    assert len(orders) == {2: 1, 3: 2}.get(n_tokens, len(orders))  # (n - 1)! cycles there are
    assert len(orders) > (n_tokens > 2)


def test_a_single_row_has_no_other():
    with pytest.raises(ValueError, match="a map of one row has no other token's residual"):
        permuted_tokens(np.zeros((1, 4)), 0)


def test_entropy_is_the_logarithm_of_how_many_frames_share_a_row():
    rows = np.array([[7.0, 7.0, 7.0, 7.0], [0.0, 0.0, -1e4, -1e4], [0.0, -1e4, -1e4, -1e4]])  # not normalised
    np.testing.assert_allclose(entropy(rows), [np.log(4), np.log(2), 0.0], atol=1e-15)
    np.testing.assert_allclose(np.exp(normalised(rows)).sum(axis=1), 1.0, rtol=1e-15)


@pytest.mark.parametrize("factor", [0.0, 0.01, 0.7, 1.0, 1.3, 40.0])
def test_sharpening_finds_a_planted_temperature_either_way(factor):
    log_attention = log_map(0)
    planted = normalised(factor * log_attention)
    found = sharpened(log_attention, planted + 3.0)  # the other map need not be normalised
    assert abs(entropy(found).mean() - entropy(planted).mean()) <= 1e-9
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-12)
    # One temperature for all rows: each row has the planted entropy, not only their mean. At factor 0 entropy is at its
    # maximum, where 1e-9 of it is worth 4e-5 of a factor.
    np.testing.assert_allclose(np.exp(found), np.exp(planted), atol=1e-5)


@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0])
def test_sharpened_attention_is_as_peaky_as_the_injected_map(spread):
    log_attention = log_map(0, spread=2.0)
    like = injected(log_attention, residual(log_attention, log_map(1, spread=spread)), 1.0)
    found = sharpened(log_attention, like)
    assert abs(entropy(found).mean() - entropy(like).mean()) < 1e-6
    # and is still attention: a line in it, whose residual is nothing
    np.testing.assert_allclose(residual(log_attention, found), 0, atol=1e-10)


def test_attention_whose_maxima_tie_has_a_least_entropy():
    tied = np.log(np.array([[0.4, 0.4, 0.2]]))  # log 2 however sharp
    with pytest.raises(ValueError, match=r"no temperature brings attention to an entropy of 0\.\d+ nats: 0\.\d+ are"):
        sharpened(tied, np.log(np.array([[0.9, 0.09, 0.01]])))
    nearly = np.array([[0.0, -1e-12, -1.0]])  # not a tie: a large factor tells them apart
    like = np.log(np.array([[0.9, 0.09, 0.01]]))
    assert abs(entropy(sharpened(nearly, like)) - entropy(like))[0] <= 1e-9


def centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(axis=1, keepdims=True)


def test_the_arms_are_attention_and_every_other_lambda_of_the_residual_and_its_placebos():
    log_attention, log_saliency, random = log_map(0), log_map(1), log_map(2)
    made = arms(log_attention, log_saliency, random, FRAME_S, seed=3)
    others = ("real", "rolled", "other token", "random weights", "sharpened")
    assert LAMBDAS == (0.0, 0.25, 0.5, 1.0)
    assert set(made) == {("attention", 0.0), *((arm, x) for arm in others for x in (0.25, 0.5, 1.0))}
    assert made["attention", 0.0].tobytes() == log_attention.tobytes()

    lacking = residual(log_attention, log_saliency)
    for x in LAMBDAS[1:]:
        # up to a constant a row, which normalising adds: residuals have none
        given = {arm: centred(made[arm, x] - log_attention) / x for arm in others}
        np.testing.assert_allclose(given["real"], lacking, atol=1e-12)
        np.testing.assert_allclose(
            given["random weights"], rescaled(residual(log_attention, random), lacking), atol=1e-12
        )
        np.testing.assert_allclose(np.sort(given["rolled"], axis=1), np.sort(lacking, axis=1), atol=1e-12)
        np.testing.assert_allclose(given["other token"], permuted_tokens(lacking, 3), atol=1e-12)
        # one shift for all lambdas
        np.testing.assert_allclose(given["rolled"], centred(made["rolled", 1.0] - log_attention), atol=1e-12)
        assert abs(entropy(made["sharpened", x]).mean() - entropy(made["real", x]).mean()) < 1e-6


def test_arms_without_a_random_model_leave_only_its_arm_out_and_follow_the_seed():
    maps = log_map(0), log_map(1)
    made, again = (arms(*maps, None, FRAME_S, seed=3) for _ in range(2))
    assert {arm for arm, _ in made} == {"attention", "real", "rolled", "other token", "sharpened"}
    assert {key: value.tobytes() for key, value in made.items()} == {k: v.tobytes() for k, v in again.items()}
    other = arms(*maps, None, FRAME_S, seed=4)
    same = {arm for arm, x in made if made[arm, x].tobytes() == other[arm, x].tobytes()}
    assert same == {"attention", "real", "sharpened"}  # these three use no random numbers


def test_residuals_and_effects_on_words_load_no_model_and_no_statsmodels():
    code = (
        "import sys, align_eval.findings.budget.residual, align_eval.findings.budget.word_effect\n"
        "print(*({'torch', 'whisper', 'statsmodels', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_arm_is_a_distribution_and_the_random_residual_as_large_as_the_real():
    """Neither level nor size may identify an arm: rows sum to one, standard deviations are equal."""
    rng = np.random.default_rng(3)
    a, s, w = (normalised(rng.normal(size=(5, 40)) * scale) for scale in (2.0, 3.0, 0.1))
    found = arms(a, s, w, 0.02, seed=1)
    for (arm, amount), values in found.items():
        assert np.exp(values).sum(axis=1) == pytest.approx(1), (arm, amount)
    sizes = {arm: (found[arm, 1.0] - a).std(axis=1) for arm in ("real", "random weights")}
    assert sizes["random weights"] == pytest.approx(sizes["real"])


def test_a_scaled_residual_has_the_spread_of_attention_row_by_row():
    log_attention, log_saliency = log_map(0), log_map(1, spread=7.0)
    scaled = scaled_residual(log_attention, log_saliency)
    np.testing.assert_allclose(scaled.std(axis=1), log_attention.std(axis=1), rtol=1e-12)
    factor = scaled / residual(log_attention, log_saliency)  # the same for all frames of a row
    np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1], factor.shape))


def test_attention_at_another_temperature_lacks_nothing_even_in_float32():
    log_attention = log_map(0)
    same = normalised(0.3 * log_attention).astype(np.float32).astype(np.float64)
    assert np.abs(residual(log_attention, same)).max() > 0  # rounding, which a scale would blow up
    assert not scaled_residual(log_attention, same).any()
