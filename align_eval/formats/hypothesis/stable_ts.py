"""JSON of stable-ts: as openai-whisper's, with ``ori_dict``, ``regroup_history`` or ``nonspeech_sections`` beside it.

Written by ``result.save_as_json``. The words of ``segments`` are read, which its regrouping and adjusting made; those
of ``ori_dict`` are the words before that.
"""

from __future__ import annotations

from typing import Any

from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.segments import WordKeys, language_of, segments_of, words_of_segments
from align_eval.records import Transcript

KEYS = WordKeys(text="word", confidence="probability")
REMEDY = "transcribe with word_timestamps=True"
MARKS = ("ori_dict", "regroup_history", "nonspeech_sections")


def has_marks(content: Any) -> bool:
    """Whether a JSON table has one of the keys that only stable-ts writes."""
    return isinstance(content, dict) and any(mark in content for mark in MARKS)


def claims(document: Document) -> bool:
    """Whether the document has this layout."""
    return segments_of(document.json) is not None and has_marks(document.json)


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document."""
    words = tuple(words_of_segments(document.path, segments_of(document.json) or [], KEYS, REMEDY))
    return (Transcript(words, language=language_of(document.json)),)
