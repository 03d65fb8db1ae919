"""Words in TextGrids: finding the word tier, reading it, and writing tiers that are read back exactly."""

import pytest
from textgrid import IntervalTier, PointTier, TextGrid

from align_eval.errors import InputError, InputWarning
from align_eval.formats.praat import read_textgrid
from align_eval.formats.textgrids import fitting_tiers, read_words, word_tiers, words_of_tier, write_words
from align_eval.records import Word


def grid_of(*names: str, points: tuple[str, ...] = ()) -> TextGrid:
    grid = TextGrid(minTime=0.0, maxTime=1.0)
    grid.tiers = [PointTier(n, 0.0, 1.0) if n in points else IntervalTier(n, 0.0, 1.0) for n in names]
    return grid


@pytest.mark.parametrize(
    ("names", "tier", "chosen"),
    [
        (("phones", "words"), None, "words"),
        (("word", "phone"), None, "word"),
        (("WORDS", "phones"), None, "WORDS"),
        ((" Words ",), None, " Words "),
        (("anna - words", "anna - phones"), None, "anna - words"),
        (("words", "words-old", "keywords"), None, "words"),
        (("words", "ORT"), "ORT", "ORT"),
        (("a - words", "b - words"), "b - words", "b - words"),
    ],
)
def test_the_only_tier_that_fits_is_chosen(names, tier, chosen):
    (found,) = word_tiers(grid_of(*names), "a.TextGrid", tier)
    assert found.name == chosen


def test_a_point_tier_of_the_same_name_is_ignored():
    grid = grid_of("words", "Word", points=("words",))
    assert [tier.name for tier in word_tiers(grid, "a.TextGrid")] == ["Word"]


REFUSALS = {
    "several fit": (
        grid_of("a - words", "b - words", "phones"),
        None,
        r"a\.TextGrid: 2 tiers fit as word tier: 'a - words', 'b - words'; "
        r"name one with --tier NAME, or all: --tier 'a - words' --tier 'b - words'; "
        r"the tiers are 'a - words', 'b - words', 'phones'",
    ),
    "two tiers of the chosen name": (
        grid_of("x", "y", "x"),
        "x",
        r"a\.TextGrid: 2 tiers fit as tier 'x': 'x', 'x'; "
        r"name one by its number, as --tier NUMBER, or all: --tier 1 --tier 3; the tiers are 'x', 'y', 'x'",
    ),
    "no tier of this number": (grid_of("x", "y"), "3", r"a\.TextGrid: no tier '3'; .*the tiers are 'x', 'y'"),
    "tier 0": (grid_of("x", "y"), "0", r"a\.TextGrid: no tier '0'; "),
    "one of several does not fit": (grid_of("x", "y"), ["x", "z"], r"a\.TextGrid: no tier 'z'; .*are 'x', 'y'"),
    "points by number": (grid_of("p", "x", points=("p",)), "1", r"tier '1' 'p' holds points, not intervals; "),
    "none fits": (
        grid_of("phones", "syllables"),
        None,
        r"a\.TextGrid: no word tier; name one with --tier; the tiers are 'phones', 'syllables'",
    ),
    "no tier at all": (grid_of(), None, r"a\.TextGrid: no word tier; .*the tiers are none"),
    "a chosen name is taken literally": (
        grid_of("Words"),
        "words",
        r"a\.TextGrid: no tier 'words'; .*the tiers are 'Words'",
    ),
    "points": (
        grid_of("words", points=("words",)),
        None,
        r"a\.TextGrid: word tier 'words' holds points, not intervals; name another",
    ),
}


@pytest.mark.parametrize(("grid", "tier", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_word_tier_is_never_guessed(grid, tier, message):
    with pytest.raises(InputError, match=message):
        word_tiers(grid, "a.TextGrid", tier)


@pytest.mark.parametrize(
    ("names", "wanted", "indices"),
    [
        (["a", "b", "c"], "2", [1]),
        (["a", "2", "c"], "2", [1]),
        (["2", "b", "c"], "2", [0]),
        (["2", "b", "2"], "2", [0, 2]),
        (["a", "a", "b"], "a", [0, 1]),
        (["a", "b"], "3", []),
        (["a", "b"], "0", []),
        (["a", "b"], "-1", []),
        (["a", "b"], "01", [0]),
        (["a", "b"], "²", []),
        (["a", "b"], "٢", []),
        (["a", "b"], "9" * 5000, []),
        (["", "b"], "", [0]),
        (["mots cle\u0301s", "b"], "mots cl\u00e9s", [0]),
        (["mots cl\u00e9s", "b"], "mots cle\u0301s", [0]),
        (["a - words", "Words", "b"], None, [0, 1]),
        (["1", "2"], None, []),
    ],
)
def test_a_tier_is_found_by_its_name_and_else_by_its_number(names, wanted, indices):
    assert fitting_tiers(names, wanted) == indices


def test_tiers_of_equal_name_are_told_apart_by_their_numbers_among_all_tiers(tmp_path):
    grid = grid_of("p", "x", "x", points=("p",))
    grid.tiers[1].add(0.1, 0.2, "one")
    grid.tiers[2].add(0.1, 0.2, "two")
    path = tmp_path / "a.TextGrid"
    grid.write(str(path))
    assert [w.text for w in read_words(path, "2")] == ["one"]
    assert [w.text for w in read_words(path, "3")] == ["two"]


def test_a_tier_that_is_named_twice_is_read_once():
    assert len(word_tiers(grid_of("x", "y"), "a.TextGrid", ["x", "1", "y", "x"])) == 2


def test_words_of_several_tiers_are_merged_by_start(tmp_path):
    path = tmp_path / "a.TextGrid"
    a, b = (Word("one", 0.1, 0.2), Word("three", 0.5, 0.6)), (Word("two", 0.2, 0.5),)
    write_words(path, {"a": a, "b": b}, 1.0)
    assert read_words(path, ["a", "b"]) == read_words(path, ("b", "a")) == (a[0], b[0], a[1])


def test_words_of_several_tiers_that_overlap_are_refused_where_audio_is_aligned_with_them(tmp_path):
    path = tmp_path / "a.TextGrid"
    write_words(path, {"a": [Word("one", 0.1, 0.3)], "b": [Word("two", 0.2, 0.5)]}, 1.0)
    with pytest.raises(InputError, match=r"a\.TextGrid, tier 'b': 'two' starts at 0\.2 s, before 'one' of tier 'a'"):
        read_words(path, ["a", "b"])


def test_an_interval_of_white_space_is_silence_and_labels_are_stripped():
    tier = IntervalTier("words", 0.0, 4.0)
    for start_s, mark in enumerate(["", " \t\n", " one ", "two words"]):
        tier.add(float(start_s), start_s + 1.0, mark)
    assert words_of_tier(tier) == (Word("one", 2.0, 3.0), Word("two words", 3.0, 4.0))


def test_a_tier_without_words_is_refused(tmp_path):
    path = tmp_path / "silent.TextGrid"
    write_words(path, {"words": []}, 1.0)
    with pytest.raises(InputError, match=r"silent\.TextGrid: the word tier holds no words; remove the file"):
        read_words(path)


def test_words_are_written_and_read_at_full_precision(tmp_path):
    words = (Word("a", 0.1, 0.1 + 0.2), Word("é", 1 / 3, 2 / 3), Word("c", 2 / 3, 0.7000000000000001))
    path = tmp_path / "new" / "a.TextGrid"
    write_words(path, {"words": words, "other": words[:1]}, 1.0)
    assert read_words(path) == words
    assert read_words(path, "other") == words[:1]


def test_words_of_no_length_are_written_as_points(tmp_path):
    path = tmp_path / "a.TextGrid"
    write_words(path, {"words": [Word("a", 0.2, 0.5), Word("um", 0.5, 0.5), Word("b", 0.5, 0.9)]}, 1.0)
    intervals, points = read_textgrid(path)[0].tiers
    assert [w.text for w in words_of_tier(intervals)] == ["a", "b"]
    assert (points.name, [(p.time, p.mark) for p in points]) == ("words (no length)", [(0.5, "um")])


def test_double_quotes_remain_in_labels_and_become_single_in_names(tmp_path):
    path = tmp_path / "a.TextGrid"
    words = (Word('"no"', 0.0, 0.5), Word('6" nail', 0.5, 1.0))
    write_words(path, {'the "best" one': words}, 1.0)
    assert read_words(path, "the 'best' one") == words


def test_a_word_past_the_duration_stretches_every_tier(tmp_path):
    path = tmp_path / "a.TextGrid"
    write_words(path, {"words": [Word("late", 0.9, 1.25)], "other": [Word("a", 0.0, 0.5)]}, 1.0)
    grid, _ = read_textgrid(path)
    assert [grid.maxTime, *(tier.maxTime for tier in grid.tiers)] == [1.25, 1.25, 1.25]
    assert read_words(path) == (Word("late", 0.9, 1.25),)


def test_the_textgrid_package_opens_what_is_written(tmp_path):
    """The package rounds to 5 decimals; these times have fewer. It adds empty intervals between words."""
    path = tmp_path / "a.TextGrid"
    write_words(path, {"words": [Word('say "a"', 0.25, 0.5), Word("и", 0.75, 1.0), Word("um", 1.0, 1.0)]}, 1.0)
    intervals, points = TextGrid.fromFile(str(path)).tiers
    assert [(i.minTime, i.maxTime, i.mark) for i in intervals] == [
        (0.0, 0.25, ""),
        (0.25, 0.5, 'say "a"'),
        (0.5, 0.75, ""),
        (0.75, 1.0, "и"),
    ]
    assert [(p.time, p.mark) for p in points] == [(1.0, "um")]


def test_neighbours_that_overlap_within_the_readers_tolerance_are_written_as_touching(tmp_path):
    words = [Word("a", 0.0, 0.5000001), Word("b", 0.5, 1.0)]
    write_words(tmp_path / "a.TextGrid", {"words": words}, 1.0)
    assert read_words(tmp_path / "a.TextGrid") == (words[0], Word("b", 0.5000001, 1.0))


@pytest.mark.parametrize("words", [[Word("a", 0.0, 0.6), Word("b", 0.5, 1.0)], [Word("b", -0.01, 0.5)]])
def test_words_that_a_tier_cannot_hold_are_refused_by_name(tmp_path, words):
    with pytest.raises(InputError, match=r"a\.TextGrid, tier 'x', word 'b': starts at"):
        write_words(tmp_path / "a.TextGrid", {"x": words}, 1.0)


def test_a_file_that_is_not_unicode_is_read_with_a_warning_that_names_the_encoding(tmp_path):
    write_words(tmp_path / "a.TextGrid", {"words": [Word("Zoë", 0.0, 1.0)]}, 1.0)
    text = (tmp_path / "a.TextGrid").read_text(encoding="utf-8")
    (tmp_path / "a.TextGrid").write_bytes(text.encode("cp1252"))
    with pytest.warns(InputWarning, match=r"a\.TextGrid: is not UTF-8 and was read as cp1252"):
        assert read_words(tmp_path / "a.TextGrid") == (Word("Zoë", 0.0, 1.0),)


def test_overlaps_by_rounding_are_read_as_they_are_with_one_warning(tmp_path):
    write_words(tmp_path / "a.TextGrid", {"words": [Word("so", 0.0, 0.5), Word("far", 0.5, 1.0)]}, 1.0)
    text = (tmp_path / "a.TextGrid").read_text(encoding="utf-8")
    (tmp_path / "a.TextGrid").write_text(text.replace("xmin = 0.5", "xmin = 0.4995"))
    with pytest.warns(InputWarning, match=r"tier 'words': 1 of its .* by up to 0\.5 ms; this was taken") as warned:
        assert read_words(tmp_path / "a.TextGrid") == (Word("so", 0.0, 0.5), Word("far", 0.4995, 1.0))
    assert len(warned) == 1
