"""CTM, the time-marked conversation file of NIST's scoring tools: a line a word.

``recording channel start duration word [confidence [type [speaker]]]``, separated by white space; ``;;`` begins a
comment; a confidence of ``NA`` is none. Marks of alternatives (``<ALT_BEGIN>``) are refused: which of them was said is
not known. A file may hold several recordings, which then are known by the first column.

Reference: NIST SCTK, "ctm" format.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from align_eval.errors import InputError, InputWarning
from align_eval.formats.hypothesis.document import Document, lines_of
from align_eval.formats.hypothesis.recordings import Piece, check_name, join_pieces
from align_eval.formats.hypothesis.word import check_time, given_word, number_in_text
from align_eval.formats.praat import shorten
from align_eval.records import GivenWord, Transcript
from align_eval.text import clean_label, label_kind

MIN_FIELDS, MAX_FIELDS = 5, 8

_FIELD = re.compile(r"[^ \t\f\v]+")


def claims(document: Document) -> bool:
    """Whether the first line that says something has the fields of a word."""
    if document.praat or document.json is not None:
        return False
    for line in lines_of(document.text):
        fields = _fields(line)
        if fields and not fields[0].startswith(";;"):
            return MIN_FIELDS <= len(fields) <= MAX_FIELDS and "-->" not in fields and fields[2][:1] in "+-.0123456789"
    return False


def read(document: Document, _tier: str | None = None) -> tuple[Transcript, ...]:
    """Read every recording of the document; see :func:`words_by_channel`. Labels of silence are no words."""
    words = words_by_channel(document)
    for name in {name for key in words for name in key}:
        check_name(str(document.path), name)
    spoken = {key: [w for w in of_key if label_kind(clean_label(w.text)) != "silence"] for key, of_key in words.items()}
    return join_pieces(Piece(*key, tuple(of_key)) for key, of_key in spoken.items())


def words_by_channel(document: Document) -> dict[tuple[str, str], list[GivenWord]]:
    """Words by recording and channel, in the order of the file.

    Raises
    ------
    InputError
        Where a line is malformed.

    Warns
    -----
    InputWarning
        Where the last line has no end.
    """
    words: dict[tuple[str, str], list[GivenWord]] = {}
    for recording, channel, word in _lines(document):
        words.setdefault((recording, channel), []).append(word)
    if not document.text.endswith(("\n", "\r")):
        message = f"{document.path}: its last line has no end; if the file was cut short, its last word may be as well"
        warnings.warn(message, InputWarning, stacklevel=2)
    return words


def _lines(document: Document) -> Iterator[tuple[str, str, GivenWord]]:
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
                "recording channel start duration word ...",
            )
        recording, channel, start, duration, text, *rest = fields
        if text.startswith("<ALT") or "*" in (start, duration):
            raise InputError(where, "marks alternatives", "leave the one that is meant")
        start_s = check_time(where, "start", number_in_text(where, "start", start))
        duration_s = check_time(where, "duration", number_in_text(where, "duration", duration))
        known = rest and rest[0].upper() != "NA"
        confidence = number_in_text(where, "confidence", rest[0]) if known else None
        word = given_word(document.path, place, text, start_s, start_s + duration_s, confidence)
        if word:
            yield recording, channel, word


def _fields(line: str) -> list[str]:
    """Other white space than blanks and tabs, as a no-break space, belongs to a word."""
    return _FIELD.findall(line)
