"""What the JSON of the Whisper family shares: a list of segments, each with its text and its words.

The systems differ in what holds the segments, in the keys of a word and in what they leave out. Keys are looked at by
name; a key that no reader needs may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from align_eval.errors import InputError
from align_eval.formats.hypothesis.word import given_word
from align_eval.records import GivenWord


@dataclass(frozen=True, slots=True)
class WordKeys:
    """Keys of a word. ``untimed``: the system leaves the times of words out that it cannot align."""

    text: str
    confidence: str
    untimed: bool = False


def segments_of(content: Any) -> list[Any] | None:
    """The list under ``segments`` of a JSON table; None where there is none."""
    segments = content.get("segments") if isinstance(content, dict) else None
    return segments if isinstance(segments, list) else None


def word_keys(segments: list[Any]) -> set[str]:
    """Keys of all words of all segments together: what tells the systems apart."""
    keys: set[str] = set()
    for segment in segments:
        words = segment.get("words") if isinstance(segment, dict) else None
        for word in words if isinstance(words, list) else ():
            if isinstance(word, dict):
                keys.update(word)
    return keys


def words_of_segments(file: object, segments: list[Any], keys: WordKeys, remedy: str) -> Iterator[GivenWord]:
    """Yield the words in the order of the file.

    A segment whose list of words is empty although it has a text gives the words of that text, without times: the
    system said them and could not place them.

    Raises
    ------
    InputError
        Where a segment has text and no list of words (``remedy`` then says how to get one), or a word is malformed.
    """
    for i, segment in enumerate(segments, 1):
        place = f"segment {i}"
        where = f"{file}, {place}"
        if not isinstance(segment, dict):
            raise InputError(where, "is not a table in JSON", "write each segment as a table with its words")
        text, words = segment.get("text", ""), segment.get("words")
        if not isinstance(text, str):
            raise InputError(where, "its text is not a text", "write the file again")
        if words is None and not text.strip():
            continue
        if not isinstance(words, list):
            raise InputError(where, "has no list of words", remedy)
        if not words:
            yield from _untimed(file, place, text)
        for j, word in enumerate(words, 1):
            found = _word(file, f"{place}, word {j}", word, keys)
            if found:
                yield found


def _word(file: object, place: str, word: Any, keys: WordKeys) -> GivenWord | None:
    where = f"{file}, {place}"
    if not isinstance(word, dict):
        raise InputError(where, "is not a table in JSON", "write each word as a table with its times")
    needed = (keys.text,) if keys.untimed else (keys.text, "start", "end")
    for key in needed:
        if word.get(key) is None:
            raise InputError(where, f"has no {key!r}", "the file may be damaged, or of another system: see --format")
    return given_word(file, place, word[keys.text], word.get("start"), word.get("end"), word.get(keys.confidence))


def _untimed(file: object, place: str, text: str) -> Iterator[GivenWord]:
    for j, token in enumerate(text.split(), 1):
        found = given_word(file, f"{place}, word {j} of its text", token, None, None)
        if found and any(c.isalnum() for c in token):
            yield found


def language_of(content: Any) -> str | None:
    """What the file calls its language, where it does."""
    language = content.get("language") if isinstance(content, dict) else None
    return language if isinstance(language, str) and language.strip() else None
