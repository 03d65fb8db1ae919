"""Cache of relevance maps on disk: another aligner, or another run of the same speech, needs no pass of the model.

The value is a source's prepared map and the confidence of the words. The key covers the model and this machine
(:func:`~align_eval.signature.plan_facts`), the samples, the words, the language, the context, and the source with its
defaults written out. Neither the aligner nor the corpus is part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from align_eval.engine.cache_folder import CacheFolder
from align_eval.pipeline import MapsOf, SourceMap, Speech, by_tokens
from align_eval.records import RelevanceMap
from align_eval.relevance.source import Source
from align_eval.signature import json_checksum

SCHEMA_VERSION = 1


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
            maps = {source: found for source in sources if (found := self._get(speech_key, source))}
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

    def _get(self, speech_key: str, source: Source) -> SourceMap | None:
        content = self.folder.get(_key(speech_key, source))
        return None if content is None else _unpack(content)


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


def _unpack(content: bytes) -> SourceMap:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["align_eval"])
    tensors = load(content)
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
    return SourceMap(relevance, tuple(header["confidence"]))
