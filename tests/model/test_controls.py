"""Controls by hand, and that a worthless map scores as one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from align_eval.corpus.audio import read_audio
from align_eval.errors import InputError
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.forward import pass_of_mel
from align_eval.pipeline import Speech, align_speech
from align_eval.relevance.controls import (
    control_diagonal,
    control_energy,
    control_shuffled,
    control_uniform,
    randomised,
    shuffled_rows,
)
from align_eval.relevance.options import ControlDiagonalOptions, ControlEnergyOptions, ControlUniformOptions
from align_eval.relevance.source import FLAT_ROWS, parse_source
from align_eval.relevance.stack import Stack
from align_eval.systems import parse_system
from align_eval.units import FRAME_S
from tests.helpers.maps import canonical_source, relevance_maps, stacks_of
from tests.helpers.planted_logits import every_logit


def test_the_flat_map_is_one_share_a_frame(random_model, small_pass):
    values = control_uniform(random_model, small_pass, ControlUniformOptions()).values
    torch.testing.assert_close(values, torch.full((1, 3, 25), 1 / 25))


def test_the_diagonal_by_hand(random_model, small_pass):
    """Three rows over five frames peak in frames 0, 2 and 4; half as high one width, here one frame, away."""
    shared = replace(small_pass, n_frames=5)
    options = ControlDiagonalOptions(width_s=FRAME_S)
    (values,) = control_diagonal(random_model, shared, options).values
    rows = torch.tensor(
        [[1, 1 / 2, 1 / 5, 1 / 10, 1 / 17], [1 / 5, 1 / 2, 1, 1 / 2, 1 / 5], [1 / 17, 1 / 10, 1 / 5, 1 / 2, 1]]
    )
    torch.testing.assert_close(values, rows / rows.sum(dim=-1, keepdim=True))


def test_the_energy_by_hand(random_model, small_pass):
    """Half the bins hold the power p, half 3 p, so a mel frame holds 2 p; an encoder frame is one and two halves."""
    p = torch.full((3000,), 1e-6)
    p[:7] = torch.tensor([1.0, 2.0, 4.0, 8.0, 1.0, 1.0, 6.0])
    power = torch.cat([p.expand(40, -1), 3 * p.expand(40, -1)])
    log_mel = (power.log10() + 4) / 4
    shared = replace(small_pass, n_frames=3, taps=(log_mel[None], *small_pass.taps[1:]))
    (values,) = control_energy(random_model, shared, ControlEnergyOptions()).values
    row = torch.tensor([1 + 2 / 2, 4 + (2 + 8) / 2, 1 + (8 + 1) / 2])
    torch.testing.assert_close(values, (row / row.sum()).expand(3, -1), rtol=1e-4, atol=0)


@pytest.mark.parametrize("control", ["control-uniform", "control-energy"])
def test_a_map_of_equal_rows_is_used_by_log_and_refused_by_zscore_with_the_remedy(random_model, small_pass, control):
    relevance = relevance_maps(random_model, small_pass, [control])[control]
    assert (relevance.values == relevance.values[0]).all()
    np.testing.assert_allclose(np.exp(relevance.values).sum(axis=1), 1, rtol=1e-4)
    with pytest.raises(InputError, match="here all rows are equal: use prep=log"):
        canonical_source(f"{control}:prep=zscore-median")


@pytest.mark.parametrize("source", ["control-shuffled:of=(control-uniform)", "control-shuffled:of=(control-energy)"])
def test_equal_rows_inside_another_source_say_nothing_after_standardising(random_model, small_pass, source):
    """A frame whose rows are all equal has no spread: 0 / 0 is 0, as in transformers."""
    assert (relevance_maps(random_model, small_pass, [source])[source].values == 0).all()


def test_shuffled_rows_keep_their_flags(random_model, small_pass):
    """Row i of the control is row order[i] of the source, so that flat row 2 is where the order has its 2."""
    stack = Stack(torch.rand(1, 3, 25), {FLAT_ROWS: [2], "p": 0.5})
    (row,) = (i for i, before in enumerate(shuffled_rows(3, 0).tolist()) if before == 2)
    options = parse_source("control-shuffled").options
    assert control_shuffled(random_model, small_pass, options, lambda _: stack).details == {FLAT_ROWS: [row], "p": 0.5}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_rows", [2, 3, 10])
def test_a_shuffle_is_a_permutation_that_leaves_no_row_in_its_place(n_rows, seed):
    rows = shuffled_rows(n_rows, seed)
    assert sorted(rows.tolist()) == list(range(n_rows))
    assert (rows != torch.arange(n_rows)).all()
    assert torch.equal(rows, shuffled_rows(n_rows, seed))


def test_seeds_shuffle_differently_and_one_row_stays():
    assert len({tuple(shuffled_rows(10, seed).tolist()) for seed in range(5)}) == 5
    assert shuffled_rows(1, 0).tolist() == [0]


def test_every_map_of_a_shuffled_source_has_the_rows_of_that_source_in_one_other_order(tiny_en, clip_pass):
    stack_of = stacks_of(tiny_en, clip_pass)
    own = stack_of("attention:heads=all").values
    rows = shuffled_rows(own.shape[1], 3)
    assert torch.equal(stack_of("control-shuffled:of=(attention:heads=all),seed=3").values, own[:, rows])
    every_row = stack_of("control-shuffled:of=(attention:heads=all,rows=all),seed=3").values
    torch.testing.assert_close(every_row, own[:, rows])


def test_the_pass_is_the_shared_one_on_the_same_mel_and_tokens(random_model, small_pass):
    again = pass_of_mel(random_model, small_pass.taps[0], small_pass.text, small_pass.n_frames)
    assert torch.equal(every_logit(again), every_logit(small_pass))
    assert torch.equal(again.log_prob, small_pass.log_prob)
    assert all(torch.equal(a, b) for a, b in zip(again.taps, small_pass.taps, strict=True))


def test_random_weights_keep_each_parameters_mean_and_deviation_and_the_alignment_heads(random_model):
    random_model.decoder.token_embedding.weight.add_(2.0)
    random_model.register_buffer("alignment_heads", torch.tensor([[False, True], [False, False]]).to_sparse())
    random = randomised(random_model, seed=7)  # the model itself is seed 0's
    drawn, own = random.decoder.token_embedding.weight, random_model.decoder.token_embedding.weight
    assert drawn.mean().item() == pytest.approx(2.0, abs=1e-3)
    assert drawn.std().item() == pytest.approx(own.std().item(), rel=0.01)
    assert abs(torch.corrcoef(torch.stack([drawn.flatten(), own.flatten()]))[0, 1]) < 0.01
    assert alignment_heads(random) == alignment_heads(random_model) == [(0, 1)]
    assert torch.equal(random.encoder.positional_embedding, random_model.encoder.positional_embedding)
    assert not random.training
    assert not any(parameter.requires_grad for parameter in random.parameters())


def test_random_weights_follow_their_seed_and_leave_model_and_generator_alone(random_model, small_pass):
    spec = "control-random-weights:of=(attention:heads=all),seed={},prep=log"
    before = {name: tensor.clone() for name, tensor in random_model.state_dict().items()}
    state = torch.get_rng_state()
    maps = [
        relevance_maps(random_model, small_pass, [spec.format(seed)])[spec.format(seed)].values for seed in (7, 7, 8)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in random_model.state_dict().items())
    np.testing.assert_array_equal(maps[0], maps[1])
    real = relevance_maps(random_model, small_pass, ["attention:heads=all,prep=log"])["attention:heads=all,prep=log"]
    for one, other in pairwise((maps[0], maps[2], real.values)):
        assert np.abs(one - other).max() > 1e-3


def test_what_the_model_learnt_is_gone_with_random_weights(tiny_en, clip_pass):
    """Its text is a guess: less likely than one token in the whole vocabulary, where the real one is sure of most."""
    random = pass_of_mel(randomised(tiny_en, 0), clip_pass.taps[0], clip_pass.text, clip_pass.n_frames)
    assert clip_pass.log_prob.mean() > -2
    assert random.log_prob.mean() < -np.log(tiny_en.dims.n_vocab)


def test_a_worthless_map_scores_worse_than_a_real_one(tiny_en, demo):
    clip = next(u for u in demo.utterances if u.id == "en_librivox_sense_0870")
    systems = [parse_system(f"{name}:prep=log", "dtw") for name in ("control-uniform", "gradient")]
    found = align_speech(tiny_en, Speech(read_audio(clip.audio), tuple(w.text for w in clip.words), "en"), systems)
    worthless, real = (
        np.mean([abs(w.start_s - r.start_s) + abs(w.end_s - r.end_s) for w, r in zip(words, clip.words, strict=True)])
        for words in found.values()
    )
    assert real < 0.2
    assert worthless > 1
