"""A second architecture behind the same interface: transformers' Speech2Text, with random weights.

No real weights of it can be had from a package index, so that times mean nothing here; what is held is that attention,
gradients and alignments are those of the model itself.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from align_eval.alignment import align_map
from align_eval.errors import InputError
from align_eval.model.forward import pass_of_mel
from align_eval.relevance import relevance_maps
from tests.helpers.planted_logits import every_logit

pytestmark = pytest.mark.peers

WORDS = [[5, 6], [7], [8, 9, 10]]


@pytest.fixture(scope="module")
def module():
    from transformers import Speech2TextConfig, Speech2TextForConditionalGeneration

    torch.manual_seed(0)
    config = Speech2TextConfig(
        vocab_size=60, d_model=16, encoder_layers=3, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=4, encoder_ffn_dim=32, decoder_ffn_dim=32, conv_channels=32,
        input_feat_per_channel=20, max_source_positions=600, max_target_positions=50, init_std=0.3,
        attn_implementation="eager",
    )  # fmt: skip
    return Speech2TextForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def features():
    return torch.randn(1, 20, 161, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def model(module):
    from align_eval.model.speech2text import Speech2Text

    return Speech2Text(module)


@pytest.fixture(scope="module")
def shared(model, features):
    return pass_of_mel(model, features, model.force_tokens(WORDS), 41)  # 161 -> 81 -> 41 states


def theirs(module, features, shared, **kwargs):
    tokens = torch.tensor([shared.text.decoder_input])
    return module(input_features=features.transpose(1, 2), decoder_input_ids=tokens, use_cache=False, **kwargs)


def test_encoder_states_and_log_probabilities_are_the_models_own(module, features, shared):
    out = theirs(module, features, shared)
    assert torch.allclose(shared.taps[-1], out.encoder_last_hidden_state, atol=1e-5)
    log_prob = out.logits[0, :-1].log_softmax(dim=-1)
    own = log_prob[torch.arange(len(shared.text.tokens)), torch.tensor(shared.text.tokens)]
    assert torch.allclose(shared.log_prob, own, atol=1e-5)


def test_cross_attention_is_the_models_own(module, features, model, shared):
    weights = torch.stack(theirs(module, features, shared, output_attentions=True).cross_attentions)[:, 0]
    assert torch.allclose(every_logit(shared).softmax(dim=-1), weights, atol=1e-6)
    spec = "attention:heads=all,prep=mean"
    (found,) = relevance_maps(model, shared, [spec]).values()
    assert np.allclose(found.values, weights[:, :, :-1].flatten(0, 1).mean(dim=0).numpy(), atol=1e-6)


@pytest.mark.parametrize(("at", "tap"), [("encoder-output", -1), ("encoder.2", 4), ("conv", 1)])
def test_gradients_are_plain_autograds(model, shared, at, tap):
    """Token by token, through the rest of the encoder and the decoder."""
    from align_eval.relevance.gradient import gradient
    from align_eval.relevance.options import GradientOptions

    rows = []
    for i, token in enumerate(shared.text.tokens):
        leaf = shared.taps[tap].clone().requires_grad_()
        x = leaf
        for step in model.encoder_steps()[tap if tap > 0 else len(shared.taps) :]:
            x = step(x)
        hidden = model.decoder_hidden(torch.tensor([shared.text.decoder_input]), x)[0, i : i + 1]
        model.token_log_prob(hidden, torch.tensor([token])).sum().backward()
        norms = leaf.grad[0].norm(dim=-1)
        rows.append(norms / norms.sum())
    found = gradient(model, shared, GradientOptions(at=at)).values[0]
    assert torch.allclose(found, torch.stack(rows), atol=1e-5)


@pytest.mark.parametrize("source", ["attention:heads=all", "attention:heads=top3", "gradient", "gradient:at=mel"])
@pytest.mark.parametrize("align", ["dtw", "viterbi"])
def test_any_source_is_aligned_on_its_own_grid(model, shared, source, align):
    """States of 40 ms, the first one centred at 12.5 ms."""
    (found,) = relevance_maps(model, shared, [source]).values()
    assert (found.frame_s, found.start_s) == (0.04, pytest.approx(-0.0075))
    assert found.values.shape == (7, 41)
    words = align_map(found, np.ones(41), align).words
    assert len(words) == len(WORDS)
    assert all(0 <= start <= end <= 41 * 0.04 for start, end in words)


def test_heads_that_are_not_known_are_refused(model, shared):
    with pytest.raises(InputError, match="no alignment heads are known of Speech2Text; use heads=all"):
        relevance_maps(model, shared, ["attention"])


def test_attention_that_gives_no_weights_is_refused(module):
    from align_eval.model.speech2text import Speech2Text

    module.config._attn_implementation = "sdpa"
    try:
        with pytest.raises(InputError, match="its attention is sdpa, which gives no weights; load it with attn_impl"):
            Speech2Text(module)
    finally:
        module.config._attn_implementation = "eager"
