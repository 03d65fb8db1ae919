"""JSON of faster-whisper's segments: a list of them, or a table with ``segments`` and without ``text``.

faster-whisper writes no file; its segments are dataclasses, and ``json.dump([asdict(s) for s in segments], file)`` is
how they are kept. Words have ``word``, ``start``, ``end`` and ``probability``, and begin with their space.
"""

from __future__ import annotations

from typing import Any

from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.segments import WordKeys, language_of, segments_of, word_keys, words_of_segments
from align_eval.records import Transcript

KEYS = WordKeys(text="word", confidence="probability")
REMEDY = "transcribe with word_timestamps=True"


def claims(document: Document) -> bool:
    """Whether the document has this layout."""
    content = document.json
    if document.lines or (isinstance(content, dict) and ("text" in content or "word_segments" in content)):
        return False
    segments = _segments(content)
    if segments is None:
        return False
    if isinstance(content, list) and not all(isinstance(s, dict) and "text" in s and "start" in s for s in segments):
        return False
    keys = word_keys(segments)
    listed = isinstance(content, list) and any("recording_id" in s or "timestamp" in s for s in segments)
    return not listed and "score" not in keys and ("word" in keys or not keys)


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document."""
    words = tuple(words_of_segments(document.path, _segments(document.json) or [], KEYS, REMEDY))
    return (Transcript(words, language=language_of(document.json)),)


def _segments(content: Any) -> list[Any] | None:
    return content if isinstance(content, list) else segments_of(content)
