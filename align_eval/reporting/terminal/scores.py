"""Score tables of a run on the terminal, its failures and its signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from align_eval.errors import listed
from align_eval.records import SECOND_REFERENCE, FlatRows, SystemName
from align_eval.reporting.failures import failure_lines
from align_eval.reporting.numbers import interval_text
from align_eval.reporting.terminal.printing import add_row, print_line, titled_table
from align_eval.run_record import Run, ScoreRow
from align_eval.scoring.statistics import FEW_CLUSTERS, FEWEST_CLUSTERS
from align_eval.signature import run_signature_line
from align_eval.systems import PRESETS, is_own, short_names

_Key = tuple[str, str, str]
"""boundaries, calibration, metric"""

COLUMNS: tuple[tuple[str, _Key], ...] = (
    ("WBE all", ("all", "none", "wbe_mean")),
    ("interior", ("interior", "none", "wbe_mean")),
    ("calibrated", ("interior", "reference", "wbe_mean")),
    ("median", ("interior", "none", "wbe_median")),
    ("start bias", ("interior", "none", "start_bias")),
    ("end bias", ("interior", "none", "end_bias")),
    ("≤ 50 ms", ("interior", "none", "within_50ms")),
    ("IoU", ("all", "none", "iou")),
    ("cover", ("all", "none", "coverage")),
)
OF_ALL_COLUMN = ("≤ 50 ms of all", ("all", "none", "within_50ms_of_all"))
"""Column to add where the text was recognised."""

COMMON_COLUMN = ("WBE common", ("all", "none", "wbe_mean_common"))
"""Column to add where systems timed different words: only this error compares them on the same ones."""

N_WITH_INTERVAL = 3
"""Number of columns, from the first, that show an interval."""

NARROW_WIDTH = 150
"""Terminals narrower than this show :data:`NARROW_COLUMNS` only. run.json has all scores."""

NARROW_COLUMNS = tuple(column for column in COLUMNS if column[0] in ("WBE all", "interior", "≤ 50 ms"))

MEANING = (
    "WBE: mean absolute error of all word boundaries in ms. interior: without the first start and the last end of each "
    "utterance. calibrated: interior, after subtracting the median error of other clusters. Median, bias and share "
    "within 50 ms are those of interior boundaries."
)
FLOOR_MEANING = (
    f"{SECOND_REFERENCE}: distance of a second reference from the one that scores the systems, for the same words. It "
    "is the floor: an error close to it reflects the references as much as the system."
)


def floors_ms(run: Run) -> dict[str, float]:
    """Return the mean absolute disagreement of two references at interior boundaries, in ms, per kind of reference.

    Empty without a second reference.
    """
    key = (SECOND_REFERENCE, "interior", "none", "wbe_mean")
    return {r.reference: r.value for r in run.rows if (r.source, r.boundaries, r.calibration, r.metric) == key}


def print_languages(languages: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """Print each detected language with its number of utterances and its lowest probability."""
    probabilities: dict[str, list[float]] = {}
    for detected in languages.values():
        probabilities.setdefault(detected["detected"], []).append(detected["probability"])
    if probabilities:
        counts = listed(
            f"{code} in {len(values)} utterances (probability at least {min(values):.2f})"
            for code, values in probabilities.items()
        )
        print_line(console, f"languages detected: {counts}")


ONE_RECORDING = (
    "one recording: the errors are those of its words. Whether a system is better than another, and the errors on "
    "other speech, take more recordings, of ten speakers or more."
)


def print_run(run: Run, console: Console, *, tables: bool = True) -> None:
    """Print one table per kind of reference, if asked, and then the failures and the signature."""
    if tables:
        _print_tables(run, console)
    for line in flat_row_lines(run.flat_rows):
        print_line(console, line, "yellow")
    for line in failure_lines(run.failures) if run.failures else ():
        print_line(console, line, "red")
    print_line(console, run_signature_line(run), "dim")


def _print_tables(run: Run, console: Console) -> None:
    for reference in sorted({row.reference for row in run.rows}):
        rows = [row for row in run.rows if row.reference == reference]
        console.print(score_table_of(rows, reference, _columns_of(rows, console.width)))
        for line in (*recognition_lines(rows), *few_clusters_lines(rows)):
            print_line(console, line)
    for name, short in short_names(SystemName(row.source, row.align) for row in run.rows).items():
        if is_own(name) and short != str(name):
            print_line(console, f"{short}: {name}", "dim")
    print_line(console, MEANING, "dim")
    if run.rows and all(row.n_clusters == 1 and row.clusters == "recordings" for row in run.rows):
        print_line(console, ONE_RECORDING, "yellow")
    if any(row.source == SECOND_REFERENCE for row in run.rows):
        print_line(console, FLOOR_MEANING, "dim")


def _columns_of(rows: Sequence[ScoreRow], width: int) -> tuple[tuple[str, _Key], ...]:
    """Columns of a table. A narrow one has three, so that names keep room: the additional ones replace two."""
    recognised = (OF_ALL_COLUMN,) if rows[0].text != "words" else ()
    common = (COMMON_COLUMN,) if any(row.metric == COMMON_COLUMN[1][2] for row in rows) else ()
    if width >= NARROW_WIDTH:
        return (*COLUMNS, *recognised, *common)
    first, second, third = NARROW_COLUMNS
    return (*(common or (first,)), second, *(recognised or (third,)))


def flat_row_lines(flat_rows: Sequence[FlatRows]) -> list[str]:
    """Return one line for each source that found nothing for some tokens."""
    return [
        f"{rows.n_flat:,} of {rows.n_rows:,} rows of {rows.source} were flat: it found nothing for those tokens, which "
        "details.json lists"
        for rows in flat_rows
        if rows.n_flat
    ]


def score_table_of(rows: Sequence[ScoreRow], reference: str, columns: Sequence[tuple[str, _Key]] = COLUMNS) -> Table:
    """Return the table of one kind of reference: one row per system, the second reference last."""
    table = titled_table(f"{reference} reference: {rows[0].n_words} words, {widest_label(rows)}")
    table.add_column("system", overflow="fold")
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    by_system: dict[SystemName, dict[_Key, ScoreRow]] = {}
    for row in rows:
        by_system.setdefault(SystemName(row.source, row.align), {})[row.boundaries, row.calibration, row.metric] = row
    short = short_names(by_system)
    for system, values in sorted(by_system.items(), key=lambda item: item[0].source == SECOND_REFERENCE):
        if system.source == SECOND_REFERENCE:
            table.add_section()
        cells = [_cell(values.get(key), interval=i < N_WITH_INTERVAL) for i, (_, key) in enumerate(columns)]
        add_row(table, short[system], *cells)
    return table


def recognition_lines(rows: Sequence[ScoreRow]) -> list[str]:
    """Return recognition errors: one line if all systems made the same errors, else one line per system."""
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.metric in ("substituted", "deleted", "inserted", "recognition_error_rate"):
            counts.setdefault((row.source, row.align), {})[row.metric] = row.value
    lines = {
        f"{source} | {align}": "{substituted:.0f} substituted, {deleted:.0f} deleted, {inserted:.0f} inserted: "
        "{recognition_error_rate:.1%} of the reference".format(**errors)
        for (source, align), errors in counts.items()
    }
    if len(set(lines.values())) == 1:
        return [f"recognition: {next(iter(lines.values()))}"]
    return [f"recognition, {system}: {line}" for system, line in lines.items()]


class _Clustered(Protocol):
    """A row of a table over clusters."""

    @property
    def clusters(self) -> str: ...
    @property
    def n_clusters(self) -> int: ...
    @property
    def n_effective_clusters(self) -> float: ...


def widest_label(rows: Iterable[_Clustered]) -> str:
    """Return the label of a table: that of the row that most clusters are scored in."""
    row = max(rows, key=lambda row: row.n_effective_clusters)
    return clusters_label(row.clusters, row.n_clusters, row.n_effective_clusters)


def few_clusters_lines(rows: Sequence[ScoreRow]) -> list[str]:
    """Return one line for each system that has too few scored clusters for an interval, if others have enough."""
    if max(row.n_effective_clusters for row in rows) < FEWEST_CLUSTERS:
        return []  # the title of the table says so
    by_system: dict[str, list[ScoreRow]] = {}
    for row in rows:
        by_system.setdefault(f"{row.source} | {row.align}", []).append(row)
    return [
        f"{system}: {widest_label(of_system)}"
        for system, of_system in by_system.items()
        if max(row.n_effective_clusters for row in of_system) < FEWEST_CLUSTERS
    ]


def clusters_label(clusters: str, n_clusters: int, n_effective: float) -> str:
    """Return the number of scored clusters, their effective number, and the scope of the intervals.

    Parameters
    ----------
    clusters
        Name of the clusters in the plural, as ``speakers``.
    """
    if n_effective < FEWEST_CLUSTERS:
        return f"too few {clusters} to tell ({n_clusters}, effectively {n_effective:.1f})"
    label = f"{n_clusters} {clusters}, {n_effective:.1f} effective"
    if n_effective < FEW_CLUSTERS:
        return f"{label}: 95 % intervals within these recordings only"
    return f"{label}, 95 % intervals"


def named_align(source: str, align: str) -> str:
    """Return the alignment, followed by the names of the presets that consist of this source and alignment."""
    names = [name for name, system in PRESETS.items() if system.name == SystemName(source, align)]
    return f"{align} ({', '.join(names)})" if names else align


def _cell(row: ScoreRow | None, *, interval: bool) -> str:
    if row is None:
        return "-"
    if row.unit == "share":
        return f"{row.value:.0%}" if row.metric != "iou" else f"{row.value:.2f}"
    if row.metric.endswith("bias"):
        return f"{row.value:+.0f}"
    return f"{row.value:.1f}{interval_text(row.ci_low, row.ci_high, 0) if interval else ''}"
