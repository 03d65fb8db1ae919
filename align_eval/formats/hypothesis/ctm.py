"""CTM, the time-marked conversation file of NIST's scoring tools: one line per word.

``recording channel start duration word [confidence [type [speaker]]]``, separated by white space. ``;;`` begins a
comment. A confidence of ``NA`` means none. Marks of alternatives (``<ALT_BEGIN>``) are refused, because they leave open
which alternative was spoken. A file may hold several recordings, named by the first column. NIST's tools require words
in the order of their starts. Words in another order are sorted here, with a warning.

Reference: NIST SCTK, "ctm" format.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace

from align_eval.errors import InputError, InputWarning, shorten
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.formats.hypothesis.recordings import Stretch, by_start, join_stretches
from align_eval.formats.hypothesis.word import hypothesis_word, number_in_text
from align_eval.formats.textgrids import Tiers
from align_eval.records import HypothesisWord, Transcript
from align_eval.text import composed

MIN_FIELDS, MAX_FIELDS = 5, 8

NO_WORDS = ("non-lex", "misc", "noscore", "noise", "sil")
"""Types of lines that are no words. The other types of NIST are words: ``lex``, ``frag``, ``fp`` (filled pause),
``un-lex`` and ``for-lex`` (foreign)."""

_FIELD = re.compile(r"[^ \t\f\v]+")


def claims(document: Document) -> bool:
    """Tell whether the first line that is no comment has the fields of a word."""
    if document.praat or document.json is not None:
        return False
    for line in lines_of(document.text):
        fields = _fields(line)
        if fields and not fields[0].startswith(";;"):
            fit = MIN_FIELDS <= len(fields) <= MAX_FIELDS and "-->" not in fields
            return fit and (fields[2][:1] in "+-.0123456789" or fields[2].lower() in ("nan", "inf"))
    return False


def read(document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read every recording of the document (see :func:`words_by_channel`)."""
    words = words_by_channel(document)
    return join_stretches(Stretch(*key, tuple(channel_words)) for key, channel_words in words.items())


def words_by_channel(document: Document) -> dict[tuple[str, str], list[HypothesisWord]]:
    """Words by recording and channel, in the order of their starts; words of equal start in the order of the file.

    Raises
    ------
    InputError
        If a line is malformed.

    Warns
    -----
    InputWarning
        If the last line does not end with a line break, or a word starts before an earlier one.
    """
    words: dict[tuple[str, str], list[HypothesisWord]] = {}
    for recording, channel, word in _lines(document):
        words.setdefault((recording, channel), []).append(word)
    if not document.text.endswith(("\n", "\r")):
        message = (
            f"{document.path}: the last line has no line break; if the file was cut short, its last word may be too"
        )
        warnings.warn(message, InputWarning, stacklevel=2)
    late = [pair for channel_words in words.values() for pair in _out_of_order(channel_words)]
    if late:
        word, before = late[0]
        message = (
            f"{document.path}: words that start before an earlier word of their recording and channel: {len(late)}, "
            f"the first is {word.text!r} ({word.start_s:g} s, {word.place}) after {before.text!r} "
            f"({before.start_s:g} s, {before.place}); they were sorted by time"
        )
        warnings.warn(message, InputWarning, stacklevel=2)
    return {key: by_start(channel_words) for key, channel_words in words.items()}


def _out_of_order(words: list[HypothesisWord]) -> Iterator[tuple[HypothesisWord, HypothesisWord]]:
    """Yield each word that starts before an earlier one, with the earlier word that starts last."""
    latest, latest_s = words[0], 0.0
    for word in words:
        if word.start_s is not None and word.start_s < latest_s:
            yield word, latest
        elif word.start_s is not None:
            latest, latest_s = word, word.start_s


def _lines(document: Document) -> Iterator[tuple[str, str, HypothesisWord]]:
    for i, line in enumerate(lines_of(document.text), 1):
        fields = _fields(line)
        if not fields or fields[0].startswith(";;"):
            continue
        place = f"line {i}"
        where = f"{document.path}, {place}"
        if not MIN_FIELDS <= len(fields) <= MAX_FIELDS:
            raise InputError(
                where,
                f"has {len(fields)} fields ({shorten(line.strip())!r})",
                "write recording channel start duration word [confidence [type [speaker]]]",
            )
        recording, channel, start, duration, text, *optional = fields
        if text.startswith("<ALT") or "*" in (start, duration):
            raise InputError(where, "marks alternatives", "leave only one alternative")
        start_s = number_in_text(where, "start", start)
        end_s = start_s + number_in_text(where, "duration", duration)
        has_confidence = optional and optional[0].upper() != "NA"
        confidence = number_in_text(where, "confidence", optional[0]) if has_confidence else None
        word = hypothesis_word(document.path, place, text, start_s, end_s, confidence)
        if word:
            is_no_word = len(optional) > 1 and optional[1].lower() in NO_WORDS
            yield composed(recording), channel, replace(word, no_word=is_no_word)


def _fields(line: str) -> list[str]:
    """Split a line at ASCII blanks and tabs: a no-break space belongs to a word."""
    return _FIELD.findall(line)
