"""JSON of a transformers pipeline with ``return_timestamps="word"``: ``text`` and ``chunks`` with ``timestamp`` pairs.

``json.dump`` of what the pipeline returns for one recording. A chunk is a word with the space before it; its
``timestamp`` is start and end in seconds, of which the last end may be null.
"""

from __future__ import annotations

from typing import Any

from align_eval.errors import InputError
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.word import given_word
from align_eval.records import GivenWord, Transcript


def claims(document: Document) -> bool:
    """Whether the document has this layout."""
    content = document.json
    if isinstance(content, list) and content and not document.lines:
        content = content[0]
    return isinstance(content, dict) and isinstance(content.get("chunks"), list)


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        Where there are several recordings, which have no names; where a chunk is no single word; where it is malformed.
    """
    content = document.json
    if isinstance(content, list):
        if len(content) != 1:
            raise InputError(
                document.path,
                f"holds {len(content)} recordings without names",
                "write a file for each, named as its audio",
            )
        content = content[0]
    chunks = content.get("chunks") if isinstance(content, dict) else None
    if not isinstance(chunks, list):
        raise InputError(document.path, "has no list of chunks", 'call the pipeline with return_timestamps="word"')
    words = (_word(document.path, f"chunk {i}", chunk) for i, chunk in enumerate(chunks, 1))
    return (Transcript(tuple(word for word in words if word)),)


def _word(file: object, place: str, chunk: Any) -> GivenWord | None:
    where = f"{file}, {place}"
    timestamp = chunk.get("timestamp") if isinstance(chunk, dict) else None
    if not isinstance(timestamp, list) or len(timestamp) != 2:
        raise InputError(
            where, "has no pair of times as 'timestamp'", 'call the pipeline with return_timestamps="word"'
        )
    word = given_word(file, place, chunk.get("text"), *timestamp)
    if word and sum(any(c.isalnum() for c in token) for token in word.text.split()) > 1:
        problem = f"is no word but a stretch of {len(word.text.split())} words"
        raise InputError(where, problem, 'call the pipeline with return_timestamps="word"')
    return word
