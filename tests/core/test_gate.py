"""Verdicts on pairs of words tables with planted changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from align_eval.errors import InputError, NotComparableError
from align_eval.formats.run.words_table import SCHEMA, words_table
from align_eval.gate.compare import compare, compare_or_reason, read_side
from align_eval.gate.pairs import match_systems, parse_map
from align_eval.gate.verdicts import GateOptions, worst_of
from align_eval.records import AudioSpan, Pairing, SystemName, Unit, Utterance, Word
from tests.helpers.planted_words import LABEL, SYSTEM, corpus, moved, side, without

TABLE = corpus(np.random.default_rng(0), n_speakers=8, fewest=10, most=30)
SPEAKER = np.array(TABLE.column("speaker").to_pylist())
N_WORDS = {str(name): int((name == SPEAKER).sum()) for name in np.unique(SPEAKER)}
LARGE = [name for name, n in N_WORDS.items() if n >= 20]


def checks(comparison, **fields):
    return [c for c in comparison.checks if all(getattr(c, name) == value for name, value in fields.items())]


def one(comparison, **fields):
    (check,) = checks(comparison, **fields)
    return check


def set_column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    i = SCHEMA.get_field_index(name)
    return table.set_column(i, SCHEMA.field(name), pa.array(values, SCHEMA.field(name).type))


def test_a_run_passes_against_itself_without_any_change():
    result = compare(side(TABLE, "baseline"), side(TABLE))
    assert result.verdict == "pass"
    assert {(c.value, c.verdict) for c in result.checks} == {(0.0, "pass")}
    assert (result.differences, result.renamed, result.new_systems) == ((), {}, ())
    assert not result.fails(strict=True)


def test_only_speakers_with_20_or_more_words_have_a_verdict():
    assert 0 < len(LARGE) < len(N_WORDS)
    result = compare(side(TABLE), side(TABLE))
    assert {c.speaker for c in result.checks} == {None, *LARGE}
    assert {c.speaker: c.n_words for c in result.checks if c.speaker} == {name: N_WORDS[name] for name in LARGE}
    metrics = {"wbe_mean", "start_shift", "end_shift", "lost_words"}
    assert all({c.metric for c in checks(result, speaker=name)} == metrics for name in (None, *LARGE))


def test_the_loss_is_the_difference_of_the_mean_absolute_errors_and_the_shift_the_median_difference():
    later = np.random.default_rng(1).normal(10.0, 30.0, len(TABLE))
    result = compare(side(TABLE), side(moved(TABLE, later, -later)))

    def wbe(table: pa.Table) -> float:
        return float(np.mean([np.abs(table.column(n).to_numpy()) for n in ("start_error_s", "end_error_s")]) * 1000)

    loss = one(result, metric="wbe_mean", speaker=None)
    assert loss.value == pytest.approx(wbe(moved(TABLE, later, -later)) - wbe(TABLE), abs=1e-9)
    assert one(result, metric="start_shift", speaker=None).value == pytest.approx(np.median(later))
    assert one(result, metric="end_shift", speaker=None).value == pytest.approx(-np.median(later))
    (figures,) = result.figures
    assert figures.baseline_ms == pytest.approx(wbe(TABLE))
    assert figures.run_ms - figures.baseline_ms == pytest.approx(loss.value)


def test_the_order_of_rows_does_not_matter():
    shuffled = TABLE.take(pa.array(np.random.default_rng(0).permutation(len(TABLE))))
    assert compare(side(shuffled), side(TABLE)).checks == compare(side(TABLE), side(TABLE)).checks


def test_speakers_are_resampled_overall_and_words_within_a_speaker_or_of_few_speakers():
    result = compare(side(TABLE), side(TABLE))
    overall = one(result, metric="wbe_mean", speaker=None)
    assert (overall.resampled, overall.n_units) == ("speakers", 8)
    single = one(result, metric="wbe_mean", speaker=LARGE[0])
    assert (single.resampled, single.n_units) == ("words", N_WORDS[LARGE[0]])
    few = TABLE.filter(pa.array(np.isin(SPEAKER, ["s00", "s01", "s02", "s03", "s04"])))
    assert one(compare(side(few), side(few)), metric="wbe_mean", speaker=None).resampled == "words"


@pytest.mark.parametrize("by_ms", [60.0, -60.0, 20.5])
def test_a_shift_of_one_boundary_is_a_regression_even_if_the_absolute_error_is_unchanged(by_ms):
    """The baseline is early and the run is late, by half of the shift each: the absolute error is unchanged."""
    reference = np.zeros(len(TABLE))
    exact = moved(TABLE, reference - TABLE.column("start_error_s").to_numpy() * 1000, 0.0)
    result = compare(side(moved(exact, -by_ms / 2, 0.0)), side(moved(exact, by_ms / 2, 0.0)))
    assert one(result, metric="wbe_mean", speaker=None).value == pytest.approx(0.0, abs=1e-9)
    assert one(result, metric="start_shift", speaker=None).value == pytest.approx(by_ms)
    assert {c.metric for c in checks(result, verdict="regression")} == {"start_shift"}
    assert {c.speaker for c in checks(result, verdict="regression")} == {None, *LARGE}


def test_a_shift_of_exactly_the_limit_passes_and_the_limit_is_an_option():
    run = side(moved(TABLE, 20.0, 20.0))
    assert not [c for c in compare(side(TABLE), run).checks if "shift" in c.metric and c.verdict != "pass"]
    tighter = compare(side(TABLE), run, GateOptions(shift_ms=19.0))
    assert {c.metric for c in checks(tighter, verdict="regression")} >= {"start_shift", "end_shift"}


def test_a_shift_of_four_words_could_be_chance_and_is_undecided():
    few = TABLE.slice(0, 4)
    result = compare(side(few), side(moved(few, 60.0, 60.0)))
    assert result.verdict == "undecided"
    assert one(result, metric="start_shift").verdict == "undecided"


def test_one_lost_word_of_a_known_text_is_a_regression_and_one_gained_word_is_not():
    lost = compare(side(TABLE), side(without(TABLE, [17])))
    assert lost.verdict == "regression"
    check = one(lost, metric="lost_words", speaker=None)
    assert (check.verdict, check.value, check.p, check.unit) == ("regression", 1.0, None, "words")
    assert [word.word for word in check.worst] == ["w17"]
    assert compare(side(without(TABLE, [17])), side(TABLE)).verdict == "pass"


def test_few_lost_recognised_words_are_undecided_and_a_tenth_is_a_regression():
    def text(table: pa.Table):
        return side(table, text="hypothesis")

    n = len(TABLE)
    few = compare(text(without(TABLE, [3, 40])), text(without(TABLE, [17, 60, 80])))
    assert one(few, metric="lost_words", speaker=None).value == 1
    assert (few.verdict, one(few, metric="lost_words", speaker=None).verdict) == ("undecided", "undecided")
    tenth = compare(text(TABLE), text(without(TABLE, range(0, n, 10))))
    check = one(tenth, metric="lost_words", speaker=None)
    assert (check.verdict, check.value) == ("regression", len(range(0, n, 10)))
    assert compare(text(without(TABLE, range(0, n, 10))), text(TABLE)).verdict == "pass"


def test_a_run_without_any_word_is_a_regression():
    result = compare(side(TABLE), side(without(TABLE, range(len(TABLE)))))
    assert result.verdict == "regression"
    assert {c.metric for c in result.checks} == {"lost_words"}
    assert (result.figures[0].run_ms, result.figures[0].run_lost) == (None, len(TABLE))


def test_recognised_words_without_times_are_lost():
    without_times = without(TABLE, range(0, len(TABLE), 3))
    run = set_column(without_times, "hypothesis", TABLE.column("hypothesis").to_pylist())
    assert one(compare(side(TABLE), side(run)), metric="lost_words", speaker=None).value == len(range(0, len(TABLE), 3))


def test_words_recognised_as_one_are_compared_at_boundaries_that_both_runs_know():
    """ "can not go" against "cannot go": the shared start and end are 30 ms late, only one side knows the middle."""
    reference = tuple(Word(text, i * 0.5, i * 0.5 + 0.4) for i, text in enumerate(("can", "not", "go")))
    utterance = Utterance("a", AudioSpan(Path("a.wav")), reference, "can not go", "en", None, "a", 2.0)
    system = SystemName(*SYSTEM)
    one_by_one = words_table([utterance], [system], {"a": {system: reference}})
    merged = (Word("cannot", 0.03, 0.93), Word("go", 1.0, 1.4))
    units = (Unit((0, 1), (0,), same=True), Unit((2,), (1,), same=True))
    pairing = Pairing(units, (), (), (), 3, 2)
    as_one = words_table([utterance], [system], {"a": {system: merged}}, {"a": {system: pairing}})
    result = compare(side(one_by_one, text="hypothesis"), side(as_one, text="hypothesis"))
    assert one(result, metric="lost_words").value == 0
    assert one(result, metric="wbe_mean").value == pytest.approx((30 + 0 + 30 + 0) / 4)  # can's start, not's end, go
    assert [(w.word, round(w.ms)) for w in one(result, metric="wbe_mean").worst] == [("can", 30), ("not", 30)]


def test_the_worst_words_are_the_ten_that_lost_most_in_their_order():
    added = np.zeros(len(TABLE))
    chosen = [5, 70, 31, 90, 12, 44, 66, 23, 81, 55, 2]
    added[chosen] = 1000.0 + 10.0 * np.arange(len(chosen))
    signs = np.sign(TABLE.column("start_error_s").to_numpy())
    run = moved(TABLE, added * signs, 0.0)
    worst = one(compare(side(TABLE), side(run)), metric="wbe_mean", speaker=None).worst
    assert [word.word for word in worst] == [f"w{i}" for i in chosen[:0:-1]]
    assert worst[0].ms == pytest.approx(1100 / 2)  # a word has two boundaries


def test_kinds_of_reference_are_judged_separately():
    kinds = ["automatic" if name < "s04" else "manual" for name in SPEAKER]
    table = set_column(TABLE, "reference", kinds)
    run = moved(table, np.where(np.array(kinds) == "manual", 60.0, 0.0), 0.0)
    result = compare(side(table), side(run))
    assert {c.reference for c in checks(result, verdict="regression")} == {"manual"}
    assert [f.reference for f in result.figures] == ["automatic", "manual"]


def test_more_systems_raise_each_p_value():
    """The p-values of a family are adjusted for all of its tests: eight times more with eight copies of a system."""
    copies = pa.concat_tables([set_column(TABLE, "align", [f"dtw{i}"] * len(TABLE)) for i in range(8)])
    later = np.random.default_rng(0).normal(0.0, 70.0, len(TABLE))
    alone = compare(side(TABLE), side(moved(TABLE, later, 0.0)))
    many = compare(side(copies), side(moved(copies, np.tile(later, 8), 0.0)))
    p_alone = one(alone, metric="wbe_mean", speaker=None).p
    p_many = checks(many, metric="wbe_mean", speaker=None)[0].p
    assert p_many == pytest.approx(min(1.0, 8 * p_alone), rel=1e-6)
    assert (
        checks(many, metric="wbe_mean", speaker=None)[0].smallest > one(alone, metric="wbe_mean", speaker=None).smallest
    )


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [(["pass", "undecided", "regression"], "regression"), (["undecided", "pass"], "undecided"), ([], "pass")],
)
def test_the_worst_verdict_counts(verdicts, expected):
    assert worst_of(verdicts) == expected


# --- Comparable runs ---


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "corpus_checksum",
            "c" * 64,
            r"corpus_checksum \(bbbbbbbbbbbb... in the baseline, cccccccccccc... in the run\)",
        ),
        ("text", "hypothesis", r"text \(words in the baseline, hypothesis in the run\)"),
    ],
)
def test_runs_on_other_speech_or_another_text_are_not_comparable(key, value, message):
    with pytest.raises(NotComparableError, match=message) as raised:
        compare(side(TABLE, "old"), side(TABLE, "new", **{key: value}))
    assert raised.value.exit_code == 3


def test_other_signature_keys_may_differ_and_are_reported():
    changed = {"id": "x", "corpus": "elsewhere", "model_checksum": "d" * 64, "packages": {"torch": "2.14.0"}}
    result = compare(side(TABLE), side(TABLE, **changed))
    assert result.verdict == "pass"
    assert [(d.key, d.baseline, d.run) for d in result.differences] == [
        ("model_checksum", "a" * 64, "d" * 64),
        ("packages.torch", "2.13.0", "2.14.0"),
        ("packages.numpy", "2.4.6", "absent"),
    ]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("word", ["x", *TABLE.column("word").to_pylist()[1:]]),
        ("reference", ["automatic"] * len(TABLE)),
        ("speaker", [None] * len(TABLE)),
        ("reference_end_s", (TABLE.column("reference_end_s").to_numpy() + 0.01).tolist()),
        ("utterance", [f"x{u}" for u in TABLE.column("utterance").to_pylist()]),
    ],
)
def test_tables_about_other_words_are_not_comparable(column, values):
    with pytest.raises(NotComparableError, match=rf"words\.parquet differs in {column};"):
        compare(side(TABLE), side(set_column(TABLE, column, values)))


def test_a_table_with_fewer_words_is_not_comparable():
    with pytest.raises(NotComparableError, match=r"words\.parquet differs in utterance"):
        compare(side(TABLE), side(TABLE.slice(0, 50)))


def test_a_duplicate_word_is_refused():
    with pytest.raises(InputError, match=r"words.parquet of the run: has utterance s00/u0, word 0 of .* twice"):
        compare(side(TABLE), side(pa.concat_tables([TABLE, TABLE.slice(0, 1)])))


def test_a_missing_system_is_not_comparable_and_a_new_system_is_reported():
    two = pa.concat_tables([TABLE, set_column(TABLE, "align", ["viterbi"] * len(TABLE))])
    with pytest.raises(
        NotComparableError, match=r"lacks systems of the baseline: attention:heads=alignment \| viterbi;"
    ):
        compare(side(two), side(TABLE))
    assert compare(side(TABLE), side(two)).new_systems == ("attention:heads=alignment | viterbi",)
    only = compare(side(two), side(TABLE), only=[LABEL])
    assert (only.verdict, {c.system for c in only.checks}) == ("pass", {LABEL})


def test_a_renamed_system_is_compared_if_it_is_mapped():
    other = "attention:heads=all | dtw"
    renamed = set_column(moved(TABLE, 60.0, 60.0), "source", ["attention:heads=all"] * len(TABLE))
    assert isinstance(compare_or_reason(side(TABLE), side(renamed)), NotComparableError)
    result = compare(side(TABLE), side(renamed), renamed=parse_map([f"{LABEL} -> {other}"]))
    assert (result.verdict, result.renamed, result.new_systems) == ("regression", {LABEL: other}, ())


@pytest.mark.parametrize("text", ["a | dtw", "-> b", "a ->", "->", ""])
def test_a_map_of_another_form_is_refused(text):
    with pytest.raises(InputError, match="is not of the form 'OLD -> NEW'"):
        parse_map([text])


@pytest.mark.parametrize("arguments", [["a -> b", "a -> c"], ["a -> c", "b -> c"]])
def test_a_system_that_is_mapped_twice_is_refused(arguments):
    with pytest.raises(InputError, match="names a system that another --map names"):
        parse_map(arguments)


@pytest.mark.parametrize(
    ("renamed", "only", "message"),
    [
        ({"c": "b"}, [], "--map, baseline: there is no system 'c'; choose one of: a"),
        ({"a": "c"}, [], "--map, run: there is no system 'c'; choose one of: a; b"),
        ({}, ["b"], "--system: there is no system 'b'; choose one of: a"),
    ],
)
def test_an_unknown_name_is_refused(renamed, only, message):
    with pytest.raises(InputError, match=message):
        match_systems(["a"], ["a", "b"], renamed, only)


@pytest.mark.parametrize("value", [0.0, -5.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["margin_ms", "shift_ms"])
def test_a_limit_that_is_no_positive_number_is_refused(name, value):
    with pytest.raises(InputError, match="is not a positive number of milliseconds"):
        GateOptions(**{name: value})


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        read_side(tmp_path / "missing")


def test_a_comparison_does_not_change_its_inputs():
    before = TABLE.to_pylist()
    compare(side(TABLE), side(moved(TABLE, 60.0, 0.0)))
    assert TABLE.to_pylist() == before
    assert replace(side(TABLE)) == side(TABLE)
    assert pc.sum(pc.is_null(TABLE.column("start_s"))).as_py() == 0
