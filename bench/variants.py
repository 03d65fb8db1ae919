"""Speed and side effects of faster ways to run the model: a short context, half precision, batches.

Usage: variants.py [CORPUS] [--model tiny.en] [--device cpu] [--variant context=fit]... [--source SPEC]... [--json PATH]

Each source runs alone on the same utterances, first with the default settings and then in each faster way. This prints
Markdown with the time (wall-clock time on a GPU, processor time on a CPU, without loading), the speed-up, the word
boundary error, the paired difference with its 95 % interval over speakers, and the shift of boundaries.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from clock import clock_of

from align_eval.api import Evaluation, evaluate
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus
from align_eval.errors import InputError
from align_eval.model.load import load_model
from align_eval.reporting.numbers import number_text
from align_eval.scoring.inference import student_interval
from align_eval.scoring.metrics import mean_by
from align_eval.scoring.statistics import cluster_rows, draw_weights

SOURCES = (
    "attention:heads=alignment",
    "attention:heads=all,prep=log",
    "attention-norm:heads=all,prep=log",
    "value-zeroing:prep=log",
    "gradient:at=encoder-output,prep=log",
    "gradient:at=encoder.3/4,prep=log",
    "gradient:at=mel,prep=log",
    "saliency:prep=log",
    "input-x-gradient:prep=log",
    "spes:masks=1800,prep=log",
    "spes:at=encoder-output,masks=1000,prep=log",
)
VARIANTS = ("context=fit", "dtype=bfloat16", "batch=8")
ALIGN = "viterbi"


@dataclass(frozen=True, slots=True)
class Row:
    """One source in one faster way, beside its default. Errors and shifts are in ms, over all boundaries.

    Attributes
    ----------
    seconds, times_faster
        Time of the default, and the speed-up.
    wbe
        Word boundary error of the default.
    difference, low, high
        Error of the faster way minus error of the default, and its 95 % interval.
    moved, moved_95, moved_most
        Share of the boundaries that moved, and the 95 % quantile and maximum of the shift.
    """

    source: str
    variant: str
    seconds: float
    times_faster: float
    wbe: float
    difference: float
    low: float | None
    high: float | None
    moved: float
    moved_95: float
    moved_most: float
    n_words: int
    signature: str


def timed(corpus: Corpus, model: Any, source: str, settings: dict[str, Any]) -> tuple[Evaluation, float]:
    """Run one source; return its evaluation and its seconds."""
    clock = clock_of(model.device.type)
    began = clock()
    evaluation = evaluate(
        corpus, model, sources=[source], aligns=[ALIGN], presets=(), device=model.device.type, **settings
    )
    return evaluation, clock() - began


def compared(source: str, variant: str, before: tuple[Evaluation, float], after: tuple[Evaluation, float]) -> Row:
    """Return the row of two runs of the same words: the default and the faster way."""
    tables = before[0].words, after[0].words
    times = [np.concatenate([t.column(n).to_numpy() for n in ("start_s", "end_s")]) for t in tables]
    errors = [np.concatenate([t.column(n).to_numpy() for n in ("start_error_s", "end_error_s")]) for t in tables]
    both = np.isfinite(errors[0]) & np.isfinite(errors[1])
    _, cluster = cluster_rows(tables[0])
    cluster = np.concatenate([cluster, cluster])[both]
    n_clusters = int(cluster.max()) + 1
    more_ms = 1000 * (np.abs(errors[1]) - np.abs(errors[0]))[both]
    difference, low, high = student_interval(mean_by(cluster, more_ms, n_clusters), draw_weights(n_clusters, 0))
    moved_ms = 1000 * np.abs(times[1] - times[0])[both]
    return Row(
        source=source,
        variant=variant,
        seconds=before[1],
        times_faster=before[1] / after[1],
        wbe=float(1000 * np.abs(errors[0][both]).mean()),
        difference=difference,
        low=low,
        high=high,
        moved=float((moved_ms > 1e-6).mean()),
        moved_95=float(np.quantile(moved_ms, 0.95)),
        moved_most=float(moved_ms.max()),
        n_words=int(both.sum()) // 2,
        signature=str(after[0].run.signature["id"]),
    )


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| source | way | s | times faster | WBE, ms | difference, ms | moved | 95 % / most, ms | signature |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        difference = number_text(r.difference, r.low, r.high, signed=True)
        lines.append(
            f"| {r.source} | {r.variant} | {r.seconds:.1f} | {r.times_faster:.2f} | {r.wbe:.1f} "
            f"| {difference} | {100 * r.moved:.0f} % | {r.moved_95:.0f} / {r.moved_most:.0f} "
            f"| `{r.signature}` |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", default="demo")
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--language", default="en")
    parser.add_argument("--reference", help="only utterances with this kind of reference")
    parser.add_argument("--most", type=int, help="largest number of utterances, the first by id")
    parser.add_argument("--variant", action="append")
    parser.add_argument("--source", action="append")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.corpus, language=arguments.language)
    selected = [u for u in sorted(corpus.utterances, key=lambda u: u.id) if arguments.reference in (None, u.reference)]
    corpus = replace(corpus, utterances=tuple(selected[: arguments.most]))
    model = load_model(arguments.model, device=arguments.device)
    rows: list[Row] = []
    print(f"{arguments.model} on {len(corpus.utterances)} utterances of {arguments.corpus}, {arguments.device}")
    for source in arguments.source or SOURCES:
        try:
            timed(replace(corpus, utterances=corpus.utterances[:1]), model, source, {})  # warm-up
            before = timed(corpus, model, source, {})
            for variant in arguments.variant or VARIANTS:
                settings = {k: int(v) if v.isdigit() else v for k, v in (p.split("=") for p in variant.split(","))}
                rows.append(compared(source, variant, before, timed(corpus, model, source, settings)))
                print(markdown(rows[-1:]).splitlines()[-1], flush=True)
        except InputError as error:
            print(f"{source}: {error}", flush=True)
    print(markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
