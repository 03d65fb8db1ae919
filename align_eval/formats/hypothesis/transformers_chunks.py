"""JSON of a transformers pipeline with ``return_timestamps="word"``: ``text`` and ``chunks`` with ``timestamp`` pairs.

The file is ``json.dump`` of the pipeline's result for one recording. A chunk is a word with the space before it. Its
``timestamp`` is start and end in seconds; the last end may be null.
"""

from __future__ import annotations

from typing import Any

from align_eval.errors import InputError
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.word import has_words, hypothesis_word, n_words
from align_eval.formats.textgrids import Tiers
from align_eval.records import HypothesisWord, Transcript

REMEDY = 'call the pipeline with return_timestamps="word"'


def claims(document: Document) -> bool:
    """Tell whether the document has this layout."""
    content = document.json
    if isinstance(content, list) and content and not document.lines:
        content = content[0]
    return isinstance(content, dict) and isinstance(content.get("chunks"), list)


def read(document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        If the file holds several recordings, which have no names, if a chunk is not a single word, or if the file is
        malformed.
    """
    content = document.json
    if isinstance(content, list):
        if len(content) != 1:
            problem = f"holds {len(content)} recordings without names"
            raise InputError(document.path, problem, "write one file per recording, named as its audio")
        content = content[0]
    chunks = content.get("chunks") if isinstance(content, dict) else None
    if not isinstance(chunks, list):
        raise InputError(document.path, "has no list of chunks", REMEDY)
    words = tuple(filter(None, (_word(document.path, f"chunk {i}", chunk) for i, chunk in enumerate(chunks, 1))))
    if not words and has_words(content.get("text")):
        raise InputError(document.path, "has text but no words", REMEDY)
    return (Transcript(words),)


def _word(file: object, place: str, chunk: Any) -> HypothesisWord | None:
    where = f"{file}, {place}"
    timestamp = chunk.get("timestamp") if isinstance(chunk, dict) else None
    if not isinstance(timestamp, list) or len(timestamp) != 2:
        raise InputError(where, "has no pair of times as 'timestamp'", REMEDY)
    word = hypothesis_word(file, place, chunk.get("text"), *timestamp)
    if word and n_words(word.text) > 1:
        raise InputError(where, f"is not one word but {len(word.text.split())} words", REMEDY)
    return word
