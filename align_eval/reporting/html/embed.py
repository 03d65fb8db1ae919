"""Spectrograms, maps, sound and phones inside the page: bytes as base64, top-ranked words first, up to a size."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from align_eval.corpus.audio import Samples
from align_eval.engine.fitting_maps import MapsOf
from align_eval.records import AudioSpan, Word
from align_eval.reporting.map_images import MapImage, map_images
from align_eval.reporting.spectrogram import spectrogram
from align_eval.reporting.utterance_audio import flac, read_samples
from align_eval.reporting.utterance_phones import PhonesOf
from align_eval.reporting.word_columns import WordColumns

LONGEST_S = 60.0
"""Longer utterances are embedded in stretches, so that one does not take the room of all others."""

STRETCH_S = 20.0
"""Length of a stretch around a word."""

MARGIN_S = 2.0
"""A word at least this far inside an earlier stretch gets no stretch."""

UNITS_PER_S = 10_000
"""Integer time units of the page per second."""

PHONE_BYTES = 20
"""Approximate size of a phone on the page."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an utterance, or the whole utterance, in seconds from its start, and its length if known."""

    utterance: str
    start_s: float
    end_s: float
    whole: bool
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """The embedded media of a page.

    Attributes
    ----------
    entries
        Spectrogram, maps, sound and phones of each stretch, by utterance.
    left_out
        Ids of the utterances that did not fit at all.
    n_utterances
        Number of utterances that were to be embedded.
    has_stretches
        Whether any utterance was to be embedded in stretches.
    """

    entries: Mapping[str, Sequence[Mapping[str, Any]]]
    left_out: Sequence[str]
    n_utterances: int
    has_stretches: bool

    @property
    def has_sound(self) -> bool:
        """True if any utterance can be played."""
        return any("audio" in entry for entries in self.entries.values() for entry in entries)


def word_place(columns: WordColumns, i: int) -> tuple[str, float, float, float]:
    """The utterance of a word, the length of the utterance, and the word's start and end in it, in seconds."""
    id_ = columns.utterance[i]
    row = columns.utterance_rows[id_]
    start_s, end_s = (float(times[i] - row["offset_s"]) for times in (columns.start_s, columns.end_s))
    return id_, float(row["duration_s"]), start_s, end_s


def choose_stretches(words: Iterable[tuple[str, float, float, float]]) -> list[Stretch]:
    """Choose the stretches of the words' utterances to embed, in the order of the words.

    Parameters
    ----------
    words
        For each word, as :func:`word_place` returns it: its utterance, the length of the utterance, and its start and
        end in the utterance, in seconds. The top-ranked word comes first.

    Returns
    -------
    list of Stretch
        Each utterance of at most :data:`LONGEST_S`, once and whole; for longer ones, :data:`STRETCH_S` around each word
        that no earlier stretch covers.
    """
    chosen: list[Stretch] = []
    by_utterance: dict[str, list[Stretch]] = {}
    for utterance, duration_s, start_s, end_s in words:
        earlier = by_utterance.setdefault(utterance, [])
        if duration_s <= LONGEST_S:
            stretch = Stretch(utterance, 0.0, duration_s, whole=True, duration_s=duration_s)
            if earlier:
                continue
        else:
            first, last = max(0.0, start_s - MARGIN_S), min(duration_s, end_s + MARGIN_S)
            if any(s.start_s <= first and last <= s.end_s for s in earlier):
                continue
            begin = min(max(0.0, (start_s + end_s - STRETCH_S) / 2), duration_s - STRETCH_S)
            stretch = Stretch(utterance, begin, begin + STRETCH_S, whole=False, duration_s=duration_s)
        earlier.append(stretch)
        chosen.append(stretch)
    return chosen


def embed_media(
    maps_of: MapsOf,
    stretches: Sequence[Stretch],
    spans: Mapping[str, AudioSpan],
    room_bytes: int,
    *,
    audio: bool,
    phones_of: PhonesOf = lambda _: (),
) -> Media:
    """Embed the spectrogram, maps, sound and phones of each stretch that fits.

    Parameters
    ----------
    stretches
        The stretches to embed, the most important first. Maps are embedded for whole utterances only.
    spans
        Audio of the utterances, by id. An utterance without audio has no sound and no spectrogram.
    room_bytes
        Size limit. An utterance that does not fit is left out, and shorter ones may still fit. After a stretch that
        does not fit, no other stretch is tried.
    audio
        Whether to embed sound.
    phones_of
        Reads the phones of an utterance.
    """
    entries: dict[str, list[dict[str, Any]]] = {}
    refused: dict[str, None] = {}
    full = False
    for stretch in stretches:
        id_ = stretch.utterance
        if room_bytes <= 0 or (full and not stretch.whole):
            refused[id_] = None
            continue
        samples = _samples(spans[id_], stretch) if id_ in spans else None
        maps = maps_of(id_) if stretch.whole else None
        phones = [phone for phone in phones_of(id_) if phone.end_s > stretch.start_s and phone.start_s < stretch.end_s]
        if samples is None and maps is None and not phones:
            continue
        entry = _entry(samples, map_images(maps) if maps is not None else {}, phones, audio=audio)
        entry |= {"from": stretch.start_s, "to": stretch.end_s}
        size = _size(entry)
        if size > room_bytes:
            refused[id_] = None
            full = full or not stretch.whole
            continue
        entries.setdefault(id_, []).append(entry)
        room_bytes -= size
    return Media(
        entries,
        [id_ for id_ in refused if id_ not in entries],
        n_utterances=len({stretch.utterance for stretch in stretches}),
        has_stretches=any(not stretch.whole for stretch in stretches),
    )


def _samples(span: AudioSpan, stretch: Stretch) -> Samples | None:
    return read_samples(span, stretch.duration_s, None if stretch.whole else (stretch.start_s, stretch.end_s))


def _entry(
    samples: Samples | None, maps: Mapping[str, MapImage], phones: Sequence[Word], *, audio: bool
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "maps": {
            spec: {
                **_image(image.levels),
                "words": list(image.word_of_row),
                "frame_s": image.frame_s,
                "start_s": image.start_s,
            }
            for spec, image in maps.items()
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
    if phones:
        entry["phones"] = [
            [round(phone.start_s * UNITS_PER_S), round(phone.end_s * UNITS_PER_S), phone.text] for phone in phones
        ]
    return entry


def _image(levels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode("ascii")
    return {"rows": levels.shape[0], "frames": levels.shape[1], "data": data}


def _size(entry: Mapping[str, Any]) -> int:
    """Approximate size of an entry on the page: its long strings, and a little for the rest."""
    images = [*entry["maps"].values(), *([entry["spectrogram"]] if "spectrogram" in entry else [])]
    image_bytes: int = sum(len(image["data"]) + 4 * image["rows"] + 200 for image in images)
    return image_bytes + len(entry.get("audio", "")) + PHONE_BYTES * len(entry.get("phones", ()))
