"""Attention maps against the model's own weights."""

from __future__ import annotations

import pytest
import torch

from align_eval.errors import InputError
from align_eval.model.load import alignment_heads
from align_eval.relevance import relevance_maps
from align_eval.relevance.attention import attention
from align_eval.relevance.options import AttentionOptions
from align_eval.relevance.prepare import prepare


def test_rows_are_those_that_predict_the_text_and_its_end(tiny_en, clip_pass):
    """'bobby ripped the ledger' takes 5 tokens and the end: 6 rows; the prefix and the EOT input are left out."""
    weights = attention(tiny_en, clip_pass, AttentionOptions()).values
    n_all = clip_pass.cross.shape[2]
    assert weights.shape == (8, len(clip_pass.text.tokens), clip_pass.n_frames)
    assert n_all == len(clip_pass.text.tokens) + clip_pass.text.n_prefix + 1


@pytest.mark.parametrize("softmax", ["cropped", "full"])
def test_weights_are_distributions_over_the_frames_that_were_asked_for(tiny_en, clip_pass, softmax):
    sums = attention(tiny_en, clip_pass, AttentionOptions(softmax=softmax)).values.sum(-1)
    if softmax == "cropped":
        torch.testing.assert_close(sums, torch.ones_like(sums))
    else:
        assert (sums < 1).all()  # the padding gets its share
        assert (sums > 0).all()


def test_heads_are_counted_from_zero_in_layers_and_heads(tiny_en, clip_pass):
    everything = attention(tiny_en, clip_pass, AttentionOptions(heads="all")).values
    assert everything.shape[0] == 4 * 6
    torch.testing.assert_close(
        attention(tiny_en, clip_pass, AttentionOptions(heads="layer.2")).values, everything[12:18]
    )
    torch.testing.assert_close(
        attention(tiny_en, clip_pass, AttentionOptions(heads="3.5+0.1")).values, everything[[3 * 6 + 5, 1]]
    )
    assert alignment_heads(tiny_en) == [(1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)]


@pytest.mark.parametrize("heads", ["layer.4", "4.0", "0.6"])
def test_a_head_that_is_not_there_is_refused(tiny_en, clip_pass, heads):
    with pytest.raises(InputError, match=r"layers are 0 to 3, heads 0 to 5"):
        relevance_maps(tiny_en, clip_pass, [f"attention:heads={heads}"])


def test_log_preparation_is_the_log_of_a_distribution(tiny_en, clip_pass):
    for source in ("attention:heads=all,prep=log", "attention:softmax=full,prep=log", "gradient:prep=log"):
        values = torch.from_numpy(relevance_maps(tiny_en, clip_pass, [source])[source].values.copy())
        sums = values.exp().sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums), rtol=1e-4, atol=1e-4)


def test_zscore_preparation_by_hand():
    """Two rows a and b standardise to +-1 per frame; a median over 7 equal signs leaves them."""
    stack = torch.tensor([[[0.2] * 9, [0.6] * 9]])
    torch.testing.assert_close(prepare(stack, "zscore-median"), torch.tensor([[-1.0] * 9, [1.0] * 9]))


def test_sources_that_differ_in_preparation_only_share_one_computation(tiny_en, clip_pass, monkeypatch):
    calls = []
    import align_eval.relevance.attention as module

    original = module.attention
    monkeypatch.setattr(module, "attention", lambda *args: calls.append(args[2]) or original(*args))
    maps = relevance_maps(tiny_en, clip_pass, ["attention", "attention:prep=log", "attention:heads=all"])
    assert len(calls) == 2
    assert list(maps) == ["attention", "attention:prep=log", "attention:heads=all"]
