r"""SRT (SubRip): numbered cues with ``00:00:01,200 --> 00:00:01,480``, and a blank line after each.

The number, the blank line and the comma may be missing. Formatting is dropped: HTML tags, and override tags of ASS, as
``{\an8}``. Line breaks and spaces of ASS (``\N``, ``\n``, ``\h``) are line breaks and spaces. A file without a cue is
an empty transcript. SRT has no specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from align_eval.errors import InputError, shorten
from align_eval.formats.hypothesis import webvtt
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.formats.hypothesis.subtitle_cues import ARROW, RawCue, raw_cue, split_cue
from align_eval.formats.hypothesis.subtitles import words_of_cues
from align_eval.formats.textgrids import Tiers
from align_eval.records import Transcript

_BREAK = re.compile(r"\\[Nn]")
_SPACE = re.compile(r"\\h")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")


def claims(document: Document) -> bool:
    """Tell whether the first block is a cue, or the file is empty and named as SRT."""
    if document.praat or document.json is not None or webvtt.claims(document):
        return False
    if not document.text.strip():
        return document.path.suffix.lower() == ".srt"
    return any(line.has_times for line in _lines(document.text.lstrip()[:1000])[:2])


def read(document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        If a cue is malformed, or holds several words without times for each.
    """
    cues = [split_cue(document.path, cue, any_tag=False) for cue in _cues(document)]
    return (Transcript(tuple(words_of_cues(document.path, cues))),)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank, with its number. ``apart`` tells whether a blank line or the start comes before it."""

    number: int
    text: str
    apart: bool

    @property
    def has_times(self) -> bool:
        return ARROW in self.text


def _lines(text: str) -> list[_Line]:
    texts = ["", *(line.strip() for line in lines_of(text))]
    return [_Line(i, line, not before) for i, (before, line) in enumerate(pairwise(texts), 1) if line]


def _cues(document: Document) -> Iterator[RawCue]:
    """Yield the cues: each is a line of times, with or without a line of its number before it, and text."""
    lines = _lines(_OVERRIDE.sub("", document.text))
    at = [i for i, line in enumerate(lines) if line.has_times]
    numbered = bool(at) and at[0] > 0 and lines[at[0] - 1].text.isdecimal()
    begins = [i - _has_number(lines, i, numbered=numbered) for i in at] + [len(lines)]
    if lines and begins[0] > 0:
        stray = lines[min(1, begins[0] - 1)]
        problem = f"has no times ({shorten(stray.text)!r})"
        raise InputError(f"{document.path}, cue 1, line {stray.number}", problem, f"write them as START {ARROW} END")
    for n, (i, end) in enumerate(zip(at, begins[1:], strict=True), 1):
        place = f"cue {n}, line {lines[i].number}"
        texts = [_SPACE.sub(" ", line.text) for line in lines[i + 1 : end]]
        yield raw_cue(document.path, place, lines[i].text, tuple(t for text in texts for t in _BREAK.split(text)))


def _has_number(lines: list[_Line], i: int, *, numbered: bool) -> bool:
    """Tell whether the line before the times at ``i`` is the number or name of the cue, and not text of another."""
    if i == 0 or lines[i - 1].has_times:
        return False
    if numbered and lines[i - 1].text.isdecimal():
        return True
    return lines[i - 1].apart and not lines[i].apart
