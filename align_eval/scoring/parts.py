"""A words table read a system at a time: what stands in it, and the rows of one system under one kind of reference.

The table is a dataset of Arrow, on disk or in memory (``pyarrow.dataset.dataset`` of a path or of a table): of a large
one no more is held than the columns of a system that are asked for. Rows come in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from align_eval.records import System
from align_eval.scoring.recognition import COLUMNS, Recognition, recognition_of
from align_eval.scoring.statistics import CLUSTER_COLUMNS, ClusterName, cluster_of_rows, number_clusters

BATCH_ROWS = 2**15


@dataclass(frozen=True, slots=True)
class Kind:
    """What a words table has under one kind of reference.

    Attributes
    ----------
    clusters : str
        What is resampled; see :func:`~align_eval.scoring.statistics.number_clusters`.
    number_of : mapping
        From a speaker and recording to the number of their cluster.
    systems : tuple of System
        In the order in which they first stand there.
    """

    reference: str
    clusters: str
    number_of: dict[ClusterName, int]
    systems: tuple[System, ...]

    @property
    def n_clusters(self) -> int:
        """How many there are to be resampled."""
        return max(self.number_of.values()) + 1


def kinds_of(words: Dataset) -> tuple[Kind, ...]:
    """The kinds of reference of a words table, by name, with their systems and clusters."""
    systems: dict[str, dict[System, None]] = {}
    names: dict[str, dict[ClusterName, None]] = {}
    for batch in words.to_batches(
        columns=["reference", "source", "align", *CLUSTER_COLUMNS], batch_size=BATCH_ROWS, use_threads=False
    ):
        for reference, source, align in _distinct(batch, ("reference", "source", "align")):
            systems.setdefault(reference, {})[System(source, align)] = None
        for reference, speaker, recording in _distinct(batch, ("reference", *CLUSTER_COLUMNS)):
            names.setdefault(reference, {})[speaker, recording] = None
    return tuple(
        Kind(reference, *number_clusters(names[reference]), tuple(systems[reference])) for reference in sorted(systems)
    )


def read_part(words: Dataset, kind: Kind, system: System, columns: Sequence[str]) -> pa.Table:
    """Some columns of the rows of one system under one kind of reference."""
    field = pc.field
    of_part = (
        (field("reference") == kind.reference) & (field("source") == system.source) & (field("align") == system.align)
    )
    return words.to_table(columns=list(columns), filter=of_part, batch_size=BATCH_ROWS, use_threads=False)


def read_recognition(words: Dataset, kind: Kind, system: System) -> Recognition:
    """What a system recognised where, under one kind of reference."""
    part = read_part(words, kind, system, (*COLUMNS, *CLUSTER_COLUMNS))
    return recognition_of(part, cluster_of_rows(part, kind.number_of))


def _distinct(batch: pa.RecordBatch, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The different rows of some columns, in the order in which they first stand there."""
    found = pa.Table.from_batches([batch]).group_by(list(columns), use_threads=False).aggregate([])
    return list(zip(*(found.column(name).to_pylist() for name in columns), strict=True))
