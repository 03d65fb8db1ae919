"""Gradients against plain autograd, a derivative by hand and invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from whisper.model import MultiHeadAttention

from align_eval.errors import InputError
from align_eval.model.batches import MEMORY_BUDGET_BYTES
from align_eval.model.forward import shared_pass
from align_eval.model.text import force_words
from align_eval.relevance import gradient as module
from align_eval.relevance.gradient import gradient, tap_index
from align_eval.relevance.options import GradientOptions
from tests.helpers.maps import relevance_maps
from tests.helpers.models import noise_pass

PLACES = ["mel", "conv", "encoder.0", "encoder.1", "encoder.2", "encoder-output"]


@pytest.fixture
def small_pass(random_model):
    return noise_pass(random_model, ("two", "unbelievable", "words"))


def plain_gradient(model, shared, at, token):
    """Gradient of one token by the model's forward pass, with a hook at the tap."""
    leaf = shared.taps[tap_index(at, model.dims.n_audio_layer)].clone().requires_grad_()
    encoder = model.encoder
    if at == "mel":
        encoded = encoder(leaf)
    elif at == "encoder-output":
        encoded = leaf
    else:
        x = leaf
        if at == "conv":
            x = x + encoder.positional_embedding
        for block in encoder.blocks[int(at.removeprefix("encoder.")) if at != "conv" else 0 :]:
            x = block(x)
        encoded = encoder.ln_post(x)
    logits = model.decoder(torch.tensor([shared.text.decoder_input]), encoded)
    row = shared.text.n_prefix + token
    logits[0, row].log_softmax(-1)[shared.text.tokens[token]].backward()
    return leaf.grad[0]


@pytest.mark.parametrize("at", PLACES)
def test_each_token_has_the_gradient_that_plain_autograd_gives_it(random_model, small_pass, at):
    rows = gradient(random_model, small_pass, GradientOptions(at=at)).values[0]
    for token in range(len(small_pass.text.tokens)):
        grad = plain_gradient(random_model, small_pass, at, token)
        if at == "mel":  # (mel, frame): encoder frame j holds mel frame 2j and half of either neighbour
            norm = F.pad(grad.norm(dim=0), (1, 1))
            expected = torch.stack([norm[1 + 2 * j] + (norm[2 * j] + norm[2 + 2 * j]) / 2 for j in range(1500)])
        else:
            expected = grad.norm(dim=1)
        expected = expected[: small_pass.n_frames]
        torch.testing.assert_close(rows[token], expected / expected.sum(), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("reduce", "by_hand"),
    [
        ("l2", lambda g, _: g.pow(2).sum(1).sqrt()),
        ("l1", lambda g, _: g.abs().sum(1)),
        ("input", lambda g, x: (g * x).sum(1).abs()),
    ],
)
def test_reductions_over_features_are_what_they_are_called(random_model, small_pass, reduce, by_hand):
    rows = gradient(random_model, small_pass, GradientOptions(at="encoder.1", reduce=reduce)).values[0]
    expected = by_hand(plain_gradient(random_model, small_pass, "encoder.1", 0), small_pass.taps[3][0])
    expected = expected[: small_pass.n_frames]
    torch.testing.assert_close(rows[0], expected / expected.sum(), rtol=1e-3, atol=1e-7)


def test_gradient_equals_a_derivative_by_hand(random_model):
    """Without cross-attention in all but the values, the log-probability is linear in one known direction."""
    # Both decoder layers: uniform attention (queries zero) over values that read feature 0 and write it to feature 1.
    for block in random_model.decoder.blocks:
        for linear in (block.cross_attn.query, block.attn.out, block.mlp[2]):
            linear.weight.zero_()
            linear.bias.zero_()
    samples = np.random.default_rng(1).standard_normal(6400).astype(np.float32)
    shared = shared_pass(random_model, samples, force_words(random_model, ["word"], "en"))
    stack = gradient(random_model, shared, GradientOptions())
    rows = stack.values[0]
    # Uniform weights 1/1500 for every frame: each has the same gradient, whatever the values and the output do.
    torch.testing.assert_close(rows, torch.full_like(rows, 1 / shared.n_frames))
    # So the padding has its share of the frames.
    assert stack.details == {"mass_on_padding": pytest.approx(1 - shared.n_frames / 1500)}


@pytest.mark.parametrize("at", ["mel", "encoder.1", "encoder-output"])
def test_mass_on_padding_is_what_plain_autograd_puts_past_the_audio(random_model, small_pass, at):
    """The mel's norms are pooled first: the mel frame between the last frame of audio and the first of padding is half
    in either, and half of the window's very last is in none.
    """
    shares = []
    for token in range(len(small_pass.text.tokens)):
        grad = plain_gradient(random_model, small_pass, at, token)
        norm, n_real = grad.norm(dim=1), small_pass.n_frames
        if at == "mel":
            norm, n_real = grad.norm(dim=0), 2 * small_pass.n_frames
            norm[-1] /= 2
        edge = norm[n_real - 1] / 2 if at == "mel" else 0.0
        shares.append(float((norm[n_real:].sum() + edge) / norm.sum()))
    details = gradient(random_model, small_pass, GradientOptions(at=at)).details
    assert details == {"mass_on_padding": pytest.approx(sum(shares) / len(shares), rel=1e-4)}


@pytest.mark.slow
def test_chunk_size_changes_nothing_but_rounding(tiny_en, clip_pass, monkeypatch):
    maps = []
    for chunk in (1, 2, 5):
        monkeypatch.setattr(module, "chunk_tokens", lambda *_, chunk=chunk: chunk)
        maps.append(gradient(tiny_en, clip_pass, GradientOptions(at="encoder.3")).values)
    torch.testing.assert_close(maps[1], maps[0], rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(maps[2], maps[0], rtol=1e-4, atol=1e-9)


def test_chunks_shrink_with_the_model_and_are_never_empty(tiny_en, random_model):
    assert module.chunk_tokens(random_model, 10, 2) >= module.chunk_tokens(tiny_en, 10, 2) >= 1
    bytes_per_token = MEMORY_BUDGET_BYTES["cpu"] / module.chunk_tokens(tiny_en, 10, 2)
    assert bytes_per_token >= 4 * 6 * 1500 * 1500  # at least one set of attention weights


@pytest.mark.parametrize(
    ("at", "n_layer", "blocks"),
    [("encoder.3/4", 4, 3), ("encoder.3/4", 6, 5), ("encoder.3/4", 32, 24), ("encoder.0/4", 4, 0), ("encoder.4", 4, 4)],
)
def test_depth_is_a_number_or_a_share_of_blocks(at, n_layer, blocks):
    assert tap_index(at, n_layer) == 2 + blocks


@pytest.mark.parametrize("at", ["encoder.5", "encoder.99"])
def test_a_block_that_is_not_there_is_refused(at):
    with pytest.raises(InputError, match=at.replace(".", r"\.")):
        tap_index(at, 4)


def test_hooks_grad_mode_and_attention_switch_are_as_before_after_an_exception(random_model, small_pass):
    def broken(*_):
        raise RuntimeError("on purpose")

    handle = random_model.decoder.ln.register_forward_hook(broken)
    switch, hooks = MultiHeadAttention.use_sdpa, [len(b.cross_attn._forward_hooks) for b in random_model.decoder.blocks]
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="on purpose"):
            gradient(random_model, small_pass, GradientOptions())
        assert not torch.is_grad_enabled()
    with pytest.raises(RuntimeError, match="on purpose"):
        shared_pass(random_model, np.zeros(3200, np.float32), small_pass.text)
    assert MultiHeadAttention.use_sdpa is switch
    assert [len(b.cross_attn._forward_hooks) for b in random_model.decoder.blocks] == hooks
    assert torch.is_grad_enabled()
    handle.remove()


def test_parameters_gather_no_gradients(random_model, small_pass):
    random_model.requires_grad_(True)
    gradient(random_model, small_pass, GradientOptions(at="encoder.1"))
    assert all(p.grad is None for p in random_model.parameters())


def test_a_map_that_is_not_finite_is_refused_with_its_place(random_model, small_pass):
    random_model.decoder.ln.weight[0] = torch.nan
    with pytest.raises(InputError, match=r"gradient:at=encoder-output, token row 0: the map sums to nan"):
        relevance_maps(random_model, small_pass, ["gradient"])
