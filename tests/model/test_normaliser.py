"""Normalisers without torch, against those of openai-whisper."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

from align_eval.scoring.normaliser import whisper_normaliser

TEXT = (
    "Mr. O'Brien's twenty-one cats can't cost $20 million, kinda; he's been gone 'cause I dunno. um, (laughs) [noise] "
    "two and a half colour 1,000 20% oh five double seven naïve Straße gonna wanna sorta y'all ma'am St. 3rd £5 €2.50 "
    "two point five hundred and one half past minus three"
)
SPOKEN = TEXT.split()


def test_the_english_rules_are_openai_whispers():
    ours, theirs = whisper_normaliser("en"), EnglishTextNormalizer()
    assert ours.replacers == theirs.replacers
    assert list(ours.replacers) == list(theirs.replacers)
    assert ours.ignore_patterns == theirs.ignore_patterns
    assert ours.standardize_spellings.mapping == theirs.standardize_spellings.mapping


@given(st.lists(st.sampled_from(SPOKEN), max_size=12).map(" ".join) | st.text(max_size=40))
@settings(deadline=None, max_examples=500)
def test_english_texts_come_out_as_openai_whispers(text):
    assert whisper_normaliser("en")(text) == EnglishTextNormalizer()(text)


@given(st.text(max_size=60) | st.lists(st.sampled_from([*SPOKEN, "ёлка", "हिन्दी", "日本語"]), max_size=9).map(" ".join))
@settings(deadline=None, max_examples=500)
def test_other_texts_come_out_as_openai_whispers(text):
    assert whisper_normaliser("ru")(text) == BasicTextNormalizer()(text)


@pytest.mark.parametrize("language", [None, "en"])
def test_no_language_is_english(language):
    assert whisper_normaliser(language)("twenty one") == "21"
