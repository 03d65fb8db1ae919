"""Memory and time of every reader: memory below the bound of docs/limits.md, and time that grows with the file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from align_eval.corpus.readers.segmentation import cut_at_pauses
from align_eval.errors import InputError
from align_eval.formats.run.maps import MAX_MAPS_BYTES, read_maps
from align_eval.formats.run.words_table import MAX_ROWS, read_words_table
from align_eval.records import Word
from tests.helpers.large_files import KINDS, Large, cost_of, slope

SLACK_BYTES = 8_000_000
"""Memory that does not depend on the file, as the steps in which the allocator takes it."""

SHORTEST_S = 0.2
"""Least time of both files of which the slope says something."""

MOST_SLOPE = 1.5
"""Halfway from linear to quadratic."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_five_hundredth_of_the_limit(kind, tmp_path):
    check_cost(kind, tmp_path, 0.002)


@pytest.mark.validate
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_tenth_of_the_limit(kind, tmp_path):
    check_cost(kind, tmp_path, 0.1)


def check_cost(kind: Large, folder: Path, part: float) -> None:
    """Read a file of this part of the limit and one of half its size; noise of the machine gets three attempts."""
    if kind.package and find_spec(kind.package) is None:
        pytest.skip(f"needs {kind.package}")
    size = int(part * kind.limit)
    slopes: list[float] = []
    while not slopes or (slopes[-1] >= MOST_SLOPE and len(slopes) < 3):
        whole = cost_of(kind, folder / f"whole-{len(slopes)}", size)
        most_bytes = kind.memory_per_unit * size + SLACK_BYTES
        assert whole.memory_bytes <= most_bytes, f"{whole.memory_bytes / size:.1f} bytes for each of the {kind.unit}"
        half = cost_of(kind, folder / f"half-{len(slopes)}", size // 2)
        if min(whole.cpu_s, half.cpu_s) <= SHORTEST_S:
            return
        slopes.append(slope(half, whole))
    assert min(slopes) < MOST_SLOPE, f"time grows with the powers {slopes} of the size"


def test_the_docs_state_every_bound_of_memory():
    """A row of the table names its readers, with commas between them, and the most memory in its fourth column."""
    rows = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| ")]
    stated = {name: row[3] for row in cells for name in row[0].split(", ")}
    assert {kind.name: stated.get(kind.name) for kind in KINDS} == {k.name: f"{k.memory_per_unit:,}" for k in KINDS}


def test_equal_pauses_are_cut_from_the_first_on():
    """Words of 1 s with pauses of 0.5 s. Two words last 3 s with margins; more are always cut at their first pause."""
    words = [Word(f"w{i}", 1.5 * i, 1.5 * i + 1.0) for i in range(5)]
    cut = cut_at_pauses(words, 8.0, max_s=3.0)
    assert [len(segment.words) for segment in cut.segments] == [1, 1, 1, 2]
    assert not cut.too_long


def test_a_small_words_table_of_too_many_rows_is_refused(tmp_path):
    path = tmp_path / "words.parquet"
    pq.write_table(pa.table({"word": pa.nulls(MAX_ROWS + 1)}), path)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match="has 20000001 rows, of which 20000000 can be read"):
        read_words_table(path)


def test_maps_that_are_too_large_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.truncate(MAX_MAPS_BYTES + 1)
    with pytest.raises(InputError, match="is longer than 4294967296 bytes"):
        read_maps(path)
