"""Strict reader of TextGrids in Praat's text formats: it reads everything, or refuses the file with line and reason.

The result consists of objects of the ``textgrid`` package, at full precision. That package's own reader is not used,
because it silently drops reversed, zero-length and surplus intervals.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from textgrid import Interval, IntervalTier, Point, PointTier, TextGrid

from align_eval.errors import InputError, shorten
from align_eval.formats.praat_tokens import TokenReader
from align_eval.reading import MAX_RECORDING_BYTES, check_size, read_bytes

OVERLAP_TOLERANCE_S = 1e-3
"""Largest overlap of neighbours that is taken as rounding: tools write times with 3 to 6 decimals."""

UNCOUNTED_S = 1e-6
"""Largest overlap that is not even counted, less than one audio sample."""

MAX_TIERS = 1000
"""Most tiers of a file. A recording of many speakers has one or two for each."""

CHRONOLOGICAL = "Praat chronological TextGrid text file"
"""First words of a file that lists the intervals of all tiers by time."""


def decode_text(data: bytes, place: object) -> tuple[str, str]:
    """Decode a Praat text file: UTF-16 by its byte-order mark, else UTF-8, else Windows Latin-1, as Praat does.

    Returns
    -------
    text : str
    encoding : str
        ``cp1252`` or ``latin-1`` if the bytes were not Unicode, so that the caller may warn.

    Raises
    ------
    InputError
        If the file is empty, too large, a binary Praat file, or not text.
    """
    check_size(place, len(data), MAX_RECORDING_BYTES)
    if not data.strip():
        raise InputError(place, "the file is empty", "write the TextGrid again")
    if data.startswith(b"ooBinaryFile"):
        raise InputError(place, "is a binary Praat file", "save it in Praat as a text file")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\x00" in data:
        raise InputError(
            place, "holds zero bytes and no byte-order mark", "save it as UTF-8, or as UTF-16 with its mark"
        )
    else:
        encodings = ["utf-8-sig", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise InputError(place, "is not valid UTF-16, as its byte-order mark says", "save it again as UTF-8")


def parse_textgrid(text: str, path: object, *, any_times: bool = False) -> TextGrid:
    """Parse a TextGrid in any of Praat's text formats.

    Parameters
    ----------
    text
        Content of the file (see :func:`decode_text`).
    path
        Name of the file in errors.
    any_times
        Whether the intervals and points of a tier may have any times, in any order. The structure is checked all the
        same.

    Returns
    -------
    textgrid.TextGrid
        Times at full precision.

    Raises
    ------
    InputError
        If the text is not a TextGrid, is cut short, declares other counts than it holds, or has an interval that is
        reversed, has no length, is not finite or overlaps its neighbour by more than :data:`OVERLAP_TOLERANCE_S`. Names
        tier, interval and line.
    """
    return _read_grid(TokenReader(text, path, any_times=any_times), path)


def rounding_messages(grid: TextGrid, path: object) -> Iterator[str]:
    """Yield a message for each tier with overlaps that are taken as rounding, with their number and the largest."""
    for tier in grid.tiers:
        if isinstance(tier, IntervalTier) and (overlaps := _rounded_overlaps_s(tier)):
            message = f"{path}, tier {tier.name!r}: {len(overlaps)} of its intervals overlap the one before"
            yield f"{message} by up to {1000 * max(overlaps):.2g} ms; this was taken as rounding"


def any_interval(start_s: float, end_s: float, mark: str) -> Interval:
    """An interval with any times. The package's own constructor refuses those of no length."""
    interval = Interval(0.0, 1.0, mark)
    interval.minTime, interval.maxTime = start_s, end_s
    return interval


def _rounded_overlaps_s(tier: IntervalTier) -> list[float]:
    overlaps = (previous.maxTime - interval.minTime for previous, interval in pairwise(tier.intervals))
    return [overlap_s for overlap_s in overlaps if UNCOUNTED_S < overlap_s <= OVERLAP_TOLERANCE_S + UNCOUNTED_S]


def _read_grid(reader: TokenReader, path: object) -> TextGrid:
    first = reader.peek()
    if first is None or first.kind != "string" or not first.text.startswith(("ooTextFile", CHRONOLOGICAL)):
        raise InputError(path, 'is no Praat text file: it does not begin with "ooTextFile"', "give a TextGrid")
    if reader.take("string", "the file type") == CHRONOLOGICAL:
        return _read_chronological(reader, path)
    class_name = reader.take("string", "the object class")
    if class_name.split(" ")[0] != "TextGrid":
        raise InputError(path, f"holds a Praat {class_name!r}, not a TextGrid", "save the TextGrid object alone")
    grid = TextGrid(name=str(path), minTime=reader.number("xmin"), maxTime=reader.number("xmax"))
    _check_span(grid.minTime, grid.maxTime, f"{path}", "the TextGrid")
    flag = reader.take("flag", "the flag for tiers").lower()
    if flag not in ("<exists>", "<absent>"):
        raise InputError(f"{path}, line {reader.line}", f"unknown flag {flag}", "write <exists> or <absent>")
    if flag == "<exists>":
        for i in range(_n_tiers(reader, path)):
            # Not by the method of TextGrid, which refuses a tier that ends after the grid by a rounding error.
            grid.tiers.append(_read_tier(reader, path, i + 1))
    surplus = reader.peek()
    if surplus is not None:
        raise InputError(
            f"{path}, line {surplus.line}",
            f"the file goes on ({shorten(surplus.text)!r}) after all the tiers and intervals it declares",
            "correct the declared counts (size)",
        )
    return grid


def read_textgrid(path: Path) -> tuple[TextGrid, str]:
    """Read a TextGrid file, and return it with its encoding (see :func:`decode_text` and :func:`parse_textgrid`)."""
    text, encoding = decode_text(read_bytes(path, MAX_RECORDING_BYTES), path)
    return parse_textgrid(text, path), encoding


def _read_chronological(reader: TokenReader, path: object) -> TextGrid:
    """Read the chronological format, which lists the intervals and points of all tiers by time."""
    grid = TextGrid(name=str(path), minTime=reader.number("xmin"), maxTime=reader.number("xmax"))
    _check_span(grid.minTime, grid.maxTime, f"{path}", "the TextGrid")
    for i in range(_n_tiers(reader, path)):
        tier_class, name = _tier_head(reader, path, i + 1)
        start_s, end_s = reader.number("xmin", f", tier {name!r}"), reader.number("xmax", f", tier {name!r}")
        grid.tiers.append((IntervalTier if tier_class == "IntervalTier" else PointTier)(name, start_s, end_s))
    while reader.peek() is not None:
        index = reader.count("the number of a tier")
        if not 1 <= index <= len(grid.tiers):
            raise InputError(f"{path}, line {reader.line}", f"there is no tier {index}", "correct the number")
        tier = grid.tiers[index - 1]
        _read_entry(reader, path, tier, len(tier) + 1)
    return grid


def _n_tiers(reader: TokenReader, path: object) -> int:
    n_tiers = reader.count("the number of tiers")
    if n_tiers > MAX_TIERS:
        raise InputError(path, f"has {n_tiers} tiers, of which {MAX_TIERS} can be read", "divide it into several files")
    return n_tiers


def _check_span(start_s: float, end_s: float, place: str, what: str) -> None:
    if end_s < start_s:
        raise InputError(
            place, f"{what} ends ({end_s:g} s) before it starts ({start_s:g} s)", "swap or correct its times"
        )
    if end_s == start_s:
        raise InputError(place, f"{what} has no length (at {start_s:g} s)", "remove it or give it a length")


def _tier_head(reader: TokenReader, path: object, index: int) -> tuple[str, str]:
    """Read class and name of a tier."""
    place = f", tier {index}"
    tier_class = reader.take("string", "the class of the tier", place)
    if tier_class not in ("IntervalTier", "TextTier"):
        raise InputError(
            f"{path}{place}, line {reader.line}",
            f"unknown tier class {tier_class!r}",
            "use IntervalTier or TextTier, and check that the declared counts (size) match the file",
        )
    return tier_class, reader.take("string", "the name of the tier", place)


def _read_tier(reader: TokenReader, path: object, index: int) -> IntervalTier | PointTier:
    tier_class, name = _tier_head(reader, path, index)
    place = f", tier {name!r}"
    start_s, end_s = reader.number("xmin", place), reader.number("xmax", place)
    _check_span(start_s, end_s, f"{path}{place}", "the tier")
    tier = (IntervalTier if tier_class == "IntervalTier" else PointTier)(name, start_s, end_s)
    for i in range(reader.count("the number of entries", place)):
        _read_entry(reader, path, tier, i + 1)
    return tier


def _read_entry(reader: TokenReader, path: object, tier: IntervalTier | PointTier, number: int) -> None:
    """Read one interval or point and append it, without the checks of ``textgrid``, which refuse rounding errors."""
    if isinstance(tier, PointTier):
        where = f", tier {tier.name!r}, point {number}"
        tier.points.append(Point(reader.time("its time", where), reader.take("string", "its text", where)))
        return
    where = f", tier {tier.name!r}, interval {number}"
    low_s, high_s = reader.time("its xmin", where), reader.time("its xmax", where)
    mark = reader.take("string", "its text", where)
    if not reader.any_times:
        _check_span(low_s, high_s, f"{path}{where}", "the interval")
        previous_end_s = tier.intervals[-1].maxTime if tier.intervals else -math.inf
        if low_s < previous_end_s - OVERLAP_TOLERANCE_S - UNCOUNTED_S:
            raise InputError(
                f"{path}{where}",
                f"starts ({low_s:g} s) before interval {number - 1} ends ({previous_end_s:g} s)",
                "correct the times: intervals of a tier must not overlap",
            )
    tier.intervals.append(any_interval(low_s, high_s, mark))
