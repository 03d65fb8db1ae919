"""Pictures and sound inside the page: packed bytes as base64, the most telling words first, up to a size."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from align_eval.corpus.audio import Samples
from align_eval.records import AudioSpan
from align_eval.reporting.media import MapView, flac, map_views, maps_of, samples_of
from align_eval.reporting.spectrogram import spectrogram

LONGEST_S = 60.0
"""Of longer utterances stretches are embedded: a whole one would take the room of all others."""

STRETCH_S = 20.0
"""Of a stretch around a word."""

MARGIN_S = 2.0
"""A word that is so far inside a stretch that is there already needs none of its own."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an utterance, or all of it, in s from the utterance's start."""

    utterance: str
    start_s: float
    end_s: float
    whole: bool


def stretches(words: Iterable[tuple[str, float, float, float]]) -> list[Stretch]:
    """What is embedded of the words' utterances, in the order of the words.

    Parameters
    ----------
    words
        Utterance, its length, and where the word starts and ends in it, in s; the most telling word first.

    Returns
    -------
    list of Stretch
        Utterances of at most :data:`LONGEST_S` once and whole; of longer ones :data:`STRETCH_S` around a word, for
        each word that does not lie inside an earlier stretch.
    """
    found: dict[str, list[Stretch]] = {}
    in_order: list[Stretch] = []
    for utterance, duration_s, start_s, end_s in words:
        there = found.setdefault(utterance, [])
        if duration_s <= LONGEST_S:
            stretch = Stretch(utterance, 0.0, duration_s, whole=True)
            if there:
                continue
        else:
            first, last = max(0.0, start_s - MARGIN_S), min(duration_s, end_s + MARGIN_S)
            if any(s.start_s <= first and last <= s.end_s for s in there):
                continue
            begin = min(max(0.0, (start_s + end_s - STRETCH_S) / 2), duration_s - STRETCH_S)
            stretch = Stretch(utterance, begin, begin + STRETCH_S, whole=False)
        there.append(stretch)
        in_order.append(stretch)
    return in_order


def embed_media(
    folder: Path, wanted: Iterable[Stretch], spans: Mapping[str, AudioSpan], room_bytes: int, *, audio: bool
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Spectrogram, maps and sound by utterance, and the ids of those that found no room.

    Parameters
    ----------
    wanted
        What is embedded, the most telling first. Maps are those of whole utterances.
    spans
        Where their samples are; an utterance that is not there has no sound and no spectrogram.
    room_bytes
        What all of it may take on the page. An utterance that does not fit is left out, a shorter one may still fit;
        after a stretch that does not fit no other is tried.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    left_out: dict[str, None] = {}
    full = False
    for stretch in wanted:
        id_ = stretch.utterance
        if room_bytes <= 0 or (full and not stretch.whole):
            left_out[id_] = None
            continue
        samples = samples_of(_part(spans[id_], stretch)) if id_ in spans else None
        kept = maps_of(folder, id_) if stretch.whole else None
        if samples is None and kept is None:
            continue
        entry = _entry(samples, map_views(kept) if kept is not None else {}, audio=audio)
        entry |= {"from": stretch.start_s, "to": stretch.end_s}
        size = _size(entry)
        if size > room_bytes:
            left_out[id_] = None
            full = full or not stretch.whole
            continue
        found.setdefault(id_, []).append(entry)
        room_bytes -= size
    return found, [id_ for id_ in left_out if id_ not in found]


def _part(span: AudioSpan, stretch: Stretch) -> AudioSpan:
    """Where the samples of a stretch are."""
    if stretch.whole:
        return span
    return replace(span, start_s=span.start_s + stretch.start_s, end_s=span.start_s + stretch.end_s)


def _entry(samples: Samples | None, maps: Mapping[str, MapView], *, audio: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "maps": {
            spec: {
                **_image(view.levels),
                "words": list(view.word_of_row),
                "frame_s": view.frame_s,
                "start_s": view.start_s,
            }
            for spec, view in maps.items()
        }
    }
    if samples is not None:
        picture = spectrogram(samples)
        entry["spectrogram"] = {
            **_image(picture.levels),
            "frame_s": picture.frame_s,
            "start_s": -picture.frame_s / 2,
            "top_hz": picture.top_hz,
        }
        if audio:
            entry["audio"] = base64.b64encode(flac(samples)).decode("ascii")
    return entry


def _image(levels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode("ascii")
    return {"rows": levels.shape[0], "frames": levels.shape[1], "data": data}


def _size(entry: Mapping[str, Any]) -> int:
    """About what it takes on the page: its long strings, and a little for each of the rest."""
    images = [*entry["maps"].values(), *([entry["spectrogram"]] if "spectrogram" in entry else [])]
    of_images: int = sum(len(image["data"]) + 4 * image["rows"] + 200 for image in images)
    return of_images + len(entry.get("audio", ""))
