"""Score a set of heads with a path on the saved maps of a run, without the model.

Usage: score_kept.py RUN HEADS [PREP [ALIGN]], as score_kept.py runs/kept 3.1+3.2 log viterbi

The run must have saved every attention head (--keep heads). Prints mean error and bias of boundaries with 95 %
intervals, also calibrated, beside the systems of the run. The scores equal those of a new run with these heads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from align_eval.findings.budget.cells import ALL_HEADS, prepared
from align_eval.findings.saved_run import decoded, read_saved_run
from align_eval.formats.run.words_table import read_words_table
from align_eval.reporting.numbers import number_text
from align_eval.scoring.summary import score_table

COLUMNS = (
    ("all", "none", "wbe_mean"),
    ("interior", "none", "wbe_mean"),
    ("interior", "reference", "wbe_mean"),
    ("interior", "none", "within_50ms"),
    ("interior", "none", "start_bias"),
    ("interior", "none", "end_bias"),
)


def with_times(table: pa.Table, times: dict[str, list[tuple[float, float]]], source: str, align: str) -> pa.Table:
    """Return the rows of the table's first system with new times.

    Parameters
    ----------
    times
        Start and end of each word in seconds, by utterance.
    source, align
        The name of the new system.
    """
    is_first_system = pc.and_(
        pc.equal(table.column("source"), table.column("source")[0]),
        pc.equal(table.column("align"), table.column("align")[0]),
    )
    rows = [row for row in table.filter(is_first_system).to_pylist() if row["utterance"] in times]
    for row in rows:
        start_s, end_s = times[row["utterance"]][row["word_index"]]
        row |= {
            "source": source,
            "align": align,
            "start_s": start_s,
            "end_s": end_s,
            "start_error_s": start_s - row["reference_start_s"],
            "end_error_s": end_s - row["reference_end_s"],
        }
    return pa.Table.from_pylist(rows, schema=table.schema)


def main(run: str, heads: str, prep: str = "log", align: str = "viterbi") -> None:
    saved = read_saved_run(Path(run), (ALL_HEADS,))
    times = {}
    for items in saved.items.values():
        for item in items:
            names = item.maps.details[ALL_HEADS]["heads"]
            stack = item.maps.stacks[ALL_HEADS][[names.index(head) for head in heads.split("+")]]
            times[item.id] = [tuple(word) for word in decoded(item, prepared(stack, prep), "subword", align).tolist()]
    table = read_words_table(Path(run) / "words.parquet")
    rows = [*score_table(with_times(table, times, f"attention:heads={heads},prep={prep}", align)), *saved.run.rows]
    print(
        f"run {saved.run.signature['id']}, model {saved.run.signature['model']}, corpus {saved.run.signature['corpus']}"
    )
    print(f"{'':60}" + "".join(f"{' '.join(key):>30}" for key in COLUMNS))
    for reference, source, path in dict.fromkeys((row.reference, row.source, row.align) for row in rows):
        cells = ""
        for key in COLUMNS:
            scores = [
                r
                for r in rows
                if (r.reference, r.source, r.align, r.boundaries, r.calibration, r.metric)
                == (reference, source, path, *key)
            ]
            texts = [number_text(row.value, row.ci_low, row.ci_high, 2) for row in scores[:1]]
            cells += f"{texts[0] if texts else '-':>30}"
        print(f"{reference} {source} | {path}"[:60].ljust(60) + cells)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
