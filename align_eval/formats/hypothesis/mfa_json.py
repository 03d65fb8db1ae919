"""JSON of the Montreal Forced Aligner (``mfa align --output_format json``): the tiers of a TextGrid.

``start``, ``end`` and ``tiers``: for each name, ``type`` and ``entries`` of start, end and label. praatio, which MFA
writes with, has a second form (``textgrid_json``): ``xmin``, ``xmax`` and a list of tiers with ``class`` and ``name``.
The word tier is found as in TextGrids. Tiers of points have no words.
"""

from __future__ import annotations

import math
from typing import Any

from textgrid import IntervalTier, PointTier, TextGrid

from align_eval.errors import InputError, shorten
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.textgrid import transcript_of
from align_eval.formats.hypothesis.word import number
from align_eval.formats.praat import any_interval
from align_eval.formats.textgrids import Tiers
from align_eval.records import Transcript

REMEDY = "write the file as MFA does"


def claims(document: Document) -> bool:
    """Tell whether the document is a table with tiers."""
    return isinstance(document.json, dict) and isinstance(document.json.get("tiers"), dict | list)


def read(document: Document, tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        If the file is malformed, or no tier or several fit.
    """
    content, path = document.json, document.path
    tiers = content.get("tiers") if isinstance(content, dict) else None
    if isinstance(tiers, dict):
        named = list(tiers.items())
    elif isinstance(tiers, list):
        named = [(t.get("name") if isinstance(t, dict) else None, t) for t in tiers]
    else:
        raise InputError(path, "has no tiers", REMEDY)
    end = content.get("end", content.get("xmax"))
    end_s = math.inf if end is None else number(str(path), "end", end)
    grid = TextGrid(name=str(path), maxTime=end_s if math.isfinite(end_s) else None)
    grid.tiers += [_tier(path, name, value) for name, value in named]
    return (transcript_of(document, grid, tier),)


def _tier(path: object, name: Any, value: Any) -> IntervalTier | PointTier:
    where = f"{path}, tier {shorten(str(name))!r}"
    entries = value.get("entries") if isinstance(value, dict) else None
    if not isinstance(name, str) or not isinstance(entries, list):
        raise InputError(where, "has no name, or no list of entries", REMEDY)
    if value.get("type", value.get("class")) in ("point", "TextTier"):
        return PointTier(name)
    tier = IntervalTier(name)
    for i, entry in enumerate(entries, 1):
        place = f"{where}, interval {i}"
        if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[2], str):
            raise InputError(place, "is not a list of start, end and label", REMEDY)
        tier.intervals.append(any_interval(number(place, "start", entry[0]), number(place, "end", entry[1]), entry[2]))
    return tier
