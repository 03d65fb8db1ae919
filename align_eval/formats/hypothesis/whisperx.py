"""JSON of whisperX after its alignment: a table with ``segments`` and ``word_segments``.

Words have ``word``, ``start``, ``end`` and ``score``. Written by its command line as ``NAME.json``, or by
``json.dump`` of what ``align`` returns. A word that its aligner has no letters for has no times, and a segment that
could not be aligned has no words: both are kept without times. ``word_segments`` repeats the words of all segments,
and is not read again.
"""

from __future__ import annotations

from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.segments import WordKeys, language_of, segments_of, word_keys, words_of_segments
from align_eval.formats.hypothesis.stable_ts import has_marks
from align_eval.records import Transcript

KEYS = WordKeys(text="word", confidence="score", untimed=True)
REMEDY = "give whisperX's output after its alignment (not --no_align)"


def claims(document: Document) -> bool:
    """Whether the document has this layout."""
    segments = segments_of(document.json)
    if segments is None or has_marks(document.json):
        return False
    if "word_segments" in document.json:
        return True
    keys = word_keys(segments)
    return "score" in keys or ("text" not in document.json and "probability" not in keys and "text" not in keys)


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document."""
    words = tuple(words_of_segments(document.path, segments_of(document.json) or [], KEYS, REMEDY))
    return (Transcript(words, language=language_of(document.json)),)
