"""The effect of agreement on a word's error, from planted heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from align_eval.findings.budget.agreement_effect import head_sets, permuted_words, word_errors_ms
from align_eval.findings.saved_run import Item, read_saved_run
from align_eval.systems import SALIENCY
from tests.helpers.planted_run import EXACT, SIX_SPEAKERS, write_planted


def test_no_token_keeps_its_words_saliency_and_a_word_shares_one_row():
    """Rows are their word's number: after the exchange no row may hold its own, and both tokens of a word agree."""
    words = np.array([0, 0, 1, 2, 2, 3])
    saliency = np.repeat(words[:, None].astype(np.float64), 4, axis=1)
    dealt = permuted_words(saliency, words, seed=0)
    assert (dealt != saliency).all()
    assert dealt[0].tolist() == dealt[1].tolist()
    assert dealt[3].tolist() == dealt[4].tolist()
    assert sorted(dealt[[0, 2, 3, 5], 0].tolist()) == [0, 1, 2, 3]


def test_a_words_error_is_of_its_interior_boundaries(tmp_path):
    """First start and last end do not count: 10 ms late throughout, with the outer ones a second off."""
    item: Item = read_saved_run(write_planted(tmp_path, signals=EXACT)).items["manual"][0]
    times = item.reference_s + 0.01
    times[0, 0] += 1
    times[-1, 1] += 1
    np.testing.assert_allclose(word_errors_ms(item, times), 10)
    one = Item(item.id, item.reference, 0, 0, item.reference_s[:1], item.path, item.checksum)
    assert np.isnan(word_errors_ms(one, times[:1])).all()


def test_sets_that_agree_with_the_saliency_time_words_better(tmp_path):
    """Of 24 heads half lie on the words and half a fifth of a second late; the saliency lies on the words: the more
    of the first a set has, the more it agrees and the smaller are its errors.
    """
    rng = np.random.default_rng(0)

    def heads(u, n):
        exact = EXACT[SALIENCY](u, n)
        late = np.roll(exact, 10, axis=-1)
        mixed = [exact] * 12 + [late] * 12
        return np.concatenate([m + 0.05 * rng.random(m.shape) for m in mixed]).astype(np.float32)

    signals = {**EXACT, "attention:heads=all": heads}
    items = read_saved_run(
        write_planted(
            tmp_path,
            (*SIX_SPEAKERS, *(replace(u, id=f"{u.id}2", speaker=f"{u.speaker}2") for u in SIX_SPEAKERS)),
            signals=signals,
            details={"attention:heads=all": {"heads": [f"{i // 6}.{i % 6}" for i in range(24)]}},
        )
    ).items["manual"]
    found = head_sets(items, "subword", SALIENCY, seed=0)
    assert (found.size, found.effect.n_sets) == (6, 24)
    assert found.effect.slope_ms < -50
    assert found.effect.ci_high < 0
    assert found.excess.slope_ms < 0
    assert found.quartile_ms[0] > found.quartile_ms[-1]
