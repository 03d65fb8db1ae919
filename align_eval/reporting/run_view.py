"""A run for display, on the page and in figures: its score rows by system, and the errors behind them.

Values and intervals are those of ``run.json``, unchanged. Quantiles and curves, which no score row holds, are computed
from the words of the run, over the same boundaries that the rows count. Kinds of reference are never pooled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.engine.fitting_maps import MapsOf, maps_reader
from align_eval.findings.agreement.measure import SALIENCIES
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.map_checksums import read_checksums
from align_eval.formats.run.words_table import read_words_table
from align_eval.records import SECOND_REFERENCE, SystemName
from align_eval.relevance.source import SOURCE_OPTIONS, ResidualOptions, parse_source
from align_eval.reporting.reference_order import by_trust
from align_eval.reporting.terminal.scores import widest_label
from align_eval.run_record import Run, ScoreRow
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.curves import signed_errors_s
from align_eval.scoring.statistics import cluster_rows
from align_eval.systems import short_names

Family = Literal["attention", "saliency", "hybrid", "control", "external", "reference"]
"""Kind of signal that word times come from."""

RESIDUAL = "residual"
"""Name of the sources that add a residual to attention."""

BOUNDARIES = "interior"
"""Boundaries that distributions and curves count."""

Key = tuple[str, str, str]
"""Boundaries, calibration and metric of a score row of the protocol ``wbe``."""

ALL: Key = ("all", "none", "wbe_mean")
INTERIOR: Key = ("interior", "none", "wbe_mean")
CALIBRATED: Key = ("interior", "reference", "wbe_mean")
WITHIN: Key = ("interior", "none", "within_50ms")
START_BIAS: Key = ("interior", "none", "start_bias")
END_BIAS: Key = ("interior", "none", "end_bias")


@dataclass(frozen=True, slots=True)
class SystemView:
    """One system under one kind of reference.

    Attributes
    ----------
    label
        Short name (:func:`~align_eval.systems.short_names`).
    rows
        Score rows of the protocol ``wbe``.
    starts_s, ends_s
        Signed errors of the interior starts and ends, ``float64[n_boundaries]``, in seconds.
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
        """Mean absolute error of interior boundaries; infinite without a score."""
        row = self.rows.get(INTERIOR) or self.rows.get(ALL)
        return row.value if row else float("inf")


@dataclass(frozen=True, slots=True)
class StratumView:
    """All systems under one kind of reference, in order of error; a second reference comes last."""

    reference: str
    n_words: int
    clusters: str
    systems: tuple[SystemView, ...]

    def best(self, family: Family) -> SystemView | None:
        """The system of a family with the least error."""
        return next((system for system in self.systems if system.family == family), None)

    @property
    def best_per_source(self) -> tuple[SystemView, ...]:
        """For each relevance source the preparation and path with the least error."""
        first: dict[str, SystemView] = {}
        for system in self.systems:
            first.setdefault(_signal_of(system), system)
        return tuple(first.values())


@dataclass(frozen=True, slots=True)
class RunView:
    """A run folder, read for display. ``maps_of`` reads the saved maps of an utterance."""

    folder: Path
    run: Run
    words: pa.Table
    strata: tuple[StratumView, ...]
    maps_of: MapsOf


def view_run(folder: Path, *, edited: bool = False) -> RunView:
    """Read a run folder.

    Raises
    ------
    InputError
        If the folder holds no run, or its files were changed since it was written (unless ``edited``).
    """
    run, words = read_run(folder, edited=edited), read_words_table(folder / "words.parquet")
    references = sorted(set(words.column("reference").to_pylist()), key=by_trust)
    systems = words.group_by(["source", "align"], use_threads=False).aggregate([]).to_pylist()
    labels = short_names(SystemName(system["source"], system["align"]) for system in systems)
    strata = tuple(_stratum(run, words, reference, labels) for reference in references)
    maps_of = maps_reader(folder, read_checksums(folder) if run.files else None)
    return RunView(folder, run, words, strata, maps_of)


def default_pair(view: RunView) -> tuple[str | None, str | None]:
    """Choose the two systems that the page compares first.

    They are the attention system and the saliency system of least error under the first kind of reference. If either is
    missing, they are the two systems of least error. The second is None if the run has one system.
    """
    stratum = view.strata[0]
    attention, saliency = stratum.best("attention"), stratum.best("saliency")
    if attention and saliency:
        return attention.name, saliency.name
    names = [system.name for system in stratum.systems]
    return names[0], names[1] if len(names) > 1 else None


def family_of(source: str) -> Family:
    """The family of a source, from its name; that of a residual from the source whose residual is added."""
    name = source.partition(":")[0]
    if source == SECOND_REFERENCE:
        return "reference"
    if name not in SOURCE_OPTIONS:
        return "external"
    if name in SALIENCIES:
        return "saliency"
    if name == RESIDUAL:
        return "hybrid" if family_of(_added(source)) == "saliency" else "control"
    return "hybrid" if name == "hybrid" else "control" if name.startswith("control-") else "attention"


def stack_of(source: str) -> str | None:
    """The name under which a run saves the maps of a source; None for an external system."""
    return parse_source(source).stack if source.partition(":")[0] in SOURCE_OPTIONS else None


def _added(residual: str) -> str:
    """Source whose residual a residual source adds to attention."""
    options = parse_source(residual).options
    assert isinstance(options, ResidualOptions)
    return options.inner[0].text


def _signal_of(system: SystemView) -> str:
    """Name of the maps behind a system; the amounts of one residual are one signal."""
    stack = stack_of(system.source)
    if stack is None or system.source.partition(":")[0] != RESIDUAL:
        return stack or system.name
    return parse_source(system.source).with_options(amount=1.0).stack


def number_systems(pairs: Sequence[tuple[str, str]]) -> tuple[Ints, list[tuple[str, str]]]:
    """Number the systems of a words table in order of appearance.

    Parameters
    ----------
    pairs
        Source and alignment of each row.

    Returns
    -------
    int64[n_rows]
        The number of each row's system, from 0.
    list of (str, str)
        Source and alignment of each system, by number.
    """
    number: dict[tuple[str, str], int] = {}
    row_numbers = np.array([number.setdefault(pair, len(number)) for pair in pairs], dtype=np.int64)
    return row_numbers, list(number)


def _stratum(run: Run, words: pa.Table, reference: str, labels: Mapping[SystemName, str]) -> StratumView:
    table = words.filter(pc.equal(words.column("reference"), reference))
    _, cluster = cluster_rows(table)
    rows = [row for row in run.rows if row.reference == reference and row.protocol == "wbe"]
    pairs = list(zip(table.column("source").to_pylist(), table.column("align").to_pylist(), strict=True))
    systems: list[SystemView] = []
    system_of_row, names = number_systems(pairs)
    for i, (source, align) in enumerate(names):
        mask = system_of_row == i
        starts_s, ends_s = signed_errors_s(table.filter(pa.array(mask)), cluster[mask], BOUNDARIES)
        system_rows = {
            (row.boundaries, row.calibration, row.metric): row
            for row in rows
            if (row.source, row.align) == (source, align)
        }
        label = labels[SystemName(source, align)]
        systems.append(SystemView(source, align, label, family_of(source), system_rows, starts_s, ends_s))
    systems.sort(key=lambda system: (system.family == "reference", system.error_ms))
    return StratumView(reference, _n_words(rows, table), _clusters(rows), tuple(systems))


def _n_words(rows: Sequence[ScoreRow], table: pa.Table) -> int:
    if rows:
        return rows[0].n_words
    return len(set(zip(table.column("utterance").to_pylist(), table.column("word_index").to_pylist(), strict=True)))


def _clusters(rows: Sequence[ScoreRow]) -> str:
    if not rows:
        return "no scores"
    return widest_label(rows)
