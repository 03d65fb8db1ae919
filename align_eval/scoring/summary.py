"""From a words table to score rows."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.records import ScoreRow
from align_eval.scoring.boundaries import calibrated, word_times
from align_eval.scoring.metrics import boundary_metrics
from align_eval.scoring.statistics import cluster_rows, draw_weights, effective_clusters, estimate

PROTOCOL = "wbe"
BOUNDARIES = ("all", "interior")
UNCALIBRATED_ONLY = ("coverage",)


def score_table(table: pa.Table, *, text: str = "words", seed: int = 0) -> tuple[ScoreRow, ...]:
    """Score every system under every kind of reference, over all and over interior boundaries, as is and calibrated.

    The calibration is estimated on other clusters and held fixed in the interval, which therefore does not cover what
    its estimation adds.
    """
    rows: list[ScoreRow] = []
    for reference in sorted(set(table.column("reference").to_pylist())):
        of_kind = table.filter(pc.equal(table.column("reference"), reference))
        clusters, cluster_of_row = cluster_rows(of_kind)
        n_clusters = int(cluster_of_row.max()) + 1
        weights = draw_weights(n_clusters, seed)
        systems = zip(of_kind.column("source").to_pylist(), of_kind.column("align").to_pylist(), strict=True)
        system_of_row = np.array([f"{source}\n{align}" for source, align in systems])
        for system in dict.fromkeys(system_of_row.tolist()):
            mask = system_of_row == system
            times = word_times(of_kind.filter(pa.array(mask)), cluster_of_row[mask])
            source, align = system.split("\n")
            n_effective = effective_clusters(np.bincount(times.cluster, minlength=n_clusters))
            for boundaries in BOUNDARIES:
                for calibration, moved in (("none", times), ("reference", calibrated(times, boundaries))):
                    if moved is None:
                        continue
                    for metric, unit, statistic in boundary_metrics(moved, boundaries, n_clusters):
                        if calibration != "none" and metric in UNCALIBRATED_ONLY:
                            continue
                        value, low, high = estimate(statistic, weights)
                        if math.isnan(value):
                            continue  # nothing to count: single words have no interior boundary
                        rows.append(
                            ScoreRow(
                                source=source,
                                align=align,
                                text=text,
                                reference=reference,
                                boundaries=boundaries,
                                calibration=calibration,
                                protocol=PROTOCOL,
                                metric=metric,
                                value=value,
                                ci_low=low,
                                ci_high=high,
                                unit=unit,
                                n_words=len(times.start_s),
                                clusters=clusters,
                                n_clusters=n_clusters,
                                n_effective_clusters=n_effective,
                            )
                        )
    return tuple(rows)
