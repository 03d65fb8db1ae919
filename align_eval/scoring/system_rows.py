"""Rows of one system in a words table: its kinds of reference, and the columns of one system under one of them.

The table is an Arrow dataset, on disk or in memory (``pyarrow.dataset.dataset`` of a path or of a table). Memory holds
only the requested columns of one system. Rows are in the order of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from align_eval.records import SystemName
from align_eval.scoring.recognition import COLUMNS, Recognition, recognition_of
from align_eval.scoring.statistics import CLUSTER_COLUMNS, ClusterName, cluster_of_rows, number_clusters

BATCH_ROWS = 2**15


@dataclass(frozen=True, slots=True)
class Kind:
    """Clusters and systems of a words table under one kind of reference.

    Attributes
    ----------
    clusters : str
        Unit of resampling; see :func:`~align_eval.scoring.statistics.number_clusters`.
    number_of : mapping
        From a speaker and recording to the number of their cluster.
    systems : tuple of SystemName
        In the order of their first rows.
    """

    reference: str
    clusters: str
    number_of: dict[ClusterName, int]
    systems: tuple[SystemName, ...]

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return max(self.number_of.values()) + 1


def kinds_of(words: Dataset) -> tuple[Kind, ...]:
    """Kinds of reference of a words table, sorted by name."""
    systems: dict[str, dict[SystemName, None]] = {}
    names: dict[str, dict[ClusterName, None]] = {}
    for batch in words.to_batches(
        columns=["reference", "source", "align", *CLUSTER_COLUMNS], batch_size=BATCH_ROWS, use_threads=False
    ):
        for reference, source, align in _distinct(batch, ("reference", "source", "align")):
            systems.setdefault(reference, {})[SystemName(source, align)] = None
        for reference, speaker, recording in _distinct(batch, ("reference", *CLUSTER_COLUMNS)):
            names.setdefault(reference, {})[speaker, recording] = None
    return tuple(
        Kind(reference, *number_clusters(names[reference]), tuple(systems[reference])) for reference in sorted(systems)
    )


def read_columns(words: Dataset, kind: Kind, system: SystemName, columns: Sequence[str]) -> pa.Table:
    """Columns of the rows of one system under one kind of reference."""
    field = pc.field
    is_system = (
        (field("reference") == kind.reference) & (field("source") == system.source) & (field("align") == system.align)
    )
    return words.to_table(columns=list(columns), filter=is_system, batch_size=BATCH_ROWS, use_threads=False)


def read_recognition(words: Dataset, kind: Kind, system: SystemName) -> Recognition:
    """Recognised units of one system under one kind of reference."""
    table = read_columns(words, kind, system, (*COLUMNS, *CLUSTER_COLUMNS))
    return recognition_of(table, cluster_of_rows(table, kind.number_of))


def _distinct(batch: pa.RecordBatch, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Distinct rows of some columns, in the order of their first occurrence."""
    distinct = pa.Table.from_batches([batch]).group_by(list(columns), use_threads=False).aggregate([])
    return list(zip(*(distinct.column(name).to_pylist() for name in columns), strict=True))
