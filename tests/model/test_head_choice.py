"""Agreement of heads with a saliency, by which heads are chosen: that of `align-eval agree`."""

import numpy as np
import pytest
import torch

from align_eval.engine.head_choice import row_correlations
from align_eval.findings.agreement.correlation import agreement


def distributions(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.dirichlet(np.full(shape[-1], 0.3), shape[:-1])


def of_rows(head: np.ndarray, saliency: np.ndarray):
    return agreement(head, saliency, np.arange(len(saliency)), "rows", "pearson")


@pytest.mark.parametrize(("n_heads", "n_rows", "n_frames"), [(1, 1, 2), (3, 5, 40), (24, 12, 150)])
def test_it_is_the_agreement_over_rows(n_heads, n_rows, n_frames):
    rng = np.random.default_rng(n_rows)
    maps, saliency = distributions(rng, n_heads, n_rows, n_frames), distributions(rng, n_rows, n_frames)
    maps[0] = 0.7 * saliency + 0.3 * maps[0]  # one head agrees, the others do not
    found = row_correlations(torch.from_numpy(maps), torch.from_numpy(saliency))
    assert found.tolist() == pytest.approx([of_rows(head, saliency).utterance for head in maps], abs=1e-12)
    assert int(found.argmax()) == 0


def test_a_constant_row_counts_as_zero_of_a_head_or_of_the_saliency():
    rng = np.random.default_rng(0)
    maps, saliency = distributions(rng, 2, 4, 30), distributions(rng, 4, 30)
    maps[0, 1], saliency[3] = 1 / 32, 1 / 32  # 1/32: exact, so that the mean is the row
    found = row_correlations(torch.from_numpy(maps), torch.from_numpy(saliency))
    expected = [np.nan_to_num(of_rows(head, saliency).tokens).mean() for head in maps]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)
    assert np.isnan(of_rows(maps[0], saliency).tokens).tolist() == [False, True, False, True]
