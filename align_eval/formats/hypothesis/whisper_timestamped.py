"""JSON of whisper-timestamped: as openai-whisper's, but words have ``text``, ``start``, ``end`` and ``confidence``.

Written by its command line as ``NAME.words.json``, or by ``json.dump`` of what ``transcribe`` returns. ``[*]`` is its
mark of a disfluency: a word as it is written.
"""

from __future__ import annotations

from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.segments import WordKeys, language_of, segments_of, word_keys, words_of_segments
from align_eval.formats.hypothesis.stable_ts import has_marks
from align_eval.records import Transcript

KEYS = WordKeys(text="text", confidence="confidence")
REMEDY = "give the file NAME.words.json, which has the words"


def claims(document: Document) -> bool:
    """Whether the document has this layout."""
    segments = segments_of(document.json)
    if segments is None or "text" not in document.json or "word_segments" in document.json:
        return False
    keys = word_keys(segments)
    return ("text" in keys and "word" not in keys) or (not keys and not has_marks(document.json))


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document."""
    words = tuple(words_of_segments(document.path, segments_of(document.json) or [], KEYS, REMEDY))
    return (Transcript(words, language=language_of(document.json)),)
