"""Saved maps of a finished run, and the algebra of the budget, on planted runs and hand-made errors. No torch.

What decodes maps is in tests/model/test_budget.py, since their preparation is torch's.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from align_eval.errors import InputError
from align_eval.findings.budget.cells import ARMS, PATHS, PREPARATIONS, Errors, candidates, depths, in_unit, units_of
from align_eval.findings.budget.chosen_heads import heads_of_answer, no_worth
from align_eval.findings.budget.cost import incompleteness_cost, summarise_injection
from align_eval.findings.budget.shapley import coalition, last_step, shapley, swap_gain
from align_eval.findings.saved_run import heads_of, interior_errors_ms, read_saved_run
from align_eval.systems import AMOUNTS, BEST_OF_MODELS
from tests.helpers.command_line import LOADED, start
from tests.helpers.planted_run import (
    CONV,
    DEFAULT,
    EVERY,
    EXACT,
    HEADS,
    MIDDLE,
    OUTPUT,
    RANDOM,
    SPEAKERS,
    Planted,
    exact,
    moved,
    noise,
    write_planted,
)

ONE = np.ones((1, 2))
"""Both clusters counted once."""


# Saved maps


def test_a_run_is_read_with_its_times_clusters_and_maps(tmp_path):
    kept = read_saved_run(write_planted(tmp_path), (DEFAULT, EVERY, OUTPUT, RANDOM))
    items = kept.items["manual"]
    assert [item.id for item in items] == ["a", "b", "c", "d"]
    assert (kept.clusters, kept.corpus_clusters) == ({"manual": "speakers"}, "speakers")
    # the table holds two systems, but the words of an utterance are read once; column j starts at 20 j - 10 ms
    assert items[0].reference_s == pytest.approx(np.array([[0, 0.19], [0.19, 0.43], [0.43, 0.65], [0.65, 0.91]]))
    assert items[0].maps.stacks[EVERY].shape == (4, 5, 56)


def test_clusters_are_numbered_for_each_kind_of_reference_and_for_the_whole_corpus(tmp_path):
    planted = [
        Planted("a", "ann", reference="automatic", recording="r1"),
        Planted("b", "bob"),
        Planted("c", "ann", reference="automatic", recording="r2"),
        Planted("d", "dee"),
        Planted("e", "bob"),
    ]
    kept = read_saved_run(write_planted(tmp_path, planted))
    # the automatic ones have one speaker, so that their recordings are what there is to resample
    assert kept.clusters == {"automatic": "recordings", "manual": "speakers"}
    assert kept.corpus_clusters == "speakers"
    numbers = {kind: [(i.id, i.cluster, i.corpus_cluster) for i in items] for kind, items in kept.items.items()}
    assert numbers == {
        "automatic": [("a", 0, 0), ("c", 1, 0)],
        "manual": [("b", 0, 1), ("d", 1, 2), ("e", 0, 1)],
    }


def test_failed_utterances_are_left_out_and_leave_no_gap_in_the_clusters(tmp_path):
    kept = read_saved_run(write_planted(tmp_path, failed=["b"]))
    assert [(item.id, item.cluster, item.corpus_cluster) for item in kept.items["manual"]] == [
        ("a", 0, 0), ("c", 1, 1), ("d", 2, 2),
    ]  # fmt: skip
    assert [failure.id for failure in kept.run.failures] == ["b"]


def test_a_run_whose_utterances_all_failed_has_no_items(tmp_path):
    assert read_saved_run(write_planted(tmp_path, failed=[u.id for u in SPEAKERS])).items == {}


def test_a_folder_without_maps_is_refused_by_the_file_that_is_missing(tmp_path):
    write_planted(tmp_path, failed=[u.id for u in SPEAKERS[1:]])
    (tmp_path / "maps" / "a.safetensors").unlink()
    with pytest.raises(InputError, match=r"maps/a\.safetensors: is not there: .*; run again with --keep heads$"):
        read_saved_run(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no run \(no run\.json\); give the folder that"):
        read_saved_run(tmp_path)


def test_missing_maps_are_named_with_a_command_that_a_shell_takes(tmp_path):
    write_planted(tmp_path, signals={DEFAULT: moved(0), EVERY: EXACT[EVERY]})
    with pytest.raises(InputError) as refused:
        read_saved_run(tmp_path, (EVERY, OUTPUT, RANDOM))
    assert str(refused.value) == (
        f"{tmp_path}, a: lacks maps that this needs; run with --keep heads --source gradient:at=encoder-output "
        "--source 'control-random-weights:of=(gradient:at=encoder-output),seed=0' --source attention:heads=alignment "
        "--source attention:heads=all"
    )


def test_heads_are_by_layer_and_their_mean_is_refused(tmp_path):
    def numbered(u: Planted, n_tokens: int) -> np.ndarray:
        return np.arange(4, dtype=np.float32)[:, None, None] / 4 + np.zeros_like(exact(u, n_tokens))

    heads = heads_of(read_saved_run(write_planted(tmp_path, signals={EVERY: numbered})).items["manual"][0], EVERY)
    assert heads[:, :, 0, 0].tolist() == [[0, 0.25], [0.5, 0.75]]  # 0.0, 0.1, 1.0, 1.1
    (mean, *_) = read_saved_run(write_planted(tmp_path, signals={EVERY: moved(0)})).items["manual"]
    assert mean.maps.details[EVERY]["heads"] == HEADS
    with pytest.raises(
        InputError, match=r"a, attention:heads=all: the run saved the mean over heads, .*; run with --keep heads"
    ):
        heads_of(mean, EVERY)


def test_interior_errors_leave_out_the_first_start_and_the_last_end(tmp_path):
    (item, *_) = read_saved_run(write_planted(tmp_path)).items["manual"]
    late_s = np.array([[0.5, 0.01], [0.02, 0.03], [0.04, 0.05], [0.06, 0.5]])
    assert interior_errors_ms(item, item.reference_s + late_s) == pytest.approx([20, 40, 60, 10, 30, 50])


# Candidates


def test_units_are_those_that_every_item_has(tmp_path):
    one = read_saved_run(write_planted(tmp_path / "one")).items["manual"]
    both = read_saved_run(write_planted(tmp_path / "both", tokens={"subword": 1, "character": 2})).items["manual"]
    assert units_of(one) == ("subword",)
    assert units_of(both) == ("subword", "character")
    assert units_of((*both, one[0])) == ("subword",)


def test_a_spec_is_put_into_another_unit():
    assert in_unit(RANDOM, "character") == f"{RANDOM},unit=character"
    assert in_unit(f"{RANDOM},unit=character", "subword") == RANDOM


@pytest.mark.parametrize("gradients", [[OUTPUT], [OUTPUT, MIDDLE], [OUTPUT, MIDDLE, CONV]], ids=len)
@pytest.mark.parametrize("unit", ["subword", "character"])
def test_attention_has_as_many_candidates_as_saliency(tmp_path, gradients, unit):
    signals = {DEFAULT: moved(0), EVERY: EXACT[EVERY], RANDOM: noise} | dict.fromkeys(gradients, moved(0))
    items = read_saved_run(write_planted(tmp_path, signals=signals, tokens={"subword": 1, "character": 2})).items[
        "manual"
    ]
    arms = candidates(items, unit)
    assert tuple(arms) == ARMS
    of_unit = {in_unit(spec, unit) for spec in gradients}
    assert set(arms["best saliency"]) == set(depths(items, unit)) == of_unit
    assert len(arms["best attention"]) == len(gradients)
    assert set(arms["all heads"]) <= set(arms["best attention"])  # choosing can only be offered more
    for of_arm in arms.values():
        for stack in of_arm.values():
            assert stack(items[0]).shape[1:] == (5 if unit == "subword" else 9, 56)


def test_the_heads_chosen_for_the_model_are_the_first_candidate_of_the_best_attention(tmp_path):
    """With one gradient they are the only one: as many candidates on either side as ever."""
    distinct = {**EXACT, EVERY: lambda u, n: np.concatenate([exact(u, n, shift) for shift in range(4)])}
    del distinct[MIDDLE]
    (item, *_) = items = read_saved_run(write_planted(tmp_path / "one", signals=distinct)).items["manual"]
    (group,) = candidates(items, "subword", ("0.1", "1.1"))["best attention"].values()
    np.testing.assert_array_equal(group(item), item.maps.stacks[EVERY][[1, 3]])
    both = read_saved_run(write_planted(tmp_path / "two", signals={**distinct, MIDDLE: moved(0)})).items["manual"]
    arms = candidates(both, "subword", ("0.1", "1.1"))
    assert list(arms["best attention"]) == [f"{EVERY}, chosen", EVERY]
    assert len(arms["best saliency"]) == 2


def test_alignment_heads_are_found_by_name_where_only_a_source_with_other_rows_was_saved(tmp_path):
    """A default run saves ``rows=all``; its budget takes the same heads from all of them, as ``rows=text`` would."""
    later = "attention:heads=alignment,rows=all"
    signals = {
        later: moved(5),
        EVERY: lambda u, n: np.concatenate([exact(u, n, k) for k in range(4)]),
        OUTPUT: moved(0),
    }
    details = {EVERY: {"heads": HEADS}, later: {"heads": ["0.1", "1.0"]}}
    (item, *_) = items = read_saved_run(write_planted(tmp_path, signals=signals, details=details)).items["manual"]
    (group,) = candidates(items, "subword")["default heads"].values()
    np.testing.assert_array_equal(group(item), item.maps.stacks[EVERY][[1, 2]])


def test_attention_has_the_heads_that_the_answer_names_or_those_chosen_for_the_weights(tmp_path):
    run = read_saved_run(write_planted(tmp_path / "named", heads="0.0+1.1")).run
    assert heads_of_answer(run) == ("0.0", "1.1")
    silent = read_saved_run(write_planted(tmp_path / "silent", heads=None)).run
    assert heads_of_answer(silent) is None
    assert no_worth(silent, OUTPUT).startswith("no heads were chosen for these weights")
    of_tiny = replace(silent, signature={**silent.signature, "model_checksum": next(iter(BEST_OF_MODELS))})
    assert heads_of_answer(of_tiny) == ("0.3", "1.1", "2.0", "2.1", "3.1", "3.2")
    assert no_worth(of_tiny, OUTPUT) is None


def test_the_saliency_that_chose_the_heads_has_no_worth(tmp_path):
    run = read_saved_run(write_planted(tmp_path, settings={"heads_by_agreement": [OUTPUT, 30]})).run
    assert no_worth(run, OUTPUT).endswith("would be circular")
    assert no_worth(run, "spes:at=encoder-output") is None


def test_groups_of_heads_go_from_the_upper_half_to_one_layer_and_end(tmp_path):
    gradients = dict.fromkeys((OUTPUT, MIDDLE, CONV, "gradient:at=mel"), moved(0))
    signals = {DEFAULT: moved(0), EVERY: EXACT[EVERY], **gradients}
    (item, *_) = items = read_saved_run(write_planted(tmp_path / "four", signals=signals)).items["manual"]
    groups = candidates(items, "subword")["best attention"]
    assert list(groups) == [EVERY, DEFAULT, f"{EVERY}, layers from 1", f"{EVERY}, layer 0"]
    heads = item.maps.stacks[EVERY]
    assert [len(groups[name](item)) for name in groups] == [4, 1, 2, 2]
    np.testing.assert_array_equal(groups[f"{EVERY}, layers from 1"](item), heads[2:])
    np.testing.assert_array_equal(groups[f"{EVERY}, layer 0"](item), heads[:2])
    signals |= {"gradient:at=encoder.1": moved(0)}
    items = read_saved_run(write_planted(tmp_path / "five", signals=signals)).items["manual"]
    with pytest.raises(
        InputError, match=r"unit subword: 5 gradients were saved, .* has 4 groups .*at most 4 gradients"
    ):
        candidates(items, "subword")


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (DEFAULT, "unit subword, a: lacks maps .*; run with --keep heads --source attention:heads=alignment"),
        (OUTPUT, "unit subword: the run saved no gradient; run with --keep heads --source gradient"),
    ],
)
def test_cells_refuse_a_run_without_the_needed_maps(tmp_path, lacking, message):
    signals = {spec: EXACT[spec] for spec in (DEFAULT, EVERY, OUTPUT, RANDOM) if spec != lacking}
    items = read_saved_run(write_planted(tmp_path, signals=signals)).items["manual"]
    with pytest.raises(InputError, match=message):
        candidates(items, "subword")


# Errors


def value(statistic) -> float:
    return float(statistic.evaluate(ONE)[0])


def errors(*rows_ms: list[float]) -> Errors:
    """Candidates on four boundaries, two of either cluster."""
    names = tuple(f"c{i}" for i in range(len(rows_ms)))
    return Errors(names, np.array(rows_ms, dtype=float), np.array([0, 0, 1, 1]), np.array([True, False] * 2))


def test_moving_the_reference_moves_signed_errors_before_they_lose_their_sign():
    one = errors([10, -10, 30, -50])
    assert value(one.statistic()) == 25
    assert value(one.statistic(10)) == (0 + 20 + 20 + 60) / 4
    assert value(one.statistic(-10)) == (20 + 0 + 40 + 40) / 4


def test_a_candidate_is_chosen_on_the_other_cluster():
    # c0 is best on the first cluster, c1 on the second: either is scored where it was not chosen
    assert value(errors([0, 0, 100, 100], [40, 40, 8, 8]).statistic()) == (40 + 100) / 2
    assert value(errors([0, 0, 100, 100]).statistic()) == 50


def test_the_cost_is_the_excess_of_the_best_control():
    """Attention exceeds the saliency by 50 ms, rolled too (its 80 is not chosen), other heads by 35: the cost."""
    attention, saliency = errors([60] * 4), errors([60] * 4, [10] * 4)
    injected = {"attention": attention, "saliency": saliency, "rolled": errors([60] * 4, [80] * 4)}
    injected["other heads"] = errors([60] * 4, [45] * 4)
    assert value(incompleteness_cost(injected)) == 45 - 10
    assert value(incompleteness_cost(injected, 20)) == 25 - 10


def test_a_control_that_restores_more_than_the_saliency_leaves_no_cost():
    """Controls can win: the saliency restores 20 ms, the other heads 40."""
    injected = {"attention": errors([60] * 4), "saliency": errors([60] * 4, [40] * 4)}
    injected["other heads"] = errors([60] * 4, [20] * 4)
    assert value(incompleteness_cost(injected)) == 20 - 40


def test_a_constant_shift_is_no_error_once_the_others_median_is_removed():
    """Starts 10 ms late and ends 30 ms early on both clusters: each is moved by the other's median, of its kind."""
    one = errors([10, -30, 10, -30], [12, -30, 10, -30])
    even = one.without_bias()
    np.testing.assert_array_equal(even.errors_ms, [[0, 0, 0, 0], [2, 0, -2, 0]])
    assert value(one.statistic()) > 19


def test_a_control_that_moves_fewer_boundaries_than_the_saliency_is_said():
    """The saliency moves all four boundaries by over half a frame, rolled at most two, other heads all of them."""
    moved_ms = {
        "saliency": [[11, 20, 30, 40]] * 7,
        "rolled": [[9, 10, -9, -12]] * 7,  # 10 ms is half a frame
        "other heads": [[0, 0, 0, 0]] * 6 + [[99, 99, 99, 99]],
    }
    injected = {arm: errors([50] * 4, *(50.0 - np.array(rows))) for arm, rows in moved_ms.items()}
    injected["attention"] = errors([50] * 4)
    found = summarise_injection(injected, {"manual": injected}, np.ones((4, 2)), 0, primary=False)
    assert {arm: of.moves_as_many for arm, of in found.arms.items()} == {
        "saliency": None, "rolled": False, "other heads": True, "attention": None,
    }  # fmt: skip
    assert [row.moved for row in found.arms["rolled"].amounts] == [0.0, *[0.5] * 7]
    assert [row.amount for row in found.arms["rolled"].amounts] == [0, *AMOUNTS]


def test_more_controls_do_not_raise_the_cost_where_the_residual_has_no_information():
    """All signals are exchangeable: the cost must not grow with the number of controls."""
    rng = np.random.default_rng(0)
    costs = []
    for _ in range(60):
        speakers = np.repeat(np.arange(12), 8)
        base = rng.normal(0, 30, len(speakers))
        attention = base + rng.normal(0, 5, (1, len(speakers)))
        starts = np.arange(len(speakers)) % 2 == 0
        injected = {"attention": Errors(("a",), attention, speakers, starts)}
        for arm in ("saliency", "rolled", "other token", "other heads", "row spreads"):
            moved = attention + rng.normal(0, 15, (6, len(speakers)))
            injected[arm] = Errors(tuple("abcdefg"), np.concatenate([attention, moved]), speakers, starts)
        costs.append(float(incompleteness_cost(injected).evaluate(np.ones((1, 12)))[0]))
    assert np.mean(costs) <= 0.0


def cells_of(table: dict[tuple[str, str, str], float]) -> dict[tuple[str, str, str], Errors]:
    """Cells of known error: all arms the same on every boundary."""
    return {key: errors([ms] * 4) for key, ms in table.items()}


def planted_cells(ms) -> dict[tuple[str, str, str], Errors]:
    return cells_of({key: ms(*key) for key in product(PREPARATIONS, PATHS, ARMS)})


ARM_MS = {"default heads": 0, "all heads": 5, "best attention": -20, "best saliency": -50}


def additive(prep: str, path: str, arm: str) -> float:
    return 100 - 7 * (prep == "log") - 11 * (path == "viterbi") + ARM_MS[arm]


def test_shares_of_steps_that_do_not_interact_are_their_separate_gains():
    cells = planted_cells(additive)
    assert {player: value(share) for player, share in shapley(cells).items()} == pytest.approx(
        {"preparation": 7, "path": 11, "heads": 20, "swap": 30}
    )
    assert {player: value(share) for player, share in last_step(cells).items()} == pytest.approx(
        {"preparation": 7, "path": 11, "swap": 30}
    )
    assert value(swap_gain(cells, "log", "dtw")) == 30
    assert value(swap_gain(cells, "log", "dtw", 20)) == 30  # 53 and 23 ms late, less 20 of either


def test_shares_of_steps_that_remove_the_same_error_are_split_among_their_orders():
    """The path with silence and saliency each remove the same 30 ms; no other step has an effect.

    Path comes before signal in three of six orders and removes 30 there, and nothing in the others: a share of 15. The
    signal has the same share, all of it from the swap. As last step, neither removes anything.
    """
    cells = planted_cells(lambda _, path, arm: 70 if path == "viterbi" or arm == "best saliency" else 100)
    assert {player: value(share) for player, share in shapley(cells).items()} == pytest.approx(
        {"preparation": 0, "path": 15, "heads": 0, "swap": 15}
    )
    assert {player: value(share) for player, share in last_step(cells).items()} == {
        "preparation": 0, "path": 0, "swap": 0,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_shares_sum_to_the_difference_of_start_and_end(seed):
    rng = np.random.default_rng(seed)
    cells = {key: errors(*rng.normal(0, 50, (3, 4))) for key in product(PREPARATIONS, PATHS, ARMS)}
    start, end = coalition(cells, ()), coalition(cells, ("preparation", "path", "signal"))
    shares = {player: value(share) for player, share in shapley(cells).items()}
    assert sum(shares.values()) == pytest.approx(value(start) - value(end), abs=1e-9)
    # heads and swap are the share of one player that goes from default heads to saliency in one step
    orders = [("signal",), (), ("preparation", "signal"), ("path", "signal"), ("preparation", "path", "signal")]
    of = {taken: value(coalition(cells, taken)) for taken in [*orders, ("preparation",), ("path",)]}
    whole = (of[()] - of[("signal",)]) / 3
    whole += (of[("preparation",)] - of[("preparation", "signal")] + of[("path",)] - of[("path", "signal")]) / 6
    whole += (value(coalition(cells, ("preparation", "path"))) - of[("preparation", "path", "signal")]) / 3
    assert shares["heads"] + shares["swap"] == pytest.approx(whole, abs=1e-9)


def test_the_budget_starts_at_whispers_own_way_and_ends_at_saliency_with_log_and_silence():
    cells = planted_cells(additive)
    assert value(coalition(cells, ())) == additive("zscore-median", "dtw", "default heads")
    assert value(coalition(cells, ("preparation", "path", "signal"))) == additive("log", "viterbi", "best saliency")
    replaced = cells | {("log", "viterbi", "all heads"): replace(cells["log", "viterbi", "all heads"])}
    assert value(coalition(replaced, ("path", "preparation"), "all heads")) == 100 - 7 - 11 + 5


def test_the_command_refuses_a_run_without_maps_in_one_line_and_before_torch_is_needed(tmp_path):
    write_planted(tmp_path)
    shutil.rmtree(tmp_path / "maps")
    done = start("-c", LOADED, "budget", str(tmp_path))
    message = "is not there: the run saved no maps; run again with --keep heads"
    assert (done.returncode, done.stdout) == (2, "loaded:\n")
    assert done.stderr == f"error: {tmp_path}/maps/a.safetensors: {message}\n"
    assert not list(tmp_path.glob("budget.*"))
