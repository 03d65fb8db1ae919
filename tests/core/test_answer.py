"""The answer of a run: totals of a words table, figures and verdicts of planted totals, and the systems compared."""

from dataclasses import replace

import numpy as np
import pytest
from pyarrow.dataset import dataset
from scipy import stats

from align_eval.engine.answer import answer_systems, answers
from align_eval.formats.run.words_table import words_table
from align_eval.records import SECOND_REFERENCE, HypothesisWord, Pairing, SystemName, Unit, Word
from align_eval.run_record import Figure, ScoreRow
from align_eval.scoring.answer import AnswerSystems, Totals, answer_of, totals_of, verdict_of
from align_eval.scoring.statistics import draw_weights
from align_eval.scoring.system_rows import Kind, kinds_of
from align_eval.systems import AMOUNTS, BEST_OF_MODELS, PRESETS, answer_specs, parse_system, with_heads
from tests.helpers.utterances import utterance


def named(source: str) -> SystemName:
    return SystemName(source, "viterbi")


WHISPER, ATTENTION, GRADIENT = named("whisper"), named("attention"), named("gradient")
SYSTEMS = AnswerSystems(
    whisper=WHISPER,
    attention=ATTENTION,
    saliency=GRADIENT,
    residual={0.5: named("residual-0.5"), 1.0: named("residual-1")},
    control={0.5: named("control-0.5"), 1.0: named("control-1")},
    source="gradient",
    heads="0.3",
    heads_from="other speech",
    circular=False,
)
HALF, WHOLE = SYSTEMS.residual.values()
KIND = Kind("manual", "speakers", {}, SYSTEMS.names)

# Totals of a words table. An utterance has the words w0, w1 and w2, and so four interior boundaries: errors in ms of
# the starts of w1 and w2, and of the ends of w0 and w1. The outer boundaries are 300 ms off, and do not count.

STARTS_S, WORD_S = (0.5, 1.5, 2.5), 0.8
WORDS = tuple(Word(f"w{i}", start_s, start_s + WORD_S) for i, start_s in enumerate(STARTS_S))
ERRORS = {"a": (10, -10, 20, 0), "b": (30, 30, -10, -10), "c": (0, 50, 5, 5)}


def timed(errors_ms: tuple[float, ...]) -> tuple[Word, ...]:
    starts_ms, ends_ms = (-300, *errors_ms[:2]), (*errors_ms[2:], 300)
    return tuple(
        Word(word.text, word.start_s + start_ms / 1000, word.end_s + end_ms / 1000)
        for word, start_ms, end_ms in zip(WORDS, starts_ms, ends_ms, strict=True)
    )


def table_of(by_speaker=ERRORS, changed=None, pairings=None, **fields):
    """A words table with one utterance per speaker; ``changed`` has other words, by system and utterance, or None."""
    utterances = [utterance(speaker, WORDS, speaker, **fields) for speaker in by_speaker]
    results = {
        speaker: {
            name: words
            for name in SYSTEMS.names
            if (words := (changed or {}).get((name, speaker), timed(errors_ms))) is not None
        }
        for speaker, errors_ms in by_speaker.items()
    }
    return dataset(words_table(utterances, SYSTEMS.names, results, pairings))


def totals(table, systems=SYSTEMS) -> Totals | None:
    (kind,) = kinds_of(table)
    return totals_of(table, kind, systems)


def test_errors_are_absolute_and_of_interior_boundaries_raw_and_after_the_median_of_other_speakers():
    late = table_of(changed={(HALF, "b"): timed((30, 10, -10, -10)), (WHOLE, "b"): timed((30, 39.9, -10, -10))})
    found = totals(late)
    assert found.raw[ATTENTION] == pytest.approx([40, 80, 60])
    # Starts move by the medians of the others, 30, 5 and 20; ends by -2.5, 5 and -5:
    # |-20| |-40| |22.5| |2.5|, |25| |25| |-15| |-15|, and |-20| |30| |10| |10|.
    assert found.calibrated[ATTENTION] == pytest.approx([85, 80, 70])
    assert found.raw[HALF] == pytest.approx([40, 60, 60])
    # One of 12 boundaries moves by 20 ms; one that moves by 9.9 ms, under half a frame of the encoder, does not count.
    assert [found.moved[name] for name in (ATTENTION, HALF, WHOLE)] == pytest.approx([0, 1 / 12, 0])
    assert found.counts.tolist() == [4, 4, 4]
    assert found.n_words == 9
    assert set(found.raw) == set(found.calibrated) == set(found.moved) == set(SYSTEMS.names)


def test_where_a_system_failed_no_system_is_scored_and_the_speaker_is_no_cluster():
    found = totals(table_of(changed={(WHISPER, "c"): None}))
    assert found.raw[ATTENTION] == pytest.approx([40, 80])
    assert found.calibrated[ATTENTION] == pytest.approx([20 + 40 + 30 + 10, 30 + 30 + 20 + 20])  # by 30, -10; 0, 10
    assert (found.counts.tolist(), found.n_words) == ([4, 4], 6)


def test_a_speaker_of_no_scored_word_changes_nothing_wherever_its_name_sorts():
    with_mute = {**ERRORS, "aa": (500, 500, 500, 500)}
    found = totals(table_of(with_mute, changed={(name, "aa"): None for name in SYSTEMS.names}))
    expected = totals(table_of())
    assert found.counts.tolist() == expected.counts.tolist() == [4, 4, 4]
    for name in SYSTEMS.names:
        assert found.raw[name].tolist() == expected.raw[name].tolist()
        assert found.calibrated[name].tolist() == expected.calibrated[name].tolist()


def said(*texts: str) -> tuple[HypothesisWord, ...]:
    return tuple(
        HypothesisWord(text, word.start_s, word.end_s) for text, word in zip(texts, timed(ERRORS["a"]), strict=True)
    )


def word_by_word(same: tuple[bool, ...]) -> Pairing:
    units = tuple(Unit((i,), (i,), same=of) for i, of in enumerate(same))
    return Pairing(units, deleted=(), inserted=(), ignored=(), n_reference=len(units), n_hypothesis=len(units))


MIDDLE_DELETED = Pairing(
    (Unit((0,), (0,), same=True), Unit((2,), (1,), same=True)),
    deleted=(1,), inserted=(), ignored=(), n_reference=3, n_hypothesis=2,
)  # fmt: skip
JOINED = Pairing(
    (Unit((0,), (0,), same=True), Unit((1, 2), (1,), same=True)),
    deleted=(), inserted=(), ignored=(), n_reference=3, n_hypothesis=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "pairing", "counts", "raw", "n_words"),
    [
        (said("w0", "w1", "w2"), word_by_word((True, True, True)), [4, 4, 4], [40, 80, 60], 9),
        (said("w0", "W1!", "w2"), word_by_word((True, True, True)), [4, 4, 4], [40, 80, 60], 9),  # the same word
        # The start of w2 (-10) and the end of w0 (20) are left of a.
        (said("w0", "other", "w2"), word_by_word((True, False, True)), [2, 4, 4], [30, 80, 60], 8),
        (said("w0", "w1", "w2")[::2], MIDDLE_DELETED, [2, 4, 4], [30, 80, 60], 8),
        # One unit in place of w1 and w2, which other systems have apart: the end of w0 alone is of the same unit.
        ((said("w0", "", "")[0], HypothesisWord("w1w2", 1.5, 3.3)), JOINED, [1, 4, 4], [20, 80, 60], 7),
        (said("x", "y", "z"), word_by_word((False, False, False)), [4, 4], [80, 60], 6),  # no scored word: no cluster
    ],
    ids=["all", "normalised", "substituted", "deleted", "joined", "none"],
)
def test_words_that_one_system_recognised_otherwise_are_scored_for_none(words, pairing, counts, raw, n_words):
    # Whatever else is in the table, one system recognised these words in the utterance of speaker a.
    found = totals(table_of(changed={(WHOLE, "a"): words}, pairings={"a": {WHOLE: pairing}}))
    assert found.counts.tolist() == counts
    assert found.raw[ATTENTION] == pytest.approx(raw)
    assert found.n_words == n_words


def test_the_residual_is_not_read_where_it_is_circular():
    broken = {(name, speaker): None for name in SYSTEMS.residual.values() for speaker in ERRORS}
    assert totals(table_of(changed=broken)) is None
    found = totals(table_of(changed=broken), replace(SYSTEMS, circular=True))
    assert found.counts.tolist() == [4, 4, 4]
    assert not set(found.raw) & set(SYSTEMS.residual.values())


def test_a_single_cluster_cannot_be_calibrated_nor_tell_anything():
    one = totals(table_of({"a": ERRORS["a"]}))
    assert np.isnan(one.calibrated[ATTENTION]).all()
    answer = answer_of(one, KIND, SYSTEMS, seed=0)
    assert answer.verdict == "cannot be told"
    assert [step.role for step in answer.steps] == ["whisper", "attention", "saliency"]
    assert answer.step("attention").error == Figure(pytest.approx(10), None, None)
    assert {step.calibrated for step in answer.steps} == {None}
    assert answer.reading_ms == Figure(0.0, None, None)
    assert answer.shift_ms is answer.worth_ms is answer.beyond_control_ms is answer.at_most_ms is None


# Figures and verdicts. Ten clusters of 20 boundaries; gains are in ms per boundary, by cluster.

N, SIZE = 10, 20
LEVELS = np.linspace(20.0, 40.0, N)  # errors of attention, 30 ms in the mean
UNEVEN = np.tile([-1.0, 1.0], N // 2)


def planted(residual=0.0, control=0.0, n=N, even=None, moved=0.1) -> Totals:
    """Gains of the residual and the control at amount 1, and at 1/2 half of them; ``even`` is the calibrated gain.

    Whisper is 20 ms worse, 5 calibrated; the saliency is 25 worse.
    """
    levels, uneven, counts = LEVELS[:n], UNEVEN[:n], np.full(n, float(SIZE))

    def errors(of_residual, whisper):
        gains = {
            WHISPER: -whisper,
            ATTENTION: 0.0,
            GRADIENT: -25.0 + 2 * uneven,
            HALF: of_residual / 2,
            WHOLE: of_residual,
        }
        gains |= dict(zip(SYSTEMS.control.values(), (control / 2, control), strict=True))
        return {name: (levels - gain) * counts for name, gain in gains.items()}

    residual = np.asarray(residual + 0.5 * uneven)
    control = np.asarray(control + 0.5 * uneven[::-1])
    return Totals(
        raw=errors(residual, 20.0 + uneven),
        calibrated=errors(residual if even is None else even + 0.5 * uneven, 5.0 + uneven),
        moved=dict.fromkeys(SYSTEMS.names, moved),
        counts=counts,
        n_words=n * SIZE,
    )


def answered(of: Totals, **changes):
    return answer_of(of, KIND, replace(SYSTEMS, **changes), seed=0)


def students(values: np.ndarray, share: float = 0.975) -> float:
    """Half the length of the t interval of a mean, whose error is here that of the draws of the bootstrap."""
    draws = draw_weights(len(values), 0) @ values / len(values)
    return stats.t.ppf(share, len(values) - 1) * draws.std(ddof=1) * np.sqrt(len(values) / (len(values) - 1))


def test_the_steps_are_in_order_with_errors_and_differences_that_are_negative_where_nearer():
    answer = answered(planted(residual=3.0, control=-1.0))
    assert [(step.role, step.name) for step in answer.steps] == [
        ("whisper", "whisper"),
        ("attention", "attention"),
        ("residual", "attention+gradient"),
        ("control", "attention+other heads"),
        ("saliency", "gradient"),
    ]
    assert [step.error.value for step in answer.steps] == pytest.approx([50, 30, 27, 30, 55])  # the control takes 0
    assert [step.calibrated.value for step in answer.steps] == pytest.approx([35, 30, 27, 30, 55])
    differences = [step.difference and step.difference.value for step in answer.steps]
    assert differences == [None, *(pytest.approx(ms, abs=1e-9) for ms in (-20, -3, 0, 25))]
    calibrated = [step.calibrated_difference and step.calibrated_difference.value for step in answer.steps]
    assert calibrated == [None, *(pytest.approx(ms, abs=1e-9) for ms in (-5, -3, 0, 25))]
    assert (answer.n_clusters, answer.n_words, answer.n_boundaries) == (N, N * SIZE, N * SIZE)
    assert answer.n_effective_clusters == pytest.approx(N)
    assert (answer.reference, answer.clusters, answer.saliency, answer.heads) == (
        "manual",
        "speakers",
        "gradient",
        "0.3",
    )


def test_intervals_are_paired_and_students():
    answer = answered(planted(residual=3.0, control=-1.0))
    attention, worth, reading = answer.step("attention").error, answer.worth_ms, answer.reading_ms
    for figure, values in ((attention, LEVELS), (worth, 3 + UNEVEN / 2), (reading, 20 + UNEVEN)):
        reach = students(values)
        assert (figure.value, figure.ci_low, figure.ci_high) == pytest.approx(
            (values.mean(), values.mean() - reach, values.mean() + reach)
        )
    # Speakers differ by 20 ms and what the residual is worth by 1: paired, its interval is far shorter.
    assert worth.ci_high - worth.ci_low < (attention.ci_high - attention.ci_low) / 5
    difference = answer.step("residual").difference
    assert (difference.ci_low, difference.ci_high) == pytest.approx((-worth.ci_high, -worth.ci_low))


def test_worth_is_positive_where_the_residual_helps_and_the_shift_is_what_calibration_takes_from_reading():
    answer = answered(planted(residual=3.0, control=1.0, even=2.0))
    assert answer.worth_ms.value == pytest.approx(3)
    assert answer.calibrated_worth_ms.value == pytest.approx(2)
    assert answer.beyond_control_ms.value == pytest.approx(2)
    assert answer.reading_ms.value == pytest.approx(20)
    assert answer.shift_ms == pytest.approx(20 - 5)


@pytest.mark.parametrize(
    ("of", "changes", "verdict"),
    [
        (planted(residual=3.0, control=-1.0), {}, "shown"),
        (planted(residual=3.0, control=1.0), {}, "shown"),
        (planted(residual=0.0, control=-1.0), {}, "not shown"),
        (planted(residual=-3.0, control=-1.0), {}, "not shown"),
        (planted(residual=-3.0, control=3.0), {}, "not shown"),
        (planted(residual=0.0, even=3.0), {}, "not shown"),  # raw first
        (planted(residual=3.0, control=3.0), {}, "control"),
        (planted(residual=3.0, control=5.0), {}, "control"),
        (planted(residual=3.0, control=3.0, even=-1.0), {}, "control"),  # before the shift
        (planted(residual=3.0, control=-1.0, even=0.0), {}, "shift"),
        (planted(residual=3.0, control=-1.0, even=-3.0), {}, "shift"),
        (planted(residual=3.0, control=-1.0), {"circular": True}, "circular"),
        (planted(residual=3.0, control=-1.0, n=4), {}, "cannot be told"),
        (planted(residual=3.0, control=-1.0, n=4), {"circular": True}, "cannot be told"),
    ],
)
def test_the_verdict(of, changes, verdict):
    answer = answered(of, **changes)
    assert answer.verdict == verdict
    if verdict in ("circular", "cannot be told"):
        assert answer.step("residual") is answer.worth_ms is answer.calibrated_worth_ms is answer.at_most_ms is None
        assert answer.beyond_control_ms is None
    assert (answer.step("control") is None) == (verdict == "cannot be told")


def test_under_five_effective_clusters_there_is_no_interval_however_many_there_are():
    of = planted(residual=3.0)
    counts = np.array([1000.0] * 4 + [1.0] * 6)
    uneven = replace(of, counts=counts, raw={name: errors / SIZE * counts for name, errors in of.raw.items()})
    answer = answered(uneven)
    assert (answer.verdict, answer.n_clusters) == ("cannot be told", 10)
    assert answer.n_effective_clusters == pytest.approx(4006**2 / 4_000_006)
    assert answer.step("attention").error.value == pytest.approx(uneven.raw[ATTENTION].sum() / 4006)
    assert {(step.error.ci_low, step.error.ci_high) for step in answer.steps} == {(None, None)}


FIGURE, MISSED = Figure(3.0, 1.0, 5.0), Figure(3.0, -1.0, 7.0)


@pytest.mark.parametrize("missing", [MISSED, Figure(3.0, None, None), Figure(3.0, 0.0, 6.0), Figure(-3.0, -5.0, -1.0)])
def test_only_an_interval_above_zero_shows_anything(missing):
    def verdict(*figures):
        return verdict_of(*figures, enough=True, circular=False)

    assert verdict(FIGURE, FIGURE, FIGURE) == "shown"
    assert verdict(missing, FIGURE, FIGURE) == "not shown"
    assert verdict(FIGURE, FIGURE, missing) == "control"
    assert verdict(FIGURE, missing, FIGURE) == "shift"
    assert verdict(FIGURE, None, FIGURE) == "shift"
    assert verdict(None, FIGURE, FIGURE) == "circular"


def test_rows_of_amounts_have_errors_and_how_often_each_was_chosen():
    # Half of the amount gives half of 3 ms here, none of it after calibration: the whole is chosen by either half of
    # the clusters in all 20 splits. The control harms: attention itself is chosen, amount 0.
    answer = answered(planted(residual=3.0, control=-2.0, even=0.0, moved=0.25))
    residual, control = (answer.step(role).amounts for role in ("residual", "control"))
    assert [(row.amount, row.chosen) for row in residual] == [(0.0, 0), (0.5, 0), (1.0, 40)]
    assert [row.error_ms for row in residual] == pytest.approx([30, 28.5, 27])
    assert [row.calibrated_ms for row in residual] == pytest.approx([30, 30, 30])
    assert [row.moved for row in residual] == [0.25] * 3
    assert [(row.amount, row.chosen) for row in control] == [(0.0, 40), (0.5, 0), (1.0, 0)]
    assert [row.error_ms for row in control] == pytest.approx([30, 31, 32])
    assert answer.step("attention").amounts == answer.step("whisper").amounts == ()


def test_calibrated_errors_choose_their_own_amount():
    of = planted(residual=3.0, control=-1.0)
    swapped = of.calibrated | {HALF: of.calibrated[WHOLE], WHOLE: of.calibrated[ATTENTION]}
    answer = answered(replace(of, calibrated=swapped))
    assert answer.worth_ms.value == pytest.approx(3)  # amount 1
    assert answer.calibrated_worth_ms.value == pytest.approx(3)  # amount 1/2; amount 1 would be worth nothing


def test_at_most_is_the_largest_upper_end_over_the_fixed_amounts_at_a_joint_level():
    # Two amounts: 97.5 % becomes 98.75 % for each. By the mean and spread of the gains of clusters.
    noisy = planted(residual=3.0)
    noisy.raw[HALF][:] = (LEVELS - (2 + 6 * UNEVEN)) * SIZE
    ends = {}
    for name, gains in ((HALF, 2 + 6 * UNEVEN), (WHOLE, 3 + UNEVEN / 2)):
        ends[name] = gains.mean() + students(gains, 1 - 0.05 / 4)
        plain = gains.mean() + stats.t.ppf(1 - 0.05 / 4, N - 1) * gains.std(ddof=1) / np.sqrt(N)
        assert ends[name] == pytest.approx(plain, rel=0.05)  # but for the 2,000 draws
    assert ends[HALF] > ends[WHOLE]
    assert answered(noisy).at_most_ms == pytest.approx(ends[HALF])
    assert answered(planted(residual=3.0)).at_most_ms == pytest.approx(ends[WHOLE])


# The systems of a run.

HEADS = ("0.3", "1.1")
MODEL = "0" * 64
OPENAI = PRESETS["openai"].name
DEFAULT = (OPENAI, *(parse_system(with_heads(spec, HEADS), "viterbi").name for spec in answer_specs()))
LJSPEECH = tuple(f"LJ001-{i:04}" for i in range(1, 7))


def of_amounts(names, of):
    return [name for name in names if name.source.startswith(f"residual:of=({of})")]


def test_the_roles_of_the_default_run():
    (systems,), _ = answer_systems(DEFAULT, None, ["u0"], MODEL)
    assert (systems.whisper, systems.attention.source) == (OPENAI, "attention:heads=0.3+1.1,prep=log")
    assert systems.saliency.source == "gradient:at=encoder-output,prep=log"
    assert tuple(systems.residual) == tuple(systems.control) == AMOUNTS
    for by_amount, of in (
        (systems.residual, "gradient:at=encoder-output"),
        (systems.control, "attention:heads=all-0.3-1.1"),
    ):
        assert [name.source for name in by_amount.values()] == [
            f"residual:of=({of}),to=(attention:heads=0.3+1.1),amount={amount:g}" for amount in AMOUNTS
        ]
    assert (systems.source, systems.heads, systems.heads_from, systems.circular) == (
        "gradient",
        "0.3+1.1",
        "named",
        False,
    )
    assert systems.names == (
        OPENAI,
        systems.attention,
        systems.saliency,
        *systems.residual.values(),
        *systems.control.values(),
    )


def test_files_of_other_programs_and_second_references_are_no_part_of_it():
    others = [SystemName("whisperx", "given"), SystemName(SECOND_REFERENCE, "mfa")]
    assert answer_systems([*others, *DEFAULT], None, ["u0"], MODEL) == answer_systems(DEFAULT, None, ["u0"], MODEL)


def test_every_saliency_has_an_answer_by_the_same_control():
    spes = [parse_system(with_heads(spec, HEADS), "viterbi").name for spec in answer_specs("spes:at=encoder-output")]
    found, _ = answer_systems(tuple(dict.fromkeys([*DEFAULT, *spes])), None, ["u0"], MODEL)
    assert [systems.source for systems in found] == ["gradient", "spes"]
    assert found[0].control == found[1].control


@pytest.mark.parametrize(
    ("lacking", "reason"),
    [
        ({OPENAI}, "the run lacks Whisper's own word times (--preset openai)"),
        (set(DEFAULT[1:]), "the run adds no saliency to attention"),
        (set(of_amounts(DEFAULT, "gradient:at=encoder-output")), "the run adds no saliency to attention"),
        ({DEFAULT[1]}, "the run lacks attention:heads=0.3+1.1,prep=log"),
        ({DEFAULT[2]}, "the run lacks gradient:at=encoder-output,prep=log"),
        (
            set(of_amounts(DEFAULT, "attention:heads=all-0.3-1.1")),
            "the run lacks the control attention:heads=all-0.3-1.1",
        ),
        ({DEFAULT[-1]}, "the run lacks the control attention:heads=all-0.3-1.1"),  # one amount of it
        ({DEFAULT[3]}, "the run lacks the control attention:heads=all-0.3-1.1"),  # one amount too many of it
    ],
    ids=["whisper", "all but whisper", "residual", "attention", "saliency", "control", "an amount", "its partner"],
)
def test_without_a_system_there_is_no_answer_and_the_reason_names_it(lacking, reason):
    found, why = answer_systems([name for name in DEFAULT if name not in lacking], None, ["u0"], MODEL)
    assert found == ()
    assert why.startswith(reason)


@pytest.mark.parametrize(
    ("heads", "by_agreement", "ids", "heads_from", "circular"),
    [
        ("best-tiny.en", None, ["u0", "u1"], "other speech", False),
        ("best-base", None, ["en/u0"], "other speech", False),
        ("best-tiny.en", None, LJSPEECH, "this corpus", False),
        ("best-tiny.en", None, [*LJSPEECH, "u0"], "this corpus", False),
        ("best-tiny.en", None, [*LJSPEECH[:1], "u0"], "other speech", False),  # half of them are not most
        ("best-tiny.en", None, [f"my-{id_}" for id_ in LJSPEECH], "other speech", False),
        (None, None, LJSPEECH, "named", False),
        (None, ("gradient:at=encoder-output", 30), ["u0"], "agreement", True),
        (None, ("spes:at=encoder-output", 30), ["u0"], "agreement", False),
        (None, ("gradient:at=encoder.3/4", 30), ["u0"], "agreement", True),  # another depth of the same source
    ],
)
def test_the_origin_of_the_heads(heads, by_agreement, ids, heads_from, circular):
    literal = HEADS if heads is None else PRESETS[heads].source.options.heads.split("+")
    names = [OPENAI, *(parse_system(with_heads(spec, literal), "viterbi").name for spec in answer_specs())]
    models = {name: checksum for checksum, name in BEST_OF_MODELS.items()}
    agreed = by_agreement and (*by_agreement, "+".join(literal))
    (systems,), _ = answer_systems(names, agreed, ids, models.get(heads, MODEL))
    assert (systems.heads, systems.heads_from, systems.circular) == ("+".join(literal), heads_from, circular)
    assert len(systems.names) == (1 + 2 + 7 if circular else 1 + 2 + 14)


# The answers of a words table, one per kind of reference.

SIGNATURE = {"seed": 0, "model_checksum": MODEL}


def default_table(*utterances, late_s=0.03):
    def words(u, name):
        by_s = late_s if name == OPENAI else 0.01
        return tuple(Word(word.text, word.start_s + by_s, word.end_s + by_s) for word in u.words)

    return words_table(utterances, DEFAULT, {u.id: {name: words(u, name) for name in DEFAULT} for u in utterances})


def test_there_is_one_answer_per_kind_of_reference_with_the_distance_of_its_second_reference():
    table = default_table(
        *(utterance(f"m{i}", WORDS, f"s{i}", reference="manual") for i in range(3)),
        *(utterance(f"a{i}", WORDS, f"s{i}", reference="automatic") for i in range(2)),
    )
    row = ScoreRow(
        SECOND_REFERENCE, "mfa", "words", "manual", "interior", "none", "wbe", "wbe_mean", 12.5, 10.0, 15.0, "ms", 9,
        "speakers", 3, 3.0,
    )  # fmt: skip
    others = [
        replace(row, **{key: value}, value=99.0) for key, value in (("boundaries", "all"), ("metric", "wbe_median"))
    ]
    found, reason = answers(dataset(table), [*others, replace(row, source="attention"), row], SIGNATURE)
    assert reason is None
    assert [(a.reference, a.n_clusters, a.n_boundaries) for a in found] == [("automatic", 2, 8), ("manual", 3, 12)]
    assert [a.floor_ms for a in found] == [None, Figure(12.5, 10.0, 15.0)]
    for answer in found:
        assert answer.reading_ms.value == pytest.approx(20)
        assert answer.shift_ms == pytest.approx(20)  # constant: nothing is left of it after calibration
        assert answer.verdict == "cannot be told"


def test_heads_chosen_by_agreement_make_an_answer_circular_by_the_signature():
    signature = SIGNATURE | {"heads_by_agreement": ["gradient:at=encoder-output", 30, "+".join(HEADS)]}
    table = default_table(*(utterance(f"m{i}", WORDS, f"s{i}") for i in range(6)))
    (answer,), _ = answers(dataset(table), [], signature)
    assert (answer.verdict, answer.heads_from, answer.worth_ms) == ("circular", "agreement", None)


def test_without_words_systems_or_interior_boundaries_there_is_a_reason():
    assert answers(dataset(default_table()), [], SIGNATURE) == (None, "the run has no words")
    table = default_table(utterance("u0", WORDS[:1], "s0"))
    reason = "manual reference: no word boundary was timed by every system"
    assert answers(dataset(table), [], SIGNATURE) == (None, reason)
    lone = table.filter([name == OPENAI.source for name in table.column("source").to_pylist()])
    assert answers(dataset(lone), [], SIGNATURE)[1].startswith("the run adds no saliency to attention")
