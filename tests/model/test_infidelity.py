"""Infidelity and max-sensitivity on functions whose values are known by hand, and on real speech."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from align_eval.findings.faithfulness.infidelity import (
    FRAMES_PER_RUN,
    infidelities,
    max_sensitivity,
    run_masks,
    sensitivities,
)
from align_eval.findings.faithfulness.infidelity import unexplained as unexplained_of
from align_eval.findings.faithfulness.masking import token_log_probs
from align_eval.findings.faithfulness.measure import utterance_curves
from align_eval.findings.faithfulness.records import SENSITIVITY_RADIUS, FaithfulnessOptions
from align_eval.model.forward import pass_of_mel
from align_eval.relevance.source import parse_source

# different masks that each hide something: a function has one value at each
MASKS = np.unique(run_masks(60, 40, np.random.default_rng(0)), axis=0)
MASKS = MASKS[MASKS.any(axis=1)]
N_SAMPLES, N_FRAMES = MASKS.shape
OPTIONS = FaithfulnessOptions(step_percent=50, n_random=1, n_infidelity=6, n_sensitivity=1)


def left_of(rows: np.ndarray, masks: np.ndarray, drops: np.ndarray) -> list[float]:
    """Infidelity of each row where mask k costs token i ``drops[k, i]`` nats of a clean -1."""
    clean = torch.full((len(rows),), -1.0, dtype=torch.float64)
    return infidelities(torch.from_numpy(rows), masks, clean, clean - torch.from_numpy(drops)).tolist()


def test_a_mask_hides_whole_runs_half_of_the_time_and_its_runs_start_anywhere():
    masks = run_masks(50, 4000, np.random.default_rng(0))
    assert masks.mean(axis=0) == pytest.approx(np.full(50, 0.5), abs=0.032)  # 4 standard deviations of 0.0079
    changes = masks[:, 1:] != masks[:, :-1]
    # within a mask, edges are whole runs apart; over the masks, every place is an edge a tenth of the time
    assert all(len(set(np.flatnonzero(edges) % FRAMES_PER_RUN)) <= 1 for edges in changes)
    assert changes.mean(axis=0) == pytest.approx(np.full(49, 0.1), abs=0.019)  # 4 standard deviations of 0.0047


@pytest.mark.parametrize("n_frames", [1, 4, 5, 6, 1500])
def test_masks_are_there_for_any_length(n_frames):
    assert run_masks(n_frames, 3, np.random.default_rng(0)).shape == (3, n_frames)


def test_the_weights_of_a_linear_function_explain_all_of_it_at_any_scale():
    weights = np.random.default_rng(1).normal(size=(2, N_FRAMES))
    left = left_of(weights * [[1000.0], [-0.001]], MASKS, MASKS @ weights.T)
    assert left == pytest.approx([0, 0], abs=1e-12)
    assert min(left) >= 0


def test_a_map_that_is_orthogonal_to_the_change_explains_nothing():
    # frame 0 alone costs 2 nats, hidden or not; frame 1 is hidden once in either case, and brings as much as it costs
    masks = np.array([[1, 0], [0, 1]], dtype=bool)
    assert left_of(np.array([[0.0, 1.0]]), masks, np.array([[2.0], [0.0]])) == [2.0]  # the mean of 4 and 0
    # half right: off = (1, 1), change = (2, 0): scale 1, and (2 - 1)^2 and (0 - 1)^2 are left
    assert left_of(np.array([[1.0, 1.0]]), masks, np.array([[2.0], [0.0]])) == [1.0]


def test_what_is_left_is_the_residual_of_least_squares_for_each_token():
    rng = np.random.default_rng(2)
    rows, drops = rng.random((3, N_FRAMES)), rng.normal(size=(N_SAMPLES, 3))
    hidden = MASKS.astype(float)
    expected = [
        np.linalg.lstsq((hidden @ row)[:, None], drop, rcond=None)[1][0] / N_SAMPLES
        for row, drop in zip(rows, drops.T, strict=True)
    ]
    assert left_of(rows, MASKS, drops) == pytest.approx(expected, rel=1e-10)


def test_a_flat_map_leaves_the_variance_where_every_mask_hides_as_many_frames():
    """It then predicts one and the same change, and the best one is the mean."""
    rng = np.random.default_rng(3)
    masks = np.unique([rng.permutation([True] * 6 + [False] * 6) for _ in range(40)], axis=0)
    drops = rng.normal(1.0, 1.0, size=(len(masks), 1))
    left = left_of(np.ones((1, 12)), masks, drops)
    assert left == pytest.approx([drops.var()], rel=1e-12)


def test_a_map_of_zeros_leaves_everything():
    drops = np.random.default_rng(4).normal(size=(N_SAMPLES, 1))
    assert left_of(np.zeros((1, N_FRAMES)), MASKS, drops) == pytest.approx([(drops**2).mean()])


def test_a_constant_explanation_is_not_sensitive_and_a_linear_one_as_its_noise_is():
    x = torch.full((1, 2, 8), 4.0)
    noise = torch.stack([torch.full((2, 8), 0.02), torch.full((2, 8), -0.01)])
    assert max_sensitivity(lambda mels: torch.ones(len(mels), 3, 4), x, x + noise) == 0
    # E(x) = x: |d| / |x| is 0.02 / 4 for the first, 0.01 / 4 for the second; the greater counts
    assert max_sensitivity(lambda mels: mels, x, x + noise) == pytest.approx(0.005, rel=1e-5)
    # E(x) = x - 3 has a quarter of the norm and the same change
    assert max_sensitivity(lambda mels: mels - 3, x, x + noise) == pytest.approx(0.02, rel=1e-5)


def test_the_norm_is_that_of_the_whole_map_and_not_of_a_token():
    x = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    # one token moves by 1 of its 3; |E| is 5
    assert max_sensitivity(lambda mels: mels, x, x + torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])) == pytest.approx(0.2)


def test_noise_is_within_the_radius_on_the_audio_alone_and_each_is_run_once(tiny_en, clip_pass, monkeypatch):
    mels = []

    def recorded(_model, mel, _text, _n_frames):
        mels.append(mel)
        return replace(clip_pass, taps=(mel,))

    monkeypatch.setattr("align_eval.findings.faithfulness.infidelity.pass_of_mel", recorded)

    def maps_of(one_pass):
        """Two maps that read the loudness; the second is five times as large, which must not matter."""
        loud = one_pass.taps[0][0].mean(dim=0)[: 2 * one_pass.n_frames : 2].add(2)[None].numpy()
        return {"loud": loud, "louder": 5 * loud}

    found = sensitivities(tiny_en, clip_pass, maps_of(clip_pass), maps_of, 3, np.random.default_rng(0))
    assert len(mels) == 3
    for mel in mels:
        noise = mel - clip_pass.taps[0]
        n_real = 2 * clip_pass.n_frames
        assert not noise[..., n_real:].any()
        assert 0.019 < noise.abs().max() <= SENSITIVITY_RADIUS * (1 + 1e-4)
    assert 0 < found["loud"] < 0.02  # the mean of 80 bins moves by far less than a bin
    assert found["louder"] == pytest.approx(found["loud"], rel=1e-5)


@pytest.fixture(scope="module")
def measured(tiny_en, clip):
    return utterance_curves(
        tiny_en, clip, [*map(parse_source, ("attention:heads=all", "gradient:at=encoder-output"))], OPTIONS
    )


@pytest.mark.slow
def test_on_real_speech_shares_are_shares_and_the_maps_beat_the_flat_one(measured):
    shares = {(u.source, u.fill): u.infidelity / u.change for u in measured.unexplained}
    assert len(shares) == 4 * 2
    assert all(0 <= share <= 1 for share in shares.values())
    for fill in ("mean", "floor"):
        for source in ("attention:heads=all", "gradient:at=encoder-output"):
            assert shares[source, fill] < shares["flat", fill]
    assert set(measured.sensitivity) == {"attention:heads=all", "gradient:at=encoder-output"}
    assert all(0 < value < 0.2 for value in measured.sensitivity.values())


@pytest.mark.slow
def test_a_measure_is_the_same_whatever_is_measured_beside_and_leaves_the_global_generators_alone(
    measured, tiny_en, clip
):
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    alone = utterance_curves(tiny_en, clip, [parse_source("gradient:at=encoder-output")], OPTIONS)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]
    together = {(u.source, u.fill): u for u in measured.unexplained}
    assert len(alone.unexplained) == 3 * 2
    assert all(together[u.source, u.fill] == u for u in alone.unexplained)  # to the last bit
    assert alone.sensitivity == {k: v for k, v in measured.sensitivity.items() if k in alone.sensitivity}


def test_the_change_is_that_of_each_token_under_the_masks_and_a_repeated_mask_is_run_once(
    tiny_en, clip_pass, monkeypatch
):
    masks = np.zeros((3, clip_pass.n_frames), dtype=bool)
    masks[:2, :20] = True  # drawn twice; the third hides nothing
    runs = []

    def run(_model, shared, distinct, _fill):
        runs.append(distinct)
        return iter([shared.log_prob[:-1].double() - 2.0 * bool(mask.any()) for mask in distinct])

    monkeypatch.setattr("align_eval.findings.faithfulness.infidelity.run_masks", lambda *_: masks)
    monkeypatch.setattr("align_eval.findings.faithfulness.infidelity.token_log_probs", run)
    n_tokens = len(clip_pass.text.tokens) - 1
    rows = np.zeros((n_tokens, clip_pass.n_frames))
    rows[:, 3] = 1.0  # inside what is hidden: it says exactly when
    found = unexplained_of(
        tiny_en, clip_pass, {"planted": rows}, np.zeros(clip_pass.n_frames), 3, np.random.default_rng(0)
    )
    assert [len(distinct) for distinct in runs] == [2, 2]
    for u in found:
        assert u.change == pytest.approx(n_tokens * 2 * 4 / 3)  # two of three cost every token 2 nats
        # a map of silence says nothing; the planted one all, and so does the flat one, of one mask's size
        assert u.infidelity == pytest.approx(u.change if u.source == "energy" else 0, abs=1e-10)


def test_without_masks_or_noise_a_token_has_its_log_probability_of_the_clean_pass(tiny_en, clip_pass):
    (values,) = token_log_probs(tiny_en, clip_pass, np.zeros((1, clip_pass.n_frames), dtype=bool), "floor")
    assert values.tolist() == pytest.approx(clip_pass.log_prob[:-1].tolist(), abs=1e-4)
    again = pass_of_mel(tiny_en, clip_pass.taps[0], clip_pass.text, clip_pass.n_frames)
    assert torch.equal(again.log_prob, clip_pass.log_prob)  # so the clean map is not made again


def test_no_samples_no_measure(tiny_en, clip_pass):
    rng = np.random.default_rng(0)
    maps = {"flat": np.ones((5, clip_pass.n_frames))}
    assert unexplained_of(tiny_en, clip_pass, maps, np.ones(clip_pass.n_frames), 0, rng) == ()
    assert sensitivities(tiny_en, clip_pass, maps, lambda _: maps, 0, rng) == {}
    assert sensitivities(tiny_en, clip_pass, {}, lambda _: {}, 3, rng) == {}
