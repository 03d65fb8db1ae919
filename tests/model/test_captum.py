"""Captum's methods against derivatives by hand, loops, axioms and a click at a known sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation
from whisper.model import MultiHeadAttention

from align_eval.errors import InputError
from align_eval.model.forward import decoder_hidden, encoder_steps, shared_pass, token_log_prob
from align_eval.model.text import force_words
from align_eval.relevance import captum_gradients, captum_tap
from align_eval.relevance.captum_gradients import flagged, integrate
from align_eval.relevance.captum_perturbations import shapley_values, time_blocks
from align_eval.relevance.captum_tap import seeded, tap
from align_eval.units import SAMPLE_RATE
from tests.helpers.maps import canonical_source, relevance_maps, stacks_of
from tests.model import test_click

loudness_model = test_click.loudness_model

SOURCES = [
    "saliency",
    "input-x-gradient",
    "smoothgrad:n_samples=2",
    "integrated-gradients:steps=4",
    "gradient-shap:n_samples=2",
    "occlusion:at=encoder-output",
    "kernel-shap:at=encoder-output,n_samples=8",
]
SEEDED = ["smoothgrad:n_samples=3", "gradient-shap:n_samples=3", "kernel-shap:at=encoder-output,n_samples=6"]


def plain_log_probs(model, shared, step, tapped):
    """Log-probabilities from a whole tapped tensor, by the steps of the model only."""
    for run in encoder_steps(model)[step:]:
        tapped = run(tapped)
    tokens = torch.tensor([shared.text.decoder_input])
    first = shared.text.n_prefix
    with torch.no_grad():
        return token_log_prob(model, decoder_hidden(model, tokens, tapped)[0, first:-1], tokens[0, first + 1 :])


def rng_states():
    return torch.get_rng_state(), np.random.get_state()[1].copy(), np.random.get_state()[2]


def assert_same_rng(before):
    for was, now in zip(before, rng_states(), strict=True):
        assert np.array_equal(was, now)


@pytest.mark.parametrize("at", ["mel", "conv", "encoder.1", "encoder.2", "encoder-output"])
def test_the_function_gives_every_row_of_a_batch_what_the_shared_pass_gave_the_text(random_model, small_pass, at):
    """Also at the encoder's output, where the padding's keys and values are computed once for all."""
    tapped = tap(random_model, small_pass, at, "test")
    assert tapped.real.shape[tapped.time_axis] == small_pass.n_frames * (2 if at == "mel" else 1)
    log_probs = tapped.forward(tapped.real.repeat(2, 1, 1))
    torch.testing.assert_close(log_probs, small_pass.log_prob.expand(2, -1), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("at", ["mel", "encoder.1", "encoder-output"])
def test_one_token_a_row_is_that_tokens_column_of_all(random_model, small_pass, at):
    """Selecting the row before the vocabulary product gives the same log-probability as after it."""
    tapped = tap(random_model, small_pass, at, "test")
    inputs = torch.cat([tapped.real, tapped.baseline("zero"), tapped.baseline("mean")])
    every_token = tapped.forward(inputs)
    tokens = torch.tensor([2, 0, tapped.n_tokens - 1])
    torch.testing.assert_close(tapped.forward_of(inputs, tokens), every_token[[0, 1, 2], tokens])
    torch.testing.assert_close(tapped.forward_of(inputs, 1), every_token[:, 1])


@pytest.mark.parametrize("source", SOURCES[:5])
def test_gradients_take_one_row_of_the_vocabulary_for_each_input(random_model, small_pass, source, monkeypatch):
    """Count the hidden states in the vocabulary product for each decoder input."""
    sizes = []

    def counted(model, hidden, tokens):
        if hidden.requires_grad:  # changes in log-probability are of all tokens, and without a backward pass
            sizes.append(len(hidden))
        return token_log_prob(model, hidden, tokens)

    rows = []
    handle = random_model.decoder.ln.register_forward_hook(
        lambda _module, _inputs, hidden: rows.append(len(hidden)) if hidden.requires_grad else None
    )
    monkeypatch.setattr(captum_tap, "token_log_prob", counted)
    stacks_of(random_model, small_pass)(source)
    handle.remove()
    assert sizes == rows != []


def test_with_a_backward_pass_a_long_text_takes_no_smaller_batches(random_model, small_pass):
    """The vocabulary counts once per row, so only batches without a backward pass shrink with the text."""
    step = len(small_pass.taps) - 1
    short, long = (captum_tap._batch_sizes(random_model, step, n_tokens, 1500) for n_tokens in (10, 400))
    assert short[0] == long[0]
    assert short[1] > long[1] >= 1


# --- gradients ---


def test_integrated_gradients_of_a_linear_function_are_exact_in_one_step():
    """Of w.x, the integral is w (x - baseline), whatever the quadrature: its gradient is w all along the path."""
    generator = torch.Generator().manual_seed(0)
    weights, real, baseline = (torch.randn(n, 4, 6, generator=generator) for n in (3, 1, 1))

    def forward_of(x, token):
        return x.flatten(1) @ weights[token].flatten()

    for token in range(3):
        attributed, delta, n_steps = integrate(forward_of, real, baseline, token, 1.0, "1", batch=8)
        torch.testing.assert_close(attributed, weights[token] * (real - baseline))
        assert abs(delta) < 1e-5
        assert n_steps == 1


@pytest.mark.parametrize("at", ["mel", "encoder-output"])
def test_integrated_gradients_sum_to_the_change_in_log_probability_within_their_delta(random_model, small_pass, at):
    """Completeness, with delta by its definition: sum of the attributions minus the change."""
    tapped = tap(random_model, small_pass, at, "test")
    baseline = tapped.baseline("mean")
    change = tapped.log_prob_change(baseline)
    for token in range(tapped.n_tokens):
        attributed, delta, _ = integrate(tapped.forward_of, tapped.real, baseline, token, float(change[token]), "3", 8)
        assert float(attributed.sum()) == pytest.approx(float(change[token]) + delta, abs=1e-5)
    padding_kept = plain_log_probs(
        random_model, small_pass, 0 if at == "mel" else 5, whole_with(small_pass, at, baseline, small_pass.n_frames)
    )
    torch.testing.assert_close(small_pass.log_prob - padding_kept, change, rtol=1e-4, atol=3e-5)


def whole_with(shared, at, replacement, n_frames):
    """The tapped tensor of the window with its first frames replaced and the padding unchanged."""
    whole = shared.taps[{"mel": 0, "encoder.1": 3, "encoder-output": 5}[at]].clone()
    if at == "mel":
        whole[..., : 2 * n_frames] = replacement
    else:
        whole[:, :n_frames] = replacement
    return whole


@pytest.mark.parametrize(
    ("ours", "captums"),
    [
        ("gradient:at=encoder-output,reduce=l2", "saliency:at=encoder-output,reduce=l2"),
        ("gradient:at=encoder-output,reduce=l1", "saliency:at=encoder-output,reduce=l1"),
        ("gradient:at=encoder-output,reduce=input", "input-x-gradient:at=encoder-output"),
        ("gradient:at=encoder.4,reduce=l2", "saliency:at=encoder.4,reduce=l2"),
    ],
)
def test_captum_gives_the_gradients_of_real_weights_that_our_gradient_source_gives(stacks, ours, captums):
    """Two computations of one derivative: one batched backward pass, and captum's expanded inputs."""
    # rounding only: entries are 1/59 = 0.017 in the mean; sums over features that cancel lose some digits
    torch.testing.assert_close(stacks(captums).values, stacks(ours).values, rtol=5e-3, atol=2e-5)


@pytest.fixture(scope="module")
def stacks(tiny_en, clip_pass):
    return stacks_of(tiny_en, clip_pass)


def test_captum_gives_our_gradient_at_the_mel_too(random_model, small_pass):
    stack_of = stacks_of(random_model, small_pass)
    found, expected = stack_of("saliency:at=mel,reduce=l1").values, stack_of("gradient:at=mel,reduce=l1").values
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-7)


def test_smoothgrad_with_next_to_no_noise_is_saliency(random_model, small_pass):
    stack_of = stacks_of(random_model, small_pass)
    found, expected = stack_of("smoothgrad:stdev=1e-6,n_samples=2").values, stack_of("saliency").values
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_gradient_shap_without_noise_nears_integrated_gradients(random_model, small_pass):
    """Both integrate the gradient along one path, one at random points and one at chosen ones."""
    stack_of = stacks_of(random_model, small_pass)
    by_chance = stack_of("gradient-shap:stdevs=0,n_samples=32,reduce=l1")
    by_steps = stack_of("integrated-gradients:steps=4,reduce=l1")
    assert by_chance.details["log_prob_change"] == by_steps.details["log_prob_change"]
    assert float((by_chance.values - by_steps.values).abs().sum(dim=-1).max()) < 0.05


@pytest.mark.parametrize(("change", "fewest", "most"), [(1.0, 4, 64), (100.0, 2, 2)])
def test_auto_doubles_the_steps_until_the_delta_is_small_enough(change, fewest, most, monkeypatch):
    """A steep sigmoid needs many steps; with an allowed delta of 5, the first number is enough."""
    monkeypatch.setattr(captum_gradients, "FIRST_STEPS", 2)
    monkeypatch.setattr(captum_gradients, "MAX_STEPS", 64)
    _, delta, n_steps = integrate(steep, torch.ones(1, 1, 1), torch.zeros(1, 1, 1), 0, change, "auto", 8)
    assert abs(delta) <= captum_gradients.TOLERANCE * change
    assert fewest <= n_steps <= most
    if n_steps > captum_gradients.FIRST_STEPS:  # half as many would not do
        _, half_way, _ = integrate(steep, torch.ones(1, 1, 1), torch.zeros(1, 1, 1), 0, change, str(n_steps // 2), 8)
        assert abs(half_way) > captum_gradients.TOLERANCE * change


def steep(x, _token):
    return torch.sigmoid(40 * (x[:, 0, 0] - 0.37))


def test_tokens_are_flagged_where_auto_hits_its_cap(random_model, small_pass, monkeypatch):
    """With zero tolerance no token converges: all take the maximum number of steps and are flagged."""
    monkeypatch.setattr(captum_gradients, "FIRST_STEPS", 1)
    monkeypatch.setattr(captum_gradients, "MAX_STEPS", 3)
    monkeypatch.setattr(captum_gradients, "TOLERANCE", 0.0)
    details = stacks_of(random_model, small_pass)("integrated-gradients").details
    n_tokens = len(small_pass.text.tokens)
    assert details["n_steps"] == [3] * n_tokens
    assert details["flagged_tokens"] == list(range(n_tokens))
    assert len(details["convergence_delta"]) == len(details["log_prob_change"]) == n_tokens


def test_a_delta_is_flagged_above_a_twentieth_of_the_change_and_where_it_is_not_a_number():
    assert flagged([0.05, -0.051, float("nan"), 0.0], [-1.0, 1.0, 1.0, 0.0]) == [1, 2]


@pytest.mark.parametrize("at", ["mel", "encoder.1"])
@pytest.mark.parametrize("kind", ["mean", "zero", "floor"])
def test_baselines_are_what_they_are_called(random_model, small_pass, at, kind):
    tapped = tap(random_model, small_pass, at, "test")
    baseline = tapped.baseline(kind)
    assert baseline.shape == tapped.real.shape
    if kind == "mean":
        expected = tapped.real.mean(dim=2 if at == "mel" else 1, keepdim=True).expand_as(tapped.real)
    else:
        expected = torch.full_like(tapped.real, 0.0 if kind == "zero" else float(tapped.floor))
    assert torch.equal(baseline, expected)
    if at == "mel":
        assert tapped.floor == float(small_pass.taps[0][..., -1].min())  # the padding is silence


# --- blocks of time ---


@pytest.fixture
def sharp_model(random_model):
    """Random weights whose cross-attention matters: a block's drop is far above rounding."""
    for block in random_model.decoder.blocks:
        for linear in (block.cross_attn.query, block.cross_attn.key, block.cross_attn.value):
            linear.weight.mul_(60)
    return random_model


ROUNDING = 4e-6
"""Of a difference of two log-probabilities near -11, where float32 numbers are 1e-6 apart."""


@pytest.mark.parametrize("at", ["mel", "encoder.1", "encoder-output"])
def test_occlusion_equals_a_loop_over_blocks_by_hand(sharp_model, small_pass, at):
    """25 frames in blocks of 4: seven, the last of one frame; the padding keeps its values in all."""
    step = {"mel": 0, "encoder.1": 3, "encoder-output": 5}[at]
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    shared = shared_pass(sharp_model, samples, small_pass.text)
    found = stacks_of(sharp_model, shared)(f"occlusion:at={at},window_s=0.08")
    whole = shared.taps[step]
    clean = plain_log_probs(sharp_model, shared, step, whole)
    expected = torch.zeros(len(shared.text.tokens), 25)
    for first in range(0, 25, 4):
        last = min(first + 4, 25)
        hidden = whole.clone()
        if at == "mel":  # the mel frames on an edge are half in either block; the last has no neighbour
            mean = whole[..., :50].mean(dim=2)
            hidden[..., 2 * first : 2 * last] = mean[..., None]
            for edge in {2 * first - 1, 2 * last - 1} - {-1, 49}:
                hidden[..., edge] = (whole[..., edge] + mean) / 2
        else:
            hidden[:, first:last] = whole[:, :25].mean(dim=1, keepdim=True)
        drop = clean - plain_log_probs(sharp_model, shared, step, hidden)
        expected[:, first:last] = drop.abs()[:, None] / (last - first)
    assert found.details["n_blocks"] == 7
    totals = expected.sum(-1, keepdim=True)
    assert (totals > 20 * ROUNDING).all()
    rows = expected / totals
    assert ((found.values[0] - rows).abs() <= (1 + 7 * rows) * ROUNDING / totals).all()  # of a block, and of their sum


def test_without_any_block_the_input_is_the_baseline_and_with_all_it_is_itself(random_model, small_pass):
    tapped = tap(random_model, small_pass, "mel", "test")
    baseline = tapped.baseline("floor")
    gates = torch.tensor([[0.0] * 5, [1.0] * 5])
    log_probs = time_blocks(tapped, baseline, 5).forward(gates)
    assert torch.equal(log_probs, tapped.forward(torch.cat([baseline, tapped.real])))


def additive(gates):
    """Two outputs that are weighted sums of gates: their Shapley values are the weights."""
    return gates.float() @ ADDITIVE.T + 3.0


ADDITIVE = torch.tensor([[1.0, -2.0, 0.5, 0.0, 4.0], [0.25, 0.0, 0.0, -1.0, 2.0]])


def test_kernel_shap_recovers_the_weights_of_an_additive_function():
    values, n_sets = shapley_values(additive, 5, 2, n_samples=64, seed=0, batch=8)
    torch.testing.assert_close(values, ADDITIVE, rtol=1e-3, atol=1e-3)
    assert n_sets <= 2**5


def test_feature_ablation_of_gates_recovers_them_too():
    found = FeatureAblation(additive).attribute(torch.ones(1, 5), baselines=0.0, perturbations_per_eval=3)
    torch.testing.assert_close(found, ADDITIVE)


def test_kernel_shap_runs_each_set_of_blocks_once_for_all_tokens():
    seen = []

    def counting(gates):
        seen.extend(row.numpy().tobytes() for row in gates.bool())
        return additive(gates)

    _, n_sets = shapley_values(counting, 5, 2, n_samples=64, seed=0, batch=8)
    assert len(seen) == len(set(seen)) == n_sets


def test_a_blocks_value_is_spread_over_its_frames_and_none_is_lost(random_model, small_pass):
    tapped = tap(random_model, small_pass, "encoder.1", "test")
    blocks = time_blocks(tapped, tapped.baseline("mean"), 10)
    spread = blocks.spread(torch.tensor([[1.0, -2.0, 3.0]]))
    assert spread.tolist() == [[pytest.approx(v) for v in [0.1] * 10 + [0.2] * 10 + [0.6] * 5]]


def test_kernel_shap_of_a_single_block_is_refused(random_model, small_pass):
    with pytest.raises(InputError, match=r"kernel-shap:at=mel,window_s=9: the audio is a single block"):
        relevance_maps(random_model, small_pass, ["kernel-shap:window_s=9"])


# --- what holds for all ---


@pytest.mark.parametrize("source", SEEDED)
def test_seeds_reproduce_and_leave_the_global_generators_alone(random_model, small_pass, source):
    before = rng_states()
    first, again, other = (
        stacks_of(random_model, small_pass)(f"{source},seed={seed}").values.numpy().tobytes() for seed in (7, 7, 8)
    )
    assert_same_rng(before)
    assert first == again
    assert first != other


def test_generators_are_as_before_after_an_exception():
    before = rng_states()

    def draw_and_break():
        torch.rand(1), np.random.rand()
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), seeded(3):
        draw_and_break()
    assert_same_rng(before)


@pytest.mark.parametrize("source", SOURCES)
def test_hooks_grad_mode_and_attention_switch_are_as_before_after_an_exception(random_model, small_pass, source):
    calls = []

    def broken(*_):
        calls.append(1)
        if len(calls) > 2:  # in the midst of captum's work
            raise RuntimeError("on purpose")

    handle = random_model.decoder.ln.register_forward_hook(broken)
    switch, before = MultiHeadAttention.use_sdpa, rng_states()
    hooks = [len(module._forward_hooks) for module in random_model.modules()]
    calls.extend([1, 1] if source in SOURCES[:2] or source.startswith("occlusion") else [])
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="on purpose"):
            relevance_maps(random_model, small_pass, [source])
        assert not torch.is_grad_enabled()
    handle.remove()
    assert torch.is_grad_enabled()
    assert MultiHeadAttention.use_sdpa is switch
    assert [len(module._forward_hooks) for module in random_model.modules()] == [
        n - (module is random_model.decoder.ln) for n, module in zip(hooks, random_model.modules(), strict=True)
    ]
    assert_same_rng(before)


@pytest.mark.parametrize("source", SOURCES[:5])
def test_parameters_gather_no_gradients_and_grad_mode_does_not_matter(random_model, small_pass, source):
    random_model.requires_grad_(True)
    values = stacks_of(random_model, small_pass)(source).values
    with torch.no_grad():
        assert torch.equal(stacks_of(random_model, small_pass)(source).values, values)
    assert not values.requires_grad
    assert all(p.grad is None for p in random_model.parameters())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("integrated-gradients:at=conv,baseline=floor", "baseline=floor is the least log-mel value"),
        ("occlusion:at=encoder-output,baseline=floor", "baseline=floor is the least log-mel value"),
        ("integrated-gradients:steps=0", "steps=0 is neither auto nor a number"),
        ("saliency:at=output", "at=output is none of mel"),
        ("smoothgrad:stdev=0", "stdev=0 is not above 0"),
        ("gradient-shap:stdevs=-1", "stdevs=-1 is below 0"),
        ("gradient-shap:n_samples=0", "n_samples=0 is less than 1"),
        ("kernel-shap:n_samples=2", "n_samples=2 is less than 3"),
        ("kernel-shap:seed=-1", "seed=-1 is not from 0"),
        ("occlusion:window_s=0", "window_s=0 is not above 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        canonical_source(spec)


def test_a_block_that_is_not_there_is_refused_with_the_source_as_its_place(random_model, small_pass):
    with pytest.raises(InputError, match=r"source saliency:at=encoder\.9: the encoder has 2 blocks"):
        relevance_maps(random_model, small_pass, ["saliency:at=encoder.9"])


CLICK_SOURCES = [
    *(f"{name}:at={at},prep=log" for name in ("saliency", "input-x-gradient") for at in ("mel", "encoder-output")),
    "smoothgrad:n_samples=2,stdev=0.01,prep=log",
    *(f"integrated-gradients:at={at},steps=3,prep=log" for at in ("mel", "encoder-output")),
    "gradient-shap:n_samples=4,stdevs=0,prep=log",
    *(f"occlusion:at={at},window_s=0.02,prep=log" for at in ("mel", "encoder-output")),
    "kernel-shap:at=encoder-output,window_s=0.02,n_samples=128,prep=log",
]


@pytest.mark.parametrize("source", CLICK_SOURCES)
@pytest.mark.parametrize("at", [8155, 12345])
def test_every_source_peaks_within_half_a_frame_of_a_click(loudness_model, source, at):
    shared = shared_pass(loudness_model, test_click.click(at), force_words(loudness_model, ["click"], "en"))
    relevance = relevance_maps(loudness_model, shared, [source])[source]
    column = int(relevance.values[0].argmax())
    centre_s = relevance.start_s + (column + 0.5) * relevance.frame_s
    assert abs(centre_s - at / SAMPLE_RATE) <= relevance.frame_s / 2
