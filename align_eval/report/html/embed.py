"""Pictures and sound inside the page: packed bytes as base64, the most telling words first, up to a size."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from align_eval.corpus.audio import Samples
from align_eval.records import AudioSpan
from align_eval.report.media import MapView, flac, map_views, maps_of, samples_of
from align_eval.report.spectrogram import spectrogram

LONGEST_S = 60.0
"""Longer utterances are not embedded: one would take the room of all others."""


def embed_media(
    folder: Path, ids: Iterable[tuple[str, float]], spans: Mapping[str, AudioSpan], room_bytes: int, *, audio: bool
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Spectrogram, maps and sound by utterance, and the ids of those that found no room.

    Parameters
    ----------
    ids
        Utterances with their length in s, the most telling first.
    spans
        Where their samples are; one that is not there has no sound and no spectrogram.
    room_bytes
        What all of it may take on the page. An utterance that does not fit is left out, a shorter one may still fit.
    """
    found: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    for id_, duration_s in ids:
        if duration_s > LONGEST_S or room_bytes <= 0:
            left_out.append(id_)
            continue
        samples = samples_of(spans[id_]) if id_ in spans else None
        kept = maps_of(folder, id_)
        if samples is None and kept is None:
            continue
        entry = _entry(samples, map_views(kept) if kept is not None else {}, audio=audio)
        size = _size(entry)
        if size > room_bytes:
            left_out.append(id_)
            continue
        found[id_] = entry
        room_bytes -= size
    return found, left_out


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
