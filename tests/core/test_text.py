"""Text policy: marks, words of texts with and without spaces, and restoring unknown words."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from align_eval.errors import InputError
from align_eval.text import (
    clean_label,
    label_kind,
    label_policy,
    lower_capitals,
    match_key,
    refuse_unknown,
    restore_unknown,
    split_words,
)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("silence", ["", "sp", "sil", "SIL", "<eps>", "<SIL>", "<p:>", "{SL}", "[SIL]", "#", "</s>", "\u200b"]),
        ("silence", ["(.)", "(..)", "(...)", "(1.5)", "(.4)", "( 2 s )"]),  # pauses of CHAT, conversation analysis
        ("unknown", ["<unk>", "<UNK>", "[unk]", "<UNKNOWN>", "<oov>"]),
        (
            "noise",
            ["spn", "SPN", "nsn", "[noise]", "<VOCNOISE>", "{B_TRANS}", "[vocalized-noise]", "<>"],
        ),
        (
            "noise",
            ["((laughs))", "xxx", "yyy", "WWW", "&=laughs", "+breath+", "++NOISE++"],
        ),
        ("marks", ["...", "…", "$", "%", "–", "-", "&", "。", "¿", "♪", "\u200d", "*"]),
        (
            "word",
            [
                "space",
                "silly",
                "unk",
                "don't",
                "'cause",
                "21",
                "3.5%",
                "St.",
                "x<y",
                "[a] [b]",
                "(um)",
                "c++",
                "½",
                "й",
                "你好",
            ],
        ),
    ],
)
def test_a_label_is_what_the_policy_says(kind, labels):
    assert {label: label_kind(clean_label(label)) for label in labels} == dict.fromkeys(labels, kind)


def test_a_user_may_keep_and_drop_single_labels():
    policy = label_policy(keep=["[UM]", "…"], drop=["Uh"])
    assert [label_kind(label, policy) for label in ("[um]", "…", "uh", "[ah]")] == ["word", "word", "noise", "noise"]
    with pytest.raises(InputError, match=r"^label 'uh': is both kept and dropped; leave it out of one"):
        label_policy(keep=["uh"], drop=["UH"])


INVISIBLE = [
    0xAD, 0x34F, 0x61C, 0x115F, 0x180E, 0x200B, 0x200E, 0x200F, 0x202A, 0x202E, 0x2060, 0x2063, 0x2066, 0x2069, 0x3164,
    0xFE0F, 0xFEFF, 0xFFF9, 0xE0001, 0xE0100,
]  # fmt: skip


@pytest.mark.parametrize("char", [chr(code) for code in INVISIBLE], ids=[hex(code) for code in INVISIBLE])
def test_invisible_characters_are_removed_wherever_they_stand(char):
    """The characters of Unicode's property Default_Ignorable_Code_Point, without the joiners."""
    assert clean_label(f"{char}go{char}es{char}") == "goes"
    assert split_words(f"he{char} {char}goes", "en") == ["he", "goes"]


def test_signs_over_numbers_are_seen_and_stay():
    assert clean_label("\u06dd12") == "\u06dd12"  # the end of an aya


def test_labels_are_composed_and_lose_marks_of_direction_but_not_joiners():
    assert clean_label(" \u200fשלום\u200e ") == "שלום"
    assert clean_label("\ufeffe\u0301te\u0301") == "été"
    assert clean_label("می\u200cخواهم") == "می\u200cخواهم"  # the joiner is spelling


@given(st.text())
def test_cleaning_a_label_twice_changes_nothing(label):
    assert clean_label(clean_label(label)) == clean_label(label)


@pytest.mark.parametrize(
    ("a", "b"),
    [("Don’t!", "don't"), ("“NOIRTIER'S”", "noirtier's"), ("STRASSE", "straße"), ("ﬁne", "fine"), ("re-do", "redo")],
)
def test_writings_of_a_word_have_one_key(a, b):
    assert match_key(a) == match_key(b)


def test_what_tells_words_apart_stays_in_their_keys():
    assert len({match_key(w) for w in ["its", "it's", "20", "ты", "ть", "ด", "ดี"]}) == 7


def test_unknown_words_are_restored_where_the_transcript_says_which():
    spoken = ["the", "<unk>", "of", "<unk>"]
    assert restore_unknown(spoken, ["The", "Vezous,", "of", "1832."], "a") == ["the", "Vezous,", "of", "1832."]
    assert restore_unknown(spoken, ["Well,", "the", "Vezous", "--", "of", "1832"], "a") == [
        "the",
        "Vezous",
        "of",
        "1832",
    ]


def test_an_aligner_that_parts_other_words_does_not_stand_in_the_way():
    """mother-in-law is three words to it, so the counts differ; what is unknown has known neighbours all the same."""
    spoken, transcript = ["in", "law", "he", "<unk>", "it"], ["mother-in-law", "he", "phoned", "it"]
    assert restore_unknown(spoken, transcript, "a") == ["in", "law", "he", "phoned", "it"]


@pytest.mark.parametrize(
    "transcript", ["", "the of", "the one two of x", "quite another text"], ids=["none", "fewer", "more", "another"]
)
def test_unknown_words_are_never_guessed(transcript):
    with pytest.raises(
        InputError, match=r"^a, word 2: is <unk>; the transcript \(\d words, the alignment 3\) does not determine it"
    ):
        restore_unknown(["the", "<unk>", "of"], transcript.split(), "a")


def test_words_that_stay_unknown_are_refused():
    with pytest.raises(InputError, match=r"a, word 2: is <UNK>: a spoken word that is not written"):
        refuse_unknown(["the", "<UNK>"], "a")


@pytest.mark.parametrize(
    ("words", "lowered"),
    [
        (["GO", "<UNK>", "DON'T"], ["go", "<unk>", "don't"]),
        (["GO", "home"], ["GO", "home"]),
        (["ПРИВЕТ"], ["привет"]),
        (["你好", "21"], ["你好", "21"]),
    ],
)
def test_capitals_are_lowered_where_nothing_else_is_written(words, lowered):
    assert lower_capitals(words) == lowered


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (" we  met\tat 10 ", "en", ["we", "met", "at", "10"]),
        ("we met", None, ["we", "met"]),
        ("שלום עולם", "he", ["שלום", "עולם"]),
        ("我用 GPT-4。", "zh", ["我", "用", "GPT-", "4。"]),
        ("「你好」吗?", "zh", ["「你", "好」", "吗?"]),
        ("コーヒーを3杯", "ja", ["コー", "ヒー", "を", "3", "杯"]),
        ("ดีครับ", "th", ["ดี", "ค", "รั", "บ"]),
        ("မြန်မာ", "my", ["မြ", "န်", "မာ"]),
        ("I don't know", "yue", ["I", "don't", "know"]),
        ("", "zh", []),
    ],
)
def test_texts_are_split_as_their_language_is_written(text, language, words):
    assert split_words(text, language) == words


@given(st.text(), st.sampled_from(["zh", "ja", "th", "en"]))
def test_no_character_is_lost_or_moved_by_splitting(text, language):
    assert "".join(split_words(text, language)) == "".join(clean_label(text).split())
