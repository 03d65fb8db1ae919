"""Tokens of a model folder against those of Whisper's tokenizer, by which all words are tokenised here.

A folder can hold ``tokenizer.json``, ``vocab.json`` with ``added_tokens.json`` (transformers), ``vocabulary.json`` or
``vocabulary.txt`` (CTranslate2). Text tokens are written byte by byte, each byte as one printable character (GPT-2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

from align_eval.errors import InputError
from align_eval.formats.json_file import Kind, read_json, read_limited

VOCABULARIES = (51864, 51865, 51866)
"""Sizes for English only, multilingual, and with Cantonese. They determine the ids of languages and timestamps."""

ALSO_CALLED = {"<|nocaptions|>": "<|nospeech|>", "<|iw|>": "<|he|>", "<|jv|>": "<|jw|>"}
"""Other names of the same special tokens in files: older ones, and another code of a language."""

TOKENS = Kind("cannot be read as a list of tokens", "copy the file again")

Tokens = dict[int, str]
"""Texts of tokens by their id, as files write them."""


def check_vocabulary_size(model: Whisper, place: object) -> None:
    """Raise if a model has another number of tokens than Whisper's models.

    Raises
    ------
    InputError
        If it has.
    """
    if model.dims.n_vocab not in VOCABULARIES:
        sizes = ", ".join(str(size) for size in VOCABULARIES)
        raise InputError(place, f"has {model.dims.n_vocab} tokens; Whisper has {sizes}", "remove the added tokens")


def check_tokens(folder: Path, model: Whisper) -> None:
    """Raise if a file of a folder names other tokens than Whisper's tokenizer for a model of that size.

    Special tokens that a file leaves out are not missed: many files have no timestamps.

    Raises
    ------
    InputError
        If a text token is missing or another one, a special token is another one, or a file cannot be read.
    """
    expected, n_text = _whisper_tokens(model.is_multilingual, model.num_languages)
    for name, read in READERS.items():
        if not (folder / name).is_file():
            continue
        found = {id_: ALSO_CALLED.get(token, token) for id_, token in read(folder / name).items()}
        different = [
            id_
            for id_, token in expected.items()
            if token and found.get(id_, "" if id_ < n_text else token) != token  # multilingual models have an empty one
        ]
        if different:
            first, whole = different[0], f"{len(expected):,}"
            given = repr(_readable(found[first])) if first in found else "missing"
            problem = f"token {first} is {given}, Whisper's tokenizer has {_readable(expected[first])!r}"
            count = f"{len(different):,} of {whole} tokens differ"
            raise InputError(folder / name, f"{problem} ({count})", "use a model with Whisper's own tokens")


@cache
def _whisper_tokens(multilingual: bool, num_languages: int) -> tuple[Tokens, int]:
    """Whisper's tokens as files write them, and the number of text tokens, which come first."""
    encoding = get_tokenizer(multilingual, num_languages=num_languages).encoding
    special = {id_: name for name, id_ in encoding._special_tokens.items()}
    n_text = min(special)
    as_character = _character_of_byte()
    text = {
        id_: "".join(as_character[byte] for byte in encoding.decode_single_token_bytes(id_)) for id_ in range(n_text)
    }
    return text | special, n_text


@cache
def _character_of_byte() -> dict[int, str]:
    """GPT-2's printable character of each byte: its own in Latin-1, or one from U+0100 on in the order of bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + i) for i, byte in enumerate(others)}


def _readable(token: str) -> str:
    """The text of a token; the token itself where it is not written byte by byte."""
    bytes_ = {character: byte for byte, character in _character_of_byte().items()}
    if any(character not in bytes_ for character in token):
        return token
    return bytes(bytes_[character] for character in token).decode("utf-8", errors="replace")


def _by_id(ids: Mapping[str, int]) -> Tokens:
    return {id_: token for token, id_ in ids.items()}


@dataclass(frozen=True, slots=True)
class _Model:
    vocab: dict[str, int]


@dataclass(frozen=True, slots=True)
class _AddedToken:
    id: int
    content: str


@dataclass(frozen=True, slots=True)
class _Tokenizer:
    model: _Model
    added_tokens: list[_AddedToken]


def _tokenizer_json(path: Path) -> Tokens:
    data = read_json(path, _Tokenizer, TOKENS, partial=True)
    return _by_id(data.model.vocab) | {added.id: added.content for added in data.added_tokens}


def _vocab_json(path: Path) -> Tokens:
    added = path.with_name("added_tokens.json")
    return _by_id(read_json(path, dict[str, int], TOKENS)) | (
        _by_id(read_json(added, dict[str, int], TOKENS)) if added.is_file() else {}
    )


def _vocabulary_json(path: Path) -> Tokens:
    return dict(enumerate(read_json(path, list[str], TOKENS)))


def _vocabulary_txt(path: Path) -> Tokens:
    try:
        content = read_limited(path, TOKENS).decode()
    except UnicodeDecodeError as error:
        raise InputError(path, f"{TOKENS.problem} (byte {error.start} is not UTF-8)", TOKENS.remedy) from error
    return dict(enumerate(content.removesuffix("\n").split("\n")))


READERS: dict[str, Callable[[Path], Tokens]] = {
    "tokenizer.json": _tokenizer_json,
    "vocab.json": _vocab_json,
    "vocabulary.json": _vocabulary_json,
    "vocabulary.txt": _vocabulary_txt,
}
"""Readers of the files of tokens, by name."""
