"""Value norms and value zeroing, against plain loops and a plain hook."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from whisper.model import MultiHeadAttention

from align_eval.errors import InputError
from align_eval.model.forward import decoder_hidden, shared_pass
from align_eval.model.text import force_words
from align_eval.relevance import value_zeroing as module
from align_eval.relevance.attention import attention
from align_eval.relevance.attention_norm import attention_norm
from align_eval.relevance.options import AttentionNormOptions, AttentionOptions, ValueZeroingOptions
from align_eval.relevance.source import FLAT_ROWS
from align_eval.relevance.value_zeroing import chunk_frames, value_zeroing
from align_eval.units import SAMPLE_RATE
from tests.helpers.maps import canonical_source, relevance_maps
from tests.helpers.models import noise_pass
from tests.helpers.planted_logits import every_logit, planted
from tests.model import test_click as clicks

loudness_model = clicks.loudness_model


def pass_of(model, n_samples=8000):
    return noise_pass(model, ("two", "unbelievable", "words"), n_samples)


@pytest.fixture
def small_pass(random_model):
    return pass_of(random_model)


def test_attention_norm_is_a_loop_over_heads_rows_and_frames(random_model, small_pass):
    maps = attention_norm(random_model, small_pass, AttentionNormOptions(heads="all")).values
    rows, encoded, size = range(small_pass.text.n_prefix, small_pass.cross.shape[2] - 1), small_pass.taps[-1][0], 8
    expected, cross = torch.zeros_like(maps), every_logit(small_pass)
    for layer, block in enumerate(random_model.decoder.blocks):
        value, out = block.cross_attn.value, block.cross_attn.out
        for head in range(2):
            own = slice(head * size, (head + 1) * size)
            for i, row in enumerate(rows):
                weights = cross[layer, head, row, : small_pass.n_frames].softmax(-1)
                for j in range(small_pass.n_frames):
                    v = (value.weight @ encoded[j] + value.bias)[own]
                    expected[2 * layer + head, i, j] = weights[j] * (out.weight[:, own] @ v).norm()
    torch.testing.assert_close(maps, expected / expected.sum(-1, keepdim=True))


@pytest.mark.parametrize("softmax", ["cropped", "full"])
def test_value_vectors_of_one_norm_give_the_weights_back(random_model, small_pass, softmax):
    for block in random_model.decoder.blocks:
        block.cross_attn.value.weight.zero_()  # the bias alone is left: one vector for all frames
    maps = attention_norm(random_model, small_pass, AttentionNormOptions(heads="all", softmax=softmax)).values
    weights = attention(random_model, small_pass, AttentionOptions(heads="all", softmax=softmax)).values
    torch.testing.assert_close(maps, weights / weights.sum(-1, keepdim=True), rtol=1e-6, atol=0)


def test_the_bias_of_the_output_projection_belongs_to_no_frame(random_model, small_pass):
    before = attention_norm(random_model, small_pass, AttentionNormOptions(heads="all")).values
    for block in random_model.decoder.blocks:
        block.cross_attn.out.bias.add_(100.0)
    assert torch.equal(attention_norm(random_model, small_pass, AttentionNormOptions(heads="all")).values, before)


def test_heads_are_those_of_attention_in_the_same_order(tiny_en, clip_pass):
    everything = attention_norm(tiny_en, clip_pass, AttentionNormOptions(heads="all")).values
    chosen = attention_norm(tiny_en, clip_pass, AttentionNormOptions(heads="3.5+0.1")).values
    torch.testing.assert_close(chosen, everything[[3 * 6 + 5, 1]])
    assert attention_norm(tiny_en, clip_pass, AttentionNormOptions()).values.shape[0] == 8


def test_a_head_that_is_not_there_is_refused(random_model, small_pass):
    with pytest.raises(InputError, match=r"source attention-norm:heads=layer.2: .*; layers are 0 to 1, heads 0 to 1"):
        relevance_maps(random_model, small_pass, ["attention-norm:heads=layer.2"])


def test_a_head_that_lets_nothing_through_is_flat_and_its_rows_are_flagged(random_model, small_pass):
    random_model.decoder.blocks[1].cross_attn.out.weight[:, 8:] = 0.0
    stack = attention_norm(random_model, small_pass, AttentionNormOptions(heads="all"))
    assert (stack.values[3] == 1 / small_pass.n_frames).all()  # head 1.1
    assert (stack.values[:3] != 1 / small_pass.n_frames).any(dim=-1).all()
    assert stack.details == {FLAT_ROWS: list(range(len(small_pass.text.tokens)))}


def test_a_head_that_is_not_finite_is_refused_with_its_place(random_model, small_pass):
    random_model.decoder.blocks[1].cross_attn.out.weight[:, 8:] = torch.nan
    with pytest.raises(InputError, match=r"source attention-norm, head 1\.1, token row 0: the map sums to nan"):
        relevance_maps(random_model, small_pass, ["attention-norm:heads=all"])


def zeroed_by_hook(model, shared, layer, frame):
    """Block output at the rows of the text, with the value vector of one frame (or none) zeroed; ``(row, state)``."""
    block, outputs = model.decoder.blocks[layer], []

    def zero(_module, _inputs, values):
        values = values.clone()
        if frame is not None:
            values[:, frame] = 0.0
        return values

    hooks = [
        block.cross_attn.value.register_forward_hook(zero),
        block.register_forward_hook(lambda *arguments: outputs.append(arguments[-1][0])),
    ]
    decoder_hidden(model, torch.tensor([shared.text.decoder_input]), shared.taps[-1])
    for hook in hooks:
        hook.remove()
    return outputs[0][shared.text.n_prefix : -1].double()


def assert_equals_the_hook(model, shared, frames, rtol):
    """Compare rows over the zeroed frames, scaled to sum to one, since the map is relative within a row."""
    maps = value_zeroing(model, shared, ValueZeroingOptions()).values
    assert maps.shape == (model.dims.n_text_layer, len(shared.text.tokens), shared.n_frames)
    for layer, found in enumerate(maps[:, :, frames]):
        before = zeroed_by_hook(model, shared, layer, None)
        after = [zeroed_by_hook(model, shared, layer, frame) for frame in frames]
        expected = torch.stack([1 - F.cosine_similarity(each, before, dim=-1) for each in after], dim=-1)
        torch.testing.assert_close(
            found / found.sum(-1, keepdim=True),
            (expected / expected.sum(-1, keepdim=True)).float(),
            rtol=rtol,
            atol=1e-4,
        )


def test_value_zeroing_is_a_forward_pass_a_frame_with_its_value_zeroed(random_model):
    for block in random_model.decoder.blocks:  # attention that prefers frames and counts in the stream
        block.cross_attn.key.weight.mul_(300.0)
        block.cross_attn.out.weight.mul_(10.0)
    # the padding takes most of the weight here, so that a frame moves little: the hook's own rounding is what differs
    assert_equals_the_hook(random_model, pass_of(random_model, 3200), list(range(10)), rtol=1e-2)


def test_value_zeroing_is_that_where_a_frame_moves_much(tiny_en, clip_pass):
    assert_equals_the_hook(tiny_en, clip_pass, list(range(2, clip_pass.n_frames, 9)), rtol=1e-3)


def test_one_layer_is_its_map_of_all(random_model, small_pass):
    everything = value_zeroing(random_model, small_pass, ValueZeroingOptions()).values
    assert torch.equal(value_zeroing(random_model, small_pass, ValueZeroingOptions(layer="1")).values, everything[1:])


def test_a_frame_without_weight_moves_nothing(random_model, small_pass):
    cross = every_logit(small_pass)
    cross[..., 7] = -torch.inf
    changed = planted(small_pass, cross)
    for maps in (
        attention_norm(random_model, changed, AttentionNormOptions(heads="all")).values,
        value_zeroing(random_model, changed, ValueZeroingOptions()).values,
    ):
        torch.testing.assert_close(maps[..., 7], torch.zeros_like(maps[..., 7]), rtol=0, atol=1e-6)
        assert (maps[..., 8] > 1e-3).all()


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunk_size_changes_nothing_but_rounding(tiny_en, clip_pass, monkeypatch, chunk):
    at_once = value_zeroing(tiny_en, clip_pass, ValueZeroingOptions(layer="3")).values
    monkeypatch.setattr(module, "chunk_frames", lambda *_: chunk)
    in_parts = value_zeroing(tiny_en, clip_pass, ValueZeroingOptions(layer="3")).values
    torch.testing.assert_close(in_parts, at_once, rtol=1e-3, atol=1e-8)


def test_chunks_shrink_with_model_and_text_and_are_never_empty():
    assert chunk_frames(384, 20) > chunk_frames(1280, 20) > chunk_frames(1280, 448) >= 1
    assert chunk_frames(10**6, 448) == 1
    # two MLP layers, each four states wide, are the least that is held for a stream
    assert chunk_frames(384, 20) * 20 * 8 * 384 * 4 <= module.MEMORY_BUDGET_BYTES["cpu"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [("2", "value-zeroing:layer=2: the decoder has 2 layers; layers are 0 to 1"), ("x", "layer=x is neither all nor")],
)
def test_a_layer_that_is_not_there_is_refused(random_model, small_pass, layer, message):
    with pytest.raises(InputError, match=message):
        relevance_maps(random_model, small_pass, [f"value-zeroing:layer={layer}"])


def test_hooks_grad_mode_and_attention_switch_are_as_before_after_an_exception(random_model, small_pass):
    def broken(*_):
        raise RuntimeError("on purpose")

    handle = random_model.decoder.blocks[1].mlp.register_forward_hook(broken)
    switch = MultiHeadAttention.use_sdpa
    with pytest.raises(RuntimeError, match="on purpose"):
        value_zeroing(random_model, small_pass, ValueZeroingOptions())
    assert MultiHeadAttention.use_sdpa is switch
    assert not any(block.mlp_ln._forward_pre_hooks for block in random_model.decoder.blocks)
    assert torch.is_grad_enabled()
    handle.remove()


@pytest.mark.parametrize("source", ["attention-norm:heads=all", "value-zeroing", "control-energy"])
@pytest.mark.parametrize("at", clicks.CLICK_SAMPLES)
def test_every_source_peaks_within_half_a_frame_of_a_click(loudness_model, source, at):
    spec = canonical_source(f"{source}{',' if ':' in source else ':'}prep=log")
    shared = shared_pass(loudness_model, clicks.click(at), force_words(loudness_model, ["click"], "en"))
    relevance = relevance_maps(loudness_model, shared, [spec])[spec]
    column = int(relevance.values[0].argmax())
    centre_s = relevance.start_s + (column + 0.5) * relevance.frame_s
    assert abs(centre_s - at / SAMPLE_RATE) <= relevance.frame_s / 2
