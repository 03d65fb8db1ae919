"""The residual of saliency given attention, its injection, and the controls."""

import subprocess
import sys

import numpy as np
import pytest

from align_eval.findings.budget.controls import (
    SMOOTHED,
    arms,
    entropy,
    permuted_tokens,
    rolled,
    smoothed,
    with_row_spreads,
)
from align_eval.relevance.injection import injected, normalised, residual, scaled_residual
from align_eval.systems import AMOUNTS

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


def test_smoothing_keeps_the_shares_of_a_row_and_moves_its_middle_nowhere():
    """One frame becomes the Gaussian itself: symmetric, summing to one, of the variance asked for."""
    peak = np.full((1, 101), -200.0)
    peak[0, 50] = 0.0
    for sd in SMOOTHED:
        shares = np.exp(smoothed(peak, sd))[0]
        assert shares.sum() == pytest.approx(1, abs=1e-12)
        np.testing.assert_allclose(shares, shares[::-1], atol=1e-12)
        assert (shares * (np.arange(101) - 50) ** 2).sum() == pytest.approx(sd**2, rel=0.01)
    at_the_edge = np.exp(smoothed(np.roll(peak, -50, axis=1), 4))
    assert at_the_edge.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("factor", [0.01, 0.7, 1.0, 1.3, 40.0])
def test_row_spreads_find_a_planted_temperature_of_every_row(factor):
    log_attention = log_map(0)
    factors = factor * np.array([1.0, 2.0, 0.5, 1.0, 3.0])[:, None]  # a temperature of its own for every row
    planted = normalised(factors * log_attention)
    found = with_row_spreads(log_attention, planted + 3.0)  # the other map need not be normalised
    np.testing.assert_allclose(entropy(found), entropy(planted), atol=1e-6)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.exp(found), np.exp(planted), atol=1e-5)


def test_row_spreads_of_the_injected_map_are_no_single_temperature_but_standard_deviations_would_be():
    """R is uncorrelated with log A and as large: standard deviations grow by sqrt(1 + amount^2) in every row."""
    log_attention = log_map(0)
    lacking = scaled_residual(log_attention, log_map(1, spread=5.0))
    for amount in AMOUNTS:
        like = injected(log_attention, lacking, amount)
        np.testing.assert_allclose(like.std(axis=1) / log_attention.std(axis=1), np.sqrt(1 + amount**2), rtol=1e-12)
    centred_rows = centred(with_row_spreads(log_attention, like))
    temperatures = centred_rows.std(axis=1) / log_attention.std(axis=1)
    np.testing.assert_allclose(entropy(centred_rows), entropy(like), atol=1e-6)
    np.testing.assert_allclose(residual(log_attention, centred_rows), 0, atol=1e-9)  # attention, and nothing else
    assert np.ptp(temperatures) > 0.1


def test_a_row_whose_maxima_tie_gets_the_nearest_spread():
    tied = np.log(np.array([[0.4, 0.4, 0.2], [0.5, 0.3, 0.2]]))  # the first has log 2 however sharp
    like = np.log(np.array([[0.9, 0.09, 0.01]] * 2))
    found = entropy(with_row_spreads(tied, like))
    assert found[0] == pytest.approx(np.log(2), abs=1e-6)
    assert found[1] == pytest.approx(entropy(like)[1], abs=1e-6)
    flat = np.full((1, 4), np.log(0.25))
    np.testing.assert_allclose(with_row_spreads(flat, np.log([[0.7, 0.1, 0.1, 0.1]])), flat)


def centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(axis=1, keepdims=True)


RESIDUALS = ("saliency", "other heads", *SMOOTHED.values(), "other token", "rolled")


def test_every_arm_adds_as_much_as_the_saliency_at_the_same_amounts():
    """Neither size nor level may tell arms apart: rows sum to one, and what is added has the spread of attention."""
    log_attention, log_saliency, others = log_map(0), log_map(1), log_map(2)
    made = arms(log_attention, log_saliency, others, FRAME_S, seed=3)
    names = (*RESIDUALS, "row spreads")
    assert set(made) == {("attention", 0.0), *((arm, amount) for arm in names for amount in AMOUNTS)}
    assert made["attention", 0.0].tobytes() == log_attention.tobytes()
    for values in made.values():
        assert np.exp(values).sum(axis=1) == pytest.approx(1)
    for amount in AMOUNTS:
        for arm in RESIDUALS:
            added = centred(made[arm, amount] - log_attention) / amount
            np.testing.assert_allclose(added.std(axis=1), log_attention.std(axis=1), rtol=1e-9, err_msg=arm)


def test_arms_hold_what_their_names_say():
    log_attention, log_saliency, others = log_map(0), log_map(1), log_map(2)
    made = arms(log_attention, log_saliency, others, FRAME_S, seed=3)
    added = {arm: centred(made[arm, 1.0] - log_attention) for arm in RESIDUALS}
    lacking = scaled_residual(log_attention, log_saliency)
    np.testing.assert_allclose(added["saliency"], lacking, atol=1e-9)
    np.testing.assert_allclose(added["other heads"], scaled_residual(log_attention, others), atol=1e-9)
    for frames, name in SMOOTHED.items():
        np.testing.assert_allclose(
            added[name], scaled_residual(log_attention, smoothed(log_attention, frames)), atol=1e-9
        )
    np.testing.assert_allclose(np.sort(added["rolled"], axis=1), np.sort(lacking, axis=1), atol=1e-9)
    of_other = permuted_tokens(lacking, 3)
    for mine, theirs in zip(added["other token"], of_other, strict=True):
        assert np.corrcoef(mine, theirs)[0, 1] == pytest.approx(1)
    for amount in AMOUNTS:
        np.testing.assert_allclose(entropy(made["row spreads", amount]), entropy(made["saliency", amount]), atol=1e-6)


def test_a_model_without_other_heads_lacks_that_control_alone_and_arms_follow_the_seed():
    maps = log_map(0), log_map(1)
    made, again = (arms(*maps, None, FRAME_S, seed=3) for _ in range(2))
    assert {arm for arm, _ in made} == {"attention", *RESIDUALS, "row spreads"} - {"other heads"}
    assert {key: value.tobytes() for key, value in made.items()} == {k: v.tobytes() for k, v in again.items()}
    other = arms(*maps, None, FRAME_S, seed=4)
    same = {arm for arm, x in made if made[arm, x].tobytes() == other[arm, x].tobytes()}
    assert same == {arm for arm, _ in made} - {"other token", "rolled"}  # only these two use random numbers


def test_residuals_and_effects_on_words_load_no_model_and_no_statsmodels():
    code = (
        "import sys, align_eval.findings.budget.controls, align_eval.findings.budget.word_effect\n"
        "print(*({'torch', 'whisper', 'statsmodels', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


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
