"""Saved maps: read back as written; other files are refused with place and remedy."""

from __future__ import annotations

import numpy as np
import pytest

from align_eval.errors import InputError
from align_eval.formats.run.maps import SavedMaps, drop_maps, read_maps, write_maps


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


def test_dropping_maps_leaves_the_rest_of_the_folder(tmp_path):
    write_maps(tmp_path / "maps" / "a.safetensors", saved_maps())
    (tmp_path / "maps" / "notes.txt").write_text("mine")
    drop_maps(tmp_path)
    assert (tmp_path / "maps" / "a.safetensors").is_file()  # no run.json: the maps may belong to something else
    for name in ("run.json", "budget.json", "words.parquet"):
        (tmp_path / name).write_text("{}")
    drop_maps(tmp_path)
    drop_maps(tmp_path)  # nothing to drop is no error
    remaining = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert remaining == ["maps", "maps/notes.txt", "run.json", "words.parquet"]
