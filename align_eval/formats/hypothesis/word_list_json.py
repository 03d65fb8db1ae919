"""JSON with the words of a recording in one list, beside its text; :data:`WORD_LISTS` lists the systems.

A word without times was recognised, and could not be timed.

OpenAI's web API
    The response of ``audio/transcriptions`` with ``response_format=verbose_json`` and
    ``timestamp_granularities[]=word``: ``words`` at the top, and ``segments`` without words, if any. Azure, Groq and
    servers for local models answer alike. Without that option, and from models without word times, a response has text
    and no words.
Vosk
    The result of a recogniser with ``SetWords(True)``: ``result`` and ``text``. A longer recording has several, as a
    list or as JSON Lines. A result without words has only an empty ``text``.
Gentle
    The result of its aligner: ``transcript`` and ``words``, of which those that it did not find have no times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from align_eval.errors import InputError
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.whisper_json import API_KEYS, stated_language
from align_eval.formats.hypothesis.word import has_words, hypothesis_word
from align_eval.formats.textgrids import Tiers
from align_eval.records import HypothesisWord, Transcript

OTHER_KEYS = frozenset(
    ("segments", "chunks", "result", "transcription", "transcript", "tiers", "start", "recording_id")
)
"""Keys of the tables with ``text`` that other systems write."""


@dataclass(frozen=True, slots=True)
class WordList:
    """JSON layout of one system.

    Attributes
    ----------
    has : callable
        Decides whether a table has this layout.
    description : str
        Line of ``align-eval list formats``.
    remedy : str
        Advice to the user of a file without words.
    words, text : str
        Keys of a table: its list of words, and its text.
    confidence : str
        Key of a word.
    lines : bool
        True if a document may be a list of tables, as JSON or JSON Lines, which follow each other in time.
    """

    has: Callable[[dict[str, Any]], bool]
    description: str
    remedy: str
    words: str = "words"
    text: str = "text"
    confidence: str = "probability"
    lines: bool = False

    def claims(self, document: Document) -> bool:
        """Tell whether the document has this layout."""
        tables = self._tables(document)
        return bool(tables) and all(isinstance(table, dict) and self.has(table) for table in tables)

    def read(self, document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
        """Read the one recording of the document.

        Raises
        ------
        InputError
            If it has text but no words, or is malformed.
        """
        tables = self._tables(document)
        if not tables or not all(isinstance(table, dict) for table in tables):
            raise InputError(document.path, "is not a table in JSON", self.remedy)
        words: list[HypothesisWord] = []
        for i, table in enumerate(tables, 1):
            words += self._words(document.path, f"result {i}, " if len(tables) > 1 else "", table)
        return (Transcript(tuple(words), language=stated_language(tables[0])),)

    def _tables(self, document: Document) -> list[Any]:
        content = document.json
        return content if self.lines and isinstance(content, list) else [content]

    def _words(self, file: object, place: str, table: dict[str, Any]) -> Iterator[HypothesisWord]:
        where = f"{file}, {place.rstrip(', ')}" if place else file
        entries = table.get(self.words) or []
        if not table.keys() & {self.words, self.text}:
            raise InputError(where, f"has no {self.words!r} and no {self.text!r}", self.remedy)
        if not isinstance(entries, list):
            raise InputError(where, f"its {self.words!r} is not a list", "write the file again")
        if not entries and has_words(table.get(self.text)):
            raise InputError(where, "has text but no words", self.remedy)
        for j, entry in enumerate(entries, 1):
            if not isinstance(entry, dict) or entry.get("word") is None:
                raise InputError(f"{file}, {place}word {j}", "has no 'word'", "write the file again")
            start, end, confidence = (entry.get(key) for key in ("start", "end", self.confidence))
            word = hypothesis_word(file, f"{place}word {j}", entry["word"], start, end, confidence)
            if word:
                yield word


def _has_openai_api(table: dict[str, Any]) -> bool:
    if _has_gentle(table) or "start" in table or _segments_have_words(table):
        return False
    if isinstance(table.get("words"), list):
        return not OTHER_KEYS - {"segments"} & set(table)
    return "text" in table and (bool(API_KEYS & set(table)) or not OTHER_KEYS & set(table))


def _segments_have_words(table: dict[str, Any]) -> bool:
    segments = table.get("segments")
    return isinstance(segments, list) and any(isinstance(s, dict) and s.get("words") for s in segments)


def _has_vosk(table: dict[str, Any]) -> bool:
    return "text" in table and (isinstance(table.get("result"), list) or set(table) == {"text"})


def _has_gentle(table: dict[str, Any]) -> bool:
    return "transcript" in table and "words" in table


WORD_LISTS = {
    "openai-api": WordList(
        _has_openai_api,
        "verbose_json of OpenAI's web API with words",
        "request response_format=verbose_json with timestamp_granularities[]=word",
    ),
    "vosk": WordList(_has_vosk, "JSON of Vosk", "call SetWords(True)", words="result", confidence="conf", lines=True),
    "gentle": WordList(_has_gentle, "JSON of Gentle's aligner", "align the transcript again", text="transcript"),
}
"""Layout of each system, by the name of its format."""
