"""Pairing of two texts: the pairs that a reader would make, and each word in exactly one place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align_eval.records import Pairing, Unit
from align_eval.scoring.normaliser import comparable, whisper_normaliser
from align_eval.scoring.pairing import pair_words, word_map


def told(reference: str, hypothesis: str, language: str | None = "en") -> tuple[list[str], list[str], list[str]]:
    """Units as ``left|right`` (``left/right`` if substituted), deleted words, inserted words."""
    left, right = reference.split(), hypothesis.split()
    pairing = pair_words(left, right, language)

    def text(words, indices):
        return " ".join(words[i] for i in indices)

    units = [f"{text(left, u.reference)}{'|' if u.same else '/'}{text(right, u.hypothesis)}" for u in pairing.units]
    return units, [left[i] for i in pairing.deleted], [right[i] for i in pairing.inserted]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "units"),
    [
        ("you can not go", "You cannot go.", ["you|You", "can not|cannot", "go|go."]),
        ("you cannot go", "you can not go", ["you|you", "cannot|can not", "go|go"]),
        ("he can't go", "he cannot go", ["he|he", "can't|cannot", "go|go"]),
        ("he can't go", "he can not go", ["he|he", "can't|can not", "go|go"]),
        ("twenty one cats", "21 cats", ["twenty one|21", "cats|cats"]),
        ("in nineteen eighty four", "In 1984", ["in|In", "nineteen eighty four|1984"]),
        ("two and a half", "2.5", ["two and a half|2.5"]),
        ("to every one", "to everyone", ["to|to", "every one|everyone"]),
        ("ice-cream man", "ice cream man", ["ice-cream|ice cream", "man|man"]),
        ("$20 million now", "twenty million dollars now", ["$20 million|twenty million dollars", "now|now"]),
        ("the colour", "the color", ["the|the", "colour|color"]),
        ("Mr. O'Brien's", "mister O'Brien is", ["Mr.|mister", "O'Brien's|O'Brien is"]),
    ],
)
def test_words_that_divide_the_same_speech_otherwise_are_one_unit(reference, hypothesis, units):
    assert told(reference, hypothesis) == (units, [], [])


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [("one two three four", "1, 2, 3, 4."), ("two four", "two four"), ("oh five one", "oh five one")],
)
def test_words_of_one_number_are_paired_each_where_they_fit_one_by_one(reference, hypothesis):
    """Whisper's normaliser writes "two four" as "24", but both words have times."""
    pairs = [f"{left}|{right}" for left, right in zip(reference.split(), hypothesis.split(), strict=True)]
    assert told(reference, hypothesis) == (pairs, [], [])


@pytest.mark.parametrize(
    ("reference", "hypothesis", "units", "deleted", "inserted"),
    [
        ("the cat sat", "the bat sat", ["the|the", "cat/bat", "sat|sat"], [], []),
        ("the cat sat", "the sat", ["the|the", "sat|sat"], ["cat"], []),
        ("the cat sat", "the cat he sat", ["the|the", "cat|cat", "sat|sat"], [], ["he"]),
        ("he can't go", "he can do go", ["he|he", "can't/can do", "go|go"], [], []),
        ("twenty one", "twenty two", ["twenty|twenty", "one/two"], [], []),
        ("one two three", "one three", ["one|one", "three|three"], ["two"], []),
        ("a", "", [], ["a"], []),
        ("", "a", [], [], ["a"]),
    ],
)
def test_substitutions_deletions_and_insertions_are_told_apart(reference, hypothesis, units, deleted, inserted):
    assert told(reference, hypothesis) == (units, deleted, inserted)


def test_a_filled_pause_has_times_and_is_missed_although_the_normaliser_takes_it_away():
    assert whisper_normaliser("en")("um well").split() == ["well"]
    assert told("um well", "well") == (["well|well"], ["um"], [])
    assert told("um well", "Um, well") == (["um|Um,", "well|well"], [], [])


def test_a_lone_dash_is_neither_paired_nor_inserted():
    pairing = pair_words(["he", "said", "well"], ["He", "said", "-", "well"])
    assert (len(pairing.units), pairing.inserted, pairing.ignored) == (3, (), (2,))


def test_other_languages_keep_their_letters():
    assert told("две кошки", "Две, кошки!", "ru") == (["две|Две,", "кошки|кошки!"], [], [])
    assert told("naïve", "naive", "fr") == (["naïve/naive"], [], [])  # the English normaliser would drop the diaeresis


def test_every_normalised_word_knows_the_words_that_it_came_from():
    tokens = word_map(["he", "can't", "see", "twenty", "one", "um", "cats"], "en")
    assert [(t.text, t.start, t.stop) for t in tokens] == [
        ("he", 0, 1), ("can", 1, 2), ("not", 1, 2), ("see", 2, 3), ("21", 3, 5), ("um", 5, 6), ("cats", 6, 7),
    ]  # fmt: skip


TEXT = "the cat can not cannot can't twenty one 21 and a half 2.5 um - (oh well) 's $5 every everyone"
WORDS = st.lists(st.sampled_from(TEXT.split()), max_size=12)
LANGUAGES = st.sampled_from(["en", None, "ru"])


@given(WORDS, LANGUAGES)
@settings(deadline=None)
def test_the_word_map_is_the_normalised_text_and_covers_every_word(words, language):
    tokens = word_map(words, language)
    whole = whisper_normaliser(language)(" ".join(words)).split()
    it = iter(token.text for token in tokens)
    assert all(word in it for word in whole)  # in order, with only words between that the normaliser takes away
    assert sorted({i for token in tokens for i in range(token.start, token.stop)}) == list(range(len(words)))


@given(WORDS, WORDS, LANGUAGES)
@settings(deadline=None)
def test_every_word_is_in_one_place_and_same_units_are_the_same_text(reference, hypothesis, language):
    pairing = pair_words(reference, hypothesis, language)  # the record itself refuses words in two places or none
    for unit in pairing.units:
        left = comparable(" ".join(reference[i] for i in unit.reference), language)
        right = comparable(" ".join(hypothesis[i] for i in unit.hypothesis), language)
        assert unit.same == (left == right)


@given(WORDS, LANGUAGES)
@settings(deadline=None)
def test_a_text_against_itself_is_paired_word_by_word(words, language):
    pairing = pair_words(words, words, language)
    spoken = [i for i, word in enumerate(words) if any(c.isalnum() for c in word)]
    assert set(spoken) <= {i for unit in pairing.units for i in unit.reference}
    assert all(unit.same for unit in pairing.units)
    assert all(unit.reference == unit.hypothesis for unit in pairing.units)
    assert all(len(unit.reference) == 1 for unit in pairing.units)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"deleted": ()}, "reference words 0 to 1 are not each in one place"),
        ({"inserted": (0,)}, "hypothesis words 0 to 0 are not each in one place"),
        ({"units": (Unit((1,), (0,), True), Unit((0,), (), True)), "deleted": ()}, "not in the order"),
    ],
)
def test_a_pairing_that_loses_words_or_doubles_them_is_refused(change, message):
    fields = {
        "units": (Unit((0,), (0,), True),), "deleted": (1,), "inserted": (), "ignored": (), "n_reference": 2,
        "n_hypothesis": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        Pairing(**(fields | change))
