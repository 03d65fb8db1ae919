"""Word times of a map, through the public function and its specs."""

import numpy as np
import pytest

from align_eval.alignment.word_times import word_times
from align_eval.errors import InputError
from align_eval.records import EOT_WORD, RelevanceMap
from align_eval.units import FRAME_S, START_S
from tests.helpers.maps import align_map, canonical_align

# Rows 0 and 1 are the first word, row 2 the second, row 3 the end of the text. The path enters them at columns
# 0, 2, 7 and 35: the first word spans columns 0 to 6, the second 7 to 34.
ENTERED = [0, 2, 7, 35]
N_FRAMES = 40
WORD_OF_TOKEN = np.array([0, 0, 1, EOT_WORD], dtype=np.int32)
ENERGY = np.ones(N_FRAMES)


def planted(frame_s: float = FRAME_S, start_s: float = START_S) -> RelevanceMap:
    values = np.full((4, N_FRAMES), -1.0, dtype=np.float32)
    for row, (first, after) in enumerate(zip(ENTERED, [*ENTERED[1:], N_FRAMES], strict=True)):
        values[row, first:after] = 1.0
    return RelevanceMap(values, frame_s, start_s, WORD_OF_TOKEN, "planted")


def test_words_start_at_the_left_edge_of_their_first_column_and_never_before_zero():
    (first, second) = align_map(planted(), ENERGY, "dtw").words
    assert first == (0.0, pytest.approx(7 * 0.02 - 0.01, abs=1e-12))  # column 0 begins at -10 ms
    assert second == (first[1], pytest.approx(35 * 0.02 - 0.01, abs=1e-12))


def test_the_index_grid_gives_column_over_50_to_the_last_bit():
    assert 35 * 0.02 != 0.7  # which is why it is divided
    assert align_map(planted(), ENERGY, "dtw:grid=index").words == ((0.0, 7 / 50), (7 / 50, 0.7))


@pytest.mark.parametrize("end", ["own", "next"])
def test_viterbi_reads_the_same_times_where_no_silence_lies_between(end):
    spec = f"viterbi:silence=constant,level=-100,boundary=frame,end={end}"
    assert align_map(planted(), ENERGY, spec).words == align_map(planted(), ENERGY, "dtw").words


def test_viterbi_leaves_the_silence_between_words_out_and_dtw_cannot():
    values = planted().values.copy()
    values[:, 4:9] = -1.0  # the first word now ends with column 3, the second starts with column 9
    relevance = RelevanceMap(values, FRAME_S, START_S, WORD_OF_TOKEN, "planted")
    viterbi = align_map(relevance, ENERGY, "viterbi:silence=constant,level=0,boundary=frame").words
    assert viterbi[0][1] == pytest.approx(4 * 0.02 - 0.01, abs=1e-12)
    assert viterbi[1][0] == pytest.approx(9 * 0.02 - 0.01, abs=1e-12)
    dtw = align_map(relevance, ENERGY, "dtw").words
    assert dtw[0][1] == dtw[1][0]


@pytest.mark.parametrize("spec", ["dtw", "viterbi:silence=constant,level=-100,boundary=frame"])
@pytest.mark.parametrize(("frame_s", "start_s"), [(0.02, -0.01), (0.01, -0.005), (0.04, 0.0), (0.0125, 0.3)])
def test_columns_become_seconds_on_any_grid(spec, frame_s, start_s):
    expected = [[max(column * frame_s + start_s, 0.0) for column in word] for word in ((0, 7), (7, 35))]
    found = align_map(planted(frame_s, start_s), ENERGY, spec).words
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "spec", ["dtw", *(f"viterbi:silence={s},boundary=frame" for s in ("zscore", "energy", "levels"))]
)
@pytest.mark.parametrize("scale", [0.25, 8.0])
def test_the_scale_of_a_map_does_not_matter_to_the_best_path(spec, scale):
    # A power of two scales every sum along a path, every mean and every deviation exactly.
    rng = np.random.default_rng(0)
    energy = rng.random(30)
    for _ in range(20):
        values = rng.normal(size=(4, 30)).astype(np.float32)
        one, other = (RelevanceMap(v, FRAME_S, START_S, WORD_OF_TOKEN, "random") for v in (values, scale * values))
        assert align_map(one, energy, spec).words == align_map(other, energy, spec).words


def test_a_constant_added_to_each_column_does_not_matter_to_the_median_where_the_scale_does():
    """Every path takes the constant of every column once, so that all paths weigh alike."""
    rng = np.random.default_rng(1)
    values, energy = rng.normal(size=(4, 30)).astype(np.float32), rng.random(30)
    plain, raised, scaled = (
        align_map(RelevanceMap(v, FRAME_S, START_S, WORD_OF_TOKEN, "random"), energy, "viterbi").words
        for v in (values, values + 8 * rng.random(30, dtype=np.float32), 8 * values)
    )
    np.testing.assert_allclose(raised, plain, rtol=0, atol=1.01e-4)  # float32 rounds the sum
    assert abs(np.subtract(scaled, plain)).max() > 1e-3


def test_the_rows_of_a_path_and_its_cost_are_reported():
    alignment = align_map(planted(), ENERGY, "dtw")
    assert alignment.token_frames.tolist() == [[0, 2], [2, 7], [7, 35], [35, 40]]
    assert alignment.cost == -N_FRAMES  # one cell of value 1 a column


@pytest.mark.parametrize(("end", "expected"), [("own", ((0, 3), (5, 6))), ("next", ((0, 5), (5, 9)))])
def test_a_word_of_several_tokens_starts_with_its_first_and_ends_with_its_last(end, expected):
    frames = np.array([[0, 2], [2, 3], [5, 6], [9, 10]], dtype=np.int32)
    assert word_times(frames, WORD_OF_TOKEN, 1.0, 0.0, end) == expected


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("dtw:grid=edge", "dtw"),
        ("dtw:grid=index", "dtw:grid=index"),
        ("viterbi:end=own,silence=levels", "viterbi"),
        ("viterbi:end=next,silence=energy", "viterbi:silence=energy,end=next"),
    ],
)
def test_the_alignment_names_itself_canonically(spec, canonical):
    assert align_map(planted(), ENERGY, spec).spec == canonical == canonical_align(spec)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("beam", "unknown align 'beam'; known: dtw, viterbi"),
        ("dtw:step=1", "unknown key 'step=1'; keys of dtw: grid"),
        ("dtw:grid=middle", "'middle' is not a choice; choose one of edge, index"),
        ("viterbi:level=loud", "'loud' is not a number"),
        ("viterbi:level=nan", "'nan' is not finite"),
    ],
)
def test_what_no_alignment_understands_is_refused(spec, problem):
    with pytest.raises(InputError, match=problem):
        align_map(planted(), ENERGY, spec)


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        ("dtw:durations=capped", "the pieces of the text"),
        ("dtw:punctuation=trimmed", "the pieces of the text"),
        ("dtw:silence=suppressed", "the pieces of the text"),
    ],
)
def test_a_heuristic_without_what_it_reads_is_refused(spec, missing):
    """Saved maps have neither pieces nor samples."""
    with pytest.raises(InputError, match=f"alignment {spec}: needs {missing}, which are missing; run the model, or"):
        align_map(planted(), ENERGY, spec)


def test_suppressing_silence_without_samples_is_refused():
    n_tokens = len(WORD_OF_TOKEN) - 1
    relevance = RelevanceMap(planted().values, FRAME_S, START_S, WORD_OF_TOKEN, "planted", pieces=((" a", n_tokens),))
    with pytest.raises(InputError, match="needs samples, which are missing; run the model, or use silence=kept"):
        align_map(relevance, ENERGY, "dtw:silence=suppressed")
