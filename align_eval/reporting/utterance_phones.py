"""The phones of a run's utterances, from the TextGrids of the corpus beside its audio."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from textgrid import IntervalTier

from align_eval.corpus.file_search import beside
from align_eval.corpus.folder import TEXTGRID_SUFFIX
from align_eval.errors import InputError
from align_eval.formats.praat import read_textgrid
from align_eval.records import AudioSpan, Word
from align_eval.text import clean_label, composed

PHONE_TIER_NAMES = ("phones", "phone", "phonemes", "phoneme", "mau")
"""Names of phone tiers, in upper or lower case; MFA's ``speaker - phones`` fits as well, and ``MAU`` is WebMAUS's."""

PhonesOf = Callable[[str], Sequence[Word]]
"""Phones of an utterance by its id, in seconds from its start; empty where its TextGrid has none."""


def phones_reader(spans: Mapping[str, AudioSpan], speakers: Mapping[str, str | None]) -> PhonesOf:
    """A reader of phones, which opens each TextGrid once, when an utterance first needs it.

    Parameters
    ----------
    spans : mapping of str to AudioSpan
        Audio of the utterances, by id. Their TextGrids have its name and are beside it.
    speakers : mapping of str to str or None
        Speakers of the utterances, by id, to choose among the tiers of several.
    """
    tiers_of = functools.cache(_phone_tiers)

    def phones_of(id_: str) -> Sequence[Word]:
        if id_ not in spans:
            return ()
        return phones_of_span(tiers_of(spans[id_].path), spans[id_], speakers.get(id_))

    return phones_of


def phones_of_span(tiers: Mapping[str, IntervalTier], span: AudioSpan, speaker: str | None) -> tuple[Word, ...]:
    """Labelled phones inside a span, in seconds from its start.

    Empty where there are tiers of several speakers, and none of this one.

    Parameters
    ----------
    tiers : mapping of str to IntervalTier
        Phone tiers of a recording by speaker, the empty name for a tier without one.
    span : AudioSpan
    speaker : str or None
    """
    tier = next(iter(tiers.values())) if len(tiers) == 1 else tiers.get(composed(speaker or ""))
    start_s = span.start_s
    end_s = math.inf if span.end_s is None else span.end_s
    return tuple(
        Word(label, max(float(phone.minTime) - start_s, 0.0), min(float(phone.maxTime), end_s) - start_s)
        for phone in tier or ()
        if (label := clean_label(phone.mark)) and phone.maxTime > start_s and phone.minTime < end_s
    )


def _phone_tiers(audio: Path) -> dict[str, IntervalTier]:
    """Phone tiers of the only TextGrid beside an audio file, by speaker; none where it cannot be read."""
    grids = beside(audio, TEXTGRID_SUFFIX)
    if len(grids) != 1:
        return {}
    try:
        grid, _ = read_textgrid(grids[0])
    except InputError:
        return {}  # the reader of the corpus has reported it
    tiers: dict[str, IntervalTier] = {}
    for tier in grid.tiers:
        speaker, _, name = str(tier.name).strip().rpartition(" - ")
        if isinstance(tier, IntervalTier) and name.lower() in PHONE_TIER_NAMES:
            tiers.setdefault(composed(speaker), tier)
    return tiers
