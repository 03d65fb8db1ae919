"""Maps that an earlier run made, by what they follow from: another alignment of them needs no pass of the model.

What is kept of a source on an utterance is its prepared map and the confidence of the words. The key covers what
:mod:`align_eval.engine.keys` says of the model and this machine, the samples, the words, the language, the context and
the source with its defaults written out; not the alignment, and not the corpus that the utterance belongs to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from align_eval.corpus.audio import Samples
from align_eval.engine.keys import checksum_of
from align_eval.engine.store import Store
from align_eval.records import RelevanceMap
from align_eval.relevance import canonical_source

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class CachedMap:
    """A map, and the mean probability of each word's tokens in the pass that it is from."""

    relevance: RelevanceMap
    confidence: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MapCache:
    """A store of maps for one model, device and set of packages, all of which ``facts`` says."""

    store: Store
    facts: Mapping[str, Any]

    def keys(self, samples: Samples, texts: Sequence[str], language: str | None) -> Callable[[str], str]:
        """A function from a source to the key of its map on these samples and words."""
        audio = hashlib.sha256(samples.tobytes()).hexdigest()
        facts = {name: value for name, value in self.facts.items() if name not in ("systems", "text")}
        of_utterance = checksum_of([SCHEMA_VERSION, facts, audio, list(texts), language])
        return lambda source: checksum_of([of_utterance, canonical_source(source, full=True)])

    def get(self, key: str) -> CachedMap | None:
        """The map of a key, bit for bit as it was put there; None where it is not known."""
        content = self.store.get(key)
        return None if content is None else _unpacked(content)

    def put(self, key: str, relevance: RelevanceMap, confidence: Sequence[float]) -> None:
        """Keep a map, and the confidence of each word."""
        self.store.put(key, _packed(CachedMap(relevance, tuple(confidence))))


def _packed(found: CachedMap) -> bytes:
    """The safetensors form: a JSON header, which holds what is no array too, and the arrays."""
    relevance = found.relevance
    tensors: dict[str, npt.NDArray[Any]] = {"values": relevance.values, "word_of_token": relevance.word_of_token}
    if relevance.lead is not None:
        tensors["lead"] = np.ascontiguousarray(relevance.lead)
    rest = {
        "frame_s": relevance.frame_s,
        "start_s": relevance.start_s,
        "spec": relevance.spec,
        "details": dict(relevance.details),
        "pieces": relevance.pieces,
        "confidence": found.confidence,
    }
    return save(tensors, metadata={"align_eval": json.dumps(rest)})


def _unpacked(content: bytes) -> CachedMap:
    length = int.from_bytes(content[:8], "little")
    rest = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["align_eval"])
    tensors = load(content)
    relevance = RelevanceMap(
        values=tensors["values"],
        frame_s=rest["frame_s"],
        start_s=rest["start_s"],
        word_of_token=tensors["word_of_token"],
        spec=rest["spec"],
        details=rest["details"],
        lead=tensors.get("lead"),
        pieces=tuple((text, n_tokens) for text, n_tokens in rest["pieces"]),
    )
    return CachedMap(relevance, tuple(rest["confidence"]))
