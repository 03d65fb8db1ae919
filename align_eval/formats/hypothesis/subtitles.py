"""Subtitles with word times: SRT (SubRip) and WebVTT.

SRT holds numbered cues with ``00:00:01,200 --> 00:00:01,480``. WebVTT begins with ``WEBVTT``, and its cues have
``00:01.200 --> 00:01.480``; its notes, styles and regions are skipped. A cue gives the times of words in one of three
ways:

- *one word per cue*: the times of the cue are those of the word;
- *time marks in the cue* (``so<00:00:01.200> far``): a word lasts from its mark, or the start of the cue, to the next
  mark, or the end of the cue; a mark without text is silence;
- *one highlighted word* (``so <u>far</u>``, ``<font ...>``): the cue repeats its line for every word, and its times are
  those of the highlighted word; cues of the same line without a highlight are silence. A word that is never highlighted
  was recognised without times.

Any other cue of several words has no word times, and is refused. Formatting tags are dropped, other tags are refused.
Nothing is ever rendered.

References: W3C, "WebVTT: The Web Video Text Tracks Format", sections 3 and 4; SRT has no specification.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from align_eval.errors import InputError
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.formats.hypothesis.word import check_time, hypothesis_word
from align_eval.formats.praat import shorten
from align_eval.formats.textgrids import Tiers
from align_eval.records import HypothesisWord, Transcript

HEADER = "WEBVTT"
NO_CUES = ("NOTE", "STYLE", "REGION")
ARROW = "-->"
HIGHLIGHTS = ("u", "font")
FORMATTING = ("b", "i", "u", "s", "font", "c", "v", "lang", "ruby", "rt")

_TIME = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})", re.ASCII)
_MARKUP = re.compile(r"<([^<>]*)>")
_TAG = re.compile(r"(/?)([a-zA-Z]+)(?:[.\s][^<>]*)?")
_OPENED = re.compile(r"<[/a-zA-Z0-9]")
_SPEAKER = re.compile(r"\s*\[[^\]<>]*\]:\s*")


@dataclass(frozen=True, slots=True)
class _Span:
    """Text between two tags. ``mark_s`` is the time mark before it, if any."""

    text: str
    highlighted: bool = False
    mark_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Cue:
    """A cue with its text split at tags; times in seconds."""

    place: str
    start_s: float
    end_s: float
    spans: tuple[_Span, ...]

    @property
    def plain(self) -> str:
        """Text without tags."""
        return "".join(span.text for span in self.spans)

    @property
    def highlights_part(self) -> bool:
        """Tell whether one part with words is highlighted and another is not."""
        return len({span.highlighted for span in self.spans if _n_words(span.text)}) == 2


def claims_srt(document: Document) -> bool:
    """Tell whether the first block is a cue."""
    if document.praat or document.json is not None:
        return False
    first, _, after = document.text.strip().partition("\n")
    return ARROW in first or (first.strip().isdecimal() and ARROW in after.partition("\n")[0])


def read_srt(document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of an SRT file."""
    return _transcript(document, list(enumerate(lines_of(document.text), 1)), escaped=False)


def claims_webvtt(document: Document) -> bool:
    """Tell whether the document begins with the header of WebVTT."""
    return not document.praat and document.text.startswith(HEADER)


def read_webvtt(document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of a WebVTT file.

    Raises
    ------
    InputError
        If the header is missing or a cue is malformed.
    """
    if not document.text.startswith(HEADER):
        raise InputError(document.path, f"does not begin with {HEADER}", "give a WebVTT file, or use --format srt")
    lines: list[tuple[int, str]] = []
    for blank, group in groupby(enumerate(lines_of(document.text), 1), key=lambda line: not line[1].strip()):
        block = list(group)
        number, first = block[0]
        named = first.startswith(HEADER) if number == 1 else first.split(maxsplit=1)[:1] in [[n] for n in NO_CUES]
        if blank or not named or any(ARROW in text for _, text in block[:2]):
            lines += block
    return _transcript(document, lines, escaped=True)


def _transcript(document: Document, lines: list[tuple[int, str]], *, escaped: bool) -> tuple[Transcript, ...]:
    """Read the words of numbered lines. ``escaped``: ``&lt;`` and the like are characters, as in WebVTT."""
    file = document.path
    cues = list(_cues(file, lines, escaped))
    if any(cue.highlights_part for cue in cues):
        words = _highlighted_words(file, cues)
    else:
        words = (word for cue in cues for word in _words_of_cue(file, cue))
    return (Transcript(tuple(words)),)


def _cues(file: object, lines: list[tuple[int, str]], escaped: bool) -> Iterator[_Cue]:
    """Yield the cues: each is a line of times, with or without a line of its number or name before it, and text."""
    blocks = [list(group) for blank, group in groupby(lines, key=lambda line: not line[1].strip()) if not blank]
    for i, block in enumerate(blocks, 1):
        at = 0 if ARROW in block[0][1] else 1
        line, times = block[min(at, len(block) - 1)]
        place = f"cue {i}, line {line}"
        where = f"{file}, {place}"
        if ARROW not in times:
            raise InputError(where, f"has no times ({shorten(times.strip())!r})", f"write them as START {ARROW} END")
        before, after = times.split(ARROW, 1)
        start_s = _seconds(where, before.strip())
        end_s = _seconds(where, (after.split() or [""])[0])
        if end_s < start_s:
            raise InputError(where, f"ends ({end_s:g} s) before it starts ({start_s:g} s)", "correct the times")
        text = "\n".join(text for _, text in block[at + 1 :])
        yield _Cue(place, start_s, end_s, tuple(_spans(where, text, escaped)))


def _spans(where: str, text: str, escaped: bool) -> Iterator[_Span]:
    depth, mark_s = 0, None
    parts = _MARKUP.split(_SPEAKER.sub("", text, count=1) if _SPEAKER.match(text) else text)
    for i, part in enumerate(parts):  # text, tag, text, tag, ..., text
        if i % 2 == 0:
            if _OPENED.search(part):
                raise InputError(where, "a tag is opened and never closed", "add the missing >")
            if part or mark_s is not None:
                yield _Span(html.unescape(part) if escaped else part, depth > 0, mark_s)
                mark_s = None
            continue
        if _TIME.fullmatch(part.strip()):
            if mark_s is not None:
                yield _Span("", depth > 0, mark_s)
            mark_s = _seconds(where, part.strip())
            continue
        tag = _TAG.fullmatch(part.strip())
        if not tag or tag.group(2).lower() not in FORMATTING:
            raise InputError(where, f"has the tag <{shorten(part)}>", "remove tags, or write &lt; for the character <")
        if tag.group(2).lower() in HIGHLIGHTS:
            depth = max(0, depth - 1) if tag.group(1) else depth + 1


def _words_of_cue(file: object, cue: _Cue) -> Iterator[HypothesisWord]:
    marked = any(span.mark_s is not None for span in cue.spans)
    spans = cue.spans if marked else (_Span(cue.plain),)
    starts: list[float] = []
    for span in spans:
        previous = starts[-1] if starts else cue.start_s
        starts.append(previous if span.mark_s is None else span.mark_s)
    for span, start_s, end_s in zip(spans, starts, [*starts[1:], cue.end_s], strict=True):
        n_words = _n_words(span.text)
        if n_words > 1:
            raise InputError(
                f"{file}, {cue.place}",
                f"holds {n_words} words without times for each ({shorten(span.text.strip())!r})",
                "write one word per cue, time marks inside cues, or highlighted words",
            )
        word = hypothesis_word(file, cue.place, span.text, start_s, end_s)
        if word:
            yield word


def _highlighted_words(file: object, cues: list[_Cue]) -> Iterator[HypothesisWord]:
    for _, group in groupby(cues, key=lambda cue: "".join(cue.plain.split())):
        yield from _words_of_line(file, list(group))


def _words_of_line(file: object, cues: list[_Cue]) -> Iterator[HypothesisWord]:
    """Yield the words of consecutive cues with the same line. A highlight that goes back begins the line again."""
    line, at = cues[0], 0
    for cue in cues:
        start, stop, text = _highlight(file, cue)
        if stop == start:
            continue
        if start < at:
            yield from _untimed_words(file, line, at, None)
            at = 0
        yield from _untimed_words(file, line, at, start)
        word = hypothesis_word(file, cue.place, text, cue.start_s, cue.end_s)
        if word:
            yield word
        at = stop
    yield from _untimed_words(file, line, at, None)


def _highlight(file: object, cue: _Cue) -> tuple[int, int, str]:
    """Start and stop of the highlight, in characters without white space, and its text."""
    before, inside, seen, after = "", "", False, False
    for span in cue.spans:
        if span.highlighted and span.text.strip():
            if after:
                raise InputError(f"{file}, {cue.place}", "highlights two places", "highlight one word per cue")
            inside, seen = inside + span.text, True
        elif not seen:
            before += span.text
        elif span.text.strip():
            after = True
    if _n_words(inside) > 1:
        problem = f"highlights {_n_words(inside)} words ({shorten(inside)!r})"
        raise InputError(f"{file}, {cue.place}", problem, "highlight one word per cue")
    start = len("".join(before.split()))
    return start, start + len("".join(inside.split())), inside


def _untimed_words(file: object, cue: _Cue, start: int, stop: int | None) -> Iterator[HypothesisWord]:
    """Words of a line without a highlight, from character ``start`` to ``stop``, white space not counted."""
    at = 0
    for token in cue.plain.split():
        first, last = max(start - at, 0), len(token) if stop is None else min(stop - at, len(token))
        at += len(token)
        part = token[first:last] if first < last else ""
        if any(c.isalnum() for c in part):
            word = hypothesis_word(file, cue.place, part, None, None)
            if word:
                yield word


def _seconds(where: str, text: str) -> float:
    match = _TIME.fullmatch(text)
    if not match or int(match.group(2)) > 59 or int(match.group(3)) > 59:
        raise InputError(where, f"{shorten(text)!r} is not a time", "write it as hours:minutes:seconds,milliseconds")
    hours, minutes, seconds, fraction = match.groups()
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return check_time(where, "a time", (1000 * whole + int(fraction.ljust(3, "0"))) / 1000)


def _n_words(text: str) -> int:
    """Count the parts between white space with a letter or digit: in "bien ?" the mark belongs to the word."""
    return sum(any(c.isalnum() for c in token) for token in text.split())
