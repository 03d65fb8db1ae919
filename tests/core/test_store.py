"""The folder of the map cache: entries come back, the least recently used leave first, damage is noticed."""

from __future__ import annotations

import hashlib
import os
import warnings

import numpy as np
import pytest

from align_eval.engine.cache import _pack, _unpack
from align_eval.engine.cache_folder import CacheFolder
from align_eval.errors import InputWarning
from align_eval.pipeline import SourceMap
from align_eval.records import RelevanceMap

KEYS = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(10)]


def entry(folder: CacheFolder, key: str):
    return folder._path(key)


def age(folder: CacheFolder, *keys: str) -> None:
    """Say that the entries were used one after the other, long ago."""
    for i, key in enumerate(keys):
        os.utime(entry(folder, key), ns=(i, i))


def test_an_entry_comes_back_and_another_key_has_none(tmp_path):
    store = CacheFolder(tmp_path / "cache", 10**6)
    store.put(KEYS[0], b"content\n")
    assert store.get(KEYS[0]) == b"content\n"
    assert store.get(KEYS[1]) is None
    assert CacheFolder(tmp_path / "cache", 10**6).get(KEYS[0]) == b"content\n"


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40], lambda _: b"", bytes.swapcase])
def test_a_damaged_entry_is_no_entry_and_is_removed(tmp_path, damage):
    store = CacheFolder(tmp_path, 10**6)
    store.put(KEYS[0], b"content")
    entry(store, KEYS[0]).write_bytes(damage(entry(store, KEYS[0]).read_bytes()))
    with pytest.warns(InputWarning, match="is damaged, and is made again"):
        assert store.get(KEYS[0]) is None
    assert not entry(store, KEYS[0]).exists()


def test_the_least_recently_used_entry_leaves_first(tmp_path):
    """Entries of 65 + 35 bytes in 450: the fifth makes 500, down to 90 % of 450, which four are."""
    store = CacheFolder(tmp_path, 450)
    for key in KEYS[:4]:
        store.put(key, bytes(35))
    age(store, *KEYS[:4])
    assert store.get(KEYS[0]) is not None  # used: now the second is the oldest
    store.put(KEYS[4], bytes(35))
    assert [key for key in KEYS[:5] if store.get(key) is None] == [KEYS[1]]


def test_a_smaller_limit_applies_to_earlier_entries(tmp_path):
    store = CacheFolder(tmp_path, 10**6)
    for key in KEYS:
        store.put(key, bytes(35))
    age(store, *KEYS)
    smaller = CacheFolder(tmp_path, 500)
    assert [key for key in KEYS if smaller.get(key)] == KEYS[-4:]


def test_a_cache_that_cannot_be_written_warns_once_and_stops_nothing(tmp_path, monkeypatch):
    store = CacheFolder(tmp_path, 10**6)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(InputWarning, match="No space left on device.; the run goes on"):
        store.put(KEYS[0], b"a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.put(KEYS[1], b"b")
    assert store.get(KEYS[0]) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("with_lead", [False, True])
def test_a_map_comes_back_bit_for_bit(with_lead):
    rng = np.random.default_rng(0)
    relevance = RelevanceMap(
        values=rng.random((3, 5), dtype=np.float32),
        frame_s=0.02,
        start_s=-0.01,
        word_of_token=np.array([0, 0, -1], dtype=np.int32),
        spec="gradient",
        details={"mass_on_padding": 1 / 3, "heads": ["0.1"]},
        lead=rng.random((1, 5), dtype=np.float32) if with_lead else None,
        pieces=((" naïve", 1), (",", 1)),
    )
    back = _unpack(_pack(SourceMap(relevance, (0.1 + 0.2,))))
    assert back.confidence == (0.1 + 0.2,)
    for name in ("frame_s", "start_s", "spec", "details", "pieces"):
        assert getattr(back.relevance, name) == getattr(relevance, name)
    for name in ("values", "word_of_token"):
        assert getattr(back.relevance, name).tobytes() == getattr(relevance, name).tobytes()
    assert (back.relevance.lead is None) == (not with_lead)
    assert not with_lead or back.relevance.lead.tobytes() == relevance.lead.tobytes()
