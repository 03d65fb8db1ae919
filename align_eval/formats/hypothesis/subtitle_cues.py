"""Cues of subtitles: their times, and their text split at tags.

Formatting is dropped. Of ruby text the annotation (``<rt>``) is dropped as well, since nobody speaks both. Entities, as
``&amp;``, are the characters that they name. Nothing is ever rendered.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from align_eval.errors import InputError, shorten
from align_eval.formats.hypothesis.word import is_label, n_words

ARROW = "-->"
HIGHLIGHTS = ("u", "font")
FORMATTING = ("b", "i", "u", "s", "font", "c", "v", "lang", "ruby", "rt", "br")

MARKUP = re.compile(r"<([^<>]*)>")
_TIME = re.compile(r"(-?)(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,9})", re.ASCII)
_TAG = re.compile(r"(/?)([a-zA-Z]+)(?:[.\s/][^<>]*)?")
_OPENED = re.compile(r"<[/a-zA-Z0-9]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]*);")
_SPEAKER = re.compile(r"\s*\[[^\]<>]*\]:\s*")


@dataclass(frozen=True, slots=True)
class RawCue:
    """A cue before its text is split: the number of the line of its times, times in seconds, lines of text."""

    place: str
    start_s: float
    end_s: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Text between two tags. ``mark_s`` is the time mark before it, if any."""

    text: str
    highlighted: bool = False
    mark_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue with its text split at tags; times in seconds."""

    place: str
    start_s: float
    end_s: float
    spans: tuple[Span, ...]

    @property
    def plain(self) -> str:
        """Text without tags."""
        return "".join(span.text for span in self.spans)

    @property
    def highlights_part(self) -> bool:
        """Tell whether one part with words is highlighted and another is not."""
        return len({span.highlighted for span in self.spans if n_words(span.text)}) == 2


def raw_cue(file: object, place: str, times: str, lines: tuple[str, ...]) -> RawCue:
    """Build a cue from its line of times. Settings and coordinates after the times are not read.

    Raises
    ------
    InputError
        If a time is malformed.
    """
    where = f"{file}, {place}"
    before, after = times.split(ARROW, 1)
    return RawCue(place, seconds(where, before.strip()), seconds(where, (after.split() or [""])[0]), lines)


def split_cue(file: object, cue: RawCue, *, any_tag: bool) -> Cue:
    """Split the text of a cue at its tags. ``any_tag``: unknown tags are dropped, as in WebVTT.

    A tag that is no formatting and the whole text of the cue, as ``<laugh>``, is a label.

    Raises
    ------
    InputError
        If a tag is not closed, a time mark is no time, or without ``any_tag`` a tag is unknown.
    """
    text = "\n".join(cue.lines)
    if _is_label(text):
        return Cue(cue.place, cue.start_s, cue.end_s, (Span(text.strip()),))
    spans = _spans(f"{file}, {cue.place}", text, any_tag=any_tag)
    return Cue(cue.place, cue.start_s, cue.end_s, tuple(spans))


def seconds(where: str, text: str) -> float:
    """Convert ``hours:minutes:seconds.fraction`` to seconds; hours are optional, and a minus makes the time negative.

    Raises
    ------
    InputError
        If the text is no such time.
    """
    match = _TIME.fullmatch(text)
    if not match or int(match.group(3)) > 59 or int(match.group(4)) > 59:
        raise InputError(where, f"{shorten(text)!r} is not a time", "write it as hours:minutes:seconds,milliseconds")
    sign, hours, minutes, whole, fraction = match.groups()
    unit: int = 10 ** len(fraction)
    n_units = unit * (int(hours or 0) * 3600 + int(minutes) * 60 + int(whole)) + int(fraction)
    return (-n_units if sign else n_units) / unit


def _is_label(text: str) -> bool:
    """Tell whether a text is one label in angle brackets, and no time mark or tag of formatting."""
    label = MARKUP.match(text.strip())
    if not label or not is_label(text) or label.group(1).strip().lstrip("-")[:1].isdecimal():
        return False
    tag = _TAG.fullmatch(label.group(1).strip())
    return not (tag and tag.group(2).lower() in FORMATTING)


def _spans(where: str, text: str, *, any_tag: bool) -> Iterator[Span]:
    n_highlights, mark_s, ruby, annotation = 0, None, False, False
    parts = MARKUP.split(_SPEAKER.sub("", text, count=1) if _SPEAKER.match(text) else text)
    for i, part in enumerate(parts):  # text, tag, text, tag, ..., text
        if i % 2 == 0:
            if _OPENED.search(part):
                raise InputError(where, "a tag is opened and never closed", "add the missing >")
            if (part and not annotation) or mark_s is not None:
                yield Span("" if annotation else _unescaped(part), n_highlights > 0, mark_s)
                mark_s = None
            continue
        if part.strip().lstrip("-")[:1].isdecimal():
            if mark_s is not None:
                yield Span("", n_highlights > 0, mark_s)
            mark_s = seconds(where, part.strip())
            continue
        tag = _TAG.fullmatch(part.strip())
        closes, name = (bool(tag.group(1)), tag.group(2).lower()) if tag else (False, "")
        if name not in FORMATTING and not any_tag:
            raise InputError(where, f"has the tag <{shorten(part)}>", "remove tags, or write &lt; for the character <")
        if name in HIGHLIGHTS:
            n_highlights = max(0, n_highlights - 1) if closes else n_highlights + 1
        elif name == "ruby":
            ruby, annotation = not closes, False
        elif name == "rt":
            annotation = ruby and not closes
        elif name == "br" or (name == "v" and not closes):
            yield Span("\n", n_highlights > 0)


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda match: html.unescape(match.group()), text)
