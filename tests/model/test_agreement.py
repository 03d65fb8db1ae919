"""The torch-free twins in `findings.agreement` are held to what they are twins of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from align_eval.findings.agreement import agreement, noise_ceiling, split_half_reliability
from align_eval.relevance.spes import reliability


@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reliability_is_that_of_spes(noise, dtype):
    """Over halves that agree well and badly, rows of scales far apart, one of them constant."""
    generator = torch.Generator().manual_seed(0)
    truth, *noises = torch.rand(3, 12, 200, generator=generator, dtype=torch.float64)
    scales = torch.logspace(-6, 6, 12, dtype=torch.float64)[:, None]
    first, second = (((truth + noise * n) * scales).to(dtype) for n in noises)
    first[4] = 0.5
    _, expected = reliability(first, second)
    assert split_half_reliability(first.numpy(), second.numpy()) == pytest.approx(expected, abs=1e-9)
    assert noise_ceiling(first.numpy(), second.numpy()) == pytest.approx(np.sqrt(max(expected, 0)), abs=1e-9)


def test_halves_that_disagree_are_as_unreliable_as_spes_says():
    """r = -0.6 gives -1.2 / 0.4 = -3: the mean row is not held to -1, and the ceiling is 0."""
    first, second = torch.tensor([[1.0, 0, 0, -1]]), -torch.tensor([[0.6, 0.8, -0.8, -0.6]])
    assert reliability(first, second)[1] == pytest.approx(-3)
    assert split_half_reliability(first.numpy(), second.numpy()) == pytest.approx(-3)
    assert noise_ceiling(first.numpy(), second.numpy()) == 0


def test_the_papers_recipe_is_that_of_torch():
    """Pearson's of attention standardised per frame and saliency per token, as `scripts/reproduction.py` has it."""
    heads, saliency = torch.rand(2, 12, 200, generator=torch.Generator().manual_seed(1)).softmax(dim=-1)
    std, mean = torch.std_mean(heads, dim=0, keepdim=True, unbiased=False)
    std_s, mean_s = torch.std_mean(saliency, dim=1, keepdim=True, unbiased=False)
    pair = torch.stack([((heads - mean) / std).flatten(), ((saliency - mean_s) / std_s).flatten()])
    found = agreement(heads.numpy(), saliency.numpy(), np.arange(12), "paper", "pearson")
    assert found.utterance == pytest.approx(float(torch.corrcoef(pair)[0, 1]), abs=1e-5)
