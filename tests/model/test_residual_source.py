"""The source that adds a residual to attention: by the arithmetic on arrays, and its edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from align_eval.errors import InputError
from align_eval.pipeline import relevance_map
from align_eval.relevance.injection import injected, normalised, scaled_residual
from align_eval.relevance.source import parse_source
from align_eval.relevance.stack import stacks_of

SALIENCY, ATTENTION = "gradient:at=encoder-output", "attention:heads=0.0+1.1"


@pytest.fixture
def map_of(random_model, small_pass):
    """From a spec to the prepared map, float64."""
    stack_of = stacks_of(random_model, small_pass)

    def prepared(spec):
        source = parse_source(spec)
        return relevance_map(source, stack_of(source), small_pass.text).values.astype(np.float64)

    return prepared


def residual(amount, of=SALIENCY, to=ATTENTION):
    return f"residual:of=({of}),to=({to}),amount={amount}"


@pytest.mark.parametrize("amount", [0.015625, 0.5, 1])
def test_the_map_is_log_attention_plus_the_scaled_residual(map_of, amount):
    log_attention, log_saliency = map_of(f"{ATTENTION},prep=log"), map_of(f"{SALIENCY},prep=log")
    expected = normalised(injected(log_attention, scaled_residual(log_attention, log_saliency), amount))
    np.testing.assert_allclose(map_of(residual(amount)), expected, atol=2e-5)  # the map passes through float32
    assert np.abs(expected - log_attention).max() > 1e-3 * amount


def test_amount_0_is_attention(map_of):
    np.testing.assert_allclose(map_of(residual(0)), map_of(f"{ATTENTION},prep=log"), atol=1e-6)


def test_attention_lacks_nothing_of_itself(map_of):
    """The same heads, and thus the same line: what float32 leaves over is no residual, at any amount."""
    np.testing.assert_allclose(map_of(residual(1, of=ATTENTION)), map_of(f"{ATTENTION},prep=log"), atol=1e-5)


def test_amounts_share_the_two_maps(random_model, small_pass, monkeypatch):
    made = []
    module = "align_eval.relevance.gradient"
    gradient = __import__(module, fromlist=["gradient"]).gradient
    monkeypatch.setattr(f"{module}.gradient", lambda *args: made.append(1) or gradient(*args))
    stack_of = stacks_of(random_model, small_pass)
    for amount in (0.25, 0.5, 1):
        stack_of(parse_source(residual(amount)))
    assert len(made) == 1


def test_heads_outside_a_set_are_all_others(random_model, small_pass):
    stack_of = stacks_of(random_model, small_pass)
    every = stack_of(parse_source("attention:heads=all"))
    rest = stack_of(parse_source("attention:heads=all-0.1-1.0"))
    names = every.details["heads"]
    assert rest.details["heads"] == [name for name in names if name not in ("0.1", "1.0")]
    kept = [i for i, name in enumerate(names) if name not in ("0.1", "1.0")]
    torch.testing.assert_close(rest.values, every.values[kept])
    with pytest.raises(InputError, match="leaves no head; leave out fewer"):
        stack_of(parse_source("attention:heads=" + "-".join(("all", *names))))
    with pytest.raises(InputError, match="names a head twice"):
        parse_source("attention:heads=all-0.1-0.1")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("residual:amount=-0.5", "amount=-0.5 is not between 0 and 16"),
        ("residual:of=gradient", "of=gradient is no source in parentheses"),
        ("residual:to=(attention:heads=all,prep=log)", "has a prep inside"),
    ],
)
def test_options_that_mean_nothing_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        parse_source(spec)
