"""CTM, NIST's time-marked conversations: a line ``recording channel start duration word [confidence]``, seconds.

Lines that begin with ``;;`` are comments. Words of one recording and channel are put in the order of their starts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from align_eval.errors import InputError
from align_eval.formats.praat import shorten
from align_eval.records import Word
from align_eval.transcript import clean_label

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

Ctm = Mapping[tuple[str, str], tuple[Word, ...]]
"""Labels, marks among them, by recording and channel."""


def parse_ctm(text: str, place: object) -> Ctm:
    """Words of a CTM by recording and channel, in the order of their starts; marks of silence and noise included.

    Raises
    ------
    InputError
        For a line of other fields, a time that is no finite number or below zero, and a file without any line.
    """
    found: dict[tuple[str, str], list[Word]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        where = f"{place}, line {number}"
        if len(fields) not in (5, 6):
            problem = f"{shorten(line.strip())!r} has {len(fields)} fields"
            raise InputError(where, problem, "a line is `recording channel start duration word [confidence]`")
        start_s, duration_s = _seconds(fields[2], "start", where), _seconds(fields[3], "duration", where)
        confidence = _number(fields[5], "confidence", where) if len(fields) == 6 else None
        if not math.isfinite(start_s + duration_s):
            raise InputError(where, "it ends at no finite time", "give seconds as plain numbers")
        word = Word(clean_label(fields[4]), start_s, start_s + duration_s, confidence)
        found.setdefault((fields[0], fields[1]), []).append(word)
    if not found:
        raise InputError(place, "holds no words", "write the CTM again")
    return {key: tuple(sorted(words, key=lambda w: (w.start_s, w.end_s))) for key, words in found.items()}


def read_ctm(path: Path) -> Ctm:
    """Read a CTM file in UTF-8."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not UTF-8", "save the file as UTF-8") from error
    return parse_ctm(text, path)


def _seconds(raw: str, what: str, place: str) -> float:
    value = _number(raw, what, place)
    if value < 0:
        raise InputError(place, f"its {what} is {raw}", "times are not below zero")
    return value


def _number(raw: str, what: str, place: str) -> float:
    value = float(raw) if _NUMBER.fullmatch(raw) else math.nan
    if not math.isfinite(value):
        raise InputError(place, f"its {what} {shorten(raw)!r} is not a finite number", "give a plain number")
    return value
