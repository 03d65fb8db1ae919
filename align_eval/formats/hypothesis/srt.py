"""SRT subtitles (SubRip): numbered cues with ``00:00:01,200 --> 00:00:01,480``."""

from __future__ import annotations

from align_eval.formats.hypothesis.cues import ARROW, read_blocks, words_of_cues
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.records import Transcript


def claims(document: Document) -> bool:
    """Whether the first block is a cue."""
    if document.praat or document.json is not None:
        return False
    first, _, rest = document.text.strip().partition("\n")
    return ARROW in first or (first.strip().isdecimal() and ARROW in rest.partition("\n")[0])


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document."""
    cues = read_blocks(document.path, enumerate(lines_of(document.text), 1))
    return (Transcript(words_of_cues(document.path, cues, escaped=False)),)
