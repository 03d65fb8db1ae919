"""A run as a report shows it, on a page and in figures alike: its score rows by system, and the errors behind them.

Values and intervals are those of ``run.json`` as they stand. What no score row holds (quantiles, curves) is read off
the words of the run, over the very boundaries that the rows count. Kinds of reference are never pooled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.findings.agreement.measure import SALIENCIES
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.words_table import read_words_table
from align_eval.records import SECOND_REFERENCE, Run, ScoreRow
from align_eval.relevance import SOURCES, unprepared
from align_eval.reporting.terminal.scores import clusters_label, named_align
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.curves import signed_errors_s
from align_eval.scoring.statistics import cluster_rows

Family = Literal["attention", "saliency", "hybrid", "control", "given", "reference"]

BOUNDARIES = "interior"
"""Of distributions and curves."""

Key = tuple[str, str, str]
"""boundaries, calibration, metric of a row of the protocol ``wbe``"""

ALL: Key = ("all", "none", "wbe_mean")
INTERIOR: Key = ("interior", "none", "wbe_mean")
CALIBRATED: Key = ("interior", "reference", "wbe_mean")
MEDIAN: Key = ("interior", "none", "wbe_median")
WITHIN: Key = ("interior", "none", "within_50ms")
START_BIAS: Key = ("interior", "none", "start_bias")
END_BIAS: Key = ("interior", "none", "end_bias")


@dataclass(frozen=True, slots=True)
class SystemView:
    """One system under one kind of reference.

    ``rows`` are its score rows of the protocol ``wbe``; ``starts_s`` and ``ends_s`` the signed errors of its interior
    boundaries in seconds.
    """

    source: str
    align: str
    label: str
    family: Family
    rows: Mapping[Key, ScoreRow]
    starts_s: Floats
    ends_s: Floats

    @property
    def name(self) -> str:
        """Source and alignment, as the gate names systems."""
        return f"{self.source} | {self.align}"

    @property
    def error_ms(self) -> float:
        """Mean absolute error of interior boundaries; infinite where there is none."""
        row = self.rows.get(INTERIOR) or self.rows.get(ALL)
        return row.value if row else float("inf")


@dataclass(frozen=True, slots=True)
class StratumView:
    """All systems under one kind of reference, the least error first, a second reference last."""

    reference: str
    n_words: int
    clusters: str
    systems: tuple[SystemView, ...]

    def best(self, family: Family) -> SystemView | None:
        """The system of a family with the least error."""
        return next((system for system in self.systems if system.family == family), None)

    @property
    def one_a_source(self) -> tuple[SystemView, ...]:
        """Of each relevance source the preparation and path with the least error."""
        first: dict[str, SystemView] = {}
        for system in self.systems:
            first.setdefault(stack_of(system.source) or system.name, system)
        return tuple(first.values())


@dataclass(frozen=True, slots=True)
class RunView:
    """A run folder as it is shown."""

    folder: Path
    run: Run
    words: pa.Table
    strata: tuple[StratumView, ...]


def view_run(folder: Path) -> RunView:
    """Read a run folder.

    Raises
    ------
    InputError
        Where it is none.
    """
    run, words = read_run(folder), read_words_table(folder / "words.parquet")
    references = sorted(set(words.column("reference").to_pylist()), key=by_trust)
    return RunView(folder, run, words, tuple(_stratum(run, words, reference) for reference in references))


def family_of(source: str) -> Family:
    """What kind of signal a source is."""
    name = source.partition(":")[0]
    if source == SECOND_REFERENCE:
        return "reference"
    if name not in SOURCES:
        return "given"
    if name in SALIENCIES:
        return "saliency"
    return "hybrid" if name == "hybrid" else "control" if name.startswith("control-") else "attention"


def stack_of(source: str) -> str | None:
    """The name under which a run keeps the maps of a source; None for what is no source."""
    return unprepared(source) if source.partition(":")[0] in SOURCES else None


def numbered(pairs: Sequence[tuple[str, str]]) -> tuple[Ints, list[tuple[str, str]]]:
    """The number of each pair, from 0 as they first stand there, and the pairs by number."""
    number: dict[tuple[str, str], int] = {}
    of_row = np.array([number.setdefault(pair, len(number)) for pair in pairs], dtype=np.int64)
    return of_row, list(number)


def interval(row: ScoreRow | None, digits: int = 1) -> str:
    """A value with its interval, or a dash."""
    if row is None:
        return "–"
    sign = "+" if row.metric.endswith("bias") else ""
    scale, unit = (100, " %") if row.unit == "share" else (1, "")
    text = f"{row.value * scale:{sign}.{0 if unit else digits}f}{unit}"
    if row.ci_low is None or row.ci_high is None:
        return text
    return f"{text} [{row.ci_low * scale:.0f}, {row.ci_high * scale:.0f}]"


def by_trust(reference: str) -> tuple[int, str]:
    """A key that sorts kinds of reference: times made by hand first."""
    order = ("manual", "automatic")
    return (order.index(reference) if reference in order else len(order), reference)


def _stratum(run: Run, words: pa.Table, reference: str) -> StratumView:
    table = words.filter(pc.equal(words.column("reference"), reference))
    _, cluster = cluster_rows(table)
    rows = [row for row in run.rows if row.reference == reference and row.protocol == "wbe"]
    pairs = list(zip(table.column("source").to_pylist(), table.column("align").to_pylist(), strict=True))
    systems: list[SystemView] = []
    system_of_row, names = numbered(pairs)
    for i, (source, align) in enumerate(names):
        mask = system_of_row == i
        starts_s, ends_s = signed_errors_s(table.filter(pa.array(mask)), cluster[mask], BOUNDARIES)
        of_system = {
            (row.boundaries, row.calibration, row.metric): row
            for row in rows
            if (row.source, row.align) == (source, align)
        }
        label = f"{source} | {named_align(source, align)}"
        systems.append(SystemView(source, align, label, family_of(source), of_system, starts_s, ends_s))
    systems.sort(key=lambda system: (system.family == "reference", system.error_ms))
    return StratumView(reference, _n_words(rows, table), _clusters(rows), tuple(systems))


def _n_words(rows: Sequence[ScoreRow], table: pa.Table) -> int:
    if rows:
        return rows[0].n_words
    return len(set(zip(table.column("utterance").to_pylist(), table.column("word_index").to_pylist(), strict=True)))


def _clusters(rows: Sequence[ScoreRow]) -> str:
    if not rows:
        return "no scores"
    return clusters_label(rows[0].clusters, rows[0].n_clusters, rows[0].n_effective_clusters)
