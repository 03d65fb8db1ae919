"""Randomness of one utterance, the same whatever is measured before or beside."""

from __future__ import annotations

import hashlib

import numpy as np


def rng_of(seed: int, utterance: str, what: str) -> np.random.Generator:
    """Generator of one random thing of one utterance."""
    return np.random.default_rng(seed_of(seed, utterance, what))


def seed_of(seed: int, utterance: str, what: str) -> int:
    """Seed of one random thing of one utterance: 128 bits of a hash."""
    digest = hashlib.sha256(f"{seed}\n{utterance}\n{what}".encode()).digest()
    return int.from_bytes(digest[:16], "big")
