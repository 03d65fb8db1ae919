"""The positive control: a loss of known size, on planted maps and on real speech, which the budget must find.

On l2-english with tiny.en (54 recordings, errors of 35.2 ms calibrated), 16 speakers of 10 recordings each, which is as
much speech as in the TIMIT of NLTK: losses of 2, 5 and 10 ms are found in 72, 100 and 100 % of 40 corpora, beyond every
control in 40, 100 and 100 %, and 110, 103 and 90 % of them are restored. With the 54 recordings as they are, 12
boundaries each, 5 ms are found in 80 %, beyond every control in 40 %; with 16 of them in 10 %.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from align_eval.findings.budget.controls import ATTENTION
from align_eval.findings.budget.positive_control import blurred, detection, noisy
from align_eval.findings.saved_run import read_saved_run, with_interior
from align_eval.relevance.injection import normalised, residual
from align_eval.systems import chosen_heads
from tests.helpers.command_line import align_eval
from tests.helpers.planted_run import CHOSEN
from tests.helpers.simulated_maps import items

HEADS = CHOSEN.split("+")
L2_ENGLISH = Path(__file__).parents[3] / "shared/corpora/l2-english"

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.mark.parametrize("reliability", [0.5, 0.8, 0.95])
def test_noise_leaves_the_residual_the_reliability_asked_for(reliability):
    """Two noisy measurements of the same residual correlate by it, row by row."""
    rng = np.random.default_rng(0)
    attention, saliency = (normalised(rng.normal(0, 2, (4, 5000))) for _ in range(2))
    first, second = (residual(attention, noisy(saliency, attention, reliability, rng)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.corrcoef(one, other)[0, 1] == pytest.approx(reliability, abs=0.03)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Sixteen planted speakers, whose saliency is not used."""
    return items(tmp_path_factory.mktemp("planted"), 0, timing=False)[:16]


@pytest.mark.slow
def test_a_planted_loss_is_found_and_restored(speech):
    """Found in at least 80 % of corpora, at least half of it restored; a loss of nothing is not found."""
    lost = blurred(speech, "subword", HEADS, 5.0, seed=0)
    assert lost.lost_ms == pytest.approx(5, abs=0.5)
    found = detection(lost, 16, 20, seed=0, n_joined=10)
    assert found.found >= 0.8
    assert found.restored >= 0.5
    nothing = lost.injected | {"saliency": lost.injected["rolled"]}  # a saliency at the wrong times
    wrong = detection(type(lost)(lost.sd_frames, lost.lost_ms, nothing), 16, 20, seed=0, n_joined=10)
    assert wrong.found <= 0.2
    assert wrong.restored < 0.2
    assert set(lost.injected) >= {ATTENTION, "saliency", "other heads", "smoothed, 4 frames"}


@pytest.mark.slow
def test_a_loss_that_no_kernel_reaches_is_refused(speech):
    with pytest.raises(ValueError, match=r"a kernel of 40 frames loses \d+\.\d ms, not 100000"):
        blurred(speech[:3], "subword", HEADS, 100000.0, seed=0)


@pytest.mark.validate
@pytest.mark.skipif(not L2_ENGLISH.is_dir(), reason="l2-english is not part of the repository")
def test_five_milliseconds_are_found_on_real_speech(tmp_path):
    """1,000 corpora of 16 speakers, each of ten recordings of l2-english."""
    run = tmp_path / "run"
    assert align_eval("run", L2_ENGLISH, "--language", "en", "--keep", "heads", "--out", run).returncode == 0
    kept = read_saved_run(run)
    heads = chosen_heads(kept.run.signature["model_checksum"])
    (of_kind,) = kept.items.values()
    found = {
        lost_ms: detection(blurred(with_interior(of_kind), "subword", heads, lost_ms, 0), 16, 1000, 0, n_joined=10)
        for lost_ms in (2.0, 5.0, 10.0)
    }
    assert found[5.0].found >= 0.8
    assert found[10.0].found >= found[5.0].found >= found[2.0].found
    assert min(of.restored for of in found.values()) >= 0.5
