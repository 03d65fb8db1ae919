"""Deletion and insertion curves on tiny planted models, whose curves and areas are known by hand. No torch."""

import io
import itertools
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from align_eval.errors import InputError
from align_eval.findings.faithfulness.deletion import (
    ClippedErrorRate,
    conclusion,
    curve_area,
    deletion_masks,
    error_rate_score,
    frame_relevance,
    levels,
    log_prob_gain,
    most_relevant_first,
    sufficient_share,
    verdict,
)
from align_eval.findings.faithfulness.records import (
    SCHEMA_VERSION,
    Curve,
    Ends,
    Faithfulness,
    FaithfulnessOptions,
    Outputs,
    Unexplained,
    UtteranceCurves,
)
from align_eval.findings.faithfulness.summary import clusters_of, hallucinations, summarise, summarise_maps
from align_eval.formats.run.finding_json import write_finding
from align_eval.records import Failure
from align_eval.reporting.terminal.faithfulness import print_faithfulness
from align_eval.scoring.metrics import Difference, MeanOf, Ratio
from tests.helpers.utterances import utterance

COST = np.array([1.0, 0.0, 3.0, 0.0])  # loss of a planted model when each of four frames is masked, in nats
PERFECT = np.array([2, 0, 1, 3])


def planted_curve(order: np.ndarray) -> np.ndarray:
    """Log-probability of the planted model, -1 when clean, along a deletion curve of five levels."""
    return -1.0 - deletion_masks(order, 25) @ COST


def score(curve: np.ndarray, kind: str = "deletion") -> float:
    gained, to_gain = log_prob_gain(curve, kind)
    return gained / to_gain


def test_masks_follow_the_order_from_no_frame_to_all():
    assert deletion_masks(PERFECT, 25).astype(int).tolist() == [
        [0, 0, 0, 0],
        [0, 0, 1, 0],
        [1, 0, 1, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]


@pytest.mark.parametrize("n_frames", [1, 2, 7, 19, 46, 1500])
def test_every_level_masks_its_share_to_the_nearest_frame_and_keeps_what_was_masked(n_frames):
    masks = deletion_masks(np.random.default_rng(0).permutation(n_frames))
    assert (np.abs(masks.sum(axis=1) - levels() * n_frames) <= 0.5).all()
    assert (masks[1:] | ~masks[:-1]).all()
    assert not masks[0].any()
    assert masks[-1].all()


def test_a_step_that_does_not_divide_100_is_refused():
    assert levels(5).tolist() == [i / 20 for i in range(21)]
    with pytest.raises(ValueError, match="a step of 30 % does not divide 100 %"):
        levels(30)


def test_the_planted_curve_and_its_area_by_hand():
    curve = planted_curve(PERFECT)
    assert curve.tolist() == [-1, -4, -5, -5, -5]
    # trapezoids: (1 + 4) / 2, (4 + 5) / 2, 5, 5, each a quarter wide
    assert curve_area(curve) == -(2.5 + 4.5 + 5 + 5) / 4
    # of the 4 nats that full deletion costs, the mean distance from the clean level is 3.25
    assert log_prob_gain(curve, "deletion") == (3.25, 4.0)


@pytest.mark.parametrize(("first", "last"), [(0.0, -6.0), (-1.5, -1.75), (1.0, 0.0)])
@pytest.mark.parametrize("n_levels", [2, 6, 21])
def test_a_straight_line_scores_one_half_on_every_grid(first, last, n_levels):
    line = np.linspace(first, last, n_levels)
    assert curve_area(line) == pytest.approx((first + last) / 2, rel=1e-14)
    assert score(line) == pytest.approx(0.5, rel=1e-13)
    assert score(line[::-1], "insertion") == pytest.approx(0.5, rel=1e-13)


def test_no_order_of_the_planted_frames_beats_the_perfect_one_and_none_loses_to_its_reverse():
    orders = [np.array(order) for order in itertools.permutations(range(4))]
    deletion = [score(planted_curve(order)) for order in orders]
    insertion = [score(planted_curve(order[::-1])[::-1], "insertion") for order in orders]
    for scores in (deletion, insertion):
        best, worst = orders[int(np.argmax(scores))], orders[int(np.argmin(scores))]
        assert set(best[:1]) == {2}
        assert worst[-1] == 2
        # an order and its reverse mirror each other where frames add up, so that random ones average to 1/2
        assert np.mean(scores) == pytest.approx(0.5, rel=1e-13)
    assert max(deletion) == score(planted_curve(PERFECT))
    assert max(insertion) == score(planted_curve(PERFECT[::-1])[::-1], "insertion")


def test_relevance_weighs_tokens_alike_whatever_their_scale():
    rows = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1000.0, 0.0]])
    relevance = frame_relevance(rows)
    assert relevance[0] == pytest.approx(relevance[2], rel=1e-12)
    # a row of one 1 and three 0: mean 1/4, standard deviation sqrt(3)/4, so z = sqrt(3) and -1/sqrt(3)
    assert relevance == pytest.approx([3**-0.5, -(3**-0.5), 3**-0.5, -(3**-0.5)])


def test_a_token_with_a_flat_row_contributes_nothing():
    peaked = np.array([[0.7, 0.1, 0.1, 0.1]])
    flat = np.full((1, 4), 0.1) + np.array([[0, 1e-17, 0, 0]])  # rounding must not become a peak
    assert frame_relevance(np.concatenate([peaked, flat])) == pytest.approx(frame_relevance(peaked) / 2)
    assert frame_relevance(flat).tolist() == [0, 0, 0, 0]


def test_the_order_falls_with_relevance_and_ties_are_random():
    rng = np.random.default_rng(0)
    assert most_relevant_first(np.array([0.1, 0.4, 0.2]), rng).tolist() == [1, 2, 0]
    firsts = [most_relevant_first(np.zeros(4), rng)[0] for _ in range(4000)]
    assert np.bincount(firsts) == pytest.approx([1000] * 4, abs=120)  # 4 standard deviations of 27.4


def test_the_size_is_the_least_sufficient_share():
    curve = planted_curve(PERFECT[::-1])[::-1]  # insertion: the most costly frame comes back first
    assert curve.tolist() == [-5, -2, -1, -1, -1]
    assert sufficient_share(curve, 0.75) == 0.25  # three of four nats are back
    assert sufficient_share(curve, 0.76) == 0.5
    assert sufficient_share(curve, 1.0) == 0.5
    assert sufficient_share(np.array([-1.0, -2.0, -1.0]), 0.9) is None  # no loss, hence no size


def test_errors_are_clipped_after_pooling_on_the_corpus_and_before_it_by_utterance():
    # ten words with five errors, and two words with ten errors: a hallucination
    errors, n_words = np.array([[5.0, 5.0], [10.0, 10.0]]), np.array([10.0, 2.0])
    pooled = ClippedErrorRate(errors, n_words, "deletion")
    assert pooled.evaluate(np.ones((1, 2))).tolist() == [1.0]  # 15 / 12, clipped
    by_utterance = error_rate_score(errors / n_words[:, None], "deletion")
    assert by_utterance.tolist() == [0.5, 1.0]
    assert by_utterance.mean() == 0.75
    # the first utterance alone, drawn twice; and nothing drawn at all
    assert pooled.evaluate(np.array([[2.0, 0.0]])).tolist() == [0.5]
    assert np.isnan(pooled.evaluate(np.zeros((1, 2)))).all()


def test_a_high_error_rate_is_faithful_deletion_and_a_low_one_faithful_insertion():
    rate = np.array([0.0, 1.0, 1.0])
    assert error_rate_score(rate, "deletion") == 0.75
    assert error_rate_score(rate[::-1], "insertion") == 1 - 0.75


def test_a_difference_is_paired_and_a_baseline_the_mean_of_its_draws():
    ones = np.ones(2)
    a, b, c = (Ratio(np.array(values), ones) for values in ([1.0, 3.0], [1.0, 1.0], [0.0, 2.0]))
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    assert Difference(a, MeanOf([b, c])).evaluate(weights).tolist() == [2 - (1 + 1) / 2, 1 - 1 / 2, 3 - 3 / 2]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.2, "more faithful"),
        (-0.2, -0.01, "less faithful"),
        (-0.1, 0.1, "undecided"),
        (0.0, 0.1, "undecided"),
        (None, None, "undecided"),  # one cluster: nothing to resample, nothing decided
    ],
)
def test_a_verdict_needs_an_interval_on_one_side_of_zero(low, high, expected):
    assert verdict(low, high) == expected


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["more faithful", "more faithful"], "more faithful"),
        (["more faithful", "less faithful"], "withheld"),
        (["more faithful", "undecided"], "withheld"),  # it holds for one filling only
        (["undecided", "undecided"], "undecided"),
    ],
)
def test_a_conclusion_that_depends_on_the_fill_is_withheld(verdicts, expected):
    assert conclusion(verdicts) == expected


# From curves to the finding. Three levels; the ends are -1 (clean) and -5; the middle is the score: at -1 - 4m the area
# between clean and curve is (0 + 2 * 4m + 4) / 4 = 1 + 2m of 4, so that the score is 1/4 + m/2.


def curves(order: str, middle: dict[str, float], draw: int = 0) -> list[Curve]:
    found = []
    for fill, m in middle.items():
        values = (-1.0, -1 - 4 * m, -5.0)
        found.append(Curve(order, draw, fill, "deletion", values))
        found.append(Curve(order, draw, fill, "insertion", values[::-1]))
    return found


def finding_of(source: dict[str, float], n_utterances: int = 12):
    done = []
    for i in range(n_utterances):
        noise = 0.01 * (-1) ** i
        own = curves("source", {fill: m + noise for fill, m in source.items()})
        both = {"mean": 0.5, "floor": 0.5}
        baselines = (
            curves("energy", both) + curves("random", both, 0) + curves("random", {"mean": 0.3, "floor": 0.7}, 1)
        )
        done.append(UtteranceCurves(f"u{i}", 40, 5 + i, tuple(own + baselines)))
    return done


def test_scores_are_those_of_the_planted_curves_in_both_poolings():
    rows, _, n_effective = summarise("log-prob", finding_of({"mean": 0.9, "floor": 0.5}, 2), np.array([0, 1]), seed=0)
    values = {(r.order, r.metric, r.fill, r.pooling): r.value for r in rows}
    assert values["energy", "deletion", "mean", "corpus"] == pytest.approx(0.5)
    # random: the mean of its draws, 1/4 + (.5 + .3) / 4
    assert values["random", "deletion", "mean", "utterance"] == pytest.approx(0.45)
    assert values["source", "deletion", "mean", "utterance"] == pytest.approx(0.25 + 0.9 / 2)
    # over tokens the second utterance, 6 tokens to 5, counts for more: noise +.01 * 5 / 11 - .01 * 6 / 11
    assert values["source", "deletion", "mean", "corpus"] == pytest.approx(0.25 + (0.9 - 0.01 / 11) / 2)
    assert values["source", "size", "mean", "utterance"] == 1.0  # .1 of the way back at half the frames
    assert n_effective == pytest.approx(121 / 61)


def test_size_is_read_off_the_insertion_curve():
    rows, _, _ = summarise("log-prob", finding_of({"mean": 0.05, "floor": 0.5}), np.arange(12), seed=0)
    (size,) = [r.value for r in rows if (r.order, r.metric, r.fill) == ("source", "size", "mean")]
    assert size == 0.5  # at half the frames all but 5 % of the way is back


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"mean": 0.9, "floor": 0.9}, "more faithful"),
        ({"mean": 0.1, "floor": 0.1}, "less faithful"),
        ({"mean": 0.9, "floor": 0.1}, "withheld"),
        ({"mean": 0.9, "floor": 0.5}, "withheld"),
        ({"mean": 0.5, "floor": 0.5}, "undecided"),
    ],
)
def test_a_source_is_compared_with_energy_and_the_verdict_withheld_where_fillings_disagree(source, expected):
    _, comparisons, _ = summarise("log-prob", finding_of(source), np.arange(12), seed=0)
    verdicts = {c.pooling: c.verdict for c in comparisons if (c.baseline, c.metric) == ("energy", "deletion")}
    assert verdicts == {"corpus": expected, "utterance": expected}
    assert {c.source for c in comparisons} == {"source"}


def test_one_cluster_decides_nothing():
    rows, comparisons, _ = summarise("log-prob", finding_of({"mean": 0.9, "floor": 0.9}), np.zeros(12, int), seed=0)
    assert {(r.ci_low, r.ci_high) for r in rows} == {(None, None)}
    assert {c.verdict for c in comparisons} == {"undecided"}


def test_an_utterance_that_deletion_costs_nothing_is_left_out_by_utterance_and_counted():
    done = finding_of({"mean": 0.9, "floor": 0.9}, 2)
    free = tuple(Curve(c.order, c.draw, c.fill, c.kind, (-1.0, -1.0, -1.0)) for c in done[0].curves)
    done.append(UtteranceCurves("free", 40, 100, free))
    rows, _, _ = summarise("log-prob", done, np.array([0, 1, 2]), seed=0)
    for row in rows:
        assert row.n_undefined == (0 if row.pooling == "corpus" else 1)
        assert row.n_utterances == 3
    (value,) = [
        r.value for r in rows if (r.order, r.metric, r.fill, r.pooling) == ("energy", "deletion", "mean", "corpus")
    ]
    assert value == pytest.approx(0.5)  # its 100 tokens add nothing gained to nothing to gain


def wer_curves() -> list[UtteranceCurves]:
    """Two utterances of ten and two words, three levels: the second hallucinates eight words under half the mask."""
    done = []
    for id_, n_words, errors, insertions in (("a", 10, 5.0, 0), ("b", 2, 10.0, 8)):
        values = (0.0, errors, float(n_words))
        outputs = Outputs((0, insertions, 0), (False, False, True), (False, insertions > 0, False))
        backwards = Outputs(outputs.insertions[::-1], outputs.empty[::-1], outputs.capped[::-1])
        found = [
            Curve(order, 0, fill, kind, *given)
            for order in ("source", "energy", "random")
            for fill in ("mean", "floor")
            for kind, given in (("deletion", (values, outputs)), ("insertion", (values[::-1], backwards)))
        ]
        empty = {"mean": "", "floor": ""}
        ends = Ends("clean", 0, empty, {"mean": n_words, "floor": n_words})
        done.append(UtteranceCurves(id_, 40, n_words, tuple(found), ends))
    return done


def test_word_errors_are_scored_pooled_and_by_utterance():
    rows, _, _ = summarise("wer", wer_curves(), np.array([0, 1]), seed=0)
    values = {(r.order, r.metric, r.pooling): r.value for r in rows if r.fill == "mean"}
    # pooled rates 0, 15/12 clipped to 1, 1: area 3/4; by utterance 0, .5, 1 and 0, 1, 1: (1/2 + 3/4) / 2
    assert values["source", "deletion", "corpus"] == 0.75
    assert values["source", "deletion", "utterance"] == 0.625
    assert values["source", "insertion", "corpus"] == 0.25
    assert ("source", "size", "utterance") not in values  # log-probability only


def test_hallucinations_are_counted_without_the_ends_and_random_outputs_once():
    found = {(h.order, h.metric): h for h in hallucinations(wer_curves()) if h.fill == "mean"}
    assert set(found) == {(o, k) for o in ("source", "energy") for k in ("deletion", "insertion")} | {
        ("random", "deletion")
    }
    one = found["source", "deletion"]
    assert (one.n_outputs, one.n_errors, one.n_insertions, one.n_empty, one.n_capped) == (2, 15, 8, 0, 1)
    assert hallucinations(finding_of({"mean": 0.5, "floor": 0.5})) == ()


def test_clusters_are_speakers_or_recordings_of_those_that_have_curves():
    done = finding_of({"mean": 0.5, "floor": 0.5}, 3)
    known = [utterance(f"u{i}", speaker=speaker) for i, speaker in enumerate(("b", "a", "b"))]
    kind, cluster = clusters_of([*known, utterance("failed")], done)
    assert (kind, cluster.tolist()) == ("speakers", [1, 0, 1])


def test_a_finding_is_strict_json_with_its_signature(tmp_path):
    done = wer_curves()
    rows, comparisons, n_effective = summarise("wer", done, np.array([0, 1]), seed=0)
    finding = Faithfulness(
        SCHEMA_VERSION, {"id": "abc"}, "wer", "speakers", 2, n_effective, rows, comparisons, hallucinations(done),
        tuple(done),
    )  # fmt: skip
    path = tmp_path / "new" / "finding.json"
    write_finding(path, finding)
    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert (read["schema"], read["signature"]["id"], len(read["rows"])) == (SCHEMA_VERSION, "abc", len(rows))
    assert read["utterances"][1]["curves"][0]["outputs"]["insertions"] == [0, 8, 0]
    with pytest.raises(InputError, match=r"cannot be written .*choose another --out"):
        write_finding(tmp_path, finding)


def printed(form: str, done: list[UtteranceCurves], cluster: np.ndarray) -> str:
    rows, comparisons, n_effective = summarise(form, done, cluster, seed=0)
    signature = {
        "id": "abc", "model": "tiny.en", "model_checksum": "0" * 64, "corpus": "c", "corpus_checksum": "1" * 64,
        "device": "cpu", "seed": 0,
        "faithfulness": {"step_percent": 50, "n_random": 2, "n_infidelity": 9, "n_sensitivity": 4},
    }  # fmt: skip
    finding = Faithfulness(
        SCHEMA_VERSION, signature, form, "recordings", int(cluster.max()) + 1, n_effective, rows, comparisons,
        hallucinations(done), tuple(done), (Failure("bad", "bad.wav: the file is empty"),),
        summarise_maps(done, cluster, seed=0),
    )  # fmt: skip
    console = Console(width=190, file=io.StringIO())
    print_faithfulness(finding, console)
    return console.file.getvalue()


def test_the_table_names_withheld_verdicts_the_number_of_clusters_and_failures():
    text = printed("log-prob", finding_of({"mean": 0.9, "floor": 0.1}, 6), np.arange(6))
    assert "withheld" in text
    assert "6 recordings, 5.7 effective: 95 % intervals within these recordings only" in text  # 45^2 / 355
    assert "0.700 [0." in text  # .25 + .9 / 2, and its interval
    assert "size, floor" in text
    assert "failed: bad.wav: the file is empty" in text
    assert "signature abc" in text
    few = printed("log-prob", finding_of({"mean": 0.9, "floor": 0.1}, 4), np.arange(4))
    assert "too few recordings to tell (4, effectively" in few
    assert "0.700 " in few
    assert "0.700 [" not in few
    assert "withheld" not in few  # it is undecided under every fill


def mapped(n_utterances: int = 4) -> list[UtteranceCurves]:
    """Utterance i leaves i of 4 unexplained under the mean, and all of 4 under the floor."""
    return [
        replace(
            done,
            unexplained=(Unexplained("source", "mean", float(i), 4.0), Unexplained("source", "floor", 4.0, 4.0)),
            sensitivity={"source": 0.1 * i},
        )
        for i, done in enumerate(finding_of({"mean": 0.9, "floor": 0.1}, n_utterances))
    ]


def test_unexplained_change_is_summed_before_division_and_sensitivity_is_a_mean():
    done = mapped(2)
    done[1] = replace(done[1], unexplained=(Unexplained("source", "mean", 1.0, 12.0), done[1].unexplained[1]))
    rows = {(r.metric, r.fill): r for r in summarise_maps(done, np.array([0, 1]), seed=0)}
    share = rows["unexplained", "mean"]
    # (0 + 1) / (4 + 12), and not the mean of 0 and 1/12; two clusters have no interval
    assert (share.value, share.ci_low, share.ci_high) == (1 / 16, None, None)
    assert rows["unexplained", "floor"].value == 1
    steady = rows["sensitivity", None]
    assert (steady.value, steady.ci_low, steady.ci_high, steady.n_utterances) == (0.05, None, None, 2)


def test_a_share_of_change_is_not_negative_at_the_end_of_its_interval():
    # One of six unexplained wholly: the mean of 1/6 reaches 2.57 * 0.41 / sqrt(6) = 0.43 below, were it not a share.
    done = [
        replace(d, unexplained=(Unexplained("source", "mean", float(i == 5), 1.0),)) for i, d in enumerate(mapped(6))
    ]
    share = next(r for r in summarise_maps(done, np.arange(6), seed=0) if r.metric == "unexplained")
    assert share.ci_low == 0.0
    assert share.value == pytest.approx(1 / 6)
    assert share.ci_high > 0.5


def test_a_share_of_no_change_is_left_out():
    done = [replace(d, unexplained=(Unexplained("source", "mean", 0.0, 0.0),), sensitivity={}) for d in mapped()]
    assert summarise_maps(done, np.arange(4), seed=0) == ()


def test_the_table_of_maps_says_that_stable_is_not_faithful():
    text = printed("log-prob", mapped(6), np.arange(6))
    assert "9 random masks, 4 noises per utterance" in text
    assert "0.625 [0." in text  # (0 + 1 + ... + 5) / 24
    assert "1.000" in text
    assert "1.000 [" not in text  # in every utterance: no spread, no interval
    assert "0.250 [0." in text  # the mean of 0, .1, ... .5
    assert "less is steadier, which is not more faithful" in text
    assert "noises" not in printed("log-prob", finding_of({"mean": 0.9, "floor": 0.1}), np.zeros(12, int))


def test_the_table_counts_words_decoded_from_fully_masked_audio():
    text = printed("wer", wer_curves(), np.array([0, 1]))
    # three orders and two curves, the random ones once: five times two outputs
    assert "filled with the mean: of 10 outputs 0 empty and 5 capped, 40 insertions among 75 errors" in text
    assert "fully deleted: 2 of 2 empty, 0 words hallucinated, 12 errors on 12 words (clean: 0)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--out", "f.json", "--form", "bleu"], "error: form 'bleu': there is no such form; one of"),
        (["missing", "--out", "f.json"], "error: missing: there is no such folder"),
    ],
    ids=["form", "corpus"],
)
def test_the_command_refuses_bad_input_before_it_loads_a_model(arguments, message, tmp_path):
    code = "import sys\nfrom align_eval.cli import main\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "faithfulness", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert done.stderr.startswith(message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "bleu"}, "form 'bleu': there is no such form; one of log-prob, wer"),
        ({"n_random": 0}, "random orders 0: a baseline needs at least one"),
        ({"n_infidelity": -1}, "infidelity samples -1: must not be negative; give 0 to leave it out"),
        ({"n_sensitivity": -1}, "sensitivity samples -1: must not be negative; give 0 to leave it out"),
        ({"step_percent": 30}, "step 30: a step of 30 % does not divide 100 %"),
    ],
)
def test_options_out_of_range_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        FaithfulnessOptions(**arguments)


def test_curves_and_their_summary_need_no_model_and_no_jiwer():
    code = (
        "import sys\n"
        "import align_eval.findings.faithfulness.deletion, align_eval.findings.faithfulness.summary\n"
        "import align_eval.reporting.terminal.faithfulness\n"
        "print(*({'torch', 'whisper', 'jiwer', 'whisper_normalizer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
