"""Reference words to the tokens that the decoder is forced through."""

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
from align_eval.text import word_separator

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class ForcedText:
    """What the decoder reads, and what each of its rows is asked to predict.

    Attributes
    ----------
    decoder_input : tuple of int
        ``sot_sequence, no_timestamps, text tokens, EOT``.
    n_prefix : int
        Row ``n_prefix`` (the position of the last token of the prompt) predicts the first text token: the
        rows that count are ``decoder rows [n_prefix:-1]``, one a text token and one for EOT.
    tokens : tuple of int
        What those rows predict.
    word_of_token : int32[n_tokens]
        The word of each of them; :data:`~align_eval.records.EOT_WORD` for the last.
    pieces : tuple of (str, int)
        What openai-whisper takes for a word, a punctuation mark being one of its own, with its number of tokens.
    """

    decoder_input: tuple[int, ...]
    n_prefix: int
    tokens: tuple[int, ...]
    word_of_token: IntVector
    pieces: tuple[tuple[str, int], ...] = ()


def tokenizer_of(model: Whisper, language: str | None, task: Task = "transcribe") -> Tokenizer:
    """The tokenizer of a model for speech in a language, to be written in it or translated to English.

    Raises
    ------
    InputError
        Where a multilingual model is not told the language, does not know it, or a monolingual one is given another
        language than English or is to translate.
    """
    if not model.is_multilingual:
        if task == "translate":
            raise InputError("task", "is translate, and the model knows English only", "use a multilingual model")
        if language not in (None, "en"):
            raise InputError(
                "language",
                f"{language!r} is not English, all this model knows",
                "use a multilingual model, as base",
            )
        return get_tokenizer(multilingual=False)
    if language is None:
        raise InputError("language", "is not given, and the model is multilingual", "use --language or corpus.csv")
    if language not in list(LANGUAGES)[: model.num_languages]:
        raise InputError("language", f"Whisper knows no {language!r}", "use its code, as en, ru or zh")
    return get_tokenizer(multilingual=True, num_languages=model.num_languages, language=language, task=task)


def written_language(language: str | None, task: Task) -> str | None:
    """The language of the text: the speech's own, or English, all that Whisper translates to."""
    return "en" if task == "translate" else language


def force_words(
    model: Whisper,
    words: Sequence[str],
    language: str | None,
    unit: Literal["subword", "character"] = "subword",
    prompt: Literal["no-timestamps", "timestamp"] = "no-timestamps",
    task: Task = "transcribe",
) -> ForcedText:
    """Tokenise words as written, each as a space and the word, so that every token belongs to exactly one word.

    In a language without spaces (see ``transcript``) there is none before a word; a translation is in English.

    With ``unit="character"`` every character is tokenised on its own, the first of a word with any space before it
    (Yeh, Meng, Tang 2025); one that the vocabulary lacks gives several tokens. ``prompt`` is the last token before the
    text: the one that says there are no timestamps, or the timestamp of the start, 0.

    Raises
    ------
    InputError
        Where a word gives no token, or the text is longer than the decoder's context.
    """
    tokenizer = tokenizer_of(model, language, task)
    separator = word_separator(written_language(language, task))
    text: list[int] = []
    word_of_token: list[int] = []
    for i, word in enumerate(words):
        # what looks like a special token is text here
        parts = [separator + word] if unit == "subword" else [separator + word[:1], *word[1:]]
        encoded = (tokenizer.encoding.encode(part, disallowed_special=()) for part in parts)
        tokens = list(chain.from_iterable(encoded)) if word.strip() else []
        if not tokens:
            raise InputError(f"word {i + 1}", f"{word!r} gives no token", "remove it or write it out")
        text += tokens
        word_of_token += [i] * len(tokens)
    if not text:
        raise InputError("text", "there are no words", "give the text that is spoken")
    start = tokenizer.no_timestamps if prompt == "no-timestamps" else tokenizer.timestamp_begin
    decoder_input = (*tokenizer.sot_sequence, start, *text, tokenizer.eot)
    if len(decoder_input) > model.dims.n_text_ctx:
        raise InputError(
            "text",
            f"takes {len(decoder_input)} tokens, the decoder holds {model.dims.n_text_ctx}",
            "cut the audio and its text at a pause",
        )
    return ForcedText(
        decoder_input=decoder_input,
        n_prefix=len(tokenizer.sot_sequence),
        tokens=(*text, tokenizer.eot),
        word_of_token=np.array([*word_of_token, EOT_WORD], dtype=np.int32),
        pieces=tuple(
            (piece, len(of_piece)) for piece, of_piece in zip(*tokenizer.split_to_word_tokens(text), strict=True)
        ),
    )
