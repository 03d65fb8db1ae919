"""Units of a words table, against the documented rule applied row by row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from align_eval.formats.run.words_table import SCHEMA
from align_eval.scoring.recognition import COLUMNS, recognition_of

TEXTS = ("can", "not", "colour", "um", "two")


def rows_of_words(rng: np.random.Generator) -> list[dict[str, object]]:
    """Up to three utterances of up to five words, each recognised or not, with or without a start and an end."""
    rows = []
    for utterance in range(rng.integers(1, 4)):
        n_words = int(rng.integers(1, 6))
        for i in range(n_words):
            said = rng.random() < 0.8
            rows.append(
                {
                    "utterance": f"u{utterance}",
                    "word_index": i,
                    "n_words": n_words,
                    "word": str(rng.choice(TEXTS)),
                    "language": "en" if utterance else None,
                    "reference_start_s": i,
                    "reference_end_s": i + 0.5,
                    "start_s": i + 0.1 if said and rng.random() < 0.6 else None,
                    "end_s": i + 0.6 if said and rng.random() < 0.6 else None,
                    "hypothesis": str(rng.choice(TEXTS)) if said else None,
                    "inserted": [{"word": "oh", "start_s": None, "end_s": None}] * int(rng.integers(0, 3)),
                }
            )
    return rows


def units_of(rows: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    """A row with a start opens a unit, up to the next row of its utterance with an end."""
    units: list[list[dict[str, object]]] = []
    is_open = False
    for row in rows:
        of_it = is_open and units[-1][0]["utterance"] == row["utterance"]
        if of_it and row["hypothesis"] is not None and row["start_s"] is None:
            units[-1].append(row)
        else:
            units.append([row])
            is_open = row["start_s"] is not None
        is_open = is_open and row["end_s"] is None
    return units


@pytest.mark.parametrize("seed", range(200))
def test_units_are_those_of_the_rule(seed):
    rows = rows_of_words(np.random.default_rng(seed))
    table = pa.Table.from_pylist(rows, pa.schema([SCHEMA.field(name) for name in COLUMNS]))
    found, units = recognition_of(table, np.arange(len(rows))), units_of(rows)
    assert found.texts.to_pylist() == [" ".join(row["word"] for row in unit) for unit in units]
    assert found.hypotheses.to_pylist() == [unit[-1]["hypothesis"] for unit in units]
    assert found.languages.to_pylist() == [unit[0]["language"] for unit in units]
    assert found.utterance.tolist() == [int(unit[0]["utterance"][1:]) for unit in units]
    assert found.n_inserted.tolist() == [sum(len(row["inserted"]) for row in unit) for unit in units]
    assert found.times.n_words.tolist() == [len(unit) for unit in units]
    assert found.times.cluster.tolist() == found.first_row.tolist() == [rows.index(unit[0]) for unit in units]
    times = np.array([[unit[0]["start_s"], unit[-1]["end_s"]] for unit in units], dtype=float)
    np.testing.assert_array_equal(np.stack([found.times.start_s, found.times.end_s], axis=1), times)
    assert found.times.is_first.tolist() == [unit[0]["word_index"] == 0 for unit in units]
    assert found.times.is_last.tolist() == [unit[-1]["word_index"] == unit[-1]["n_words"] - 1 for unit in units]
    assert found.is_paired.tolist() == [
        unit[0]["start_s"] is not None and unit[-1]["end_s"] is not None for unit in units
    ]


def test_random_tables_have_units_of_several_words():
    """The random tables must contain units of several rows."""
    sizes = [len(unit) for seed in range(200) for unit in units_of(rows_of_words(np.random.default_rng(seed)))]
    assert {1, 2, 3} <= set(sizes)
