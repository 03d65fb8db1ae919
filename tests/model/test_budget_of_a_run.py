"""The budget of a default run with saved heads: it holds the figures of the run's answer, made from maps."""

from __future__ import annotations

import numpy as np
import pytest

from align_eval.findings.budget.cells import heads_inside, heads_outside
from align_eval.findings.budget.measure import measure_budget
from align_eval.findings.saved_run import read_saved_run
from align_eval.model.load import load_model, model_checksum, weights_checksum
from align_eval.systems import BEST_OF_MODELS, BEST_OF_WEIGHTS
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import write_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Six recordings are enough to choose amounts."""
    folder = tmp_path_factory.mktemp("kept")
    corpus = write_corpus(folder / "corpus", 6)
    assert align_eval("run", corpus, "--language", "en", "--keep", "heads", "--out", folder / "run").returncode == 0
    return read_saved_run(folder / "run")


def test_a_run_that_keeps_heads_keeps_all_of_them_beside_its_sources(kept):
    (items,) = kept.items.values()
    for item in items:
        assert len(item.maps.stacks["attention:heads=all"]) == 4 * 6
        assert "attention:heads=all" not in {row.source for row in kept.run.rows}
        chosen = "attention:heads=0.3+1.1+2.0+2.1+3.1+3.2"
        np.testing.assert_array_equal(
            heads_inside(item, "subword", kept.run.answer[0].heads.split("+")), item.maps.stacks[chosen]
        )
        assert len(heads_outside(item, "subword", kept.run.answer[0].heads.split("+"))) == 18


def test_the_budget_has_the_figures_of_the_answer(kept):
    """The same heads, amounts, path and choice: errors and worth are those of the words table."""
    (answer,), (stratum,) = kept.run.answer, measure_budget(kept).strata
    found = stratum.injection
    for role, arm in (("attention", "attention"), ("residual", "saliency"), ("control", "other heads")):
        step, of = answer.step(role), found.arms[arm]
        assert of.error.value == pytest.approx(step.error.value, abs=0.01)
        for mine, its in zip(of.amounts, step.amounts, strict=bool(step.amounts)):
            assert mine.amount == its.amount
            assert mine.error_ms == pytest.approx(its.error_ms, abs=0.01)
            assert mine.moved == pytest.approx(its.moved, abs=1e-9)
            assert mine.chosen == its.chosen
    for mine, its in (
        (found.worth, answer.worth_ms),
        (found.arms["other heads"].over_saliency, answer.beyond_control_ms),
    ):
        assert mine.value == pytest.approx(its.value, abs=0.01)
        assert (mine.ci_low is None) == (its.ci_low is None)


def test_a_model_is_known_by_the_checksum_that_its_run_records():
    for name in ("tiny.en", "base"):
        model = load_model(name)
        assert BEST_OF_MODELS[model_checksum(model)] == BEST_OF_WEIGHTS[weights_checksum(model)] == f"best-{name}"
