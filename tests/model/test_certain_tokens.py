"""Tokens of a probability near one, with the real weights of tiny.en, in float32 and in half precision.

The model's last norm is sharpened until the most certain token of a clip has the probability 1 - 1e-7: this multiplies
all logits by one number. The gradient of its log-probability is then about 1e-7, near the smallest number of float16.
The reference sums the other probabilities in float64, and runs the rest of the backward pass in float32.
"""

from __future__ import annotations

import copy

import pytest
import torch
from whisper.model import disable_sdpa

from align_eval.corpus.audio import read_audio
from align_eval.model.forward import decoder_hidden, shared_pass, token_log_prob
from align_eval.model.text import force_words
from align_eval.relevance.scaled_backward import power_of_two
from align_eval.relevance.source import FLAT_ROWS, parse_source
from align_eval.relevance.stack import stacks_of

DOUBT = 1e-7


@pytest.fixture(scope="module")
def certain(tiny_en, clip):
    """The sharpened model, its words and samples, and the number of the certain token."""
    samples = read_audio(clip.audio)
    text = force_words(tiny_en, [word.text for word in clip.words], "en")
    shared = shared_pass(tiny_en, samples, text, context="fit")
    token = int(shared.log_prob.argmax())
    hidden = _hidden(tiny_en, shared)
    low, high = 1.0, 16.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if _doubts(tiny_en, middle * hidden, text.tokens)[token] > DOUBT else (low, middle)
    model = copy.deepcopy(tiny_en)
    for name in ("weight", "bias"):
        getattr(model.decoder.ln, name).data *= high
    sharpened = shared_pass(model, samples, text, context="fit")
    assert float(_doubts(model, _hidden(model, sharpened), text.tokens)[token]) == pytest.approx(DOUBT, rel=0.05)
    return model, sharpened, samples, text, token


def _hidden(model, shared, encoded=None):
    decoder_input = torch.tensor([shared.text.decoder_input])
    encoded = shared.taps[-1] if encoded is None else encoded
    return decoder_hidden(model, decoder_input, encoded)[0, shared.text.n_prefix : -1]


def _doubts(model, hidden, tokens):
    """Probability of all other tokens, summed in float64."""
    logits = hidden.double() @ model.decoder.token_embedding.weight.double().T
    others = logits.softmax(dim=-1)
    others[torch.arange(len(tokens)), list(tokens)] = 0.0
    return others.sum(dim=-1)


def _reference_rows(model, shared):
    """L2 norms over features of d log p / d encoder output, ``(token, frame)``, rows summing to one."""
    leaf = shared.taps[-1].detach().clone().requires_grad_()
    vocabulary = model.decoder.token_embedding.weight.double()
    rows = []
    with torch.enable_grad(), disable_sdpa():
        hidden = _hidden(model, shared, leaf)
        probability = (hidden.detach().double() @ vocabulary.T).softmax(dim=-1)
        for row, token in enumerate(shared.text.tokens):
            pull = -probability[row]
            pull[token] = 0.0
            pull[token] = -pull.sum()  # 1 - p, as the sum of the others
            upstream = pull @ vocabulary
            upstream /= upstream.abs().max()
            (grad,) = torch.autograd.grad(hidden[row], leaf, upstream.float(), retain_graph=True)
            rows.append(torch.linalg.vector_norm(grad[0, : shared.n_frames], dim=-1))
    values = torch.stack(rows)
    return values / values.sum(dim=-1, keepdim=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("spec", ["gradient:at=encoder-output", "saliency"])
def test_the_row_of_a_certain_token_is_its_gradient(certain, dtype, spec):
    model, sharpened, samples, text, token = certain
    reference = _reference_rows(model, sharpened)
    shared = sharpened if dtype == "float32" else shared_pass(model, samples, text, context="fit", dtype=dtype)
    stack = stacks_of(model, shared)(parse_source(spec))
    assert FLAT_ROWS not in stack.details
    cosine = torch.nn.functional.cosine_similarity(stack.values[0].double(), reference.double(), dim=-1)
    assert cosine[token] > (1 - 1e-8 if dtype == "float32" else 0.999)
    assert cosine.min() > 0.999
    if dtype == "float32":
        torch.testing.assert_close(stack.values[0], reference, rtol=1e-4, atol=1e-7)


def test_the_log_probability_of_a_certain_token_is_the_sum_of_the_others(certain):
    """``log(1 - d) = -d`` within d squared; float32 has no number between 1 - 1.2e-7, 1 - 6e-8 and 1."""
    model, sharpened, _, text, token = certain
    doubt = float(_doubts(model, _hidden(model, sharpened), text.tokens)[token])
    assert float(sharpened.log_prob[token]) == pytest.approx(-doubt, rel=1e-4)
    hidden = _hidden(model, sharpened)
    (alone,) = token_log_prob(model, hidden[token : token + 1], torch.tensor([text.tokens[token]]))
    assert float(alone) == pytest.approx(-doubt, rel=1e-4)


@pytest.mark.parametrize("exponent", [-126, -30, 0, 5, 126])
def test_a_power_of_two_brings_each_row_near_ten(exponent):
    gradient = torch.tensor([[1.5, -0.25], [0.0, 0.0], [torch.inf, 1.0]]) * 2.0**exponent
    assert power_of_two(gradient).flatten().tolist() == [2.0 ** min(3 - exponent, 126), 1.0, 1.0]
