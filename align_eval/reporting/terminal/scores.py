"""The score table on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.presets import PRESETS
from align_eval.records import SECOND_REFERENCE, Run, ScoreRow, System
from align_eval.scoring.statistics import FEW_CLUSTERS

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
RECOGNITION_COLUMNS: tuple[tuple[str, _Key], ...] = (
    ("≤ 50 ms of all", ("all", "none", "within_50ms_of_all")),
    ("WBE common", ("all", "none", "wbe_mean_common")),
)
"""Beside the others where the text was recognised; the second only where systems recognised different words."""

WITH_INTERVAL = 3
"""So many of the first columns show their interval."""

NARROW_WIDTH = 150
NARROW_COLUMNS = tuple(column for column in COLUMNS if column[0] in ("WBE all", "interior", "≤ 50 ms"))
"""What a narrow terminal shows; all of it is in run.json."""


FLOOR_MEANING = (
    f"{SECOND_REFERENCE}: how far another reference of the same words lies from the one that is scored against. It is "
    "the floor: an error near it says as much of the references as of the system."
)


def floors_ms(run: Run) -> dict[str, float]:
    """Mean absolute disagreement of two references at interior boundaries, by kind of reference; empty without one."""
    key = (SECOND_REFERENCE, "interior", "none", "wbe_mean")
    return {r.reference: r.value for r in run.rows if (r.source, r.boundaries, r.calibration, r.metric) == key}


def print_languages(languages: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """Print the detected languages, with their number of utterances and lowest probability."""
    probabilities: dict[str, list[float]] = {}
    for detected in languages.values():
        probabilities.setdefault(detected["detected"], []).append(detected["probability"])
    if probabilities:
        counts = ", ".join(
            f"{code} in {len(p)} utterances (probability {min(p):.2f} up)" for code, p in probabilities.items()
        )
        console.print(f"languages detected: {counts}", highlight=False, soft_wrap=True)


def print_run(run: Run, console: Console) -> None:
    """Print a table a kind of reference, then what failed, then the signature."""
    for reference in sorted({row.reference for row in run.rows}):
        rows = [row for row in run.rows if row.reference == reference]
        columns = COLUMNS if console.width >= NARROW_WIDTH else NARROW_COLUMNS
        if rows[0].text != "words":
            metrics = {row.metric for row in rows}
            columns += tuple(column for column in RECOGNITION_COLUMNS if column[1][2] in metrics)
        console.print(score_table_of(rows, reference, columns))
        for line in recognition_lines(rows):
            console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
    console.print(
        "WBE: mean absolute error of word boundaries in ms, over all of them; interior: without each utterance's first "
        "start and last end; calibrated: interior, moved by the median error of other clusters. Median, bias and "
        "share within 50 ms are of interior boundaries.",
        style="dim", markup=False, emoji=False, highlight=False,
    )  # fmt: skip
    if any(row.source == SECOND_REFERENCE for row in run.rows):
        console.print(FLOOR_MEANING, style="dim", markup=False, emoji=False, highlight=False)
    for failure in run.failures:
        console.print(
            f"failed: {failure.message}", style="red", markup=False, emoji=False, highlight=False, soft_wrap=True
        )
    if run.failures:
        console.print(f"{len(run.failures)} failed and are not scored.", style="red", highlight=False)
    console.print(
        run_signature_line(run), style="dim", markup=False, emoji=False, highlight=False, soft_wrap=True
    )  # fmt: skip


def run_signature_line(run: Run) -> str:
    """What decided a run, on one line."""
    s = run.signature
    batch = f" batch={s['batch']}" if "batch" in s else ""
    packages = " ".join(f"{name}-{version}" for name, version in s["packages"].items() if version != "absent")
    return (
        f"signature {s['id']}: model {s['model']} {s['model_checksum'][:12]}, corpus {s['corpus']} "
        f"{s['corpus_checksum'][:12]}, text={s['text']} context={s['context']} device={s['device']} "
        f"dtype={s['dtype']}{batch} seed={s['seed']}, {packages}"
    )


def score_table_of(rows: Sequence[ScoreRow], reference: str, columns: Sequence[tuple[str, _Key]] = COLUMNS) -> Table:
    """A line a system; values of one kind of reference."""
    first = rows[0]
    label = clusters_label(first.clusters, first.n_clusters, first.n_effective_clusters)
    table = Table(
        title=Text(f"{reference} reference: {first.n_words} words, {label}"), title_justify="left", box=box.SIMPLE_HEAD
    )
    table.add_column("source", overflow="fold")
    table.add_column("align", overflow="fold")
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    by_system: dict[tuple[str, str], dict[_Key, ScoreRow]] = {}
    for row in rows:
        by_system.setdefault((row.source, row.align), {})[row.boundaries, row.calibration, row.metric] = row
    for (source, align), values in sorted(by_system.items(), key=lambda item: item[0][0] == SECOND_REFERENCE):
        if source == SECOND_REFERENCE:
            table.add_section()
        cells = [_cell(values.get(key), interval=i < WITH_INTERVAL) for i, (_, key) in enumerate(columns)]
        table.add_row(Text(source), Text(named_align(source, align)), *cells)
    return table


def recognition_lines(rows: Sequence[ScoreRow]) -> list[str]:
    """Errors of recognition that rows of one kind of reference count: one line where all systems made the same."""
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.metric in ("substituted", "deleted", "inserted", "recognition_error_rate"):
            counts.setdefault((row.source, row.align), {})[row.metric] = row.value
    lines = {
        f"{source} | {align}": "{substituted:.0f} substituted, {deleted:.0f} deleted, {inserted:.0f} inserted: "
        "{recognition_error_rate:.1%} of the reference".format(**found)
        for (source, align), found in counts.items()
    }
    if len(set(lines.values())) == 1:
        return [f"recognition: {next(iter(lines.values()))}"]
    return [f"recognition, {system}: {line}" for system, line in lines.items()]


def clusters_label(clusters: str, n_clusters: int, n_effective: float) -> str:
    """How many clusters there are, what they are worth, and what their intervals therefore speak of."""
    counted = clusters if n_clusters != 1 else clusters.removesuffix("s")
    label = f"{n_clusters} {counted}, {n_effective:.1f} effective"
    if n_clusters < 2:
        return f"{label}: nothing to resample, no intervals"
    if n_effective < FEW_CLUSTERS:
        return f"{label}: 95 % intervals within these recordings only"
    return f"{label}, 95 % intervals"


def named_align(source: str, align: str) -> str:
    """The alignment, with the name of the preset that the pair is."""
    names = [name for name, system in PRESETS.items() if system == System(source, align)]
    return f"{align} ({', '.join(names)})" if names else align


def _cell(row: ScoreRow | None, *, interval: bool) -> str:
    if row is None:
        return "-"
    if row.unit == "share":
        return f"{row.value:.0%}" if row.metric != "iou" else f"{row.value:.2f}"
    signed = row.metric.endswith("bias")
    text = f"{row.value:+.0f}" if signed else f"{row.value:.1f}"
    if interval and row.ci_low is not None and row.ci_high is not None:
        text += f" [{row.ci_low:.0f}, {row.ci_high:.0f}]"
    return text
