"""Words to tokens: what is forced can be read back, and every token belongs to its word."""

from __future__ import annotations

import pytest

from align_eval.model.text import force_words, tokenizer_of


@pytest.mark.parametrize("unit", ["subword", "character"])
@pytest.mark.parametrize("words", [["and", "you", "won't"], ["naïve", "日本語", "ж"], ["<|endoftext|>", "a"]])
def test_the_tokens_of_each_word_decode_to_a_space_and_the_word(random_model, words, unit):
    forced = force_words(random_model, words, "en", unit)
    tokenizer = tokenizer_of(random_model, "en")
    for i, word in enumerate(words):
        own = [token for token, of in zip(forced.tokens, forced.word_of_token, strict=True) if of == i]
        assert tokenizer.encoding.decode(own) == f" {word}"


def test_a_character_is_a_token_where_the_vocabulary_has_it(random_model):
    """Three words of 3, 3 and 5 characters, all ASCII: as many tokens, and one for the end."""
    forced = force_words(random_model, ["and", "you", "won't"], "en", "character")
    assert forced.word_of_token.tolist() == [0] * 3 + [1] * 3 + [2] * 5 + [-1]
    assert len(forced.tokens) == 12
