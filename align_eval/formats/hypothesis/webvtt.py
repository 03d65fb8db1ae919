"""WebVTT: ``WEBVTT``, and cues with ``00:01.200 --> 00:01.480``.

Blocks are those of the specification's parser. Only an empty line ends a block: a line with a space does not. A line
with ``-->`` begins a cue, also inside a block. Blocks without times are passed over: notes, styles, regions, and the
second header of joined files. The text of a cue may be ``WEBVTT``. Unknown tags are dropped. The parser skips times
that it cannot read and tags that are not closed; this reader refuses them, since the file may be cut short.

The automatic captions of YouTube roll: a cue shows the line before, without time marks, above the line that is spoken,
and a cue of 10 ms shows that line alone. Each line is read once, where it has its marks.

Reference: W3C, "WebVTT: The Web Video Text Tracks Format", sections 4 and 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from align_eval.errors import InputError, shorten
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.formats.hypothesis.subtitle_cues import ARROW, MARKUP, RawCue, raw_cue, split_cue
from align_eval.formats.hypothesis.subtitles import words_of_cues
from align_eval.formats.hypothesis.word import has_words
from align_eval.formats.textgrids import Tiers
from align_eval.records import Transcript

HEADER = "WEBVTT"
MAX_REPEATED = 10
"""Most lines that a rolling cue repeats; two are usual."""

NO_CUES = ("NOTE", "STYLE", "REGION")

_HEADER = re.compile(rf"\ufeff?{HEADER}(?:[ \t].*)?")
_LANGUAGE = re.compile(r"Language:\s*(\S+)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"\s*-?\d")
_MARK = re.compile(r"<\s*-?\d")


def claims(document: Document) -> bool:
    """Tell whether the document begins with the header of WebVTT, or is empty and named as WebVTT."""
    if document.praat or document.json is not None:
        return False
    if not document.text.strip():
        return document.path.suffix.lower() == ".vtt"
    return _is_header(re.split(r"[\r\n]", document.text, maxsplit=1)[0])


def read(document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        If the header is missing, a cue is malformed or holds several words without times for each, or the file has text
        and no cue.
    """
    file, lines = document.path, lines_of(document.text)
    if document.text.strip() and not _is_header(lines[0]):
        raise InputError(file, f"does not begin with {HEADER}", "give a WebVTT file, or use --format srt")
    cues: list[RawCue] = []
    passed_over: list[str] = []
    for line, block in _blocks(lines):
        times_at = next((i for i, text in enumerate(block[:2]) if ARROW in text), None)
        if times_at is None or not _NUMBER.match(block[times_at]):
            passed_over += block if block[0].split(maxsplit=1)[0:1] not in [[name] for name in NO_CUES] else []
            continue
        place = f"cue {len(cues) + 1}, line {line + times_at}"
        cues.append(raw_cue(file, place, block[times_at], tuple(block[times_at + 1 :])))
    if not cues and (stray := next(filter(has_words, passed_over), None)):
        problem = f"has text and no cue ({shorten(stray.strip())!r})"
        raise InputError(file, problem, f"write the times of each cue as START {ARROW} END")
    spoken = [split_cue(file, cue, any_tag=True) for cue in _without_repeats(cues)]
    language = next((match.group(1) for text in _header(lines) if (match := _LANGUAGE.fullmatch(text))), None)
    return (Transcript(tuple(words_of_cues(file, spoken)), language=language),)


def _is_header(line: str) -> bool:
    return _HEADER.fullmatch(line) is not None


def _header(lines: list[str]) -> list[str]:
    """Lines of the first header."""
    end = next((i for i, text in enumerate(lines) if not text or ARROW in text), len(lines))
    return lines[:end]


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the blocks, without headers, each with the number of its first line."""
    block: list[str] = []
    first, in_header = 1, False
    for i, text in enumerate(lines, 1):
        begins_cue = ARROW in text and (in_header or len(block) > 1 or any(ARROW in t for t in block))
        begins_header = _is_header(text) and not (block and ARROW in block[-1])
        if not text or begins_cue or begins_header:
            if block and not in_header:
                yield first, block
            block, in_header = [], begins_header
        if text:
            first = first if block else i
            block.append(text)
    if block and not in_header:
        yield first, block


def _without_repeats(cues: list[RawCue]) -> list[RawCue]:
    """Leave out the lines that a rolling cue repeats from the cue before it."""
    repeated = [0, *(_n_repeated(previous, cue) for previous, cue in pairwise(cues))]
    rolls = any(n and _MARK.search(_shown(cues[i - 1])[-1]) for i, n in enumerate(repeated))
    if not rolls:
        return cues
    return [replace(cue, lines=tuple(_shown(cue)[n:])) for cue, n in zip(cues, repeated, strict=True)]


def _n_repeated(previous: RawCue, cue: RawCue) -> int:
    """Number of first lines of a cue, without time marks, that are the last lines of the cue before it."""
    before, lines = [_plain(line) for line in _shown(previous)], _shown(cue)
    n_unmarked = next((i for i, line in enumerate(lines) if _MARK.search(line)), len(lines))
    plain = [_plain(line) for line in lines]
    return next((n for n in range(min(len(before), n_unmarked, MAX_REPEATED), 0, -1) if plain[:n] == before[-n:]), 0)


def _shown(cue: RawCue) -> list[str]:
    return [line for line in cue.lines if line.strip()]


def _plain(line: str) -> str:
    return " ".join(MARKUP.sub("", line).split())
