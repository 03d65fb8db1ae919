"""Sentences of a budget that terminal and page share: a conclusion is drawn only where the interval allows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from align_eval.findings.budget.agreement_effect import HeadSets
from align_eval.findings.budget.records import Arm, Injection, Stratum
from align_eval.findings.budget.word_effect import WordEffect
from align_eval.reporting.budget_sentences import effect_sentence, injection_sentences
from align_eval.run_record import AmountRow, Figure

EFFECT = WordEffect(-200.0, -20.0, -310.0, -90.0, 0.001, 1000, 100, 30, 24, 0, 1.0)
NONE = Figure(0.0, None, None)


def arm(chosen: tuple[int, ...], *, moves_as_many: bool | None = None) -> Arm:
    amounts = tuple(AmountRow(i / 4, 30.0, 30.0, i / 10, n) for i, n in enumerate(chosen))
    return Arm(Figure(30.0, 25.0, 35.0), Figure(30.0, 25.0, 35.0), NONE, NONE, amounts, moves_as_many)


def stratum(injection: Injection | None, reason: str | None = None) -> Stratum:
    return Stratum(
        "manual", "subword", 10, 100, "speakers", 10, 9.0, {}, (), injection, reason, NONE, NONE, {}, {}, None
    )


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((-310.0, -90.0), "−20.0 [−31.0, −9.0] ms per 0.1 of ρ beyond the effect of another word's saliency."),
        ((-410.0, 10.0), "agreement is not shown to matter, −20.0 [−41.0, 1.0] ms per 0.1 of ρ beyond the effect of"),
        ((-400.0, 0.0), "agreement is not shown to matter"),
        ((None, None), "−20.0 ms per 0.1 of ρ; too few speakers or sets of heads to tell."),
    ],
    ids=["shown", "zero inside", "zero at the end", "no interval"],
)
def test_an_effect_whose_interval_holds_zero_is_not_concluded(ends, said):
    excess = replace(EFFECT, ci_low=ends[0], ci_high=ends[1])
    found = HeadSets("gradient", 24, 6, EFFECT, EFFECT, excess, (4.0, 3.0, 2.0, 1.0), 0)
    sentence = effect_sentence(found, stratum(None))
    assert sentence.startswith("Each word against itself under 24 sets of heads, manual reference, subword: ")
    assert said in sentence


def test_controls_that_cannot_win_and_ends_of_the_grid_are_said():
    arms = {
        "attention": arm((40,)),
        "saliency": arm((10, 19, 11)),
        "other heads": arm((40, 0, 0), moves_as_many=True),
        "row spreads": arm((40, 0, 0), moves_as_many=False),
    }
    of = Injection(("0.1",), arms, Figure(5.0, 2.0, 8.0), NONE, Figure(3.0, 1.0, 5.0), NONE, "stands", 0.01, 0.02, 2.5)
    lines = list(injection_sentences(stratum(of)))
    assert lines == [
        "worth of the saliency's residual: +5.0 [2.0, 8.0] ms, calibrated 0.0 ms",
        "cost of incompleteness, beyond the best control: +3.0 [1.0, 5.0] ms, calibrated 0.0 ms",
        "sign of the cost: stands; p = 0.020 (Holm); could be shown: 2.5 ms",
        "controls that move fewer boundaries than the saliency at every amount: row spreads",
        "the largest amount was chosen in 11 of 40 halves: more may be worth more",
    ]
    at_a_quarter = replace(of, arms={**arms, "saliency": arm((10, 20, 10)), "row spreads": arms["other heads"]})
    assert len(list(injection_sentences(stratum(at_a_quarter)))) == 3


def test_what_was_not_measured_is_said_with_its_reason():
    assert list(injection_sentences(stratum(None, "no heads"))) == ["cost of incompleteness: not measured, no heads"]
