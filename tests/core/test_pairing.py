"""Pairing of two texts: the pairs that a reader would make, and each word in exactly one place."""

from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from align_eval.edit_alignment import word_times
from align_eval.records import Pairing, Unit, Word
from align_eval.scoring.normaliser import comparable, normaliser, whisper_normaliser
from align_eval.scoring.pairing import only_reference_words, pair_words, word_map
from align_eval.text import is_spoken


def told(reference: str, hypothesis: str, language: str | None = "en") -> tuple[list[str], list[str], list[str]]:
    """Units as ``left|right`` (``left/right`` if substituted), deleted words, inserted words."""
    left, right = reference.split(), hypothesis.split()
    pairing = pair_words(left, right, language)

    def text(words, indices):
        return " ".join(words[i] for i in indices)

    units = [f"{text(left, u.reference)}{'|' if u.same else '/'}{text(right, u.hypothesis)}" for u in pairing.units]
    return units, [left[i] for i in pairing.deleted], [right[i] for i in pairing.inserted]


TEXT = "the cat can not cannot can't twenty one 21 and a half 2.5 um - (oh well) 's $5 every everyone"
WORDS = st.lists(st.sampled_from(TEXT.split()), max_size=12)
LANGUAGES = st.sampled_from(["en", None, "ru"])


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


@pytest.mark.parametrize("mark", ["...", "…", "$", "%", "-", "。", "♪", "&", "'"])
def test_marks_alone_are_no_part_of_a_neighbour(mark):
    """A unit that held the mark would begin or end with it: "..." before an exact word read 500 ms."""
    for hypothesis in ([mark, "so", "20"], ["so", mark, "20"], ["so", "20", mark]):
        pairing = pair_words(["so", "20"], hypothesis)
        spoken = [i for i, word in enumerate(hypothesis) if word != mark]
        assert pairing.units == tuple(Unit((i,), (j,), True) for i, j in enumerate(spoken))
        assert (pairing.inserted, pairing.ignored) == ((), (hypothesis.index(mark),))


def test_marks_alone_inside_a_number_leave_its_words_one_unit():
    pairing = pair_words(["twenty", "one"], ["-", "21"])
    assert pairing.units == (Unit((0, 1), (1,), True),)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("hi", "की", "को"),  # vowel signs
        (None, "की", "को"),
        ("ta", "கா", "கி"),
        ("bn", "কি", "কা"),
        ("th", "ดี", "ดู"),
        ("th", "ขาว", "ข้าว"),  # a tone
        ("th", "ทำ", "ทา"),  # a vowel that compatibility forms divide into a mark and a letter
        (None, "ทำ", "ทา"),
        ("lo", "ນ້ຳ", "ນ້າ"),
        ("my", "မာ", "မီ"),
        ("km", "កា", "កិ"),
        ("bo", "བོད", "བད"),
        ("yo", "ọkọ́", "ọkọ̀"),  # tones that no composed letter has
        ("ru", "мой", "мои"),
        (None, "мой", "мои"),  # the English rules would decompose the letter
        ("ja", "か", "が"),
        ("en", "か", "が"),
        ("ar", "كَتَبَ", "كُتِبَ"),
        ("he", "שָׁלוֹם", "שִׁלוּם"),
    ],
)
def test_combining_marks_are_letters(language, one, other):
    assert told(one, other, language) == ([f"{one}/{other}"], [], [])
    assert told(one, one, language) == ([f"{one}|{one}"], [], [])
    assert len(normaliser(language)(one).split()) == 1  # Whisper's would write a space for a mark


def test_accents_of_latin_letters_are_folded_in_english_alone():
    assert told("café naïve", "cafe naive", "en") == (["café|cafe", "naïve|naive"], [], [])
    assert told("café", "cafe", "fr") == (["café/cafe"], [], [])
    assert told("İstanbul", "istanbul", "tr") == (["İstanbul|istanbul"], [], [])


@pytest.mark.parametrize("mark", ["...", "…", "‥", "．", "$", "€"])
def test_a_mark_at_a_word_joins_no_other_word(mark):
    """Whisper's English rules leave a mark at the end of a text: "so…" and its neighbour were one unit."""
    for hypothesis in (["so" + mark, "we", "go"], ["so", "we", "go" + mark]):
        pairing = pair_words(["so", "we", "go"], hypothesis)
        assert pairing.units == tuple(Unit((i,), (i,), True) for i in range(3))


def test_a_long_spoken_number_is_one_unit_and_its_neighbours_are_others():
    digits = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "zero", "one", "two", "three"]
    pairing = pair_words(["well", *digits, "go"], ["well", "1234567890123", "go"], "en")
    assert [(len(u.reference), len(u.hypothesis), u.same) for u in pairing.units] == [
        (1, 1, True), (13, 1, True), (1, 1, True),
    ]  # fmt: skip


@given(WORDS, WORDS, LANGUAGES, st.randoms(use_true_random=False))
@example(["the", "the", "-", *["the"] * 5], ["can't", "can't", *["the"] * 4], "en", Random(2))
@settings(deadline=None)
def test_times_never_lead_to_more_errors(reference, hypothesis, language, random):
    def n_errors(pairing: Pairing) -> int:
        """Errors among spoken words: a mark alone, as "-", has no time, and is part of a unit only inside it."""
        n_deleted = sum(is_spoken(reference[i]) for i in pairing.deleted)
        return sum(not u.same for u in pairing.units) + n_deleted + len(pairing.inserted)

    def timed(n: int) -> list[Word]:
        return [Word("", start_s, start_s + 0.1) for start_s in sorted(random.uniform(0, 9) for _ in range(n))]

    times = word_times(timed(len(reference))), word_times(timed(len(hypothesis)))
    closest = pair_words(reference, hypothesis, language, times)
    assert n_errors(closest) <= n_errors(pair_words(reference, hypothesis, language))


def test_whispers_own_rules_drop_marks_where_a_protocol_names_them():
    assert comparable("की", "hi", published=True) == comparable("को", "hi", published=True)


def test_joiners_and_invisible_characters_are_no_letters():
    assert told("می\u200cخواهم", "میخواهم", "fa")[0] == ["می\u200cخواهم|میخواهم"]
    assert told("re\u00addo", "redo", "en")[0] == ["re\u00addo|redo"]


def at(text: str, *starts_s: float) -> list[Word]:
    return [Word(word, start_s, start_s + 0.3) for word, start_s in zip(text.split(), starts_s, strict=True)]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "units"),
    [
        (at("no no", 0, 5), at("no", 5), [((1,), (0,))]),
        (at("no no", 0, 5), at("No.", 0.1), [((0,), (0,))]),
        (at("no", 5), at("no no", 0, 5), [((0,), (1,))]),
        (at("can not can not", 0, 1, 5, 6), at("cannot", 5), [((2, 3), (0,))]),  # a compound goes by its time too
        (at("go go go", 0, 2, 4), at("go go", 2, 4), [((1,), (0,)), ((2,), (1,))]),
    ],
)
def test_equal_pairings_are_settled_by_time(reference, hypothesis, units):
    texts = [[word.text for word in words] for words in (reference, hypothesis)]
    pairing = pair_words(*texts, "en", (word_times(reference), word_times(hypothesis)))
    assert [(unit.reference, unit.hypothesis) for unit in pairing.units] == units
    assert all(unit.same for unit in pairing.units)


def test_a_pairing_is_restricted_to_some_words_of_the_reference():
    pairing = pair_words(["a", "can", "not", "b"], ["x", "a", "cannot", "b"])
    assert only_reference_words(pairing, [True, True, False, True]) == Pairing(
        units=(Unit((0,), (1,), True), Unit((2,), (3,), True)),
        deleted=(1,),  # "can" without "not" has no end of its own
        inserted=(0,),
        ignored=(2,),
        n_reference=3,
        n_hypothesis=4,
    )


def test_other_languages_keep_their_letters():
    assert told("две кошки", "Две, кошки!", "ru") == (["две|Две,", "кошки|кошки!"], [], [])
    assert told("naïve", "naive", "fr") == (["naïve/naive"], [], [])  # the English normaliser would drop the diaeresis


def test_every_normalised_word_knows_the_words_that_it_came_from():
    tokens = word_map(["he", "can't", "see", "twenty", "one", "um", "cats"], "en")
    assert [(t.text, t.start, t.stop) for t in tokens] == [
        ("he", 0, 1), ("can", 1, 2), ("not", 1, 2), ("see", 2, 3), ("21", 3, 5), ("um", 5, 6), ("cats", 6, 7),
    ]  # fmt: skip


@given(WORDS, LANGUAGES)
@settings(deadline=None)
def test_the_word_map_is_the_normalised_text_and_covers_every_word(words, language):
    tokens = word_map(words, language)
    whole = normaliser(language)(" ".join(words)).split()
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


def test_thousands_of_words_with_times_are_paired_each_at_its_time():
    """Every 50th word is left out, and another in 50 is said twice; every word that is left is paired with itself.

    A repeated word is the same as the next one of the reference: the text alone leaves open which of the three is new.
    """
    syllables = ("ba", "ke", "lo", "mi", "nu", "ra")
    vocabulary = [first + second for first in syllables for second in syllables]
    rng = np.random.default_rng(0)
    reference = rng.choice(vocabulary, 3000).tolist()
    starts_s = np.arange(3000) * 0.4
    deleted, repeated = range(20, 3000, 50), range(45, 3000, 50)
    reference[45::50] = reference[46::50]
    spoken = [(i, 0.0) for i in range(3000) if i not in deleted] + [(i, 0.2) for i in repeated]
    spoken.sort(key=lambda word: starts_s[word[0]] + word[1])
    hypothesis_s = np.array([starts_s[i] + later_s for i, later_s in spoken])
    times = tuple(np.stack([s, s + 0.15], axis=1) for s in (starts_s, hypothesis_s))
    pairing = pair_words(reference, [reference[i] for i, _ in spoken], "en", times)
    planted = {i: j for j, (i, later_s) in enumerate(spoken) if not later_s}
    assert pairing.units == tuple(Unit((i,), (j,), True) for i, j in planted.items())
    assert pairing.deleted == tuple(deleted)
    assert pairing.inserted == tuple(j for j, (_, later_s) in enumerate(spoken) if later_s)


def test_a_text_of_loops_that_is_divided_otherwise_is_paired():
    """A model that repeats itself writes such texts: "na na" is "nana", 500 times."""
    pairing = pair_words(["na"] * 1000, ["nana"] * 500, "en")
    assert pairing.units == tuple(Unit((2 * i, 2 * i + 1), (i,), True) for i in range(500))


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
