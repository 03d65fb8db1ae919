"""Saved maps: read back as written; other files are refused with place and remedy."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from align_eval.engine.fitting_maps import maps_reader, read_fitting_maps
from align_eval.errors import InputError
from align_eval.formats.run.map_checksums import read_checksums, write_checksums
from align_eval.formats.run.maps import SavedMaps, read_maps, write_maps


def saved_maps() -> SavedMaps:
    rng = np.random.default_rng(0)
    return SavedMaps(
        stacks={"attention:heads=all": rng.random((4, 3, 7), dtype=np.float32)},
        word_of_token={"subword": np.array([0, 1, -1], dtype=np.int32)},
        energy=rng.random(7),
        frame_s=0.02,
        start_s=-0.01,
        details={"attention:heads=all": {"mass_on_padding": 0.25}},
        letters={"subword": np.array([3, 1, 0], dtype=np.int32)},
    )


def test_maps_are_read_back_bit_for_bit(tmp_path):
    written = saved_maps()
    write_maps(tmp_path / "maps" / "a.safetensors", written)
    read = read_maps(tmp_path / "maps" / "a.safetensors")
    for name in ("stacks", "word_of_token", "letters"):
        before, after = getattr(written, name), getattr(read, name)
        assert before.keys() == after.keys()
        assert all(before[key].tobytes() == after[key].tobytes() for key in before)
        assert all(before[key].dtype == after[key].dtype for key in before)
    assert written.energy.tobytes() == read.energy.tobytes()
    assert (read.frame_s, read.start_s, read.details) == (0.02, -0.01, written.details)


def test_equal_maps_give_equal_bytes(tmp_path):
    for name in "ab":
        write_maps(tmp_path / name, saved_maps())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no maps", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_file_without_maps_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=r"x: holds no maps of this version .*; run again with --keep"):
        read_maps(tmp_path / "x")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no maps"):
        read_maps(tmp_path / "nothing")


def test_a_reader_has_the_maps_that_the_run_noted_and_no_others(tmp_path):
    checksums = {id_: write_maps(tmp_path / "maps" / f"{id_}.safetensors", saved_maps()) for id_ in "ab"}
    write_checksums(tmp_path, checksums)
    assert read_checksums(tmp_path) == checksums
    maps_of = maps_reader(tmp_path, checksums)
    assert maps_of("a").details == saved_maps().details
    assert maps_of("none") is None  # an utterance that failed
    changed, foreign = (tmp_path / "maps" / f"{id_}.safetensors" for id_ in "bc")
    write_maps(changed, replace(saved_maps(), frame_s=0.04))
    write_maps(foreign, saved_maps())
    for id_ in "bc":
        with pytest.raises(InputError, match=rf"{id_}\.safetensors: was edited since .*; run again, or give --edited"):
            maps_of(id_)
    changed.unlink()
    with pytest.raises(InputError, match=r"b\.safetensors: cannot be read \(No such file"):
        maps_of("b")
    edited = maps_reader(tmp_path, None)
    assert edited("c").details == saved_maps().details
    assert edited("b") is None


def stack_of(*shape: int, dtype: type = np.float32) -> dict[str, np.ndarray]:
    return {"attention:heads=all": np.ones(shape, dtype)}


def rows(*words: int, dtype: type = np.int32) -> dict[str, np.ndarray]:
    return {"subword": np.array(words, dtype)}


MISFITS = {
    "a stack of one dimension": {"stacks": stack_of(84)},
    "a stack of two dimensions": {"stacks": stack_of(12, 7)},
    "a stack of no dimension": {"stacks": stack_of()},
    "a stack of no maps": {"stacks": stack_of(0, 3, 7)},
    "a stack of other rows": {"stacks": stack_of(4, 4, 7)},
    "a stack of other columns": {"stacks": stack_of(4, 3, 6)},
    "a stack of doubles": {"stacks": stack_of(4, 3, 7, dtype=np.float64)},
    "a stack of integers": {"stacks": stack_of(4, 3, 7, dtype=np.int32)},
    "a value that is not finite": {"stacks": {"x": np.full((4, 3, 7), np.inf, np.float32)}},
    "a negative value": {"stacks": {"x": np.full((4, 3, 7), -0.1, np.float32)}},
    "a value beyond a share": {"stacks": {"x": np.full((4, 3, 7), 3e38, np.float32)}},
    "no stacks": {"stacks": {}},
    "no words": {"word_of_token": {}},
    "words as long numbers": {"word_of_token": rows(0, 1, -1, dtype=np.int64)},
    "a word that is left out": {"word_of_token": rows(0, 2, -1)},
    "words in another order": {"word_of_token": rows(1, 0, -1)},
    "a negative word": {"word_of_token": rows(-5, 1, -1)},
    "a word beyond all": {"word_of_token": rows(0, 2**31 - 1, -1)},
    "no end of the text": {"word_of_token": rows(0, 1, 2)},
    "units of different words": {"word_of_token": rows(0, 1, -1) | {"character": np.array([0, 0, -1], np.int32)}},
    "letters of other rows": {"letters": rows(1, 0)},
    "letters of another unit": {"letters": {"character": np.array([1, 1, 0], np.int32)}},
    "negative letters": {"letters": rows(3, -1, 0)},
    "energy of one value": {"energy": np.ones(1)},
    "energy that is not finite": {"energy": np.full(7, np.nan)},
    "energy of other numbers": {"energy": np.ones(7, np.float32)},
    "energy of two dimensions": {"energy": np.ones((7, 1))},
    "columns of no length": {"frame_s": 0.0},
    "columns of a negative length": {"frame_s": -0.02},
    "columns as a text": {"frame_s": "0.02"},
    "columns as a truth": {"frame_s": True},
    "columns beyond floats": {"frame_s": 10**400},
    "columns from nowhere": {"start_s": None},
    "details of numbers": {"details": {"x": {}, "y": 5}},
}  # fmt: skip


@pytest.mark.parametrize("change", MISFITS.values(), ids=MISFITS)
def test_maps_that_do_not_fit_each_other_are_refused_on_reading(tmp_path, change):
    path = tmp_path / "a.safetensors"
    good = saved_maps()
    header = {"schema": 2, "frame_s": 0.02, "start_s": -0.01, "details": {}}
    header |= {name: value for name, value in change.items() if name in header}
    arrays = {name: change.get(name, getattr(good, name)) for name in ("stacks", "word_of_token", "letters")}
    prefixes = {"stacks": "stack:", "word_of_token": "word_of_token:", "letters": "letters:"}
    tensors = {prefixes[name] + key: array for name, by_key in arrays.items() for key, array in by_key.items()}
    tensors["energy"] = change.get("energy", good.energy)
    path.write_bytes(save(tensors, metadata={"align_eval": json.dumps(header)}))
    with pytest.raises(
        InputError, match=r"a\.safetensors: holds no maps of this version \(.+\); run again with --keep"
    ):
        read_maps(path)


HEADERS = ("[" * 100_000, "5", "null", "[]", "{}", '{"schema": 2}', '{"schema": 2, "frame_s": 0.02, "start_s": NaN}')


@pytest.mark.parametrize("details", ["[]", "5", '{"x": {"mass": NaN}}', '{"x": {"mass": 1e999}}'])
def test_details_that_are_no_finite_tables_are_refused(tmp_path, details):
    write_maps(tmp_path / "a", saved_maps())
    header = f'{{"schema": 2, "frame_s": 0.02, "start_s": -0.01, "details": {details}}}'
    (tmp_path / "a").write_bytes(save(load((tmp_path / "a").read_bytes()), metadata={"align_eval": header}))
    with pytest.raises(InputError, match="holds no maps of this version"):
        read_maps(tmp_path / "a")


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_header_that_is_none_is_refused(tmp_path, header):
    write_maps(tmp_path / "a", saved_maps())
    (tmp_path / "a").write_bytes(save(load((tmp_path / "a").read_bytes()), metadata={"align_eval": header}))
    with pytest.raises(InputError, match="holds no maps of this version"):
        read_maps(tmp_path / "a")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"stacks": {"no such source": np.ones((1, 3, 7), np.float32)}}, "holds maps of 'no such source'"),
        ({"stacks": {"attention:heads=all,unit=character": np.ones((1, 3, 7), np.float32)}}, "of the unit character"),
        ({"details": {"attention:heads=all": {"heads": "0.0"}}}, "its heads are '0.0'"),
        ({"details": {"attention:heads=all": {"heads": ["0.0", "x"]}}}, "its heads are"),
        ({"details": {"attention:heads=all": {"reliability": "1"}}}, "its reliability is '1'"),
    ],
)
def test_maps_that_do_not_fit_their_source_are_refused(tmp_path, changed, problem):
    write_maps(tmp_path / "a", replace(saved_maps(), **changed))
    with pytest.raises(InputError, match=f"a.*{problem}.*; run again with --keep heads"):
        read_fitting_maps(tmp_path / "a")
