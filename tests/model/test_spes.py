"""SPES against a model whose divergence under masking has a closed form, and its parts by hand."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from whisper.model import MultiHeadAttention

from align_eval.corpus.audio import read_audio
from align_eval.errors import InputError
from align_eval.model.batches import MEMORY_BUDGET_BYTES
from align_eval.model.forward import decoder_hidden, shared_pass
from align_eval.model.text import force_words
from align_eval.relevance import spes as module
from align_eval.relevance import spes_passes
from align_eval.relevance.options import SpesOptions
from align_eval.relevance.source import SOURCE_OPTIONS
from align_eval.relevance.spes import FIRST_MASKS, DivergenceSums, pool_map, reliability, spes
from align_eval.relevance.spes_masks import BLOCK, identical_scales, mask_blocks, segment
from align_eval.relevance.spes_passes import Masking, TokenDivergence, batch_size, removed_from_cross_attention
from align_eval.spec import parse_spec


class Toy:
    """A divergence that is a known sum: hiding place j adds `weights[i, j]` to token i."""

    def __init__(self, weights: torch.Tensor) -> None:
        self.weights = weights

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.float() @ self.weights.T


def test_the_map_converges_to_the_closed_form():
    """With independent masks E[KL | j hidden] = w_j + p * (sum of the other w): the map must converge to it."""
    weights = torch.tensor([[0.0, 1.0, 0.0, 3.0], [2.0, 0.0, 0.0, 0.0]])
    partitions = (torch.arange(4),)
    masking = Masking(partitions, lambda places: places, lambda _: nullcontext())
    p = 0.7
    halves = module._draw(masking, Toy(weights), p, 20_000, torch.Generator().manual_seed(0), n_tokens=2, batch=64)
    computed = halves[0].plus(halves[1]).map(partitions)
    expected = weights + p * (weights.sum(dim=1, keepdim=True) - weights)
    torch.testing.assert_close(computed, expected, atol=0.03, rtol=0)


def test_scales_share_one_mean_weighted_by_how_often_a_place_was_hidden():
    """Place 0 is hidden 3 times with divergence 2 on one scale and once with 6 on the other: (3 * 2 + 6) / 4 = 3."""
    partitions = (torch.tensor([0, 1]), torch.tensor([0, 0]))
    sums = DivergenceSums.empty(partitions, 1)
    for _ in range(3):
        sums.add(0, torch.tensor([[True, False]]), torch.tensor([[2.0]]))
    sums.add(0, torch.tensor([[False, True]]), torch.tensor([[5.0]]))
    sums.add(1, torch.tensor([[True]]), torch.tensor([[6.0]]))
    torch.testing.assert_close(sums.map(partitions), torch.tensor([[3.0, 5.5]]))


@pytest.mark.parametrize("n_masks", [6, 7, 480, 20_000])
def test_masks_are_shared_evenly_among_scales_and_halves(n_masks):
    counts: dict[tuple[int, int], int] = {}
    for half, scale, size in mask_blocks(n_masks, 3):
        assert 0 < size <= BLOCK
        counts[scale, half] = counts.get((scale, half), 0) + size
    assert sum(counts.values()) == n_masks
    assert max(counts.values()) - min(counts.values()) <= 1


def test_divergence_is_that_of_whole_distributions(random_model):
    """KL over the whole vocabulary, in float64 from the model's own forward pass."""
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    shared = shared_pass(random_model, samples, force_words(random_model, ["two", "words"], "en"))
    masked = shared.taps[-1].clone()
    masked[:, 3:9] = 0
    tokens = torch.tensor([shared.text.decoder_input])
    p, q = (random_model.decoder(tokens, x)[0, 1:-1].double().log_softmax(-1) for x in (shared.taps[-1], masked))
    expected = (p.exp() * (p - q)).sum(-1)
    divergence = TokenDivergence(random_model, shared, SpesOptions())
    torch.testing.assert_close(divergence(masked)[0].double(), expected, atol=2e-6, rtol=1e-3)
    assert divergence(shared.taps[-1]).max() < 2e-6  # nothing hidden, nothing moved


def test_half_precision_moves_a_real_divergence_by_less_than_a_hundredth_of_a_nat(tiny_en, clip):
    """Half has 11 bits: logits of about 20 move by 1e-2 at most, a divergence, a mean of differences, by less."""
    texts = [word.text for word in clip.words]
    shared = shared_pass(tiny_en, read_audio(clip.audio), force_words(tiny_en, texts, "en"), context="fit")
    masked = shared.taps[-1].clone()
    masked[:, 10:60] = 0
    exact = TokenDivergence(tiny_en, shared, SpesOptions())(masked)
    half = TokenDivergence(tiny_en, shared, SpesOptions(dtype="float16"))(masked.half())
    assert exact.max() > 1
    assert 0 < (half - exact).abs().max() < 1e-2 * max(1, exact.max())


def test_a_batch_divides_a_block_and_fits_the_budget(random_model):
    sizes = [batch_size(random_model, n_tokens, 0) for n_tokens in (1, 40, 400)]
    assert all(BLOCK % size == 0 for size in sizes)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[1] * 40 * random_model.dims.n_vocab * 8 <= MEMORY_BUDGET_BYTES["cpu"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("at", ["mel", "encoder-output"])
def test_compiled_and_half_maps_on_a_gpu_are_those_of_the_cpu(random_model, at):
    """Masks are equal on all devices: the CPU draws them, and segments come from the float32 log-mel."""
    import copy

    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    text = force_words(random_model, ["two", "words"], "en")
    options = SpesOptions(at=at, masks="240")
    expected = spes(random_model, shared_pass(random_model, samples, text), options).values
    on_gpu = copy.deepcopy(random_model).cuda()
    shared = shared_pass(on_gpu, samples, text)
    for dtype, compiled, tolerance in (("float32", "no", 0.02), ("float32", "yes", 0.02), ("float16", "yes", 0.1)):
        on_device = spes(on_gpu, shared, replace(options, dtype=dtype, compiled=compiled)).values.cpu()
        assert (on_device - expected).abs().sum(dim=-1).max() < tolerance  # rows sum to one


def test_a_removed_state_is_as_if_it_were_not_there(random_model):
    """Removal equals running the decoder on the encoder states that are left; zeroing does not."""
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    shared = shared_pass(random_model, samples, force_words(random_model, ["two", "words"], "en"))
    encoded, tokens = shared.taps[-1], torch.tensor([shared.text.decoder_input])
    removed = torch.zeros(1, encoded.shape[1], dtype=torch.bool)
    removed[0, 2:700] = True
    expected = decoder_hidden(random_model, tokens, encoded[:, ~removed[0]])
    with removed_from_cross_attention(random_model, removed):
        computed = decoder_hidden(random_model, tokens, encoded)
    torch.testing.assert_close(computed, expected, atol=1e-5, rtol=1e-4)
    zeroed = decoder_hidden(random_model, tokens, encoded * ~removed[..., None])
    assert (zeroed - expected).abs().max() > 1e-3


def test_cross_attention_is_as_before_after_an_exception(random_model):
    layer = random_model.decoder.blocks[0].cross_attn

    def fail():
        with removed_from_cross_attention(random_model, torch.zeros(1, 1500, dtype=torch.bool)):
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert layer.qkv_attention.__func__ is MultiHeadAttention.qkv_attention
    assert "qkv_attention" not in vars(layer)


def test_segments_cover_the_real_frames_and_are_numbered_without_gaps():
    mel = np.random.default_rng(0).random((80, 118)).astype(np.float32)
    partitions = segment(mel, 1.18)
    assert len(partitions) == 3
    for labels in partitions:
        assert labels.shape == mel.shape
        assert set(np.unique(labels)) == set(range(labels.max() + 1))


def test_the_number_of_segments_stops_growing_at_seven_and_a_half_seconds():
    mel = np.random.default_rng(0).random((80, 1000)).astype(np.float32)
    assert segment(mel, 10.0)[0].max() == segment(mel, 7.5)[0].max()


def test_scales_with_the_same_partition_are_named():
    a, b = torch.tensor([[0, 1]]), torch.tensor([[0, 0]])
    assert identical_scales((a, a.clone(), b)) == [[400, 500]]


def test_reliability_is_spearman_and_browns():
    """Rows that correlate by r = 0.6 give 2 * 0.6 / 1.6 = 0.75; equal rows 1; a constant row 0."""
    first = torch.tensor([[1.0, 0, 0, -1], [1, 2, 3, 4], [1, 1, 1, 1]])
    second = torch.tensor([[0.6, 0.8, -0.8, -0.6], [2, 4, 6, 8], [1, 2, 3, 4]])  # row 0: 1.2 / sqrt(2 * 2)
    by_token, overall = reliability(first, second)
    assert by_token == pytest.approx([0.75, 1.0, 0.0])
    mean = (0.6 + 1 + 0) / 3
    assert overall == pytest.approx(2 * mean / (1 + mean))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("max", [9.0, 9.0]),
        ("mean", [(2 + 2 * 2 + 5.5) / 4, (5.5 + 2 * 2.5 + 1) / 4]),  # means over bins: 2, 5.5, 2.5, 1
        ("max-mean", [(3 + 2 * 3 + 9) / 4, (9 + 2 * 5 + 1) / 4]),  # maxima over bins: 3, 9, 5, 1
    ],
)
def test_pooling_by_hand(how, expected):
    """Frame 0 holds mel frames -1 (which is 0 again), 0 and 1, frame 1 holds 1, 2 and 3; the outer ones count half."""
    values = torch.tensor([[[1.0, 2.0, 5.0, 1.0], [3.0, 9.0, 0.0, 1.0]]])
    assert pool_map(values, how)[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("mask", ["mean", "zero", "floor"])
def test_masking_hides_the_real_frames_only_and_with_the_value_that_was_asked_for(random_model, mask):
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    shared = shared_pass(random_model, samples, force_words(random_model, ["two", "words"], "en"))
    seen = []
    model_steps = spes_passes.encoder_steps
    try:
        spes_passes.encoder_steps = lambda _: [lambda x: seen.append(x) or x]
        masking = spes_passes._mel_masking(random_model, shared, SpesOptions(mask=mask))
        places = torch.zeros(1, *masking.partitions[0].shape, dtype=torch.bool)
        places[0, 5, 7] = True
        masking.encode(places)
    finally:
        spes_passes.encoder_steps = model_steps
    real = shared.taps[0][0, :, : 2 * shared.n_frames]
    expected = {"mean": real[5].mean(), "zero": torch.tensor(0.0), "floor": real.min()}[mask]
    assert seen[0][0, 5, 7] == pytest.approx(float(expected), abs=1e-6)
    changed = (seen[0] != shared.taps[0]).nonzero().tolist()
    assert changed == [[0, 5, 7]]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tiny_en, clip):
    texts = [word.text for word in clip.words]
    shared = shared_pass(tiny_en, read_audio(clip.audio), force_words(tiny_en, texts, "en"), context="fit")
    maps = [
        spes(tiny_en, shared, SpesOptions(at="encoder-output", masks="60", seed=seed)).values.numpy().tobytes()
        for seed in (0, 0, 1)
    ]
    assert maps[0] == maps[1] != maps[2]


def test_auto_draws_afresh_as_many_masks_as_the_pilot_needed(tiny_en, clip):
    texts = [word.text for word in clip.words]
    shared = shared_pass(tiny_en, read_audio(clip.audio), force_words(tiny_en, texts, "en"), context="fit")
    details = spes(tiny_en, shared, SpesOptions(at="encoder-output", reliability=0.5)).details
    assert details["pilot_reliability"] >= 0.5
    assert details["masks"] % FIRST_MASKS == 0
    assert len(details["token_reliability"]) == len(shared.text.tokens)
    assert details["mass_on_padding"] == 0
    assert details["reliability"] != details["pilot_reliability"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("spes:masks=few", "masks=few is neither auto nor a number from 6 up"),
        ("spes:masks=3", "masks=3 is neither"),
        ("spes:p=1.5", "p=1.5 is neither paper nor between 0 and 1"),
        ("spes:at=encoder-output,mask=floor", "mask=floor cannot hide at encoder-output: one of auto, zero, remove"),
        ("spes:mask=remove", "mask=remove cannot hide at mel"),
        ("spes:at=encoder-output,mask=remove,compiled=yes", "mask=remove, which replaces the attention"),
        ("spes:dtype=bfloat16", "dtype=bfloat16"),
        ("spes:reliability=1", "reliability=1.0 is not between 0 and 1"),
    ],
)
def test_options_that_mean_nothing_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        parse_spec(spec, SOURCE_OPTIONS, "source")
