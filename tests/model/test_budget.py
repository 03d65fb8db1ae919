"""The budget of runs with planted maps: cells, residual injection, shares, table, picture and command.

These tests are here because preparation needs torch and the picture matplotlib; they run no model.
tests/helpers/planted_run.py describes the planted maps.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Picture
from rich.console import Console

from align_eval.errors import InputError
from align_eval.findings.budget import cells as cells_module
from align_eval.findings.budget.cells import ARMS, PREPARATIONS, cell_errors
from align_eval.findings.budget.injection import injection_errors
from align_eval.findings.budget.measure import measure_budget, with_holm
from align_eval.findings.budget.records import Budget
from align_eval.findings.saved_run import read_saved_run
from align_eval.formats.run.finding_json import write_finding
from align_eval.formats.run.maps import write_maps
from align_eval.reporting.figures.waterfall import budget_png
from align_eval.reporting.terminal.budget import print_budget
from align_eval.systems import AMOUNTS
from tests.helpers.command_line import align_eval
from tests.helpers.planted_run import (
    CHOSEN,
    CONV,
    DEFAULT,
    EVERY,
    EXACT,
    LATE,
    MIDDLE,
    NO_ANSWER,
    OUTPUT,
    RANDOM,
    SIGNATURE,
    SIX_SPEAKERS,
    SPEAKERS,
    Planted,
    all_heads,
    exact,
    moved,
    noise,
    write_planted,
)

ONE = np.ones((1, len(SPEAKERS)))
BOTH = {"subword": 1, "character": 2}
ATTENTION_ARMS = ("default heads", "all heads", "best attention")
GAPPED = tuple(replace(u, gap=4) for u in SPEAKERS)
FRAMED = tuple(f"{align},boundary=frame" for align in cells_module.SILENCES)
"""The candidates of the budget, with times on the edges of frames, where the planted ones lie."""
NEAR = 1e-9
"""Times are sums of binary fractions: an error of zero is computed as some 1e-14 ms."""


def items_of(folder: Path, utterances=SPEAKERS, signals=EXACT, tokens=None):
    return read_saved_run(write_planted(folder, utterances, signals, tokens)).items["manual"]


def budget_of(folder: Path, utterances=SPEAKERS, signals=EXACT, tokens=None) -> Budget:
    return measure_budget(read_saved_run(write_planted(folder, utterances, signals, tokens)))


@pytest.fixture(scope="module")
def edges_of_frames() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("cells", "measure"):
            patch.setattr(f"align_eval.findings.budget.{module}.SILENCES", FRAMED)
        patch.setattr("align_eval.findings.budget.injection.ALIGN", "viterbi:boundary=frame")
        patch.setitem(cells_module.PATHS, "viterbi", FRAMED)
        yield


pytestmark = pytest.mark.usefixtures("few_draws", "edges_of_frames")


@pytest.fixture(scope="module")
def late(few_draws, edges_of_frames, tmp_path_factory) -> Budget:  # noqa: ARG001
    """Attention 60 ms late, gradients exact."""
    (found,) = with_holm([budget_of(tmp_path_factory.mktemp("late"), SIX_SPEAKERS, LATE, BOTH)])
    return found


# Cells


@pytest.mark.parametrize("unit", BOTH)
def test_exact_maps_are_read_exactly_in_every_cell(tmp_path, unit):
    cells = cell_errors(items_of(tmp_path, tokens=BOTH), unit)
    assert set(cells) == {(prep, path, arm) for prep in PREPARATIONS for path in cells_module.PATHS for arm in ARMS}
    for found in cells.values():
        assert np.abs(found.errors_ms).max() < NEAR
        assert found.cluster.tolist() == np.repeat(range(4), 6).tolist()  # four words have six interior boundaries


def test_medians_read_exact_maps_to_half_a_frame_in_every_cell(tmp_path, monkeypatch):
    """The budget's own candidates. A preparation bounds how sure a map is, so that silence has a share of each path."""
    medians = tuple(align.removesuffix(",boundary=frame") for align in FRAMED)
    monkeypatch.setitem(cells_module.PATHS, "viterbi", medians)
    for found in cell_errors(items_of(tmp_path), "subword").values():
        assert np.abs(found.errors_ms).max() < 10


def test_a_signal_three_frames_late_reads_60_ms_late(tmp_path):
    cells = cell_errors(items_of(tmp_path, signals=LATE), "subword")
    for (_, _, arm), found in cells.items():
        expected = 60 if arm in ATTENTION_ARMS else 0
        np.testing.assert_allclose(found.errors_ms, expected, atol=NEAR)
        for shift_ms in (-10, 0, 10):  # a reference 10 ms later is missed by 10 ms less
            value = found.statistic(shift_ms).evaluate(ONE)
            assert value == pytest.approx([abs(expected - shift_ms)], abs=NEAR)


def test_a_path_without_silence_ends_words_where_the_next_begin(tmp_path):
    """Gaps of four columns: starts are exact, ends 80 ms late, 40 in the mean. Energy separates gaps from speech.

    A constant level does not, because the row of the word before is as certain there.
    """
    cells = cell_errors(items_of(tmp_path, GAPPED), "subword")
    for (_, path, arm), found in cells.items():
        value = found.statistic().evaluate(ONE)
        if path == "dtw":
            np.testing.assert_allclose(found.errors_ms.reshape(-1, 2, 3)[:, 0], 0, atol=NEAR)  # starts
            np.testing.assert_allclose(found.errors_ms.reshape(-1, 2, 3)[:, 1], 80, atol=NEAR)
            assert value == pytest.approx([40])
        else:
            by_silence = dict(zip(found.candidates, np.abs(found.errors_ms).mean(axis=1), strict=True))
            for name, ms in by_silence.items():
                if "level=0.6" not in name:  # not always enough
                    assert ms == pytest.approx(40 if "constant" in name else 0, abs=NEAR), (arm, name)
            assert value == pytest.approx([0], abs=NEAR)


@pytest.mark.parametrize("gradients", [(OUTPUT,), (OUTPUT, MIDDLE), (OUTPUT, MIDDLE, CONV)], ids=len)
def test_attention_and_saliency_choose_among_as_many_candidates_and_silences(tmp_path, gradients):
    signals = {DEFAULT: moved(0), EVERY: EXACT[EVERY], RANDOM: noise} | dict.fromkeys(gradients, moved(0))
    cells = cell_errors(items_of(tmp_path, signals=signals), "subword")
    for prep in PREPARATIONS:
        for path, aligns in cells_module.PATHS.items():
            numbers = {arm: len(cells[prep, path, arm].candidates) for arm in ARMS}
            assert numbers["best attention"] == numbers["best saliency"] == len(gradients) * len(aligns)
            assert numbers["default heads"] == numbers["all heads"] == len(aligns)
    for arm in ARMS:
        names = cells["log", "viterbi", arm].candidates
        assert {name.split(" | ")[1] for name in names} == set(FRAMED)
        assert len(set(names)) == len(names)


# Residual injection


HEADS = tuple(CHOSEN.split("+"))
CONTROLS = (
    "other heads", "smoothed, 1 frame", "smoothed, 2 frames", "smoothed, 4 frames", "other token", "rolled",
    "row spreads",
)  # fmt: skip


def injected_into(items, saliency: str = OUTPUT) -> dict[str, cells_module.Errors]:
    return injection_errors(items, "subword", 0, HEADS, saliency)


def test_nothing_injected_is_attention_itself_in_every_arm(tmp_path):
    injected = injected_into(items_of(tmp_path, signals=LATE))
    assert sorted(injected) == sorted(("attention", "saliency", *CONTROLS))
    for arm, found in injected.items():
        assert found.candidates == tuple(f"amount={x:g}" for x in ((0.0,) if arm == "attention" else (0.0, *AMOUNTS)))
        np.testing.assert_array_equal(found.errors_ms[:1], injected["attention"].errors_ms)


def test_attention_is_the_mean_of_its_heads_and_the_control_that_of_all_others(tmp_path):
    """Head 0.0 is exact, the others are late: into the others alone, it restores what the exact saliency does."""
    late, none = moved(3), moved(0)
    signals = {**EXACT, EVERY: lambda u, n: np.concatenate([none(u, n), late(u, n), late(u, n), late(u, n)])}
    injected = injected_into(items_of(tmp_path, signals=signals))
    np.testing.assert_allclose(injected["attention"].errors_ms, 60, atol=NEAR)
    np.testing.assert_array_equal(injected["other heads"].errors_ms, injected["saliency"].errors_ms)
    assert np.abs(injected["saliency"].errors_ms).min() < 60


@pytest.mark.parametrize("power", [1, 2])
def test_saliency_that_is_attention_at_another_temperature_has_no_residual(tmp_path, power):
    """log S is a line in log A, so that no arm has a residual and all times stay as they are."""

    def unsure(u: Planted, n_tokens: int) -> np.ndarray:
        return (exact(u, n_tokens, 2) + noise(u, n_tokens)) / 2

    def sharper(u: Planted, n_tokens: int) -> np.ndarray:
        return unsure(u, n_tokens) ** power

    signals = {**EXACT, DEFAULT: unsure, EVERY: all_heads(unsure), OUTPUT: sharper, RANDOM: moved(5)}
    kept = read_saved_run(write_planted(tmp_path, SIX_SPEAKERS, signals))
    injected = injected_into(kept.items["manual"])
    attention = injected["attention"].errors_ms
    assert np.abs(attention).max() > 10
    for arm in ("saliency", "other heads", "other token", "rolled"):  # all heads are equal
        for errors_ms in injected[arm].errors_ms:
            np.testing.assert_allclose(errors_ms, attention[0], atol=NEAR)
    (stratum,) = measure_budget(kept).strata
    assert stratum.injection.worth.value == pytest.approx(0, abs=NEAR)
    assert stratum.injection.cost.value <= NEAR


def test_nothing_injected_is_the_cell_of_the_chosen_heads_by_their_log_with_silence(tmp_path):
    def unsure(u: Planted, n_tokens: int) -> np.ndarray:
        return (exact(u, n_tokens, 2, 0.5) + 2 * noise(u, n_tokens)) / 3

    items = items_of(tmp_path, signals={**EXACT, EVERY: all_heads(unsure)})
    cells = cell_errors(items, "subword", HEADS)
    attention = injected_into(items)["attention"].errors_ms
    level = [name.endswith("level=1,boundary=frame") for name in cells["log", "viterbi", "best attention"].candidates]
    of_chosen = cells["log", "viterbi", "best attention"].errors_ms[level.index(True)]
    np.testing.assert_array_equal(attention[0], of_chosen)
    assert (attention != cells["zscore-median", "viterbi", "best attention"].errors_ms).any()


@pytest.mark.parametrize("outside", [0.02, 0.2], ids=["sharp", "flat"])
def test_a_residual_with_the_exact_times_beats_its_controls(tmp_path, outside):
    signals = {**LATE, DEFAULT: moved(3, outside), EVERY: all_heads(moved(3, outside))}
    injected = injected_into(items_of(tmp_path, signals=signals))
    values = {arm: float(found.statistic().evaluate(ONE)[0]) for arm, found in injected.items()}
    assert values["attention"] == pytest.approx(60)
    assert values["saliency"] < 30
    for control in CONTROLS:
        assert values[control] > values["saliency"] + 20


def test_the_cost_of_incompleteness_is_beyond_the_best_control(late):
    found = late.strata[0].injection
    assert found.heads == HEADS
    assert found.arms["attention"].error.value == pytest.approx(60)
    assert found.worth.value == pytest.approx(60 - found.arms["saliency"].error.value)
    assert found.cost.value == min(arm.over_saliency.value for arm in found.arms.values() if arm.over_saliency)
    assert 20 < found.cost.value <= found.worth.value
    # 60 ms for every speaker: no spread, and so no interval
    assert (found.arms["attention"].error.ci_low, found.arms["attention"].error.ci_high) == (None, None)
    assert (found.p_value, found.p_holm) == (2 / 64, 2 / 64)  # all six speakers gain: as much in 2 of the 2^6 flips
    assert found.smallest_effect_ms > 0
    assert found.stands == "stands"
    assert sum(row.chosen for row in found.arms["saliency"].amounts) == 40


def test_every_control_is_reported_with_what_it_moves(late):
    """The other heads are the same as attention's and have no residual: this control cannot win, which is said."""
    found = late.strata[0].injection
    for name in CONTROLS:
        arm = found.arms[name]
        assert [row.amount for row in arm.amounts] == [0.0, *AMOUNTS]
        assert arm.amounts[0].moved == 0
        assert isinstance(arm.moves_as_many, bool)
    assert found.arms["other heads"].moves_as_many is False  # all heads are equal
    assert "controls that move fewer boundaries than the saliency at every amount: other heads" in printed(late)


def test_a_run_without_chosen_heads_has_cells_and_no_worth(tmp_path):
    for settings, heads, reason in (
        ({}, None, "no heads were chosen for these weights"),
        ({"heads_by_agreement": [OUTPUT, 4]}, CHOSEN, f"the heads were chosen by agreement with {OUTPUT}"),
    ):
        folder = tmp_path / str(heads)
        budget = measure_budget(read_saved_run(write_planted(folder, signals=LATE, settings=settings, heads=heads)))
        (stratum,) = budget.strata
        assert stratum.injection is None
        assert stratum.no_injection.startswith(reason)
        assert len(stratum.cells) == 4
        assert f"cost of incompleteness: not measured, {reason}" in printed(budget)
        assert with_holm([budget]) == [budget]
        assert budget_png(budget).startswith(b"\x89PNG\r\n")


# Shares


def shares_of(budget: Budget) -> tuple[dict[str, float], dict[str, float]]:
    stratum = budget.strata[0]
    return tuple({player: figure.value for player, figure in of.items()} for of in (stratum.shapley, stratum.last_step))


@pytest.mark.parametrize(
    ("utterances", "signals", "start", "taken_by"),
    [
        (SPEAKERS, EXACT, 0, None),
        (GAPPED, EXACT, 40, "path"),
        (SPEAKERS, LATE, 60, "swap"),
        (SPEAKERS, {**EXACT, DEFAULT: moved(3)}, 60, "heads"),
    ],
    ids=["nothing", "path", "swap", "heads"],
)
def test_an_error_of_one_cause_is_the_share_of_its_step(tmp_path, utterances, signals, start, taken_by):
    budget = budget_of(tmp_path, utterances, signals)
    shapley, last_step = shares_of(budget)
    for player in ("preparation", "path", "heads", "swap"):
        assert shapley[player] == pytest.approx(start if player == taken_by else 0, abs=NEAR)
    for player in ("preparation", "path", "swap"):
        assert last_step[player] == pytest.approx(start if player == taken_by else 0, abs=NEAR)
    assert budget.strata[0].start.value == pytest.approx(start, abs=NEAR)
    assert budget.strata[0].end.value == pytest.approx(0, abs=NEAR)


def test_shares_of_causes_that_interact_sum_to_the_gain(tmp_path):
    signals = {
        DEFAULT: moved(5),
        EVERY: all_heads(noise),
        OUTPUT: moved(1, 0.3),
        MIDDLE: lambda u, n_tokens: exact(u, n_tokens) + noise(u, n_tokens),
        RANDOM: noise,
    }
    budget = budget_of(tmp_path, GAPPED, signals)
    shapley, _ = shares_of(budget)
    assert max(abs(share) for share in shapley.values()) > 5
    gained = budget.strata[0].start.value - budget.strata[0].end.value
    assert sum(shapley.values()) == pytest.approx(gained, abs=NEAR)


# Strata


def test_units_are_strata_and_only_subwords_are_primary(late):
    assert [(s.reference, s.unit) for s in late.strata] == [("manual", "subword"), ("manual", "character")]
    for stratum in late.strata:
        assert (stratum.n_utterances, stratum.n_boundaries, stratum.n_clusters) == (6, 36, 6)
        assert stratum.n_effective_clusters == 6
        assert [cell.difference.value for cell in stratum.cells] == pytest.approx([60] * 4)
        assert {cell.stands for cell in stratum.cells} == {"stands"}
    assert late.strata[1].injection.p_value is None
    assert late.strata[1].injection.p_holm is None


def test_calibration_takes_a_constant_shift_out_and_stands_beside_the_cells(late):
    """Attention is 60 ms late, saliency exact: moved by the other speakers' median neither is off."""
    for stratum in late.strata:
        for cell in stratum.cells:
            assert cell.difference.value == pytest.approx(60)
            assert {arm: figure.value for arm, figure in cell.calibrated.items()} == pytest.approx(
                dict.fromkeys(ARMS, 0), abs=NEAR
            )
            assert cell.calibrated_difference.value == pytest.approx(0, abs=NEAR)


@pytest.mark.slow
def test_another_saliency_is_injected_on_request_and_is_exploratory(tmp_path):
    """The gradient of the middle is exact, that of the output as late as attention: only the first has a cost."""
    signals = {**LATE, OUTPUT: moved(3)}
    kept = read_saved_run(write_planted(tmp_path, SIX_SPEAKERS, signals=signals, tokens=BOTH))
    primary, other = measure_budget(kept), measure_budget(kept, saliency=MIDDLE)
    for stratum in other.strata:
        assert stratum.injection.p_value is None
        assert stratum.injection.worth.value > 5
    assert primary.strata[0].injection.worth.value == pytest.approx(0, abs=NEAR)
    assert primary.finding["id"] != other.finding["id"]
    without = measure_budget(
        read_saved_run(write_planted(tmp_path / "subword", SIX_SPEAKERS, signals=signals)), saliency=MIDDLE
    )
    assert [s.unit for s in without.strata] == ["subword"]


def test_a_difference_that_turns_with_the_kind_of_reference_does_not_stand(tmp_path):
    """Automatic times lie three columns late: they agree with attention, manual ones with saliency."""
    automatic = tuple(
        replace(u, id=f"auto-{u.id}", speaker=f"auto {u.speaker}", reference="automatic", late=3) for u in SIX_SPEAKERS
    )
    budget = budget_of(tmp_path, SIX_SPEAKERS + automatic, LATE)
    gains = {s.reference: [cell.difference.value for cell in s.cells] for s in budget.strata}
    assert gains == {"automatic": pytest.approx([-60] * 4), "manual": pytest.approx([60] * 4)}
    worths = {s.reference: s.injection.worth.value for s in budget.strata}
    assert worths["automatic"] == pytest.approx(0, abs=NEAR)  # nothing forces a residual in
    assert worths["manual"] > 20
    for stratum in budget.strata:
        assert {cell.stands for cell in stratum.cells} == {"depends on the reference"}
        assert stratum.injection.stands == "depends on the reference"


def test_a_difference_of_less_than_the_reference_may_be_off_does_not_stand(tmp_path):
    """One frame late and one early: equal as it is, and a reference moved by 10 ms favours the one or the other."""
    planted = tuple(replace(u, late=1) for u in SPEAKERS)
    signals = {**EXACT, DEFAULT: moved(2), EVERY: all_heads(moved(2))}  # +20 and -20 ms of their reference
    (stratum,) = budget_of(tmp_path, planted, signals).strata
    assert [cell.difference.value for cell in stratum.cells] == pytest.approx([0] * 4, abs=NEAR)
    assert {cell.stands for cell in stratum.cells} == {"depends on the reference"}


def test_utterances_of_one_word_have_no_interior_and_leave_no_gap(tmp_path):
    planted = (Planted("one", "aaa", (0, 20)), *SPEAKERS)
    (stratum,) = budget_of(tmp_path, planted, LATE).strata
    assert (stratum.n_utterances, stratum.n_clusters, stratum.n_boundaries) == (4, 4, 24)


def test_a_kind_of_reference_with_one_speaker_and_recording_is_left_out_and_named(tmp_path):
    one = Planted("z", "zoe", reference="automatic")
    budget = budget_of(tmp_path, (*SPEAKERS, one), LATE)
    assert [s.reference for s in budget.strata] == ["manual"]
    assert budget.left_out == ("automatic reference, subword: fewer than two recordings with two words",)
    assert "left out: automatic reference, subword: fewer than two recordings" in printed(budget)


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        ((Planted("a", "ann", recording="r"), Planted("b", "ann", recording="r")), "fewer than two recordings"),
        ((Planted("a", "ann"), Planted("b", "bob", (0, 20))), "fewer than two speakers with two words"),
    ],
    ids=["one recording", "one speaker with two words"],
)
def test_a_corpus_with_nothing_to_choose_on_is_refused(tmp_path, planted, message):
    with pytest.raises(InputError, match=f"manual reference, subword: {message}.*; use a corpus of several speakers"):
        budget_of(tmp_path, planted)


def test_a_run_whose_utterances_all_failed_is_refused(tmp_path):
    kept = read_saved_run(write_planted(tmp_path, failed=[u.id for u in SPEAKERS]))
    with pytest.raises(InputError, match="has no words; use a corpus"):
        measure_budget(kept)


@pytest.mark.parametrize("missing", [DEFAULT, EVERY, OUTPUT])
def test_a_missing_map_is_named_with_the_command_that_keeps_it(tmp_path, missing):
    signals = {spec: signal for spec, signal in EXACT.items() if spec != missing}
    with pytest.raises(InputError, match="lacks maps that this needs; run with --keep heads --source ") as refused:
        budget_of(tmp_path, signals=signals)
    assert missing in str(refused.value)


SPES = "spes:at=encoder-output,masks=100"


@pytest.mark.parametrize(
    ("missing", "saliency", "remedy"),
    [(EVERY, OUTPUT, "--keep heads"), (None, SPES, f"--keep heads --saliency {SPES}")],
    ids=["means alone", "another saliency"],
)
def test_a_default_run_that_lacks_maps_is_told_its_own_options(tmp_path, missing, saliency, remedy):
    """Its sources, of which there are seventeen, follow from them."""
    residual = f"residual:of=({OUTPUT}),to=(attention:heads=0.1),amount=0.5"
    signals = {spec: signal for spec, signal in {**EXACT, residual: moved(0)}.items() if spec != missing}
    with pytest.raises(InputError) as refused:
        measure_budget(read_saved_run(write_planted(tmp_path, signals=signals)), saliency=saliency)
    assert str(refused.value) == f"{tmp_path}: lacks maps that this needs; run again with {remedy}"


def test_character_maps_that_are_half_there_are_refused(tmp_path):
    kept = read_saved_run(write_planted(tmp_path, tokens=BOTH), edited=True)
    gone = f"{EVERY},unit=character"
    for item in kept.items["manual"]:
        stacks = {spec: stack for spec, stack in item.maps.stacks.items() if spec != gone}
        write_maps(item.path, replace(item.maps, stacks=stacks))
    with pytest.raises(InputError, match=f"heads --source {gone} --source "):
        measure_budget(kept)


# Over runs


def test_the_worth_for_unequally_late_attention_has_an_interval_of_speakers(tmp_path):
    """Attention is one column late for three of six speakers and five for the others: 60 ms, 40 either way."""
    shifts = {u.id: 1 + 4 * (i % 2) for i, u in enumerate(SIX_SPEAKERS)}

    def late(u: Planted, n_tokens: int) -> np.ndarray:
        return exact(u, n_tokens, shifts[u.id])

    signals = {**EXACT, DEFAULT: late, EVERY: all_heads(late)}
    found = budget_of(tmp_path, SIX_SPEAKERS, signals).strata[0].injection
    attention = found.arms["attention"].error
    # sd 43.8 ms of six speakers; t of five is 2.571, and 0.920 at 80 %
    assert attention.value == pytest.approx(60)
    assert attention.ci_high - 60 == pytest.approx(2.571 * 43.8 / 6**0.5, rel=0.25)  # of few draws
    assert found.cost.ci_low < found.cost.value < found.cost.ci_high
    reach = found.cost.ci_high - found.cost.value
    assert found.smallest_effect_ms == pytest.approx(reach * (1 + 0.920 / 2.571), rel=1e-3)


def test_p_values_are_adjusted_over_runs_and_kinds_of_reference(tmp_path, late):
    automatic = tuple(replace(u, id=f"auto-{u.id}", reference="automatic") for u in SIX_SPEAKERS)
    two = budget_of(tmp_path, SIX_SPEAKERS + automatic, LATE)
    adjusted = with_holm([late, two])
    # three primary contrasts of p 2/2^6 each, all times three: the largest so far is carried on
    assert [s.injection.p_holm for b in adjusted for s in b.strata] == [3 / 32, None, 3 / 32, 3 / 32]
    assert [s.injection.p_value for b in adjusted for s in b.strata] == [1 / 32, None, 1 / 32, 1 / 32]
    assert all(replace(a, strata=()) == replace(b, strata=()) for a, b in zip(adjusted, (late, two), strict=True))


def test_a_budget_is_strict_json_with_the_signature_of_its_run_and_the_same_again(tmp_path, late):
    write_finding(tmp_path / "budget.json", late)
    text = (tmp_path / "budget.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=pytest.fail)
    assert (read["schema"], read["signature"]) == (2, SIGNATURE)
    assert [stratum["unit"] for stratum in read["strata"]] == ["subword", "character"]
    assert read["strata"][0]["start"]["value"] == pytest.approx(60)
    (again,) = with_holm([budget_of(tmp_path / "run", SIX_SPEAKERS, LATE, BOTH)])
    write_finding(tmp_path / "again.json", again)
    assert (tmp_path / "again.json").read_text(encoding="utf-8") == text


def test_two_speakers_are_the_fewest_and_are_strict_json_too(tmp_path):
    """They are enough for cells, and too few to choose an amount, for an interval or a test."""
    budget = budget_of(tmp_path / "run", SPEAKERS[:2], LATE)
    write_finding(tmp_path / "budget.json", budget)
    (found,) = budget.strata
    assert (found.injection, found.start.ci_low) == (None, None)
    assert found.start.value == pytest.approx(60)
    assert "not measured, too few speakers to choose an amount (2, effectively 2.0)" in printed(budget)
    assert "24 boundaries" not in printed(budget)
    assert "12 boundaries, too few speakers to tell (2, effectively 2.0)" in printed(budget)
    assert budget_png(budget).startswith(b"\x89PNG\r\n")


# Print


def printed(budget: Budget) -> str:
    console = Console(width=190, file=io.StringIO())
    print_budget(budget, console)
    return " ".join(console.file.getvalue().split())  # a title breaks at the width of its table


def test_every_stratum_is_printed_and_says_how_few_speakers_there_are(late):
    text = printed(late)
    for unit in BOTH:
        label = "36 boundaries, 6 speakers, 6.0 effective: 95 % intervals within these recordings only"
        assert f"manual reference, {unit}: 6 utterances, {label}" in text
    assert text.count(f"residual injection into heads {CHOSEN}") == 2
    for arm in (*ARMS, *CONTROLS, "could be shown"):
        assert arm in text
    assert text.count("+60.0 stands") == 2 * 4  # the cells of either unit; the same for all, hence no interval
    assert text.count("p = 0.031 (Holm)") == 1  # the primary contrast alone has a p-value: 2 / 2^6
    assert text.count("stands; not tested") == 1
    assert text.count("of 60.0 down to 0.0") == 2 * 2
    assert f"from run {SIGNATURE['id']}: model planted.en" in text


# Picture


class Drawn(Picture):
    """A picture that stays to be looked at."""

    made: list[Drawn] = []  # noqa: RUF012

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.made.append(self)


def test_the_waterfall_falls_from_whispers_default_to_the_end(late, monkeypatch):
    monkeypatch.setattr("matplotlib.figure.Figure", Drawn)
    assert budget_png(late, {"manual": 24}).startswith(b"\x89PNG\r\n")
    axes = Drawn.made.pop().axes
    assert len(axes) == 2
    for axis, unit in zip(axes, BOTH, strict=True):
        assert f"manual reference, {unit}" in axis.get_title()
        bars = [(bar.get_y(), bar.get_height()) for bar in axis.patches]
        # start; preparation, path and heads take nothing; the swap takes all; the end
        assert np.array(bars) == pytest.approx(
            np.array([(0, 60), (60, 0), (60, 0), (60, 0), (60, -60), (0, 0)]), abs=1e-6
        )
        lines = [tuple(line.get_ydata()) for line in axis.lines]
        assert (24, 24) in lines  # between references: a line, no bar
        cost = late.strata[list(BOTH).index(unit)].injection.cost.value
        assert f"{cost:+.1f}" in [text.get_text() for text in axis.texts]


def test_a_picture_needs_no_intervals_and_bears_skew_ones(late):
    stratum = late.strata[0]
    cost = stratum.injection.cost
    for ends in ((None, None), (cost.value + 1, cost.value + 2)):  # a resampled interval may leave its value out
        skew = replace(cost, ci_low=ends[0], ci_high=ends[1])
        budget = replace(late, strata=(replace(stratum, injection=replace(stratum.injection, cost=skew)),))
        assert budget_png(budget).startswith(b"\x89PNG\r\n")


# Command


def test_the_command_writes_a_finding_and_a_picture_into_every_run_without_a_model(tmp_path, monkeypatch):
    for name in ("whisper.load_model", "torch.load", "align_eval.model.load.load_model"):
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("a model was loaded"))
    runs = [write_planted(tmp_path / name, SIX_SPEAKERS, LATE) for name in ("one", "two")]
    done = align_eval("budget", *runs, "--floor-ms", 24)
    assert done.returncode == 0
    for run in runs:
        assert f"written: {run}/budget.json, budget.png" in done.stdout
        assert (run / "budget.png").read_bytes().startswith(b"\x89PNG\r\n")
        read = json.loads((run / "budget.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
        assert read["signature"] == SIGNATURE
        assert read["strata"][0]["injection"]["p_holm"] == 2 / 32  # two runs, two contrasts
    assert done.stdout.count("How far off are planted.en's word times on planted?") == 2  # the answer comes first
    first, _, rest = done.stdout.partition("How far off")
    assert "preparation" not in first
    assert "preparation" in rest


def test_a_run_without_an_answer_says_why_before_its_cells(tmp_path):
    run = write_planted(tmp_path, signals=LATE, heads=None)
    done = align_eval("budget", run)
    assert done.returncode == 0
    before, _, after = done.stdout.partition("preparation")
    assert f"what attention lacks is not measured: {NO_ANSWER}" in before
    assert "cost of incompleteness: not measured, no heads were chosen for these weights" in after
