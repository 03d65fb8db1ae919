"""Files with several recordings: their stretches of words, joined into one transcript per recording and channel.

A recording has its own name; if the file has several channels of it, its name and channel, as ``call.1``. Names are in
NFC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter

from align_eval.records import HypothesisWord, Transcript


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words of one recording and channel that were written together; ``start_s`` orders stretches."""

    recording: str
    channel: str
    words: tuple[HypothesisWord, ...]
    start_s: float = 0.0
    speaker: str | None = None
    language: str | None = None


def by_start(words: Iterable[HypothesisWord]) -> list[HypothesisWord]:
    """Words in the order of their starts, stable; a word without a start stays behind the word before it."""
    placed: list[tuple[float, HypothesisWord]] = []
    start_s = 0.0
    for word in words:
        start_s = start_s if word.start_s is None else word.start_s
        placed.append((start_s, word))
    return [word for _, word in sorted(placed, key=itemgetter(0))]


def join_stretches(stretches: Iterable[Stretch]) -> tuple[Transcript, ...]:
    """Join stretches into one transcript per recording and channel, in the order of their first stretches.

    Speaker and language are None unless all stretches of a transcript share them.
    """
    by_channel: dict[tuple[str, str], list[Stretch]] = {}
    channels: dict[str, set[str]] = {}
    for stretch in stretches:
        by_channel.setdefault((stretch.recording, stretch.channel), []).append(stretch)
        channels.setdefault(stretch.recording, set()).add(stretch.channel)
    return tuple(
        Transcript(
            words=tuple(word for stretch in sorted(group, key=lambda s: s.start_s) for word in stretch.words),
            id=f"{recording}.{channel}" if len(channels[recording]) > 1 else recording,
            speaker=_shared({stretch.speaker for stretch in group}),
            language=_shared({stretch.language for stretch in group}),
        )
        for (recording, channel), group in by_channel.items()
    )


def _shared(values: set[str | None]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None
