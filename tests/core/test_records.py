"""Records refuse what is not finite or does not fit together, and cannot be changed afterwards."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from align_eval.errors import InputError, told_apart
from align_eval.records import EOT_WORD, RelevanceMap, Word

NAN, INF = float("nan"), float("inf")


def make_map(values, word_of_token=(0, 1, EOT_WORD)) -> RelevanceMap:
    return RelevanceMap(np.asarray(values), 0.02, -0.01, np.asarray(word_of_token), "gradient:at=mel")


@pytest.mark.parametrize(("start_s", "end_s"), [(NAN, 1.0), (0.0, NAN), (-INF, 1.0), (0.0, INF)])
def test_a_word_with_times_that_are_not_finite_is_refused(start_s, end_s):
    with pytest.raises(ValueError, match=rf"word 'a': times are not finite \({start_s}, {end_s}\)"):
        Word("a", start_s, end_s)


def test_a_word_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match=r"word 'a': ends \(1\.2 s\) before it starts \(1\.31 s\)"):
        Word("a", 1.31, 1.2)


def test_a_word_of_no_length_is_a_word():
    assert Word("um", 0.5, 0.5).end_s == 0.5


def test_a_map_is_float32_and_cannot_be_changed():
    relevance = make_map(np.ones((3, 4)))
    assert (relevance.values.dtype, relevance.word_of_token.dtype) == (np.float32, np.int32)
    for array in (relevance.values, relevance.word_of_token):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    with pytest.raises(FrozenInstanceError):
        relevance.frame_s = 1.0


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e300], ids=["NaN", "inf", "-inf", "beyond float32"])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_map_that_is_not_finite_is_refused_with_the_first_place_and_how_many(value):
    values = np.zeros((3, 4))
    values[1, 2] = values[2, 0] = value
    shown = np.float64(value) if abs(value) != 1e300 else INF
    place = r"source gradient:at=mel, token row 1, frame 2: "
    with pytest.raises(InputError, match=place + rf"the map is not finite there \({shown}; 2 such values\); check"):
        make_map(values)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((12,), 3), ((2, 4), 3), ((4, 4), 3), ((3, 0), 3), ((0, 4), 0), ((1, 3, 4), 3)],
    ids=["no rows", "a row too few", "a row too many", "no frames", "no tokens", "a stack"],
)
def test_a_map_that_does_not_fit_its_tokens_is_refused(shape, words):
    with pytest.raises(ValueError, match=rf"gradient:at=mel: map \({shape[0]},.* does not fit its {words} tokens"):
        make_map(np.zeros(shape), [0, 1, EOT_WORD][:words])


@pytest.mark.parametrize(
    "word_of_token",
    [(0, 1, 2), (1, 0, EOT_WORD), (EOT_WORD, 0, EOT_WORD), (0, EOT_WORD, EOT_WORD), (0, -2, EOT_WORD)],
    ids=["no end of text", "descending", "ends first", "ends twice", "negative"],
)
def test_words_of_tokens_that_do_not_ascend_to_the_end_of_the_text_are_refused(word_of_token):
    with pytest.raises(
        ValueError, match=r"gradient:at=mel: word_of_token must rise from 0 in steps of 1 and end with -1"
    ):
        make_map(np.zeros((3, 4)), word_of_token)


def test_a_word_may_have_several_tokens_and_a_text_none():
    assert make_map(np.zeros((3, 4)), (0, 0, EOT_WORD)).word_of_token.tolist() == [0, 0, -1]
    assert make_map(np.zeros((1, 4)), (EOT_WORD,)).values.shape == (1, 4)


@pytest.mark.parametrize("word_of_token", [(1, EOT_WORD), (0, 2, EOT_WORD)], ids=["starts at 1", "skips 1"])
def test_a_word_without_tokens_is_refused(word_of_token):
    values = np.zeros((len(word_of_token), 3), np.float32)
    with pytest.raises(ValueError, match=r"rise from 0 in steps of 1"):
        RelevanceMap(values, 0.02, -0.01, np.array(word_of_token), "gradient")


@pytest.mark.parametrize(("frame_s", "start_s"), [(float("nan"), 0.0), (0.0, 0.0), (0.02, float("inf"))])
def test_a_time_axis_that_is_none_is_refused(frame_s, start_s):
    with pytest.raises(ValueError, match=r"no time axis"):
        RelevanceMap(np.zeros((2, 3), np.float32), frame_s, start_s, np.array([0, EOT_WORD]), "gradient")


def test_the_callers_arrays_stay_writable_and_their_own():
    values = np.zeros((2, 3), np.float32)
    relevance = RelevanceMap(values, 0.02, -0.01, np.array([0, EOT_WORD]), "gradient")
    values[0, 0] = 7
    assert relevance.values[0, 0] == 0


def test_a_confidence_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"confidence is not finite"):
        Word("a", 0.0, 1.0, float("nan"))


def test_a_row_before_the_text_and_pieces_must_fit_the_map():
    fits = {"lead": np.zeros((1, 3), np.float32), "pieces": ((" a", 1),)}
    arguments = (np.zeros((2, 3), np.float32), 0.02, -0.01, np.array([0, EOT_WORD]), "attention")
    assert RelevanceMap(*arguments, **fits).pieces == ((" a", 1),)
    with pytest.raises(ValueError, match=r"the row before the text \(1, 4\) does not fit a map \(2, 3\)"):
        RelevanceMap(*arguments, lead=np.zeros((1, 4), np.float32))
    with pytest.raises(ValueError, match="the pieces hold 2 tokens, not 1"):
        RelevanceMap(*arguments, pieces=((" a", 2),))


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [
        (31.0, 30.0, ("31.00", "30.00")),
        (30 + 1 / 16000, 30.0, ("30.00006", "30.00000")),
        (30 + 1 / 192000, 30.0, ("30.000005", "30.000000")),
        (0.0199, 0.02, ("0.01990", "0.02000")),
        (1.0, 1.0, ("1.0000000000000000", "1.0000000000000000")),
    ],
)
def test_two_numbers_are_written_with_as_many_decimals_as_show_that_they_differ(value, limit, shown):
    assert told_apart(value, limit) == shown


def test_a_word_that_ends_a_microsecond_before_it_starts_is_refused_by_numbers_that_differ():
    with pytest.raises(ValueError, match=r"ends \(1234\.567889 s\) before it starts \(1234\.56789 s\)"):
        Word("late", 1234.56789, 1234.567889)
