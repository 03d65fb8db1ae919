"""Lhotse supervisions with alignments: JSON Lines or a JSON list, optionally packed by gzip.

A supervision names its ``recording_id`` and holds ``alignment``: for each kind (``word``), items of symbol, start,
duration and score, as lists or tables. Starts count from the start of the recording, not of the supervision. The
supervisions of one recording and channel are joined in the order of their starts.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from typing import Any

from align_eval.errors import InputError, listed
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.recordings import Stretch, join_stretches
from align_eval.formats.hypothesis.word import has_words, hypothesis_word, number
from align_eval.formats.textgrids import Tiers, wanted_tiers
from align_eval.records import HypothesisWord, Transcript
from align_eval.text import composed

KIND = "word"


def claims(document: Document) -> bool:
    """Tell whether the document has this layout."""
    supervisions = _supervisions(document)
    return document.json == [] or (
        bool(supervisions) and all(isinstance(s, dict) and "recording_id" in s for s in supervisions)
    )


def read(document: Document, tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read every recording of the document. ``tier`` names another kind of alignment than ``word``.

    Raises
    ------
    InputError
        If several kinds are named, a supervision with text has no alignment of the kind, or one is malformed.
    """
    kind, *others = wanted_tiers(tier) or (KIND,)
    if others:
        problem = f"holds Lhotse's alignments, of which one kind is read, not {1 + len(others)}"
        raise InputError(document.path, problem, f"name one kind: --tier {shlex.quote(kind)}")
    return join_stretches(_stretch(document, i, s, kind) for i, s in enumerate(_supervisions(document), 1))


def _supervisions(document: Document) -> list[Any]:
    content = document.json
    return content if isinstance(content, list) else [content] if isinstance(content, dict) else []


def _stretch(document: Document, i: int, supervision: Any, kind: str) -> Stretch:
    place = f"supervision {i}"
    where = f"{document.path}, {place}"
    if not isinstance(supervision, dict) or not isinstance(supervision.get("recording_id"), str):
        raise InputError(where, "has no recording_id", "write supervisions as Lhotse does")
    alignment = supervision.get("alignment") or {}
    items = alignment.get(kind) if isinstance(alignment, dict) else None
    if items == [] and has_words(supervision.get("text")):
        raise InputError(where, f"has text but no words in its alignment {kind!r}", "align its words")
    if items is None and supervision.get("text"):
        kinds = listed(map(repr, alignment)) if isinstance(alignment, dict) else ""
        raise InputError(
            where, f"has no alignment of kind {kind!r}", f"name another with --tier; its kinds are {kinds or 'none'}"
        )
    if not isinstance(items, list | None):
        raise InputError(where, f"its alignment {kind!r} is not a list", "write supervisions as Lhotse does")
    start_s = number(where, "start", supervision.get("start", 0.0))
    channel = supervision.get("channel", 0)
    if isinstance(channel, list):  # one speaker on several channels
        channel = channel[0] if channel else 0
    if isinstance(channel, bool) or not isinstance(channel, int | str):
        raise InputError(where, "its channel is not a number", "write supervisions as Lhotse does")
    return Stretch(
        recording=composed(supervision["recording_id"]),
        channel=composed(channel) if isinstance(channel, str) else f"{number(where, 'channel', channel):g}",
        words=tuple(_words(document.path, place, items or [])),
        start_s=start_s if math.isfinite(start_s) else 0.0,
        speaker=_text(supervision.get("speaker")),
        language=_text(supervision.get("language")),
    )


def _words(file: object, supervision_place: str, items: list[Any]) -> Iterator[HypothesisWord]:
    for j, entry in enumerate(items, 1):
        place = f"{supervision_place}, word {j}"
        where = f"{file}, {place}"
        keys = ("symbol", "start", "duration", "score")
        item = [entry.get(key) for key in keys] if isinstance(entry, dict) else entry
        if not isinstance(item, list) or not 3 <= len(item) <= 4:
            raise InputError(where, "is not an item of symbol, start, duration and score", "write items as Lhotse does")
        symbol, start, duration, *score = item
        start_s = None if start is None else number(where, "start", start)
        end_s = None if start_s is None or duration is None else start_s + number(where, "duration", duration)
        word = hypothesis_word(file, place, symbol, start_s, end_s, score[0] if score else None)
        if word:
            yield word


def _text(value: Any) -> str | None:
    return composed(value) if isinstance(value, str) and value.strip() else None
