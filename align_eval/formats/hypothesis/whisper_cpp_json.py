"""JSON of whisper.cpp: ``transcription``, a list of segments with ``offsets`` in milliseconds.

Its server answers with ``segments`` in seconds, whose ``words`` are tokens with ``t_dtw``. The words come from one of
two places:

- the ``tokens`` of each segment (``--output-json-full``). A token is a piece of a word. A word begins at a token whose
  text begins with a space, and lasts from its first token to its last one. In languages without spaces every character
  that is whole begins a word, and so does every segment. Special tokens, as ``[_BEG_]`` and ``[_TT_150]``, are no
  words;
- the segments themselves, if none has more than one word (``--max-len 1``).

``--max-len`` ends segments inside words: a segment without a space before it continues the word before it. It begins a
word if no segment of the file has a space, or if it begins with a bracket, a note or a dash, as ``[Music]``.

Times are the ``offsets``, which the program writes in every file. ``t_dtw``, in hundredths of a second, is one point
per token, and -1 without ``--dtw``; it is not read. A token to which the program gave no time has no ``offsets``.

A token may end inside a character. The program writes its bytes as they are, so that such a file is not valid UTF-8, or
writes U+FFFD in their place. The bytes are joined again; the missing characters are read from the
text of the segment.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from align_eval.errors import InputError
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.whisper_json import keys_of_words, stated_language
from align_eval.formats.hypothesis.word import has_words, hypothesis_word, n_words, number
from align_eval.formats.textgrids import Tiers
from align_eval.language_names import whisper_code
from align_eval.records import HypothesisWord, Transcript
from align_eval.text import SPACELESS_LANGUAGES

SERVER_KEY = "t_dtw"
"""Key of a word that only the server of whisper.cpp writes."""

REMEDY = "transcribe with --output-json-full, or with --max-len 1 --split-on-word"

WORD_STARTS = ("[", "(", "{", "<", "♪", "- ")
"""Texts at the start of a label or a turn, which never continue a word."""

_SPECIAL = re.compile(r"\[_\w+\]|<\|[^|<>]*\|>")
BROKEN = "\ufffd"
_BROKEN = re.compile(f"{BROKEN}+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token, or a segment of one word; times in seconds, if known. ``first``: it begins a word without a space."""

    place: str
    text: str
    start_s: float | None
    end_s: float | None
    probability: float | None = None
    first: bool = False


def claims(document: Document) -> bool:
    """Tell whether the document is a table of the command line, or of the server."""
    return _segments(document.json) is not None


def read(document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        If a segment has several words and no tokens, or the file is malformed.
    """
    file, segments = str(document.path), _segments(document.json)
    if segments is None:
        raise InputError(file, "has no list 'transcription'", REMEDY)
    result = document.json.get("result", document.json)
    language = stated_language(result) if isinstance(result, dict) else None
    for i, segment in enumerate(segments, 1):
        if not isinstance(segment, dict) or not isinstance(segment.get("text"), str):
            raise InputError(f"{file}, segment {i}", "has no text", "write the file again")
    spaceless = whisper_code(language) in SPACELESS_LANGUAGES  # the command line writes a code, the server a name
    pieces = list(_pieces(file, segments, spaceless=spaceless))
    if pieces and all(piece.start_s is None for piece in pieces):
        raise InputError(file, "has no offsets", REMEDY)
    words = (_word(file, group) for group in _grouped(pieces, spaceless=spaceless))
    return (Transcript(tuple(word for word in words if word), language=language),)


def _segments(content: Any) -> list[Any] | None:
    if not isinstance(content, dict):
        return None
    transcription, segments = content.get("transcription"), content.get("segments")
    if isinstance(transcription, list):
        return transcription
    return segments if isinstance(segments, list) and SERVER_KEY in keys_of_words(segments) else None


def _pieces(file: str, segments: list[dict[str, Any]], *, spaceless: bool) -> Iterator[_Piece]:
    """Yield the tokens of all segments, or the segments themselves if they have no tokens."""
    one_word_each = all(n_words(segment["text"]) <= 1 for segment in segments)
    divides_words = any(s["text"].startswith(" ") for s in segments) and (one_word_each or not spaceless)
    have_tokens = any(segment.get("words") or segment.get("tokens") for segment in segments)
    if not have_tokens and not one_word_each:
        i, n = next((i, n) for i, segment in enumerate(segments, 1) if (n := n_words(segment["text"])) > 1)
        raise InputError(f"{file}, segment {i}", f"holds {n} words and no tokens", REMEDY)
    for i, segment in enumerate(segments, 1):
        place = f"segment {i}"
        pieces = _tokens(file, place, segment) if have_tokens else [_piece(file, place, segment)]
        begins_word = not divides_words or segment["text"].startswith(WORD_STARTS)
        for j, piece in enumerate(pieces):
            yield replace(piece, first=j == 0 and begins_word)


def _tokens(file: str, place: str, segment: dict[str, Any]) -> list[_Piece]:
    entries = segment.get("words") or segment.get("tokens") or []
    if not isinstance(entries, list):
        raise InputError(f"{file}, {place}", "its tokens are not a list", REMEDY)
    if not entries and has_words(segment["text"]):
        raise InputError(f"{file}, {place}", "has text but no tokens", REMEDY)
    pieces = [_piece(file, f"{place}, token {j}", entry) for j, entry in enumerate(entries, 1)]
    pieces = [piece for piece in pieces if not _SPECIAL.fullmatch(piece.text.strip())]
    texts = _repaired([piece.text for piece in pieces], segment["text"])
    return [replace(piece, text=text) for piece, text in zip(pieces, texts, strict=True)]


def _piece(file: str, place: str, entry: Any) -> _Piece:
    table = entry if isinstance(entry, dict) else {}
    offsets, text = table.get("offsets", {}), table.get("text", table.get("word"))
    if not isinstance(offsets, dict) or not isinstance(text, str):
        raise InputError(f"{file}, {place}", "has no text, or offsets that are not a table", "write the file again")

    def value(values: dict[str, Any], key: str) -> float | None:
        return None if values.get(key) is None else number(f"{file}, {place}", key, values[key])

    if offsets:
        start_s, end_s = (ms if ms is None else ms / 1000 for ms in (value(offsets, "from"), value(offsets, "to")))
    else:
        start_s, end_s = value(table, "start"), value(table, "end")
    probability = value(table, "p" if "p" in table else "probability")
    return _Piece(place, text, start_s, end_s, probability)


def _repaired(texts: list[str], whole: str) -> list[str]:
    """Replace each row of U+FFFD in the parts of a text by the characters that the whole text has there.

    The characters stand in the part where the row begins.
    """
    joined = "".join(texts)
    known = _BROKEN.split(joined)
    if len(known) == 1 or not whole.startswith(known[0]) or not whole.endswith(known[-1]):
        return texts
    missing, at = [], len(known[0])
    for literal in known[1:]:
        found = whole.find(literal, at + 1) if literal else len(whole)
        if found < 0:
            return texts
        missing.append(whole[at:found])
        at = found + len(literal)
    characters, broken = iter(missing), False
    repaired = []
    for text in texts:
        parts = []
        for char in text:
            parts.append(char if char != BROKEN else "" if broken else next(characters))
            broken = char == BROKEN
        repaired.append("".join(parts))
    return repaired


def _grouped(pieces: Iterable[_Piece], *, spaceless: bool) -> Iterator[list[_Piece]]:
    """Yield the pieces of one word after the other."""
    group: list[_Piece] = []
    for piece in pieces:
        begins = piece.first or piece.text[:1].isspace()
        if spaceless and group and not begins:
            begins = _is_whole(group) and bool(piece.text) and not unicodedata.category(piece.text[0]).startswith("M")
        if begins and group:
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _is_whole(group: list[_Piece]) -> bool:
    """Tell whether the last character of some pieces is complete."""
    text = _joined(group)
    return not text or not (text[-1] == BROKEN or "\ud800" <= text[-1] <= "\udfff")


def _joined(group: list[_Piece]) -> str:
    """The text of some pieces. Bytes that are no character alone were read as halves of surrogate pairs."""
    text = "".join(piece.text for piece in group)
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


def _word(file: str, group: list[_Piece]) -> HypothesisWord | None:
    known = [piece.probability for piece in group if piece.probability is not None]
    probability = sum(known) / len(known) if known else None
    end_s = next((piece.end_s for piece in reversed(group) if piece.end_s is not None), None)
    return hypothesis_word(file, group[0].place, _joined(group), group[0].start_s, end_s, probability)
