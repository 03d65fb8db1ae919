"""Hybrids: their end points, their middle, their specs, and that nothing is computed twice."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from align_eval.errors import InputError
from align_eval.relevance import attention as attention_module
from align_eval.relevance import gradient as gradient_module
from tests.helpers.maps import canonical_source, relevance_maps, stacks_of

A, B = "attention:heads=all", "gradient:at=encoder-output"


def mixed(alpha: float) -> str:
    return f"hybrid:a=({A}),b=({B}),alpha={alpha}"


@pytest.fixture(scope="module")
def stack_of(tiny_en, clip_pass):
    return stacks_of(tiny_en, clip_pass)


@pytest.mark.parametrize(("alpha", "source"), [(0, A), (1, B)])
def test_an_end_point_is_the_source_itself_averaged_over_its_maps(stack_of, alpha, source):
    mean = stack_of(source).values.mean(dim=0)
    (values,) = stack_of(mixed(alpha)).values
    assert torch.equal(values, mean / mean.sum(dim=-1, keepdim=True))


def test_the_middle_is_half_of_each_and_rows_sum_to_one(stack_of):
    half = stack_of(mixed(0.5)).values
    torch.testing.assert_close(half, (stack_of(mixed(0)).values + stack_of(mixed(1)).values) / 2)
    torch.testing.assert_close(half.sum(dim=-1), torch.ones_like(half[..., 0]))


def test_alpha_is_the_share_of_b(stack_of):
    a, b, quarter = (stack_of(mixed(alpha)).values for alpha in (0, 1, 0.25))
    torch.testing.assert_close(quarter, 0.75 * a + 0.25 * b)


@pytest.mark.parametrize(("alpha", "source"), [(0, A), (1, B)])
def test_an_end_point_prepares_to_the_same_map(tiny_en, clip_pass, alpha, source):
    specs = [f"{mixed(alpha)},prep=log", f"{source},prep=log"]
    maps = relevance_maps(tiny_en, clip_pass, specs)
    np.testing.assert_allclose(maps[specs[0]].values, maps[specs[1]].values, rtol=1e-5, atol=1e-5)


def test_of_a_source_that_gives_every_decoder_row_the_rows_of_the_text_are_taken(stack_of, clip_pass):
    every_row = stack_of(f"hybrid:a=(attention:heads=all,rows=all),b=({B}),alpha=0.5").values
    assert every_row.shape == (1, len(clip_pass.text.tokens), clip_pass.n_frames)
    torch.testing.assert_close(every_row, stack_of(mixed(0.5)).values)


def test_what_is_also_asked_for_alone_is_computed_once(tiny_en, clip_pass, monkeypatch):
    calls = []
    for module, name in ((attention_module, "attention"), (gradient_module, "gradient")):
        original = getattr(module, name)
        counted = lambda *arguments, original=original, name=name: calls.append(name) or original(*arguments)  # noqa: E731
        monkeypatch.setattr(module, name, counted)
    shuffled = f"control-shuffled:of=({B})"
    relevance_maps(tiny_en, clip_pass, [mixed(0.3), A, mixed(0.7), f"{B},prep=log", shuffled, f"{A},prep=log"])
    assert sorted(calls) == ["attention", "gradient"]


CANONICAL = {
    "hybrid": f"hybrid:a=({A}),b=({B}),alpha=0.5",
    "hybrid:alpha=0.50,b=(gradient:reduce=l2),a=(attention)": f"hybrid:a=(attention:heads=alignment),b=({B}),alpha=0.5",
    f"hybrid:prep=log,a=(hybrid:b=({A}),alpha=1.0)": (
        f"hybrid:a=(hybrid:a=({A}),b=({A}),alpha=1),b=({B}),alpha=0.5,prep=log"
    ),
    "control-shuffled:of=(gradient)": f"control-shuffled:of=({B}),seed=0",
    "control-random-weights:seed=7": "control-random-weights:of=(attention:heads=alignment),seed=7",
    "control-uniform:prep=log": "control-uniform",
    "control-diagonal:width_s=0.10": "control-diagonal",
    "value-zeroing": "value-zeroing:layer=all",
    "attention-norm": "attention-norm:heads=alignment",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_the_canonical_form_makes_nested_sources_canonical(text, canonical):
    assert canonical_source(text) == canonical
    assert canonical_source(canonical) == canonical
    assert canonical_source(canonical_source(text, full=True)) == canonical


def test_what_is_wrong_inside_is_said_of_the_source_inside_alone():
    """An InputError is a ValueError: that of the inner spec must not be taken for one of the outer spec's values."""
    with pytest.raises(InputError, match=r"^source 'oracle': unknown source"):
        canonical_source("hybrid:a=(oracle)")


REFUSALS = {
    "hybrid:a=(oracle)": "source 'oracle': unknown source 'oracle'; known: attention, gradient",
    "hybrid:b=(gradient:head=all)": "unknown key 'head=all'; keys of gradient: at, reduce, prep, unit, as key=value",
    "hybrid:a=(attention:heads=some)": "source 'attention:heads=some': heads=some is none of alignment",
    "hybrid:a=(hybrid:b=(nothing))": "source 'nothing': unknown source 'nothing'; known: attention, gradient",
    "hybrid:a=()": "source '': unknown source ''; known: attention, gradient",
    "hybrid:a=attention": "a=attention is no source in parentheses, as a=(attention:heads=all) is",
    "hybrid:a=(attention)(gradient)": "unknown source 'attention)(gradient'",
    "hybrid:a=(attention:prep=log)": "a=(attention:prep=log) has a prep inside: give it outside the parentheses",
    "hybrid:b=(gradient:at=mel,prep=zscore-median)": "has a prep inside: give it outside the parentheses",
    "hybrid:a=(control-shuffled:of=(gradient:prep=log))": "has a prep inside: give it outside the parentheses",
    "hybrid:alpha=1.5": "alpha=1.5 is not between 0 and 1",
    "hybrid:alpha=-0.1": "alpha=-0.1 is not between 0 and 1",
    "hybrid:alpha=nan": "key 'alpha': 'nan' is not finite",
    "control-shuffled:of=(oracle)": "unknown source 'oracle'; known: attention, gradient",
    "control-shuffled:seed=-1": "seed=-1 is below 0",
    "control-random-weights:of=(gradient:prep=log)": "has a prep inside",
    "control-random-weights:of=(gradient:unit=character)": "has a unit inside: give it outside the parentheses",
    "control-diagonal:width_s=0": "width_s=0 is not above 0",
}


@pytest.mark.parametrize(("text", "message"), REFUSALS.items())
def test_what_a_nested_source_cannot_be_is_refused_when_the_spec_is_read(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        canonical_source(text)
