"""The folder of the map cache: entries come back, the least recently used leave first, damage is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import warnings

import numpy as np
import pytest
from safetensors.numpy import load, save

from align_eval.engine.cache import MapCache, _pack, _unpack
from align_eval.engine.cache_folder import CacheFolder
from align_eval.errors import InputWarning
from align_eval.pipeline import SourceMap, Speech
from align_eval.records import RelevanceMap
from align_eval.relevance.source import parse_source

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


def test_an_entry_under_another_key_is_no_entry(tmp_path):
    """The checksum covers the key: a copy of another entry would give the times of other speech."""
    store = CacheFolder(tmp_path, 10**6)
    for key in KEYS[:2]:
        store.put(key, key.encode())
    entry(store, KEYS[0]).write_bytes(entry(store, KEYS[1]).read_bytes())
    with pytest.warns(InputWarning, match="is damaged, and is made again") as warned:
        assert store.get(KEYS[0]) is None
    assert len(warned) == 1
    assert not entry(store, KEYS[0]).exists()
    assert store.get(KEYS[1]) == KEYS[1].encode()


def test_a_link_a_folder_and_an_entry_in_a_linked_folder_are_no_entries_and_stay(tmp_path):
    store = CacheFolder(tmp_path / "cache", 10**6)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for key in KEYS[:2]:
        store.put(key, b"content")
    entry(store, KEYS[0]).rename(elsewhere / KEYS[0])
    entry(store, KEYS[0]).symlink_to(elsewhere / KEYS[0])
    entry(store, KEYS[1]).parent.rename(elsewhere / KEYS[1][:2])
    entry(store, KEYS[1]).parent.symlink_to(elsewhere / KEYS[1][:2])
    entry(store, KEYS[2]).mkdir(parents=True)
    before = {path: path.is_file() and path.read_bytes() for path in elsewhere.rglob("*")}
    assert [store.get(key) for key in KEYS[:3]] == [None] * 3
    with pytest.warns(InputWarning, match="is a folder where an entry belongs"):
        store.put(KEYS[2], b"new")
    store.put(KEYS[0], b"new")  # replaces the link, not its target
    assert store.get(KEYS[0]) == b"new"
    with pytest.warns(InputWarning, match=r"is outside .*; the run goes on without writing to the cache"):
        store.put(KEYS[1], b"new")
    CacheFolder(tmp_path / "cache", 0)  # the smallest limit removes what the cache wrote, and nothing else
    assert entry(store, KEYS[2]).is_dir()
    assert {path: path.is_file() and path.read_bytes() for path in elsewhere.rglob("*")} == before


def test_an_entry_that_cannot_be_opened_counts_as_missing(tmp_path, monkeypatch):
    store = CacheFolder(tmp_path, 10**6)
    store.put(KEYS[0], b"content")

    def refuse(_path: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    assert store.get(KEYS[0]) is None


def test_a_limit_removes_no_file_that_is_no_entry(tmp_path):
    """A folder with sub-folders of two letters, as of languages, may be named by mistake."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "thesis.pdf").write_bytes(bytes(1000))
    store = CacheFolder(tmp_path, 10)
    store.put(KEYS[0], bytes(100))
    assert [path.name for path in tmp_path.rglob("*.*")] == ["thesis.pdf"]


GRADIENT = parse_source("gradient")
SPEECH = Speech(np.zeros(5 * 320 + 319, np.float32), ("naïve,",), "en")
"""Five whole frames of 20 ms at 16 kHz."""


def source_map(*, with_lead: bool = True) -> SourceMap:
    rng = np.random.default_rng(0)
    relevance = RelevanceMap(
        values=rng.random((3, 5), dtype=np.float32),
        frame_s=0.02,
        start_s=-0.01,
        word_of_token=np.array([0, 0, -1], dtype=np.int32),
        spec=GRADIENT.text,
        details={"mass_on_padding": 1 / 3, "heads": ["0.1"], "flat_rows": [1]},
        lead=rng.random((1, 5), dtype=np.float32) if with_lead else None,
        pieces=((" naïve", 1), (",", 1)),
        letters=np.array([5, 0, 0], dtype=np.int32),
    )
    return SourceMap(relevance, (0.1 + 0.2,))


def remade(tensors=None, without=(), nested=None, **header) -> bytes:
    """The entry of :func:`source_map` with other arrays or fields."""
    packed = _pack(source_map())
    length = int.from_bytes(packed[:8], "little")
    fields = json.loads(json.loads(packed[8 : 8 + length])["__metadata__"]["align_eval"]) | header
    arrays = {name: array for name, array in (load(packed) | (tensors or {})).items() if name not in without}
    return save(arrays, metadata={"align_eval": nested or json.dumps(fields).replace("Infinity", "1e999")})


def bare(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + bytes(32)


NAN, HUGE = float("nan"), 10**400
UNFIT = {
    "another source": lambda: remade(spec="attention"),
    "another axis": lambda: remade(frame_s=0.01),
    "a text for the axis": lambda: remade(start_s="-0.01"),
    "an axis beyond floats": lambda: remade(frame_s=HUGE),
    "no details": lambda: remade(details=None),
    "a list of details": lambda: remade(details=[]),
    "details that are not finite": lambda: remade(details={"mass": NAN}),
    "details beyond floats": lambda: remade(details={"mass": float("inf")}),
    "flat rows as a number": lambda: remade(details={"flat_rows": 5}),
    "flat rows of texts": lambda: remade(details={"flat_rows": ["1"]}),
    "flat rows beyond the map": lambda: remade(details={"flat_rows": [3]}),
    "a flat row twice": lambda: remade(details={"flat_rows": [1, 1]}),
    "too many confidences": lambda: remade(confidence=[0.5, 0.5]),
    "a text as confidence": lambda: remade(confidence="x"),
    "a list as confidence": lambda: remade(confidence=[[0.5]]),
    "an infinite confidence": lambda: remade(confidence=[float("inf")]),
    "too many tokens in pieces": lambda: remade(pieces=[["naïve", 1], [",", 2]]),
    "a piece of no token": lambda: remade(pieces=[["naïve", 3], [",", -1]]),
    "pieces without numbers": lambda: remade(pieces=["na", "ve"]),
    "pieces of numbers": lambda: remade(pieces=5),
    "a table of one column": lambda: remade({"values": np.ones((3, 1), np.float32), "lead": np.ones((1, 1), "f4")}),
    "a table of one dimension": lambda: remade({"values": np.ones(3, np.float32)}),
    "a table of no dimension": lambda: remade({"values": np.ones((), np.float32)}),
    "a table of doubles": lambda: remade({"values": np.ones((3, 5))}),
    "a value that is not finite": lambda: remade({"values": np.full((3, 5), np.nan, np.float32)}),
    "a lead that is not finite": lambda: remade({"lead": np.full((1, 5), np.inf, np.float32)}),
    "a lead of two rows": lambda: remade({"lead": np.ones((2, 5), np.float32)}),
    "letters of other rows": lambda: remade({"letters": np.ones(2, np.int32)}),
    "negative letters": lambda: remade({"letters": np.array([-1, 0, 0], np.int32)}),
    "a row of no word": lambda: remade({"word_of_token": np.array([0, 2, -1], np.int32)}),
    "rows of two words": lambda: remade({"word_of_token": np.array([0, 1, -1], np.int32)}),
    "rows as long numbers": lambda: remade({"word_of_token": np.array([0, 2**32, -1])}),
    "no table": lambda: remade(without=("values",)),
    "no rows": lambda: remade(without=("word_of_token",)),
    "another array": lambda: remade({"extra": np.ones(2, np.float32)}),
    "a nested header": lambda: remade(nested="[" * 100_000),
    "a header of one word": lambda: remade(nested='"x"'),
    "nothing": lambda: b"",
    "a nested list of arrays": lambda: bare(b"[" * 100_000),
    "nested arrays": lambda: bare(b'{"a":' * 100_000),
    "no header": lambda: bare(b"{}"),
    "a header of a number": lambda: bare(b'{"__metadata__":5}'),
    "a header without end": lambda: (2**63).to_bytes(8, "little") + b"{}",
    "arrays beyond the file": lambda: _pack(source_map()).replace(b"[0,", b"[9,", 1),
    "a negative shape": lambda: _pack(source_map()).replace(b"[3,5]", b"[-3,5", 1),
    "a number format that numpy lacks": lambda: _pack(source_map()).replace(b'"F32"', b'"F8_E4M3"', 1),
}  # fmt: skip


@pytest.mark.parametrize("made", UNFIT.values(), ids=UNFIT)
def test_an_entry_that_does_not_fit_is_made_again_with_one_warning(tmp_path, made):
    """The checksum fits, since whoever can write entries can compute it."""
    cache = MapCache(CacheFolder(tmp_path, 10**6), {})
    fitting = source_map()
    cached = cache.wrap(lambda sources: dict.fromkeys(sources, fitting), SPEECH)
    cached([GRADIENT])
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    whole = path.read_bytes()
    cache.folder.put(path.name, made())
    with pytest.warns(InputWarning, match="is damaged, and is made again") as warned:
        assert cached([GRADIENT]) == {GRADIENT: fitting}
    assert len(warned) == 1
    assert path.read_bytes() == whole


@pytest.mark.parametrize("with_lead", [False, True])
def test_a_map_comes_back_bit_for_bit(with_lead):
    relevance = source_map(with_lead=with_lead).relevance
    back = _unpack(_pack(SourceMap(relevance, (0.1 + 0.2,))), GRADIENT, SPEECH)
    assert back.confidence == (0.1 + 0.2,)
    for name in ("frame_s", "start_s", "spec", "details", "pieces"):
        assert getattr(back.relevance, name) == getattr(relevance, name)
    for name in ("values", "word_of_token", "letters"):
        assert getattr(back.relevance, name).tobytes() == getattr(relevance, name).tobytes()
    assert (back.relevance.lead is None) == (not with_lead)
    assert not with_lead or back.relevance.lead.tobytes() == relevance.lead.tobytes()


def test_the_entry_that_the_others_differ_from_fits():
    assert _unpack(remade(), GRADIENT, SPEECH).confidence == (0.1 + 0.2,)
