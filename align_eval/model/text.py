"""Tokenising of words for teacher forcing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
from whisper.model import Whisper
from whisper.tokenizer import LANGUAGES, Tokenizer, get_tokenizer

from align_eval.errors import InputError
from align_eval.records import EOT_WORD, IntVector
from align_eval.text import MAX_WORD, SPACELESS_LANGUAGES, shown, too_long

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class ForcedText:
    """Tokens that the decoder reads, and tokens that its rows predict.

    Attributes
    ----------
    decoder_input : tuple of int
        ``sot_sequence, no_timestamps, text tokens, EOT``.
    n_prefix : int
        Position of the last token of the prompt, whose row predicts the first text token. Rows ``[n_prefix:-1]``
        predict ``tokens``, one row per text token and one for EOT.
    tokens : tuple of int
        Predicted tokens.
    word_of_token : int32[n_tokens]
        The word of each predicted token; :data:`~align_eval.records.EOT_WORD` for the last.
    pieces : tuple of (str, int)
        Words of openai-whisper, with each punctuation mark as a separate piece, and their numbers of tokens.
    letters : int32[n_tokens], optional
        Number of letters and digits of each predicted token.
    """

    decoder_input: tuple[int, ...]
    n_prefix: int
    tokens: tuple[int, ...]
    word_of_token: IntVector
    pieces: tuple[tuple[str, int], ...] = ()
    letters: IntVector | None = None


def tokenizer_of(model: Whisper, language: str | None, task: Task = "transcribe") -> Tokenizer:
    """Tokenizer of a model for a language and a task.

    Raises
    ------
    InputError
        If the language is missing or unknown to a multilingual model, or an English-only model gets another language
        or the task ``translate``.
    """
    if not model.is_multilingual:
        if task == "translate":
            raise InputError("task", "translate needs a multilingual model", "use a model such as base")
        if language not in (None, "en"):
            raise InputError(
                "language",
                f"{language!r} is not English, and the model is English-only",
                "use a multilingual model such as base",
            )
        return get_tokenizer(multilingual=False)
    if language is None:
        raise InputError("language", "is missing, and the model is multilingual", "use --language or corpus.csv")
    if language not in list(LANGUAGES)[: model.num_languages]:
        raise InputError("language", f"the model has no language {language!r}", "use a Whisper code such as en or zh")
    return get_tokenizer(multilingual=True, num_languages=model.num_languages, language=language, task=task)


def written_language(language: str | None, task: Task) -> str | None:
    """Language of the text: that of the speech, or English for translations."""
    return "en" if task == "translate" else language


def force_words(
    model: Whisper,
    words: Sequence[str],
    language: str | None,
    unit: Literal["subword", "character"] = "subword",
    prompt: Literal["no-timestamps", "timestamp"] = "no-timestamps",
    task: Task = "transcribe",
) -> ForcedText:
    """Tokenise words as written, so that every token belongs to exactly one word.

    Each word is tokenised with a space before it, except in languages without spaces (see :mod:`align_eval.text`).

    Parameters
    ----------
    words : sequence of str
    language : str, optional
        Whisper's code of the language of the speech.
    unit : str
        ``subword``: Whisper's tokens. ``character``: each character is tokenised separately, the first one of a word
        with its space (Yeh, Meng, Tang 2025); a character outside the vocabulary gives several tokens.
    prompt : str
        Last token before the text: the token for no timestamps, or the timestamp 0.
    task : str
        The text of ``translate`` is in English.

    Raises
    ------
    InputError
        If a word gives no token, or the text is longer than the decoder's context.
    """
    tokenizer = tokenizer_of(model, language, task)
    separator = "" if written_language(language, task) in SPACELESS_LANGUAGES else " "
    text: list[int] = []
    word_of_token: list[int] = []
    letters: list[int] = []
    if len(words) > model.dims.n_text_ctx:  # a word takes at least one token
        raise _no_room(f"at least {len(words)}", model)
    for i, word in enumerate(words):
        if len(word) > MAX_WORD:
            raise InputError(f"word {i + 1}, {shown(word)!r}", too_long(word), "divide it at spaces, or remove it")
        # special tokens in the words are encoded as text
        parts = [separator + word] if unit == "subword" else [separator + word[:1], *word[1:]]
        encoded = (tokenizer.encoding.encode(part, disallowed_special=()) for part in parts)
        tokens = list(chain.from_iterable(encoded)) if word.strip() else []
        if not tokens:
            raise InputError(f"word {i + 1}", f"{word!r} gives no token", "remove it or write it out")
        text += tokens
        word_of_token += [i] * len(tokens)
        letters += letters_of_tokens(word, [tokenizer.decode([token]) for token in tokens])
    if not text:
        raise InputError("text", "there are no words", "write the spoken text")
    start = tokenizer.no_timestamps if prompt == "no-timestamps" else tokenizer.timestamp_begin
    decoder_input = (*tokenizer.sot_sequence, start, *text, tokenizer.eot)
    if len(decoder_input) > model.dims.n_text_ctx:
        raise _no_room(str(len(decoder_input)), model)
    return ForcedText(
        decoder_input=decoder_input,
        n_prefix=len(tokenizer.sot_sequence),
        tokens=(*text, tokenizer.eot),
        word_of_token=np.array([*word_of_token, EOT_WORD], dtype=np.int32),
        pieces=tuple((piece, len(tokens)) for piece, tokens in zip(*tokenizer.split_to_word_tokens(text), strict=True)),
        letters=np.array([*letters, 0], dtype=np.int32),
    )


def _no_room(takes: str, model: Whisper) -> InputError:
    problem = f"takes {takes} tokens, the decoder holds {model.dims.n_text_ctx}"
    return InputError("text", problem, "cut the audio and its text at a pause")


def letters_of_tokens(word: str, parts: Sequence[str]) -> list[int]:
    """Number of letters and digits of each token of a word.

    Parameters
    ----------
    word : str
    parts : sequence of str
        The text of each token. Where a character was cut into several tokens, these texts lack it, and the letters of
        the word are spread evenly over its tokens.
    """
    n_letters, *counts = (sum(character.isalnum() for character in text) for text in (word, *parts))
    if sum(counts) != n_letters:
        n = len(parts)
        return [n_letters * (i + 1) // n - n_letters * i // n for i in range(n)]
    return counts
