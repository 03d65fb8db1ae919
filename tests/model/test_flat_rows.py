"""Rows and frames in which there is nothing: audio of one frame, one token, and tokens that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from align_eval.errors import InputError
from align_eval.pipeline import Speech, align_speech, relevance_map
from align_eval.relevance.options import Preparation
from align_eval.relevance.prepare import prepare
from align_eval.relevance.source import FLAT_ROWS, SOURCE_OPTIONS, parse_source
from align_eval.relevance.spes import FIRST_MASKS, reliability
from align_eval.relevance.stack import mass_on_padding, stack_of_magnitudes, stacks_of
from align_eval.systems import System, parse_system
from tests.helpers.models import noise_pass, random_whisper

PREPARATIONS = Preparation.__args__
CHEAP = {
    "spes": "spes:at=encoder-output,masks=48",
    "smoothgrad": "smoothgrad:n_samples=2",
    "integrated-gradients": "integrated-gradients:steps=2",
    "gradient-shap": "gradient-shap:n_samples=2",
    "kernel-shap": "kernel-shap:n_samples=8,window_s=0.02",
    "control-uniform": "control-uniform:prep=log",
    "control-energy": "control-energy:prep=log",
}
ALL_EQUAL = ("control-uniform", "control-energy")
"""Sources whose rows are all equal by design, which refuse to be standardised."""


@pytest.mark.parametrize("prep", PREPARATIONS)
def test_a_frame_or_a_row_without_spread_says_nothing(prep):
    """0 / 0 is 0: in frame 0 of the first map all rows are equal, and frame 1 is zero in all maps."""
    stack = torch.tensor([[[0.1, 0.0, 0.9], [0.1, 0.0, 0.2], [0.1, 0.0, 0.3]], [[0.5, 0.0, 0.0]] * 3])
    prepared = prepare(stack, prep)
    assert prepared.isfinite().all()
    if prep in ("zscore", "norm", "mean-norm"):
        assert (prepared[:, 1] == 0).all()
    if prep == "zscore":
        assert (prepared[:, 0] == 0).all()
    zeros = prepare(torch.zeros(1, 2, 4), prep)
    assert torch.equal(zeros, torch.full((2, 4), 0.25).log() if prep == "log" else torch.zeros(2, 4))


@pytest.mark.parametrize("prep", PREPARATIONS)
def test_a_value_that_is_not_finite_is_not_hidden(prep):
    stack = torch.full((1, 2, 9), 0.5)
    stack[0, 0] = torch.nan
    assert prepare(stack, prep)[0].isnan().all()


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1 / 75, 1 / 1500])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 448])
def test_equal_rows_have_no_spread_whatever_the_mean_rounds_to(value, n_rows):
    assert (prepare(torch.full((2, n_rows, 5), value), "zscore") == 0).all()


def test_rows_of_zeros_become_flat_and_are_listed():
    a, b = torch.tensor([[[0.0, 0.0, 5.0], [1.0, 3.0, 0.0]], [[1.0, 1.0, 0.0], [2.0, 0.0, 0.0]]])
    stack = stack_of_magnitudes({"a": a, "b": b}, 2, {"p": 0.5})
    assert stack.values.tolist() == [[[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [1.0, 0.0]]]
    assert stack.details == {"p": 0.5, FLAT_ROWS: [0]}
    assert stack_of_magnitudes({"b": b}, 2).details == {}


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_row_that_is_not_finite_is_refused_by_name(bad):
    with pytest.raises(InputError, match=rf"source b, token row 1: the map sums to {bad} over the audio; .*float32"):
        stack_of_magnitudes({"source a": torch.ones(2, 3), "source b": torch.tensor([[1.0], [bad]]).expand(2, 3)}, 2)


def test_rows_of_zeros_do_not_count_as_mass_on_padding():
    """Row 1 has three of its four parts past the second frame; row 0 has nothing anywhere."""
    assert mass_on_padding(torch.tensor([[0.0] * 3, [0.5, 0.5, 3.0]]), 2) == 0.75
    assert mass_on_padding(torch.zeros(2, 3), 2) == 0.0


@pytest.mark.parametrize("name", [name for name in SOURCE_OPTIONS if name != "kernel-shap"])
@pytest.mark.parametrize("n_samples", [320, 640])
def test_audio_of_one_or_two_frames_and_one_token_is_timed_by_every_source(name, n_samples):
    """20 ms is one frame; the decoder predicts the one token and the end of the text, which makes two rows."""
    source = parse_source(CHEAP.get(name, name))
    systems = [System(source, parse_system("control-energy:prep=log", align).aligner) for align in ("dtw", "viterbi")]
    samples = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32) * 0.1
    timed = align_speech(random_whisper(), Speech(samples, ("two",), "en"), systems, context="fit")
    for (word,) in timed.values():
        assert 0 <= word.start_s <= word.end_s <= 0.02 * (n_samples // 320) + 0.011


def test_a_single_block_is_refused_with_a_remedy_that_works():
    model = random_whisper()
    for n_samples, remedy in ((320, "use longer audio"), (1280, "use a shorter window_s")):
        shared = noise_pass(model, ("two",), n_samples)
        with pytest.raises(InputError, match=f"the audio is a single block; {remedy}"):
            stacks_of(model, shared)(parse_source("kernel-shap"))


SILENT = [
    "gradient", "gradient:at=mel", "saliency", "smoothgrad:n_samples=2", "integrated-gradients:steps=2",
    "gradient-shap:n_samples=2", "occlusion:at=encoder-output", "kernel-shap:at=encoder-output,n_samples=8",
    "spes:at=encoder-output,masks=48", "hybrid:a=(attention-norm:heads=all)",
]  # fmt: skip


@pytest.mark.parametrize("spec", SILENT)
@pytest.mark.parametrize("prep", ["zscore-median", "log"])
def test_tokens_that_hear_nothing_are_flat_and_flagged(spec, prep):
    """Without the output of its cross-attention, no frame changes what the decoder predicts: every row is zero."""
    model = random_whisper()
    for block in model.decoder.blocks:
        block.cross_attn.out.weight.data.zero_()
        block.cross_attn.out.bias.data.zero_()
    shared = noise_pass(model)
    source = parse_source(spec).with_options(prep=prep)
    stack = stacks_of(model, shared)(source)
    assert stack.details[FLAT_ROWS] == [0, 1, 2]
    torch.testing.assert_close(stack.values[0], torch.full((3, shared.n_frames), 1 / shared.n_frames))
    assert np.isfinite(relevance_map(source, stack, shared.text).values).all()


def test_spes_stops_where_no_mask_moves_a_token():
    """More masks make no constant row reliable: the pilot is the last draw but one, not the first of many."""
    model = random_whisper()
    for block in model.decoder.blocks:
        block.cross_attn.out.weight.data.zero_()
    details = stacks_of(model, noise_pass(model, n_samples=3200))(parse_source("spes:at=encoder-output")).details
    assert (details["masks"], details["reliability"], details[FLAT_ROWS]) == (FIRST_MASKS, 0.0, [0, 1, 2])


def test_spes_refuses_masks_that_leave_a_place_unhidden():
    model = random_whisper()
    with pytest.raises(InputError, match=r"spes:at=encoder-output: 6 masks left \d+ of 25 places unhidden; use more"):
        stacks_of(model, noise_pass(model))(parse_source("spes:at=encoder-output,masks=6,p=0.01"))


def test_rows_that_no_mask_moved_do_not_lower_the_reliability_of_the_others():
    """Two rows of r = 1 and one of zeros: 2 * 1 / (1 + 1) overall. Opposite halves have a number too, for JSON."""
    rows = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [3.0, 2.0, 0.0]])
    assert reliability(rows, rows) == ([pytest.approx(1.0), 0.0, pytest.approx(1.0)], pytest.approx(1.0))
    by_token, overall = reliability(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 1.0]]))
    assert by_token == [-1.0]
    assert np.isfinite(overall)
    assert overall < -1
    assert reliability(torch.zeros(2, 3), torch.zeros(2, 3)) == ([0.0, 0.0], 0.0)
