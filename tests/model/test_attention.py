"""Attention maps against the weights of the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from align_eval.errors import InputError
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.forward import pass_of_mel
from align_eval.model.text import ForcedText
from align_eval.relevance.attention import attention, largest_norms, nearest_to_peak
from align_eval.relevance.options import AttentionOptions
from align_eval.relevance.prepare import prepare
from align_eval.relevance.stack import mass_on_padding, text_rows
from tests.helpers.maps import relevance_maps, stacks_of
from tests.helpers.planted_logits import every_logit, planted

CLOSE = {"rtol": 1e-5, "atol": 0}
"""Rounding; neighbouring rows of a small random model differ by 1e-3 of their values."""


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


@pytest.mark.parametrize("options", [{}, {"softmax": "full"}, {"rows": "all"}, {"heads": "3.5+0.1"}])
def test_uniform_attention_has_the_share_of_padded_frames_on_the_padding(tiny_en, clip_pass, options):
    """Equal logits over 1500 frames give each 1/1500, of which 59 hold audio."""
    cross = torch.zeros(clip_pass.cross.shape)
    cross[:, :, : clip_pass.text.n_prefix, clip_pass.n_frames :] = 9.0  # rows that are not of the text
    cross[:, :, -1, clip_pass.n_frames :] = 9.0
    stack = attention(tiny_en, planted(clip_pass, cross), AttentionOptions(**options))
    assert stack.details["mass_on_padding"] == pytest.approx(1 - 59 / 1500)


def test_mass_on_padding_is_the_mean_over_chosen_heads_and_rows(tiny_en, clip_pass):
    """One of two heads attends to the audio only; the other has three times as much on one padding frame in one row."""
    cross = torch.full(clip_pass.cross.shape, -torch.inf)
    cross[..., 7] = 0.0
    cross[2, 3, clip_pass.text.n_prefix, 100] = torch.tensor(3.0).log()
    only_7 = planted(clip_pass, cross)
    of_rows = 0.75 / len(clip_pass.text.tokens)
    for heads, expected in (("2.3", of_rows), ("2.3+0.0", of_rows / 2), ("0.0", 0.0)):
        details = attention(tiny_en, only_7, AttentionOptions(heads=heads)).details
        assert details["mass_on_padding"] == pytest.approx(expected)


def test_what_the_full_softmax_leaves_to_the_audio_is_not_on_the_padding(tiny_en, clip_pass):
    """Weights over the window sum to one, so the missing mass of softmax=full is the mass on padding."""
    full, cropped = (attention(tiny_en, clip_pass, AttentionOptions(softmax=s)) for s in ("full", "cropped"))
    assert full.details == cropped.details
    assert full.details["mass_on_padding"] == pytest.approx(1 - float(full.values.sum(-1).mean()))


def test_every_row_counts_the_same_in_the_mass_on_padding():
    """Shares 0.25 and 0.5, though the second row has a hundred times the mass; no padding is no mass."""
    magnitudes = torch.tensor([[[3.0, 0.0, 1.0], [100.0, 100.0, 200.0]]])
    assert mass_on_padding(magnitudes, 2) == 0.375
    assert mass_on_padding(magnitudes, 3) == 0.0


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


def test_rows_beside_the_text_are_given_where_they_are_asked_for(tiny_en, clip_pass):
    """The weights of a row do not depend on other rows; the first row of `start` is the one before the text."""
    text, every, start, later = (
        attention(tiny_en, clip_pass, AttentionOptions(rows=rows)).values for rows in ("text", "all", "start", "later")
    )
    n_prefix = clip_pass.text.n_prefix
    assert torch.equal(every[:, n_prefix:-1], text)
    assert torch.equal(start[:, 1:], text)
    assert torch.equal(start[:, 0], every[:, n_prefix - 1])
    assert torch.equal(later, text[:, 1:])
    maps = relevance_maps(
        tiny_en, clip_pass, [f"attention:prep=mean,rows={r}" for r in ("text", "all", "start", "later")]
    )
    leads = [found.lead is not None for found in maps.values()]
    assert leads == [False, True, True, False]
    assert len(set(maps["attention:prep=mean,rows=later"].values[0].tolist())) == 1  # no row of its own: no opinion
    assert attention(tiny_en, clip_pass, AttentionOptions(rows="later")).details["mass_on_padding"] == pytest.approx(
        mass_on_padding(
            every_logit(clip_pass).softmax(-1)[[1, 2, 2, 3, 3, 3, 3, 3], [0, 0, 5, 0, 1, 2, 3, 4], n_prefix + 1 : -1],
            59,
        )
    )


@pytest.fixture
def prompt_of_one(random_model):
    """A pass whose decoder reads one token before the text: its row predicts the first token."""
    text = ForcedText(
        decoder_input=(50257, 1, 2, 50256), n_prefix=0, tokens=(1, 2, 50256), word_of_token=np.array([0, 1, -1])
    )
    mel = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(1))
    return pass_of_mel(random_model, mel, text, 40)


@pytest.mark.parametrize("rows", ["text", "all"])
def test_rows_of_a_prompt_of_one_token_begin_with_the_first_row(random_model, prompt_of_one, rows):
    """`all` has 4 rows for 3 tokens, as `start` with a longer prompt: the number of rows does not fix the first one.

    The scored rows are the decoder's rows 0 to 2 for every option, and no row precedes the text.
    """
    own = every_logit(prompt_of_one)[..., :40].softmax(-1).flatten(0, 1)[:, :3]
    stack = attention(random_model, prompt_of_one, AttentionOptions(heads="all", rows=rows))
    values = text_rows(stack.values, stack.first_row, prompt_of_one.text)
    torch.testing.assert_close(values, own, **CLOSE)
    (found,) = relevance_maps(random_model, prompt_of_one, [f"attention:heads=all,rows={rows},prep=mean"]).values()
    torch.testing.assert_close(torch.from_numpy(found.values.copy()), own.mean(dim=0), **CLOSE)
    assert found.lead is None
    source = f"attention:heads=all,rows={rows}"
    (mixed,) = stacks_of(random_model, prompt_of_one)(f"hybrid:a=({source}),b=({source}),alpha=0").values
    torch.testing.assert_close(mixed, own.mean(dim=0), **CLOSE)


def test_a_first_token_without_a_row_has_the_mean_of_the_later_rows(random_model, prompt_of_one):
    stack = attention(random_model, prompt_of_one, AttentionOptions(heads="all", rows="later"))
    own = every_logit(prompt_of_one)[..., :40].softmax(-1).flatten(0, 1)[:, 1:3]
    values = text_rows(stack.values, stack.first_row, prompt_of_one.text)
    torch.testing.assert_close(values[:, 1:], own, **CLOSE)
    torch.testing.assert_close(values[:, 0], own.mean(dim=(1, 2))[:, None].expand(-1, 40), **CLOSE)


def test_the_row_before_the_text_is_refused_where_there_is_none(random_model, prompt_of_one):
    with pytest.raises(InputError, match="attention:rows=start: the decoder reads no token before the one that predi"):
        attention(random_model, prompt_of_one, AttentionOptions(heads="all", rows="start"))


def test_the_median_filter_runs_over_the_logits_of_the_audio(tiny_en, clip_pass):
    """The median removes a single high frame from flat logits and keeps two of three."""
    cross = torch.zeros(clip_pass.cross.shape)
    cross[:, :, :, 10] = 5.0
    cross[:, :, :, 30:32] = 5.0
    weights = attention(tiny_en, planted(clip_pass, cross), AttentionOptions(median=3)).values
    assert torch.equal((weights > weights.min()).nonzero()[:, 2].unique(), torch.tensor([30, 31]))


def test_heads_with_the_largest_norms_are_the_sharp_ones():
    """A flat head over four frames has row norms of 0.5, a sharp one of 1."""
    flat, sharp = torch.full((3, 4), 0.25), torch.eye(4)[:3]
    weights = torch.stack([flat, sharp, flat, sharp])
    assert largest_norms(weights, 2).tolist() == [1, 3]


def test_the_nearest_heads_of_a_row_are_those_that_spread_least_about_their_peak():
    flat, sharp = torch.full((2, 5), 0.2), torch.eye(5)[:2]
    weights = torch.stack([flat, sharp, flat])
    weights[2, 1] = sharp[1]  # the third head is flat in one row only
    found = nearest_to_peak(weights, 1)
    assert found.shape == (1, 2)
    assert found[0, 0] == 1
    assert found[0, 1] in (1, 2)


def test_chosen_heads_are_named_and_no_more_than_there_are(tiny_en, clip_pass):
    stack = attention(tiny_en, clip_pass, AttentionOptions(heads="top3"))
    every = attention(tiny_en, clip_pass, AttentionOptions(heads="all"))
    index = [every.details["heads"].index(name) for name in stack.details["heads"]]
    assert torch.equal(stack.values, every.values[index])
    nearest = attention(tiny_en, clip_pass, AttentionOptions(heads="nearest2"))
    assert nearest.values.shape == (2, len(clip_pass.text.tokens), clip_pass.n_frames)
    with pytest.raises(InputError, match="attention:heads=top99: the model has 24 heads; use a smaller number"):
        attention(tiny_en, clip_pass, AttentionOptions(heads="top99"))


def test_preparations_by_hand():
    """Two maps of two rows and one frame: 3 and 4 have the norm 5, 0.6 and 0.8 the norm 1."""
    stack = torch.tensor([[[3.0], [4.0]], [[0.0], [2.0]]])
    assert prepare(stack, "norm").flatten().tolist() == pytest.approx([0.3, 0.9])
    assert prepare(stack, "mean").flatten().tolist() == pytest.approx([1.5, 3.0])
    assert prepare(stack, "mean-norm").flatten().tolist() == pytest.approx([1.5 / 11.25**0.5, 3 / 11.25**0.5])
    assert prepare(stack, "zscore").flatten().tolist() == pytest.approx([-1.0, 1.0])
