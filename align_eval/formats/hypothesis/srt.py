r"""SRT (SubRip): numbered cues with ``00:00:01,200 --> 00:00:01,480``, and a blank line after each.

The number, the blank line and the comma may be missing. Formatting is dropped: HTML tags, and override tags of ASS, as
``{\an8}``. A file without a cue is an empty transcript. SRT has no specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from align_eval.errors import InputError
from align_eval.formats.hypothesis import webvtt
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.formats.hypothesis.subtitle_cues import ARROW, RawCue, raw_cue, split_cue
from align_eval.formats.hypothesis.subtitles import words_of_cues
from align_eval.formats.praat import shorten
from align_eval.records import Transcript

_OVERRIDE = re.compile(r"\{\\[^{}]*\}")


def claims(document: Document) -> bool:
    """Tell whether the first block is a cue, or the file is empty and named as SRT."""
    if document.praat or document.json is not None or webvtt.claims(document):
        return False
    if not document.text.strip():
        return document.path.suffix.lower() == ".srt"
    return any(ARROW in line for line in lines_of(document.text.strip())[:2])


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        If a cue is malformed, or holds several words without times for each.
    """
    cues = [split_cue(document.path, cue, any_tag=False) for cue in _cues(document)]
    return (Transcript(tuple(words_of_cues(document.path, cues))),)


def _cues(document: Document) -> Iterator[RawCue]:
    """Yield the cues: each is a line of times, with or without a line of its number before it, and text."""
    numbered = list(enumerate(lines_of(_OVERRIDE.sub("", document.text)), 1))
    blocks = [list(group) for blank, group in groupby(numbered, key=lambda line: not line[1].strip()) if not blank]
    for i, (line, times, lines) in enumerate((cue for block in blocks for cue in _cues_of_block(block)), 1):
        place = f"cue {i}, line {line}"
        if ARROW not in times:
            problem = f"has no times ({shorten(times.strip())!r})"
            raise InputError(f"{document.path}, {place}", problem, f"write them as START {ARROW} END")
        yield raw_cue(document.path, place, times, lines)


def _cues_of_block(block: list[tuple[int, str]]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield number and text of the line of times, and the text, of every cue of a block without a blank line."""
    at = [i for i, (_, text) in enumerate(block) if ARROW in text]
    if not at or at[0] > 1:
        line, text = block[min(1, len(block) - 1)]
        yield line, text, ()
    for i, following in zip(at, [*at[1:], len(block)], strict=True):
        numbered = following < len(block) and following > i + 1 and block[following - 1][1].strip().isdecimal()
        lines = tuple(text for _, text in block[i + 1 : following - numbered])
        yield *block[i], lines
