"""Cache of relevance maps on disk: another aligner, or another run of the same speech, needs no pass of the model.

The value is a source's prepared map and the confidence of the words. The key covers the model and this machine
(:func:`~align_eval.signature.plan_facts`), the samples, the words, the language, the context, and the source with its
defaults written out. Neither the aligner nor the corpus is part of it. An entry that is not of the source and the
speech that are asked for is refused and made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from align_eval.engine.cache_folder import CacheFolder
from align_eval.pipeline import MapsOf, SourceMap, Speech, by_tokens
from align_eval.records import RelevanceMap
from align_eval.relevance.source import FLAT_ROWS, Source
from align_eval.signature import json_checksum
from align_eval.units import FRAME_S, SAMPLE_RATE, START_S

SCHEMA_VERSION = 2

_TENSORS: dict[str, tuple[type[np.generic], int]] = {
    "values": (np.float32, 2),
    "word_of_token": (np.int32, 1),
    "lead": (np.floating, 2),
    "letters": (np.int32, 1),
}
"""Type and number of axes of the arrays of an entry."""


@dataclass(frozen=True, slots=True)
class MapCache:
    """The maps of one model on one kind of machine.

    Attributes
    ----------
    folder : CacheFolder
    facts : mapping
        Everything that decides a map beside the speech and the source (:func:`~align_eval.signature.plan_facts`).
    """

    folder: CacheFolder
    facts: Mapping[str, Any]

    def wrap(self, maps_of: MapsOf, speech: Speech) -> MapsOf:
        """Make a function from sources to maps that asks ``maps_of`` only for maps that are not in the cache."""

        def cached_maps_of(sources: Sequence[Source]) -> dict[Source, SourceMap]:
            speech_key = self._speech_key(speech)
            maps = {source: found for source in sources if (found := self._get(speech_key, source, speech))}
            missing = by_tokens(source for source in sources if source not in maps)
            for group in missing.values():  # a source that fails does not take the maps of an earlier pass with it
                made = maps_of(group)
                for source, source_map in made.items():
                    self.folder.put(_key(speech_key, source), _pack(source_map))
                maps |= made
            return {source: maps[source] for group in by_tokens(sources).values() for source in group}

        return cached_maps_of

    def _speech_key(self, speech: Speech) -> str:
        audio = hashlib.sha256(speech.samples.tobytes()).hexdigest()
        facts = {name: value for name, value in self.facts.items() if name not in ("systems", "text")}
        return json_checksum([SCHEMA_VERSION, facts, audio, list(speech.texts), speech.language])

    def _get(self, speech_key: str, source: Source, speech: Speech) -> SourceMap | None:
        key = _key(speech_key, source)
        content = self.folder.get(key)
        if content is None:
            return None
        try:
            return _unpack(content, source, speech)
        except ValueError:
            self.folder.refuse(key)
            return None


def _key(speech_key: str, source: Source) -> str:
    return json_checksum([speech_key, source.full_text])


def _pack(source_map: SourceMap) -> bytes:
    """Write a map as safetensors: arrays, and a JSON header with everything else."""
    relevance = source_map.relevance
    tensors: dict[str, npt.NDArray[Any]] = {"values": relevance.values, "word_of_token": relevance.word_of_token}
    if relevance.lead is not None:
        tensors["lead"] = np.ascontiguousarray(relevance.lead)
    if relevance.letters is not None:
        tensors["letters"] = relevance.letters
    header = {
        "frame_s": relevance.frame_s,
        "start_s": relevance.start_s,
        "spec": relevance.spec,
        "details": dict(relevance.details),
        "pieces": relevance.pieces,
        "confidence": source_map.confidence,
    }
    return save(tensors, metadata={"align_eval": json.dumps(header)})


def _unpack(content: bytes, source: Source, speech: Speech) -> SourceMap:
    """Read the map of a source on speech.

    Raises
    ------
    ValueError
        Where the content is no map of this source on this speech: arrays, time axis, number of words, finite numbers.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["align_eval"])
        json.dumps(header, allow_nan=False)  # raises for numbers that are not finite
        tensors = load(content)
        _check_tensors(tensors, n_frames=len(speech.samples) // round(FRAME_S * SAMPLE_RATE))
        _check_header(header, source)
        relevance = RelevanceMap(
            values=tensors["values"],
            frame_s=header["frame_s"],
            start_s=header["start_s"],
            word_of_token=tensors["word_of_token"],
            spec=header["spec"],
            details=header["details"],
            lead=tensors.get("lead"),
            pieces=tuple((text, n_tokens) for text, n_tokens in header["pieces"]),
            letters=tensors.get("letters"),
        )
        _check_words(relevance, header["confidence"], n_words=len(speech.texts))
    except (SafetensorError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"holds no map ({error})") from error
    return SourceMap(relevance, tuple(header["confidence"]))


def _check_tensors(tensors: Mapping[str, npt.NDArray[Any]], n_frames: int) -> None:
    """Check what :class:`RelevanceMap` converts or does not know: types, number of frames, a finite lead."""
    for name, array in tensors.items():
        kind, n_axes = _TENSORS[name]
        if array.ndim != n_axes or not np.issubdtype(array.dtype, kind) or not np.isfinite(array).all():
            raise ValueError(f"{name} is {array.dtype}{array.shape}, or not finite")
    if tensors["values"].shape[1] != n_frames:
        raise ValueError(f"holds {tensors['values'].shape[1]} frames, not {n_frames}")


def _check_header(header: Mapping[str, Any], source: Source) -> None:
    """Check the types of a header, and that its map is of this source on the axis of all maps."""
    if (header["spec"], header["frame_s"], header["start_s"]) != (source.text, FRAME_S, START_S):
        raise ValueError(f"is of {header['spec']}")
    well_typed = (
        isinstance(header["details"], dict)
        and all(type(text) is str and text and type(n_tokens) is int for text, n_tokens in header["pieces"])
        and all(type(value) is float for value in header["confidence"])
    )
    if not well_typed:
        raise ValueError("details, pieces or confidence are of other types")


def _check_words(relevance: RelevanceMap, confidence: Sequence[float], n_words: int) -> None:
    """Check that confidence, pieces and flat rows fit the rows of a map, and these the number of words."""
    words = set(relevance.word_of_token[:-1].tolist())
    if not len(words) == len(confidence) == n_words:
        raise ValueError(f"holds {len(words)} words, not {n_words}")
    lengths = [n_tokens for _, n_tokens in relevance.pieces]
    starts = relevance.word_of_token[np.cumsum([0, *lengths[:-1]])].tolist() if lengths else words
    if any(n_tokens < 1 for n_tokens in lengths) or set(starts) != words:
        raise ValueError("a word has no piece")
    flat_rows = relevance.details.get(FLAT_ROWS, [])
    if not isinstance(flat_rows, list) or any(type(row) is not int for row in flat_rows):
        raise ValueError("flat rows are no list of numbers")
    if len(set(flat_rows) & set(range(len(relevance.values)))) != len(flat_rows):
        raise ValueError("flat rows are no rows")
