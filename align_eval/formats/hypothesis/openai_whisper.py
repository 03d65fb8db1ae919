"""JSON of openai-whisper: a table with ``text``, ``segments`` and ``language``.

Words have ``word``, ``start``, ``end`` and ``probability``, and begin with their space. Written by its command line
with ``--word_timestamps True --output_format json``, or by ``json.dump`` of what
``transcribe`` returns. Programs that write with openai-whisper's own writers (those of
Apple's MLX, whisper-ctranslate2) write the same.
"""

from __future__ import annotations

from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.segments import WordKeys, language_of, segments_of, word_keys, words_of_segments
from align_eval.formats.hypothesis.stable_ts import has_marks
from align_eval.records import Transcript

KEYS = WordKeys(text="word", confidence="probability")
REMEDY = "transcribe with word_timestamps=True"


def claims(document: Document) -> bool:
    """Whether the document has this layout."""
    segments = segments_of(document.json)
    if segments is None or "text" not in document.json or "word_segments" in document.json:
        return False
    keys = word_keys(segments)
    return not has_marks(document.json) and "score" not in keys and ("word" in keys or not keys)


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document."""
    words = tuple(words_of_segments(document.path, segments_of(document.json) or [], KEYS, REMEDY))
    return (Transcript(words, language=language_of(document.json)),)
