"""Words of the cues of subtitles.

A cue gives the times of words in one of three ways:

- *one word per cue*: the times of the cue are those of the word;
- *time marks in the cue* (``so<00:00:01.200> far``): a word lasts from its mark, or the start of the cue, to the next
  mark, or the end of the cue; a mark without text is silence. Other tags do not divide the text between two marks;
- *one highlighted word* (``so <u>far</u>``, ``<font ...>``): the cue repeats its line for every word, and its times are
  those of the highlighted word; cues of the same line without a highlight are silence. A word that is never highlighted
  was recognised without times.

Any other cue of several words has no word times, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from align_eval.errors import InputError, shorten
from align_eval.formats.hypothesis.subtitle_cues import Cue, Span
from align_eval.formats.hypothesis.word import hypothesis_word, is_label, n_words
from align_eval.records import HypothesisWord
from align_eval.text import is_spoken

_LINE_BREAK = re.compile(r"\s*\n\s*")


def words_of_cues(file: object, cues: list[Cue]) -> Iterator[HypothesisWord]:
    """Yield the words of all cues.

    Raises
    ------
    InputError
        If a cue holds several words without times for each.
    """
    if any(cue.highlights_part for cue in cues):
        yield from _highlighted_words(file, cues)
    else:
        for cue in cues:
            yield from _words_of_cue(file, cue)


def _words_of_cue(file: object, cue: Cue) -> Iterator[HypothesisWord]:
    spans = _spans_by_mark(cue.spans)
    starts = [cue.start_s if span.mark_s is None else span.mark_s for span in spans]
    for span, start_s, end_s in zip(spans, starts, [*starts, cue.end_s][1:], strict=True):
        n_spoken = n_words(span.text)
        if n_spoken > 1:
            raise InputError(
                f"{file}, {cue.place}",
                f"holds {n_spoken} words without times for each ({shorten(span.text.strip())!r})",
                "write one word per cue, time marks inside cues, or highlighted words",
            )
        word = hypothesis_word(file, cue.place, _on_one_line(span.text), start_s, end_s)
        if word:
            yield word


def _spans_by_mark(spans: Iterable[Span]) -> list[Span]:
    """Join each span without a time mark to the span before it: text belongs to the last mark before it."""
    groups: list[list[Span]] = []
    for span in spans:
        if groups and span.mark_s is None:
            groups[-1].append(span)
        else:
            groups.append([span])
    return [replace(group[0], text="".join(span.text for span in group)) for group in groups]


def _highlighted_words(file: object, cues: list[Cue]) -> Iterator[HypothesisWord]:
    for _, group in groupby(cues, key=lambda cue: "".join(cue.plain.split())):
        yield from _words_of_line(file, list(group))


def _words_of_line(file: object, cues: list[Cue]) -> Iterator[HypothesisWord]:
    """Yield the words of consecutive cues with the same line. A highlight that goes back begins the line again."""
    line, at = cues[0], 0
    if is_label(line.plain) and not any(cue.highlights_part for cue in cues):
        label = hypothesis_word(file, line.place, _on_one_line(line.plain), line.start_s, cues[-1].end_s)
        yield from [label] if label else []
        return
    for cue in cues:
        start, stop, text = _highlight(file, cue)
        if stop == start:
            continue
        if start < at:
            yield from _untimed_words(file, line, at, None)
            at = 0
        yield from _untimed_words(file, line, at, start)
        word = hypothesis_word(file, cue.place, _on_one_line(text), cue.start_s, cue.end_s)
        if word:
            yield word
        at = stop
    yield from _untimed_words(file, line, at, None)


def _highlight(file: object, cue: Cue) -> tuple[int, int, str]:
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
    if n_words(inside) > 1:
        problem = f"highlights {n_words(inside)} words ({shorten(inside)!r})"
        raise InputError(f"{file}, {cue.place}", problem, "highlight one word per cue")
    start = len("".join(before.split()))
    return start, start + len("".join(inside.split())), inside


def _on_one_line(text: str) -> str:
    return _LINE_BREAK.sub(" ", text)


def _untimed_words(file: object, cue: Cue, start: int, stop: int | None) -> Iterator[HypothesisWord]:
    """Words of a line without a highlight, from character ``start`` to ``stop``, white space not counted."""
    if start == stop:
        return
    at = 0
    for token in cue.plain.split():
        first, last = max(start - at, 0), len(token) if stop is None else min(stop - at, len(token))
        at += len(token)
        part = token[first:last] if first < last else ""
        if is_spoken(part):
            word = hypothesis_word(file, cue.place, part, None, None)
            if word:
                yield word
