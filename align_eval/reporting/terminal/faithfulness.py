"""The faithfulness of sources on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
from align_eval.reporting.terminal.scores import clusters_label

MEANING = {
    "log-prob": "Scores from the text's mean log-probability. deletion: area between the clean level and the curve, "
    "insertion: area above the deleted level, both over clean minus deleted: more is more faithful. size: share of "
    f"frames that, kept, bring {SIZE_SHARE:.0%} of the way from deleted to clean: less is more faithful.",
    "wer": "Scores from the word error rate of re-decoding, clipped at 100 % a level. deletion: area under the curve, "
    "insertion: one minus it: more is more faithful. corpus: errors and words summed before clipping.",
}

MAPS_MEANING = (
    "unexplained: share of the squared change of log-probability under random masks that a map leaves unexplained, at "
    "the scale that suits each token best: less is more faithful. sensitivity: greatest relative change of a map under "
    f"noise of at most {SENSITIVITY_RADIUS:g} on the log-mel: less is steadier, which is not more faithful (the flat "
    "map's would be 0; it and energy's owe nothing to the model and are given none)."
)


def print_faithfulness(finding: Faithfulness, console: Console) -> None:
    """Print scores by pooling, the comparisons with the baselines, what was decoded, failures and the signature."""
    for pooling in POOLINGS:
        console.print(_scores(finding, pooling))
    console.print(_comparisons(finding))
    if finding.map_rows:
        console.print(_maps(finding))
        _dim(console, MAPS_MEANING)
    _dim(console, MEANING[finding.form] + " mean, floor: what masked frames are filled with.")
    for line in _outputs(finding):
        _dim(console, line)
    for failure in finding.failures:
        console.print(f"failed: {failure.message}", style="red", markup=False, emoji=False, highlight=False)
    s = finding.signature
    _dim(
        console,
        f"signature {s['id']}: model {s['model']} {s['model_checksum'][:12]}, corpus {s['corpus']} "
        f"{s['corpus_checksum'][:12]}, form={finding.form} step={s['faithfulness']['step_percent']} % "
        f"random orders={s['faithfulness']['n_random']} device={s['device']} seed={s['seed']}",
    )


def _scores(finding: Faithfulness, pooling: str) -> Table:
    rows = {(r.order, r.metric, r.fill): r for r in finding.rows if r.pooling == pooling}
    metrics = [metric for metric in get_args(Metric) if any(key[1] == metric for key in rows)]
    n = len(finding.utterances)
    title = f"pooled over the {pooling if pooling == 'corpus' else 'utterances'}: {n} utterances, "
    title += clusters_label(finding.clusters, finding.n_clusters, finding.n_effective_clusters)
    undefined = max((r.n_undefined for r in rows.values()), default=0)
    if undefined:
        title += f"; {undefined} not defined"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("order", overflow="fold")
    for metric in metrics:
        for fill in FILLS:
            table.add_column(f"{metric}, {fill}", justify="right")
    for order in dict.fromkeys(key[0] for key in rows):
        table.add_row(Text(order), *(_cell(rows.get((order, metric, fill))) for metric in metrics for fill in FILLS))
    return table


def _comparisons(finding: Faithfulness) -> Table:
    found = {(c.source, c.metric, c.pooling, c.baseline): c for c in finding.comparisons}
    table = Table(title="than the baselines", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("source", "curve", "pooled over", *BASELINES):
        table.add_column(name, overflow="fold")
    for source in dict.fromkeys(c.source for c in finding.comparisons):
        for metric in KINDS:
            for pooling in POOLINGS:
                cells = [found.get((source, metric, pooling, baseline)) for baseline in BASELINES]
                table.add_row(Text(source), metric, pooling, *("-" if c is None else c.verdict for c in cells))
    return table


def _maps(finding: Faithfulness) -> Table:
    found = {(r.source, r.metric, r.fill): r for r in finding.map_rows}
    settings = finding.signature["faithfulness"]
    title = f"maps as a whole: {settings['n_infidelity']} random masks, {settings['n_sensitivity']} noises an utterance"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("source", overflow="fold")
    keys = list(dict.fromkeys((r.metric, r.fill) for r in finding.map_rows))
    for metric, fill in keys:
        table.add_column(f"{metric}, {fill}" if fill else metric, justify="right")
    for source in dict.fromkeys(r.source for r in finding.map_rows):
        table.add_row(Text(source), *(_cell(found.get((source, metric, fill))) for metric, fill in keys))
    return table


def _outputs(finding: Faithfulness) -> Iterable[str]:
    """Lines on what the decoder made of masked audio."""
    for fill in FILLS:
        found = [h for h in finding.hallucinations if h.fill == fill]
        if found:
            ends = [u.ends for u in finding.utterances if u.ends]
            words = sum(u.n_units for u in finding.utterances)
            yield (
                f"filled with the {fill}: of {sum(h.n_outputs for h in found)} outputs {sum(h.n_empty for h in found)} "
                f"empty and {sum(h.n_capped for h in found)} capped, {sum(h.n_insertions for h in found)} insertions "
                f"among {sum(h.n_errors for h in found)} errors; fully deleted: "
                f"{sum(not e.deleted_text[fill] for e in ends)} of {len(ends)} empty, "
                f"{sum(len(e.deleted_text[fill].split()) for e in ends)} words hallucinated, "
                f"{sum(e.deleted_errors[fill] for e in ends)} errors on {words} words "
                f"(clean: {sum(e.clean_errors for e in ends)})"
            )


def _cell(row: FaithfulnessRow | MapRow | None) -> str:
    if row is None:
        return "-"
    interval = "" if row.ci_low is None or row.ci_high is None else f" [{row.ci_low:.2f}, {row.ci_high:.2f}]"
    return f"{row.value:.3f}{interval}"


def _dim(console: Console, line: str) -> None:
    console.print(line, style="dim", markup=False, emoji=False, highlight=False, soft_wrap=True)
