"""Subtitle cues as words: what SRT and WebVTT share.

A cue says when a word is spoken in one of three ways:

- *one word a cue*: the cue's times are the word's;
- *time marks in the cue* (``so<00:00:01.200> far``): a word lasts from its mark, or the cue's start, to the next mark,
  or the cue's end; a mark without text is silence;
- *one word highlighted* (``so <u>far</u>``, ``<font ...>``): the cue repeats its line for every word, and its times are
  those of the highlighted one; cues of the same line without a highlight are the silence in between. A word that is
  never highlighted was said and has no times.

A cue of several words that says none of this has no word times, and is refused. Tags of formatting are dropped, others
are refused; nothing is ever rendered.

References: W3C, "WebVTT: The Web Video Text Tracks Format", sections 3 and 4; SRT has no specification.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from align_eval.errors import InputError
from align_eval.formats.hypothesis.word import check_time, given_word
from align_eval.formats.praat import shorten
from align_eval.records import GivenWord

ARROW = "-->"
HIGHLIGHTS = ("u", "font")
FORMATTING = ("b", "i", "u", "s", "font", "c", "v", "lang", "ruby", "rt")

_TIME = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})", re.ASCII)
_MARKUP = re.compile(r"<([^<>]*)>")
_TAG = re.compile(r"(/?)([a-zA-Z]+)(?:[.\s][^<>]*)?")
_OPENED = re.compile(r"<[/a-zA-Z0-9]")
_SPEAKER = re.compile(r"\s*\[[^\]<>]*\]:\s*")


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue as it stands in the file: times in seconds, text with its tags."""

    place: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text between tags. ``mark_s`` is the time mark before it, where there is one."""

    text: str
    highlighted: bool = False
    mark_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Cue:
    """A cue with its text taken apart."""

    cue: Cue
    pieces: tuple[_Piece, ...]

    @property
    def plain(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def marked(self) -> bool:
        return any(piece.mark_s is not None for piece in self.pieces)

    @property
    def highlights_some(self) -> bool:
        """Whether one part is highlighted and another, with words in it, is not."""
        parts = {piece.highlighted for piece in self.pieces if _n_words(piece.text)}
        return len(parts) == 2


def read_blocks(file: object, lines: Iterable[tuple[int, str]]) -> Iterator[Cue]:
    """Yield the cues of numbered lines: a line of times, with a line of its number or name before it or not, and text.

    Raises
    ------
    InputError
        Where a block has no times, or they are no times.
    """
    blocks: Iterable[list[tuple[int, str]]] = (
        list(block) for blank, block in groupby(lines, key=lambda line: not line[1].strip()) if not blank
    )
    for i, block in enumerate(blocks, 1):
        times = 0 if ARROW in block[0][1] else 1
        line, text = block[min(times, len(block) - 1)]
        place = f"cue {i}, line {line}"
        where = f"{file}, {place}"
        if ARROW not in text:
            raise InputError(where, f"has no times ({shorten(text.strip())!r})", f"write them as START {ARROW} END")
        before, after = text.split(ARROW, 1)
        start_s = _seconds(where, before.strip())
        end_s = _seconds(where, (after.split() or [""])[0])
        if end_s < start_s:
            raise InputError(where, f"ends ({end_s:g} s) before it starts ({start_s:g} s)", "correct the times")
        yield Cue(place, start_s, end_s, "\n".join(text for _, text in block[times + 1 :]))


def words_of_cues(file: object, cues: Iterable[Cue], *, escaped: bool) -> tuple[GivenWord, ...]:
    """The words of cues.

    Parameters
    ----------
    escaped
        Whether ``&lt;`` and its like stand for characters, as in WebVTT.

    Raises
    ------
    InputError
        Where a cue of several words does not say when each is spoken, or has a tag that is no formatting.
    """
    taken = [_Cue(cue, tuple(_pieces(file, cue, escaped))) for cue in cues]
    if any(cue.highlights_some for cue in taken):
        words = _highlighted_words(file, taken)
    else:
        words = (word for cue in taken for word in _words_of_cue(file, cue))
    return tuple(words)


def _words_of_cue(file: object, cue: _Cue) -> Iterator[GivenWord]:
    pieces = cue.pieces if cue.marked else (_Piece(cue.plain),)
    starts = _starts(pieces, cue.cue)
    for piece, start_s, end_s in zip(pieces, starts, [*starts[1:], cue.cue.end_s], strict=True):
        n_words = _n_words(piece.text)
        if n_words > 1:
            raise InputError(
                f"{file}, {cue.cue.place}",
                f"holds {n_words} words and does not say when each is spoken ({shorten(piece.text.strip())!r})",
                "write a cue a word, time marks inside cues, or highlighted words",
            )
        word = given_word(file, cue.cue.place, piece.text, start_s, end_s)
        if word:
            yield word


def _starts(pieces: tuple[_Piece, ...], cue: Cue) -> list[float]:
    starts: list[float] = []
    for piece in pieces:
        before = starts[-1] if starts else cue.start_s
        starts.append(before if piece.mark_s is None else piece.mark_s)
    return starts


def _highlighted_words(file: object, cues: list[_Cue]) -> Iterator[GivenWord]:
    for _, run in groupby(cues, key=lambda cue: "".join(cue.plain.split())):
        yield from _words_of_line(file, list(run))


def _words_of_line(file: object, cues: list[_Cue]) -> Iterator[GivenWord]:
    """Words of cues that show one line, once for each highlight; a highlight that goes back begins the line again."""
    line, at = cues[0], 0
    for cue in cues:
        start, stop, text = _highlight(file, cue)
        if stop == start:
            continue
        if start < at:
            yield from _untimed(file, line, at, None)
            at = 0
        yield from _untimed(file, line, at, start)
        word = given_word(file, cue.cue.place, text, cue.cue.start_s, cue.cue.end_s)
        if word:
            yield word
        at = stop
    yield from _untimed(file, line, at, None)


def _highlight(file: object, cue: _Cue) -> tuple[int, int, str]:
    """Where the highlight begins and ends, in characters without white space, and what it holds."""
    before, inside, seen, after = "", "", False, False
    for piece in cue.pieces:
        if piece.highlighted and piece.text.strip():
            if after:
                raise InputError(f"{file}, {cue.cue.place}", "highlights two places", "highlight one word a cue")
            inside, seen = inside + piece.text, True
        elif not seen:
            before += piece.text
        elif piece.text.strip():
            after = True
    if _n_words(inside) > 1:
        raise InputError(
            f"{file}, {cue.cue.place}",
            f"highlights {_n_words(inside)} words ({shorten(inside)!r})",
            "highlight one word",
        )
    start = len("".join(before.split()))
    return start, start + len("".join(inside.split())), inside


def _untimed(file: object, cue: _Cue, start: int, stop: int | None) -> Iterator[GivenWord]:
    """Words of the line from one character that is not white space to another, which nothing highlights."""
    at = 0
    for token in cue.plain.split():
        left, right = max(start - at, 0), len(token) if stop is None else min(stop - at, len(token))
        at += len(token)
        part = token[left:right] if left < right else ""
        if any(c.isalnum() for c in part):
            word = given_word(file, cue.cue.place, part, None, None)
            if word:
                yield word


def _pieces(file: object, cue: Cue, escaped: bool) -> Iterator[_Piece]:
    depth, mark_s = 0, None
    text = _SPEAKER.sub("", cue.text, count=1) if _SPEAKER.match(cue.text) else cue.text
    parts = _MARKUP.split(text)  # text, tag, text, tag, ..., text
    for i, part in enumerate(parts):
        if i % 2 == 0:
            if _OPENED.search(part):
                raise InputError(f"{file}, {cue.place}", "a tag is opened and never closed", "add the missing >")
            if part or mark_s is not None:
                yield _Piece(html.unescape(part) if escaped else part, depth > 0, mark_s)
                mark_s = None
            continue
        if _TIME.fullmatch(part.strip()):
            if mark_s is not None:
                yield _Piece("", depth > 0, mark_s)
            mark_s = _seconds(f"{file}, {cue.place}", part.strip())
            continue
        tag = _TAG.fullmatch(part.strip())
        if not tag or tag.group(2).lower() not in FORMATTING:
            raise InputError(f"{file}, {cue.place}", f"has the tag <{shorten(part)}>", "leave tags out, or write &lt;")
        if tag.group(2).lower() in HIGHLIGHTS:
            depth = max(0, depth - 1) if tag.group(1) else depth + 1


def _seconds(where: str, text: str) -> float:
    match = _TIME.fullmatch(text)
    if not match or int(match.group(2)) > 59 or int(match.group(3)) > 59:
        raise InputError(where, f"{shorten(text)!r} is no time", "write hours:minutes:seconds and milliseconds")
    hours, minutes, seconds, fraction = match.groups()
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return check_time(where, "a time", (1000 * whole + int(fraction.ljust(3, "0"))) / 1000)


def _n_words(text: str) -> int:
    """Parts between white space that have a letter or digit: in "bien ?" the mark belongs to the word."""
    return sum(any(c.isalnum() for c in token) for token in text.split())
