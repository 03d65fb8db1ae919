"""Reading a words table one system at a time: equal from a file and from memory, in the order of its rows."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from pyarrow.dataset import dataset

from align_eval.formats.run.words_table import words_table
from align_eval.records import SystemName, Utterance, Word
from align_eval.scoring.statistics import cluster_of_rows, cluster_rows
from align_eval.scoring.summary import score_table, score_words
from align_eval.scoring.system_rows import kinds_of, read_columns
from tests.helpers.utterances import utterance

SYSTEMS = (SystemName("gradient", "viterbi"), SystemName("attention", "dtw"))  # not in the order of their names


def corpus() -> list[Utterance]:
    def numbered(i: int) -> Utterance:
        words = tuple(Word(f"w{j}", 0.1 + 0.2 * j, 0.3 + 0.2 * j) for j in range(2 + i % 3))
        speaker, kind = f"s{(3 * i) % 4}" if i % 5 else None, "manual" if i % 2 else "automatic"
        return utterance(f"u{i:03}", words, speaker, recording=f"r{i}", reference=kind)

    return [numbered(i) for i in range(40)]


def times(u: Utterance, by_s: float) -> tuple[Word, ...]:
    return tuple(Word(w.text, w.start_s + by_s + len(u.words) / 100, w.end_s + by_s) for w in u.words)


TABLE = words_table(
    corpus(),
    SYSTEMS,
    {u.id: {system: times(u, 0.01 * i) for i, system in enumerate(SYSTEMS)} for u in corpus() if u.id != "u007"},
)


def rows_where(column: str, value: str) -> list[bool]:
    return [each == value for each in TABLE.column(column).to_pylist()]


@pytest.fixture
def on_disk(tmp_path):
    pq.write_table(TABLE, tmp_path / "words.parquet", row_group_size=7)
    return dataset(tmp_path / "words.parquet")


def test_kinds_have_their_systems_in_the_order_of_the_table_and_the_clusters_of_all_their_rows(on_disk):
    kinds = kinds_of(on_disk)
    assert kinds == kinds_of(dataset(TABLE))
    assert [kind.reference for kind in kinds] == ["automatic", "manual"]
    for kind in kinds:
        assert kind.systems == SYSTEMS
        of_kind = TABLE.filter(rows_where("reference", kind.reference))
        clusters, cluster = cluster_rows(of_kind)
        assert (kind.clusters, kind.n_clusters) == (clusters, int(cluster.max()) + 1)
        assert cluster_of_rows(of_kind, kind.number_of).tolist() == cluster.tolist()


def test_a_part_has_the_rows_of_its_system_in_their_order(on_disk):
    kind = kinds_of(on_disk)[1]
    part = read_columns(on_disk, kind, SYSTEMS[1], ["utterance", "word_index", "start_s"])
    rows = [
        {name: row[name] for name in part.column_names}
        for row in TABLE.to_pylist()
        if (row["reference"], row["source"], row["align"]) == ("manual", "attention", "dtw")
    ]
    assert part.to_pylist() == rows


def test_a_file_in_pieces_scores_as_the_table_in_memory(on_disk):
    assert score_words(on_disk) == score_table(TABLE)
