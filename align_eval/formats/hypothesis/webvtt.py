"""WebVTT subtitles: ``WEBVTT``, then cues with ``00:01.200 --> 00:01.480``.

Blocks of notes, styles and regions are passed over.
"""

from __future__ import annotations

from itertools import groupby

from align_eval.errors import InputError
from align_eval.formats.hypothesis.cues import ARROW, read_blocks, words_of_cues
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.records import Transcript

HEADER = "WEBVTT"
NO_CUES = ("NOTE", "STYLE", "REGION")


def claims(document: Document) -> bool:
    """Whether the document begins as every WebVTT file does."""
    return not document.praat and document.text.startswith(HEADER)


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        Where the header is missing or a cue is malformed.
    """
    if not document.text.startswith(HEADER):
        raise InputError(document.path, f"does not begin with {HEADER}", "give a WebVTT file, or use --format srt")
    lines: list[tuple[int, str]] = []
    for blank, block in groupby(enumerate(lines_of(document.text), 1), key=lambda line: not line[1].strip()):
        numbered = list(block)
        first = numbered[0][1]
        names = (
            first.startswith(HEADER) if numbered[0][0] == 1 else first.split(maxsplit=1)[:1] in [[n] for n in NO_CUES]
        )
        if blank or not names or any(ARROW in text for _, text in numbered[:2]):
            lines += numbered
    return (Transcript(words_of_cues(document.path, read_blocks(document.path, lines), escaped=True)),)
