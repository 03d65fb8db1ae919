"""The answer in words: each ending from a record of known figures, on terminals of 80 and of 100 columns."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from align_eval.reporting.answer_sentences import footnotes, question, sentence, step_lines
from align_eval.reporting.terminal.answer import answer_lines, print_answer, print_details
from align_eval.run_record import AmountRow, Answer, Figure, Run, ScoreRow, Step
from tests.helpers.planted_words import SIGNATURE


def figure(value: float, half: float | None = 1.0) -> Figure:
    return Figure(value, None, None) if half is None else Figure(value, value - half, value + half)


SHOWN = Answer(
    reference="manual",
    saliency="gradient:at=encoder-output,prep=log",
    heads="0.3+1.1",
    heads_from="other speech",
    verdict="shown",
    n_words=1000,
    n_boundaries=1800,
    clusters="speakers",
    n_clusters=20,
    n_effective_clusters=17.5,
    steps=(
        Step("whisper", "whisper", figure(120.0), figure(60.0)),
        Step("attention", "attention", figure(40.0), figure(30.0), figure(-80.0, 5), figure(-30.0)),
        Step("attention+gradient", "residual", figure(36.0), figure(27.0), figure(-4.0), figure(-3.0)),
        Step("attention+other heads", "control", figure(39.5), figure(29.8), figure(-0.5), figure(-0.2)),
        Step("gradient", "saliency", figure(50.0), figure(45.0), figure(10.0, 2), figure(15.0)),
    ),
    reading_ms=figure(80.0, 5),
    shift_ms=50.0,
    worth_ms=figure(4.0),
    calibrated_worth_ms=figure(3.0),
    beyond_control_ms=figure(3.5),
    at_most_ms=5.5,
    floor_ms=None,
)
READING = "How Whisper reads attention costs 80.0 [75.0, 85.0] ms, of which 50.0 are a constant shift."
NO_FIGURES = {"worth_ms": None, "calibrated_worth_ms": None, "beyond_control_ms": None, "at_most_ms": None}


def run_of(*answers: Answer, **values) -> Run:
    signature = {**SIGNATURE, "model": "tiny.en", "corpus": "mine", "text": "words"}
    return Run(2, signature, (), answer=answers or None, **values)


def test_the_gain_is_a_share_of_the_error_of_attention():
    """4 of 40 ms are a tenth."""
    assert sentence(SHOWN) == f"{READING} What the gradient shows and attention lacks is worth 4.0 [3.0, 5.0] ms, " + (
        "10% of attention's error."
    )


def test_a_gain_that_is_not_shown_has_its_upper_limit():
    answer = replace(SHOWN, verdict="not shown", worth_ms=figure(0.3))
    assert sentence(answer).removeprefix(READING) == (
        " What the gradient shows and attention lacks is not shown to be worth anything: +0.3 [−0.7, 1.3] ms (at most "
        "5.5 ms, at any amount of it)."
    )


def test_amount_0_that_every_half_chooses_has_no_interval_of_no_width():
    answer = replace(SHOWN, verdict="not shown", worth_ms=figure(0.0, None))
    assert sentence(answer).removeprefix(READING) == (
        " What the gradient shows and attention lacks is worth nothing here: on other speakers, no amount of it lowers "
        "the error (at most 5.5 ms, at any amount of it)."
    )


def with_control(difference: Figure, beyond: Figure) -> Answer:
    steps = (replace(step, difference=difference) if step.role == "control" else step for step in SHOWN.steps)
    return replace(SHOWN, verdict="control", steps=tuple(steps), beyond_control_ms=beyond)


@pytest.mark.parametrize(
    ("difference", "beyond"),
    [
        (figure(-4.5), figure(-0.5)),  # it gains more
        (figure(-3.5, 3), figure(0.5)),  # its own gain is shown
    ],
)
def test_a_control_that_does_as_much_is_named(difference, beyond):
    gain = -difference.value
    assert sentence(with_control(difference, beyond)).removeprefix(READING) == (
        " What the gradient shows and attention lacks is worth 4.0 [3.0, 5.0] ms, 10% of attention's error, but its "
        f"other heads give +{gain:.1f} ms: a matter of how attention is read, not of what it lacks."
    )


def test_a_control_whose_gain_is_not_shown_explains_nothing():
    """The residual is not shown to exceed it, and no more can be said: it may be nothing, or a loss."""
    for difference, gain in ((figure(0.0), "0.0"), (figure(0.3), "−0.3")):
        assert sentence(with_control(difference, figure(3.0, 4))).endswith(
            f"but not shown to be more than its other heads give ({gain} ms): the difference is +3.0 [−1.0, 7.0] ms."
        )


def test_a_gain_that_may_be_a_shift_is_said():
    assert sentence(replace(SHOWN, verdict="shift", calibrated_worth_ms=figure(0.1))).endswith(
        "but nothing beyond a constant shift is shown: calibrated, it is worth +0.1 [−0.9, 1.1] ms."
    )


def test_five_to_ten_speakers_have_the_label_of_intervals_within_these_recordings():
    notes = footnotes(replace(SHOWN, n_clusters=7, n_effective_clusters=6.1))
    assert "7 speakers, effectively 6.1: the intervals are within these recordings only." in notes
    assert not any("within these" in note for note in footnotes(SHOWN))


def amounts(moved: tuple[float, ...], chosen: tuple[int, ...]) -> tuple[AmountRow, ...]:
    return tuple(AmountRow(a, 1.0, 1.0, m, n) for a, m, n in zip((0.0, 0.5, 1.0), moved, chosen, strict=True))


def test_limits_of_the_amounts_are_said():
    """11 of 40 halves are more than a quarter; a control that moves 20 % at most cannot do what moves 30 %."""
    at_end = amounts((0.0, 0.3, 0.5), (9, 20, 11))
    still = amounts((0.0, 0.1, 0.2), (40, 0, 0))
    rows = {"residual": at_end, "control": still}
    steps = tuple(replace(step, amounts=rows.get(step.role, ())) for step in SHOWN.steps)
    notes = footnotes(replace(SHOWN, steps=steps))
    assert "The largest amount was chosen in 11 of 40 halves: more may be worth more." in notes
    assert any(note.startswith("The control moves fewer boundaries than the saliency at any amount") for note in notes)
    rows = {"residual": amounts((0.0, 0.3, 0.5), (10, 20, 10)), "control": amounts((0.0, 0.2, 0.4), (40, 0, 0))}
    steps = tuple(replace(step, amounts=rows.get(step.role, ())) for step in SHOWN.steps)
    assert footnotes(replace(SHOWN, steps=steps)) == footnotes(SHOWN)


def test_details_have_every_step_raw_and_calibrated_and_the_amounts():
    steps = tuple(
        replace(step, amounts=amounts((0.0, 0.3, 0.5), (9, 20, 11)) if step.role == "residual" else ())
        for step in SHOWN.steps
    )
    file = StringIO()
    print_details(run_of(replace(SHOWN, steps=steps)), Console(file=file, width=160))
    lines = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    assert "gradient 50.0 [49.0, 51.0] 45.0 [44.0, 46.0] +10.0 [8.0, 12.0] +15.0 [14.0, 16.0]" in lines
    assert "attention+gradient 0.5 1.0 1.0 30% 20" in lines


@pytest.mark.parametrize(
    ("reading_ms", "shift_ms", "note"),
    [
        (figure(80.0), 50.0, "heads, log, path with silence; 50.0 of it a constant shift"),
        (figure(5.0), 6.0, "heads, log, path with silence; all of it a constant shift"),
        (figure(-1.0, 2), 3.0, "heads, log, path with silence"),
        (figure(80.0), None, "heads, log, path with silence"),
    ],
)
def test_the_note_of_attention_is_of_a_gain_and_no_more_than_it(reading_ms, shift_ms, note):
    answer = replace(SHOWN, reading_ms=reading_ms, shift_ms=shift_ms)
    assert [line.note for line in step_lines(answer)] == ["", note, "", "", ""]


def test_too_few_speakers_are_counted_and_nothing_has_an_interval():
    few = replace(
        SHOWN,
        verdict="cannot be told",
        n_clusters=7,
        n_effective_clusters=1.69,
        reading_ms=figure(80.0, None),
        steps=tuple(
            replace(step, error=figure(step.error.value, None), difference=step.difference and figure(-80.0, None))
            for step in SHOWN.steps[:2]
        ),
        **NO_FIGURES,
    )
    assert sentence(few) == (
        "How Whisper reads attention costs 80.0 ms on these recordings, of which 50.0 are a constant shift. Whether "
        "attention lacks anything that matters cannot be told: too few speakers to tell (7, effectively 1.7; 5 are "
        "needed)."
    )
    assert "[" not in "".join(answer_lines(few, run_of(few), 100))
    assert "95 %" not in " ".join(footnotes(few))


def test_heads_that_the_saliency_chose_make_its_worth_circular():
    answer = replace(SHOWN, verdict="circular", heads_from="agreement", **NO_FIGURES)
    assert sentence(answer).removeprefix(READING) == (
        " What attention lacks of the gradient is not measured: the gradient chose the heads, a circle."
    )
    assert any(note.startswith("Exploratory: no heads were chosen for these weights") for note in footnotes(answer))


def test_only_spes_says_incompleteness():
    spes = replace(SHOWN, saliency="spes:at=encoder-output,prep=log")
    assert "attention's incompleteness, as SPES sees it, is worth 4.0" in sentence(spes)
    assert "incompleteness" not in sentence(SHOWN)
    assert any("--saliency spes:at=encoder-output" in note for note in footnotes(SHOWN))
    assert not any("--saliency" in note for note in footnotes(spes))


@pytest.mark.parametrize(
    ("reference", "beginning"),
    [
        ("automatic", "Against an automatic reference, how Whisper reads attention costs 80.0"),
        ("unstated", "Against a reference of unstated kind, how Whisper reads attention costs 80.0"),
    ],
)
def test_a_reference_that_nobody_made_by_hand_is_named(reference, beginning):
    assert sentence(replace(SHOWN, reference=reference)).startswith(beginning)


@pytest.mark.parametrize(
    ("shift_ms", "words"),
    [(-3.0, ", none of it a constant shift."), (90.0, ", all of it a constant shift."), (None, " ms. What")],
)
def test_a_shift_is_no_more_than_the_gain(shift_ms, words):
    assert words in sentence(replace(SHOWN, shift_ms=shift_ms))


def test_reading_that_does_not_help_is_said():
    worse = replace(SHOWN, reading_ms=figure(-2.0, 5))
    assert sentence(worse).startswith("Reading attention otherwise is not shown to help: −2.0 [−7.0, 3.0] ms.")


def test_heads_chosen_on_the_corpus_and_a_second_reference_are_said():
    notes = footnotes(replace(SHOWN, heads_from="this corpus", floor_ms=figure(22.0)))
    assert any("chosen by their error on this corpus" in note for note in notes)
    assert any(note.startswith("Two references differ by 22.0 [21.0, 23.0] ms") for note in notes)


def test_every_step_has_its_error_and_its_paired_difference():
    assert [(line.label, line.error, line.difference) for line in step_lines(SHOWN)] == [
        ("Whisper's own word times", "120.0 ms", ""),
        ("the same attention, read well", "40.0 ms", "−80.0 [−85.0, −75.0]"),
        ("+ what the gradient shows and it lacks", "36.0 ms", "−4.0 [−5.0, −3.0]"),
        ("+ its other heads (control)", "39.5 ms", "−0.5 [−1.5, 0.5]"),
        ("gradient instead", "50.0 ms", "+10.0 [8.0, 12.0]"),
    ]
    assert question(SHOWN, run_of(SHOWN)) == (
        "How far off are tiny.en's word times on mine? (1000 words, 20 speakers, manual reference, text given, "
        "interior boundaries)"
    )


def test_a_model_or_corpus_of_a_path_has_its_last_part():
    run = run_of(SHOWN)
    paths = replace(run, signature={**run.signature, "model": "/models/my-whisper", "corpus": "speech/mine"})
    assert question(SHOWN, paths).startswith("How far off are my-whisper's word times on mine?")


@pytest.mark.parametrize("width", [80, 100, 190])
def test_no_line_is_wider_than_the_terminal_or_100_columns(width):
    wide = replace(
        SHOWN,
        steps=tuple(
            replace(step, error=figure(1234.5), difference=step.difference and figure(-1005.4, 101.2))
            for step in SHOWN.steps
        ),
        saliency="gradient:at=encoder-output",
        heads_from="this corpus",
        floor_ms=figure(22.0),
    )
    file = StringIO()
    print_answer(run_of(SHOWN, wide, replace(wide, verdict="control")), Console(file=file, width=width))
    lines = file.getvalue().splitlines()
    allowed = min(width, 100)
    assert [line for line in lines if len(line) > allowed and not line.startswith("  +")] == []
    assert max(map(len, lines)) <= max(allowed, 84)  # a step of four-digit errors has its own line
    assert "…" not in file.getvalue()
    assert not re.search(r"\[(\S+), \1\]", file.getvalue())


def test_the_most_trusted_reference_comes_last():
    file = StringIO()
    print_answer(run_of(SHOWN, replace(SHOWN, reference="automatic")), Console(file=file, width=100))
    assert re.findall(r"(\w+) reference,", file.getvalue().split("What the")[0])[0] == "automatic"
    assert file.getvalue().index("automatic reference") < file.getvalue().index("manual reference")


def test_a_run_without_an_answer_names_the_nearest_system_and_the_reason():
    row = ScoreRow(
        source="attention:heads=all", align="dtw", text="words", reference="manual", boundaries="interior",
        calibration="none", protocol="wbe", metric="wbe_mean", value=61.26, ci_low=50.4, ci_high=73.6, unit="ms",
        n_words=83, clusters="speakers", n_clusters=40, n_effective_clusters=31.25,
    )  # fmt: skip
    rows = (row, replace(row, source="gradient:at=mel", value=50.0, ci_low=None, ci_high=None))
    file = StringIO()
    print_answer(replace(run_of(no_answer="the run lacks x"), rows=rows), Console(file=file, width=100))
    assert file.getvalue() == (
        "nearest to the manual reference: gradient, 50.0 ms\nwhat attention lacks is not measured: the run lacks x\n"
    )
