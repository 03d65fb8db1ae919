"""Score rows of a words table: planted shifts, and conditions that are never pooled."""

from dataclasses import replace

import pytest

from align_eval.formats.run.words_table import words_table
from align_eval.records import SystemName, Utterance, Word
from align_eval.run_record import ScoreRow
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.scoring.summary import score_table
from tests.helpers.utterances import utterance

SYSTEM = SystemName("attention", "dtw")
OTHER = SystemName("gradient", "dtw")


def moved(u: Utterance, by_s: float = 0.0) -> tuple[Word, ...]:
    return tuple(replace(w, start_s=w.start_s + by_s, end_s=w.end_s + by_s) for w in u.words)


def scores(utterances, found, **options) -> list[ScoreRow]:
    return list(score_table(words_table(utterances, tuple(next(iter(found.values()))), found), **options))


def value(rows, metric, boundaries="all", calibration="none", system=SYSTEM, reference="manual") -> float:
    key = ("wbe", system.source, system.align, reference, boundaries, calibration, metric)
    (row,) = [
        r for r in rows if (r.protocol, r.source, r.align, r.reference, r.boundaries, r.calibration, r.metric) == key
    ]
    return row.value


SPEAKERS = [utterance(id_, speaker=id_) for id_ in "abcd"]


@pytest.mark.parametrize("boundaries", ["all", "interior"])
@pytest.mark.parametrize("calibration", ["none", "reference"])
def test_the_reference_against_itself_is_perfect_and_has_no_interval_of_no_width(boundaries, calibration):
    # Six speakers are enough for an interval, but no draw changes the value: no spread is seen, which is not certainty.
    speakers = [utterance(id_, speaker=id_) for id_ in "abcdef"]
    rows = scores(speakers, {u.id: {SYSTEM: u.words} for u in speakers})
    perfect = {"wbe_mean": 0.0, "wbe_median": 0.0, "start_bias": 0.0, "end_bias": 0.0, "within_10ms": 1.0, "iou": 1.0}
    for row in rows:
        expected = 0.0 if row.unit == "ms" or row.metric == "cut" else 1.0
        assert (row.value, row.ci_low, row.ci_high) == (expected, None, None)
    assert {value(rows, metric, boundaries, calibration) for metric in perfect} == {0.0, 1.0}


@pytest.mark.parametrize("boundaries", ["all", "interior"])
def test_a_reference_that_is_40_ms_later_reads_minus_40_ms_and_calibration_takes_it_away(boundaries):
    late = [replace(u, words=moved(u, 0.04)) for u in SPEAKERS]
    rows = scores(late, {u.id: {SYSTEM: u.words} for u in SPEAKERS})
    for metric in ("start_bias", "end_bias"):
        assert value(rows, metric, boundaries) == pytest.approx(-40.0, abs=1e-9)
        assert value(rows, metric, boundaries, "reference") == pytest.approx(0.0, abs=1e-9)
    assert value(rows, "wbe_mean", boundaries) == pytest.approx(40.0, abs=1e-9)
    assert value(rows, "wbe_mean", boundaries, "reference") == pytest.approx(0.0, abs=1e-9)


def test_interior_does_not_see_the_outermost_boundaries():
    # Only the first start and the last end are wrong, each by half a second of the 6 boundaries.
    u = utterance("a")
    first, middle, last = u.words
    found = (replace(first, start_s=first.start_s - 0.5), middle, replace(last, end_s=last.end_s + 0.5))
    rows = scores([u], {"a": {SYSTEM: found}})
    assert value(rows, "wbe_mean") == pytest.approx((500 + 500) / 6)
    assert value(rows, "wbe_mean", "interior") == 0.0


def test_manual_and_automatic_references_are_never_pooled():
    utterances = [utterance("a"), utterance("b"), utterance("c", reference="automatic")]
    found = {u.id: {SYSTEM: moved(u, 0.5 if u.reference == "manual" else 0.25)} for u in utterances}
    rows = scores(utterances, found)
    assert value(rows, "start_bias", reference="manual") == pytest.approx(500.0)
    assert value(rows, "start_bias", reference="automatic") == pytest.approx(250.0)
    assert {(r.reference, r.n_words, r.n_clusters) for r in rows} == {("manual", 6, 2), ("automatic", 3, 1)}


def test_systems_are_scored_apart_on_the_same_words():
    found = {u.id: {SYSTEM: moved(u, 0.5), OTHER: moved(u, 0.25)} for u in SPEAKERS}
    rows = scores(SPEAKERS, found)
    assert value(rows, "start_bias") == pytest.approx(500.0)
    assert value(rows, "start_bias", system=OTHER) == pytest.approx(250.0)


def test_an_utterance_that_failed_lowers_what_counts_every_word_and_nothing_else():
    # The failed one is speaker d's second, so that the same speakers stand behind both tables.
    failed = utterance("e", speaker="d")
    found = {u.id: {SYSTEM: moved(u, by_s)} for u, by_s in zip(SPEAKERS, (0.01, 0.02, 0.05, 0.4), strict=True)}
    without, with_failed = scores(SPEAKERS, found), scores([*SPEAKERS, failed], found)
    assert value(without, "coverage") == 1.0
    assert value(with_failed, "coverage") == 12 / 15
    assert value(with_failed, "within_50ms_of_all") == value(with_failed, "within_50ms") * 12 / 15
    assert {row.n_words for row in with_failed} == {15}

    def others(rows):
        return [
            (r.boundaries, r.calibration, r.metric, r.value, r.ci_low, r.ci_high)
            for r in rows
            if r.metric != "coverage" and not r.metric.endswith("_of_all") and not r.metric.startswith(("recall", "f1"))
        ]

    assert others(with_failed) == others(without)


def test_a_corpus_in_another_order_gives_the_same_rows():
    found = {u.id: {SYSTEM: moved(u, by_s)} for u, by_s in zip(SPEAKERS, (0.01, 0.02, 0.05, 0.4), strict=True)}
    rows = scores(SPEAKERS, found)
    assert scores(SPEAKERS[::-1], found) == rows
    assert scores([SPEAKERS[i] for i in (2, 0, 3, 1)], dict(reversed(found.items()))) == rows


def test_a_single_recording_has_values_without_intervals_and_no_calibration():
    u = utterance("a")
    rows = scores([u], {"a": {SYSTEM: moved(u, 0.25)}})
    assert {(r.ci_low, r.ci_high, r.calibration, r.clusters, r.n_clusters) for r in rows} == {
        (None, None, "none", "recordings", 1)
    }


def test_single_words_have_no_interior_boundary_and_so_no_interior_error():
    u = utterance("a")
    single = replace(u, words=u.words[:1])
    rows = scores([single], {"a": {SYSTEM: single.words}})
    assert {r.metric for r in rows if r.boundaries == "interior"} == {"coverage"}


def test_the_seed_moves_intervals_and_not_values():
    # 12 unequal clusters: with four of them the outermost draws are the same whatever the seed
    twelve = [utterance(id_, speaker=id_) for id_ in "abcdefghijkl"]
    found = {u.id: {SYSTEM: moved(u, 0.001 * i**2)} for i, u in enumerate(twelve)}
    one, same, other = (scores(twelve, found, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert [r.value for r in one] == [r.value for r in other]
    assert [r.ci_high for r in one] != [r.ci_high for r in other]


def test_every_row_says_what_it_stands_on():
    rows = scores(SPEAKERS, {u.id: {SYSTEM: u.words} for u in SPEAKERS}, text="words")
    assert {(r.text, r.clusters, r.n_clusters, r.n_effective_clusters) for r in rows} == {("words", "speakers", 4, 4.0)}
    assert {(r.protocol, r.protocol_hash) for r in rows} == {(name, p.hash) for name, p in PROTOCOLS.items()}
    assert len({(r.protocol, r.boundaries, r.calibration, r.metric) for r in rows}) == len(rows)
    assert len({(r.boundaries, r.calibration, r.metric) for r in rows if r.protocol == "wbe"}) == sum(
        r.protocol == "wbe" for r in rows
    )


def late(u: Utterance, i: int) -> tuple[Word, ...]:
    """The words of ``u``, 10 ms later for each step of ``i``."""
    return moved(u, 0.01 * i)


def test_speakers_without_a_scored_word_are_no_clusters():
    """Of eight speakers OTHER timed the words of two: its rows have no interval, whatever they count; SYSTEM's do."""
    speakers = [utterance(id_, speaker=id_) for id_ in "abcdefgh"]
    found = {u.id: {SYSTEM: late(u, i)} | ({OTHER: late(u, i + 1)} if i < 2 else {}) for i, u in enumerate(speakers)}
    rows = list(score_table(words_table(speakers, (SYSTEM, OTHER), found)))
    by_system = {s: [r for r in rows if (r.source, r.align) == (s.source, s.align)] for s in (SYSTEM, OTHER)}
    assert {(r.ci_low, r.ci_high) for r in by_system[OTHER]} == {(None, None)}
    assert {(r.n_clusters, r.n_effective_clusters) for r in by_system[OTHER]} == {(2, 2.0)}
    assert {r.metric for r in by_system[OTHER]} >= {"coverage", "within_50ms_of_all", "wbe_mean", "wbe_mean_macro"}
    errors = next(
        r for r in by_system[SYSTEM] if (r.metric, r.boundaries, r.calibration) == ("wbe_mean", "all", "none")
    )
    assert (errors.value, errors.n_clusters, errors.n_effective_clusters) == (pytest.approx(35.0), 8, 8.0)
    # 0, 10 ... 70 ms: sd 24.5 ms, and Student's t of seven is 2.365
    assert errors.ci_high - errors.value == pytest.approx(2.365 * 24.5 / 8**0.5, rel=0.05)


def test_one_scored_speaker_beside_an_unscored_one_has_no_interval():
    speakers = [utterance("a", speaker="a"), utterance("b", speaker="b")]
    rows = list(score_table(words_table(speakers, (SYSTEM,), {"a": {SYSTEM: moved(speakers[0], 0.019)}})))
    assert value(rows, "wbe_mean") == pytest.approx(19.0)
    assert {(r.ci_low, r.ci_high, r.n_clusters) for r in rows} == {(None, None, 1)}


def test_intervals_stay_among_possible_values():
    """One of six speakers is right and the others are 60 ms off, or the other way round: shares near 0 and 1."""
    speakers = [utterance(id_, speaker=id_) for id_ in "abcdef"]
    for right in ({0}, {1, 2, 3, 4, 5}):
        found = {u.id: {SYSTEM: moved(u, 0.0 if i in right else 0.06)} for i, u in enumerate(speakers)}
        rows = list(score_table(words_table(speakers, (SYSTEM,), found)))
        for row in rows:
            assert (row.ci_low is None) == (row.ci_high is None)
            if row.ci_low is not None:
                assert row.ci_low < row.value < row.ci_high or row.value in (row.ci_low, row.ci_high)
                if row.unit == "share":
                    assert 0 <= row.ci_low < row.ci_high <= 1
                elif not row.metric.endswith("bias"):
                    assert row.ci_low >= 0
    bias = next(r for r in rows if (r.metric, r.boundaries, r.calibration) == ("start_bias", "all", "none"))
    assert bias.ci_low < 0 < bias.value  # a bias has either sign
