"""Faithfulness of relevance sources on the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from rich.console import Console
from rich.table import Table

from align_eval.findings.faithfulness.deletion import KINDS, SIZE_SHARE
from align_eval.findings.faithfulness.records import (
    BASELINES,
    FILLS,
    POOLINGS,
    SENSITIVITY_RADIUS,
    Faithfulness,
    FaithfulnessRow,
    MapRow,
    Metric,
)
from align_eval.reporting.numbers import interval_text
from align_eval.reporting.terminal.printing import add_row, print_line, titled_table
from align_eval.reporting.terminal.scores import clusters_label

MEANING = {
    "log-prob": "Scores from the text's mean log-probability. deletion: area between the clean level and the curve; "
    "insertion: area above the deleted level; both divided by clean minus deleted; more is more faithful. size: share "
    f"of frames that must be kept to get {SIZE_SHARE:.0%} of the way from deleted to clean; less is more faithful.",
    "wer": "Scores from the word error rate of re-decoding, clipped at 100 % per level. deletion: area under the "
    "curve; insertion: one minus that area; more is more faithful. corpus: errors and words summed before clipping.",
}

MAPS_MEANING = (
    "unexplained: share of the squared change of log-probability under random masks that a map leaves unexplained, at "
    "the best scale per token; less is more faithful. sensitivity: largest relative change of a map under noise of at "
    f"most {SENSITIVITY_RADIUS:g} on the log-mel; less is steadier, which is not more faithful. It is not computed for "
    "the flat map, where it would be 0, and for energy, since neither depends on the model."
)


def print_faithfulness(finding: Faithfulness, console: Console) -> None:
    """Print scores per pooling, comparisons with the baselines, decoder outputs, failures and the signature."""
    for pooling in POOLINGS:
        console.print(_scores(finding, pooling))
    console.print(_comparisons(finding))
    if finding.map_rows:
        console.print(_maps(finding))
        print_line(console, MAPS_MEANING, "dim")
    print_line(console, f"{MEANING[finding.form]} mean, floor: values that replace masked frames.", "dim")
    for line in _outputs(finding):
        print_line(console, line, "dim")
    for failure in finding.failures:
        print_line(console, f"failed: {failure.message}", "red")
    print_line(console, _signature(finding), "dim")


def _signature(finding: Faithfulness) -> str:
    s = finding.signature
    return (
        f"signature {s['id']}: model {s['model']} {s['model_checksum'][:12]}, corpus {s['corpus']} "
        f"{s['corpus_checksum'][:12]}, form={finding.form} step={s['faithfulness']['step_percent']} % "
        f"random orders={s['faithfulness']['n_random']} device={s['device']} seed={s['seed']}"
    )


def _scores(finding: Faithfulness, pooling: str) -> Table:
    """One row per order of frames, one column per metric and fill."""
    rows = {(r.order, r.metric, r.fill): r for r in finding.rows if r.pooling == pooling}
    metrics = [metric for metric in get_args(Metric) if any(key[1] == metric for key in rows)]
    title = f"pooled over the {pooling if pooling == 'corpus' else 'utterances'}: "
    title += f"{len(finding.utterances)} utterances, "
    title += clusters_label(finding.clusters, finding.n_clusters, finding.n_effective_clusters)
    n_undefined = max((r.n_undefined for r in rows.values()), default=0)
    if n_undefined:
        title += f"; {n_undefined} not defined"
    table = titled_table(title)
    table.add_column("order", overflow="fold")
    for metric in metrics:
        for fill in FILLS:
            table.add_column(f"{metric}, {fill}", justify="right", overflow="fold")
    for order in dict.fromkeys(key[0] for key in rows):
        add_row(table, order, *(_cell(rows.get((order, metric, fill))) for metric in metrics for fill in FILLS))
    return table


def _comparisons(finding: Faithfulness) -> Table:
    """Verdicts on each source against each baseline."""
    comparisons = {(c.source, c.metric, c.pooling, c.baseline): c for c in finding.comparisons}
    table = titled_table("compared with the baselines")
    for name in ("source", "curve", "pooled over", *BASELINES):
        table.add_column(name, overflow="fold")
    for source in dict.fromkeys(c.source for c in finding.comparisons):
        for metric in KINDS:
            for pooling in POOLINGS:
                cells = [comparisons.get((source, metric, pooling, baseline)) for baseline in BASELINES]
                add_row(table, source, metric, pooling, *("-" if c is None else c.verdict for c in cells))
    return table


def _maps(finding: Faithfulness) -> Table:
    """Infidelity and sensitivity of each source's maps."""
    rows = {(r.source, r.metric, r.fill): r for r in finding.map_rows}
    settings = finding.signature["faithfulness"]
    masks = f"{settings['n_infidelity']} random masks"
    table = titled_table(f"maps as a whole: {masks}, {settings['n_sensitivity']} noises per utterance")
    table.add_column("source", overflow="fold")
    keys = list(dict.fromkeys((r.metric, r.fill) for r in finding.map_rows))
    for metric, fill in keys:
        table.add_column(f"{metric}, {fill}" if fill else metric, justify="right", overflow="fold")
    for source in dict.fromkeys(r.source for r in finding.map_rows):
        add_row(table, source, *(_cell(rows.get((source, metric, fill))) for metric, fill in keys))
    return table


def _outputs(finding: Faithfulness) -> Iterable[str]:
    """One line per fill on the decoder's outputs for masked audio."""
    for fill in FILLS:
        outputs = [h for h in finding.hallucinations if h.fill == fill]
        if outputs:
            ends = [u.ends for u in finding.utterances if u.ends]
            n_words = sum(u.n_units for u in finding.utterances)
            yield (
                f"filled with the {fill}: of {sum(h.n_outputs for h in outputs)} outputs "
                f"{sum(h.n_empty for h in outputs)} empty and {sum(h.n_capped for h in outputs)} capped, "
                f"{sum(h.n_insertions for h in outputs)} insertions among {sum(h.n_errors for h in outputs)} errors; "
                f"fully deleted: {sum(not e.deleted_text[fill] for e in ends)} of {len(ends)} empty, "
                f"{sum(len(e.deleted_text[fill].split()) for e in ends)} words hallucinated, "
                f"{sum(e.deleted_errors[fill] for e in ends)} errors on {n_words} words "
                f"(clean: {sum(e.clean_errors for e in ends)})"
            )


def _cell(row: FaithfulnessRow | MapRow | None) -> str:
    return "-" if row is None else f"{row.value:.3f}{interval_text(row.ci_low, row.ci_high, 2)}"
