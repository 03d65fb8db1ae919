"""Words to tokens: the tokens decode to the words, and every token belongs to its word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from whisper.model import Whisper
from whisper.tokenizer import LANGUAGES, get_tokenizer

from align_eval.errors import InputError
from align_eval.model.text import force_words, letters_of_tokens, tokenizer_of
from align_eval.text import SPACELESS_LANGUAGES
from tests.helpers.models import random_whisper, small_dims


@pytest.mark.parametrize("unit", ["subword", "character"])
@pytest.mark.parametrize("words", [["and", "you", "won't"], ["naïve", "日本語", "ж"], ["<|endoftext|>", "a"]])
def test_the_tokens_of_each_word_decode_to_a_space_and_the_word(random_model, words, unit):
    forced = force_words(random_model, words, "en", unit)
    tokenizer = tokenizer_of(random_model, "en")
    for i, word in enumerate(words):
        own = [token for token, of in zip(forced.tokens, forced.word_of_token, strict=True) if of == i]
        assert tokenizer.encoding.decode(own) == f" {word}"


def test_a_character_is_a_token_where_the_vocabulary_has_it(random_model):
    """Three ASCII words of 3, 3 and 5 characters: one token per character, and one for the end."""
    forced = force_words(random_model, ["and", "you", "won't"], "en", "character")
    assert forced.word_of_token.tolist() == [0] * 3 + [1] * 3 + [2] * 5 + [-1]
    assert len(forced.tokens) == 12


def test_pieces_are_openai_whispers_words_with_marks_apart(random_model):
    forced = force_words(random_model, ['"Well-known,"', "won't", "do."], "en")
    assert "".join(piece for piece, _ in forced.pieces) == ' "Well-known," won\'t do.'
    assert {piece for piece, _ in forced.pieces} >= {" won't", " do", "."}
    assert sum(n for _, n in forced.pieces) == len(forced.tokens) - 1


@pytest.mark.parametrize(
    ("word", "parts", "letters"),
    [
        ("won't", [" won", "'t"], [3, 1]),  # a mark is no letter
        ("2019,", [" 20", "19", ","], [2, 2, 0]),  # a digit counts as a letter
        ("...", ["..."], [0]),
        ("naïve", [" na", "ï", "ve"], [2, 1, 2]),
        ("щука", [" ", "\ufffd", "\ufffd", "ука"], [1, 1, 1, 1]),  # a letter cut into two tokens: evenly over all
        ("ж", ["\ufffd", "\ufffd"], [0, 1]),
        ("привет", ["п", "\ufffd", "\ufffd", "вет"], [1, 2, 1, 2]),  # 6 over 4: up to 1.5, 3, 4.5 and 6, cut off
    ],
)
def test_the_letters_of_a_word_are_counted_by_token(word, parts, letters):
    assert letters_of_tokens(word, parts) == letters


@pytest.mark.parametrize("unit", ["subword", "character"])
@pytest.mark.parametrize(
    ("words", "n_letters"),
    [
        (["and", "won't", "well-known,", "1984", "--"], [3, 4, 9, 4, 0]),
        (["naïve", "日本語", "ж"], [5, 3, 1]),
        (["щука", "объезд"], [4, 6]),  # the English vocabulary cuts Cyrillic letters into bytes
    ],
)
def test_the_letters_of_the_tokens_are_those_of_their_words(random_model, words, n_letters, unit):
    forced = force_words(random_model, words, "en", unit)
    assert forced.letters.shape == forced.word_of_token.shape
    assert [int(forced.letters[forced.word_of_token == i].sum()) for i in range(len(words))] == n_letters
    assert forced.letters[-1] == 0  # the end of the text
    if unit == "character" and words[0] == "and":
        assert forced.letters.max() == 1


def test_the_token_before_the_text_is_the_timestamp_where_it_is_asked_for(random_model):
    tokenizer = tokenizer_of(random_model, "en")
    plain, timed = (force_words(random_model, ["so"], "en", prompt=p) for p in ("no-timestamps", "timestamp"))
    assert plain.decoder_input[plain.n_prefix] == tokenizer.no_timestamps
    assert timed.decoder_input[timed.n_prefix] == tokenizer.timestamp_begin
    assert timed.tokens == plain.tokens


def test_translation_has_its_own_token_and_no_place_in_a_monolingual_model(random_model):
    multilingual = random_whisper(n_vocab=51865)
    transcribed, translated = (force_words(multilingual, ["so"], "ru", task=t) for t in ("transcribe", "translate"))
    tokenizer = tokenizer_of(multilingual, "ru")
    differing = [
        pair for pair in zip(transcribed.decoder_input, translated.decoder_input, strict=True) if len({*pair}) > 1
    ]
    assert differing == [(tokenizer.transcribe, tokenizer.translate)]
    with pytest.raises(InputError, match="task: translate needs a multilingual model; use a model such as base"):
        force_words(random_model, ["so"], "en", task="translate")


# Languages without spaces, on a model with the multilingual vocabulary


@pytest.fixture(scope="module")
def multilingual():
    return Whisper(replace(small_dims(), n_vocab=51865)).eval()


@pytest.mark.parametrize("unit", ["subword", "character"])
@pytest.mark.parametrize(
    ("words", "language", "joined"),
    [
        (["我们", "今", "天"], "zh", "我们今天"),
        (["コー", "ヒー"], "ja", "コーヒー"),
        (["ดี", "ค", "รั", "บ"], "th", "ดีครับ"),
        (["да", "нет"], "ru", " да нет"),
        (["שלום", "עולם"], "he", " שלום עולם"),
        (["مرحبا", "بك"], "ar", " مرحبا بك"),
        (["cannot", "ਚੰਗਾ"], "pa", " cannot ਚੰਗਾ"),
    ],
)
def test_text_is_forced_as_its_language_is_written(multilingual, words, language, joined, unit):
    """No space before a word in Chinese, Japanese and Thai; right-to-left text in the order in which it is spoken."""
    forced = force_words(multilingual, words, language, unit)
    assert tokenizer_of(multilingual, language).decode(list(forced.tokens[:-1])) == joined
    assert set(forced.word_of_token.tolist()) == {-1, *range(len(words))}


def test_the_languages_without_spaces_are_openai_whispers():
    """openai-whisper splits these languages into characters: two letters are two words there, and one elsewhere."""
    for language in LANGUAGES:
        tokenizer = get_tokenizer(multilingual=True, num_languages=100, language=language, task="transcribe")
        without = len(tokenizer.split_to_word_tokens(tokenizer.encode("xq"))[0]) == 2
        assert without == (language in SPACELESS_LANGUAGES), language
