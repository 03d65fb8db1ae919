"""The noise ceiling from the reliability of SPES, and the numpy correlations against those of torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from align_eval.findings.agreement.ceilings import noise_ceiling
from align_eval.findings.agreement.correlation import agreement
from align_eval.relevance.spes import reliability


def ceiling(first: np.ndarray, second: np.ndarray) -> float:
    return noise_ceiling(reliability(torch.tensor(first), torch.tensor(second))[1])


def test_the_ceiling_is_the_root_of_spearman_and_browns_reliability():
    """Rows that correlate by 0.6, 1 and, being constant, 0: r is their mean 8/15, reliability 2r / (1 + r) = 16/23."""
    first = np.array([[1.0, 0, 0, -1], [1, 2, 3, 4], [1, 1, 1, 1]])
    second = np.array([[0.6, 0.8, -0.8, -0.6], [2, 4, 6, 8], [1, 2, 3, 4]])  # row 0: 1.2 / sqrt(2 * 2)
    assert reliability(torch.tensor(first), torch.tensor(second))[1] == pytest.approx(16 / 23)
    assert ceiling(first, second) == pytest.approx(np.sqrt(16 / 23))


def test_equal_halves_set_no_ceiling_and_halves_that_disagree_leave_nothing():
    """r = -0.6 gives -1.2 / 0.4 = -3: the mean row is not held to -1."""
    equal = np.random.default_rng(0).dirichlet(np.ones(40), size=6)
    assert ceiling(equal, equal) == pytest.approx(1)
    first, second = np.array([[1.0, 0, 0, -1]]), -np.array([[0.6, 0.8, -0.8, -0.6]])
    assert reliability(torch.tensor(first), torch.tensor(second))[1] == pytest.approx(-3)
    assert ceiling(first, second) == 0
    rising = np.arange(1.0, 5)[None]
    falling = rising[:, ::-1].copy()
    assert reliability(torch.tensor(rising), torch.tensor(falling))[1] < -1e9  # 2r / (1 + r) as r comes to -1
    assert ceiling(rising, falling) == 0


def test_the_ceiling_is_the_correlation_of_the_truth_with_a_noisy_map():
    """Two halves see the truth with independent noise; the truth correlates with their mean by the ceiling."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 400))
    first, second = (truth + 2 * rng.normal(size=truth.shape) for _ in range(2))
    reached = agreement(truth, (first + second) / 2, np.arange(40), "rows", "pearson").utterance
    assert reached == pytest.approx(ceiling(first, second), abs=0.02)
    assert reached == pytest.approx(np.sqrt(1 / 3), abs=0.02)  # variances: the truth's 1, the mean noise's 4 / 2


@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_reliability_is_that_of_numpys_correlations(noise, dtype):
    """Over halves that agree well and badly, rows of scales far apart, one of them constant."""
    generator = torch.Generator().manual_seed(0)
    truth, *noises = torch.rand(3, 12, 200, generator=generator, dtype=torch.float64)
    scales = torch.logspace(-6, 6, 12, dtype=torch.float64)[:, None]
    first, second = (((truth + noise * n) * scales).to(dtype) for n in noises)
    first[4] = 0.5
    of_rows = [np.corrcoef(a, b)[0, 1] for i, (a, b) in enumerate(zip(first, second, strict=True)) if i != 4]
    r = sum(of_rows) / 12  # the constant row counts as 0
    assert reliability(first, second)[1] == pytest.approx(2 * r / (1 + r), abs=1e-9)


def test_the_papers_recipe_is_that_of_torch():
    """Pearson's of attention standardised per frame and saliency per token, as `scripts/reproduction.py` has it."""
    heads, saliency = torch.rand(2, 12, 200, generator=torch.Generator().manual_seed(1)).softmax(dim=-1)
    std, mean = torch.std_mean(heads, dim=0, keepdim=True, unbiased=False)
    std_s, mean_s = torch.std_mean(saliency, dim=1, keepdim=True, unbiased=False)
    pair = torch.stack([((heads - mean) / std).flatten(), ((saliency - mean_s) / std_s).flatten()])
    found = agreement(heads.numpy(), saliency.numpy(), np.arange(12), "paper", "pearson")
    assert found.utterance == pytest.approx(float(torch.corrcoef(pair)[0, 1]), abs=1e-5)
