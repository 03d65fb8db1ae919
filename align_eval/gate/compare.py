"""A run against its baseline: read both, see that they can be compared, pair, judge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from align_eval.errors import InputError, NotComparableError
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.words_table import read_words_table
from align_eval.gate.checks import check_all, weights_of
from align_eval.gate.pairs import PairedWords, match_systems, paired_words, system_labels
from align_eval.gate.signatures import check_comparable, signature_differences
from align_eval.gate.verdicts import Comparison, GateOptions, SystemFigures, worst_of
from align_eval.records import Run
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.clusters import sum_by
from align_eval.scoring.metrics import Ratio
from align_eval.scoring.statistics import estimate
from align_eval.units import MS_PER_S

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared: its folder, run and words."""

    place: str
    run: Run
    words: pa.Table


def read_side(folder: Path) -> Side:
    """Read the folder of a run or an accepted baseline.

    Raises
    ------
    InputError
        Where it is none.
    """
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "give the folder of a run, or a baseline that was accepted")
    side = Side(str(folder), read_run(folder), read_words_table(folder / "words.parquet"))
    if not side.words.num_rows:
        raise InputError(folder / "words.parquet", "holds no words", "run again")
    return side


def compare(
    baseline: Side,
    run: Side,
    options: GateOptions | None = None,
    *,
    renamed: Mapping[str, str] | None = None,
    only: Iterable[str] = (),
) -> Comparison:
    """Hold a run to a baseline, word by word.

    Parameters
    ----------
    baseline, run
        As :func:`read_side` gives them.
    options
        What counts as a regression.
    renamed
        Systems of the baseline that have another name in the run, as ``source | align``.
    only
        Compare only these systems of the baseline; without any, all.

    Raises
    ------
    NotComparableError
        Where the two are about other speech, words or references, or the run lacks a system.
    InputError
        Where a name is unknown or a table is not what it should be.
    """
    options, renamed = options or GateOptions(), dict(renamed or {})
    differences = signature_differences(baseline.run.signature, run.run.signature)
    check_comparable(differences, baseline.place, run.place)
    of_baseline, of_run = system_labels(baseline.words), system_labels(run.words)
    systems = match_systems(of_baseline, of_run, renamed, only)
    paired = list(paired_words(baseline.words, run.words, systems))
    recognised = run.run.signature.get("text") == "hypothesis"
    checks = check_all(paired, options, recognised=recognised)
    return Comparison(
        schema=SCHEMA_VERSION,
        baseline=baseline.place,
        run=run.place,
        baseline_id=str(baseline.run.signature.get("id", "unsigned")),
        run_id=str(run.run.signature.get("id", "unsigned")),
        options=options,
        verdict=worst_of(check.verdict for check in checks),
        checks=checks,
        figures=tuple(_figures(words, options.seed) for words in paired),
        differences=differences,
        renamed={old: new for old, new in systems.items() if old != new},
        new_systems=tuple(name for name in of_run if name not in systems.values() and name not in of_baseline),
    )


def compare_or_reason(
    baseline: Side,
    run: Side,
    options: GateOptions | None = None,
    *,
    renamed: Mapping[str, str] | None = None,
    only: Iterable[str] = (),
) -> Comparison | NotComparableError:
    """As :func:`compare`, with the reason in place of an error where the two cannot be compared: for accepting a run
    on another corpus.
    """
    try:
        return compare(baseline, run, options, renamed=renamed, only=only)
    except NotComparableError as reason:
        return reason


def _figures(words: PairedWords, seed: int) -> SystemFigures:
    """Each side on all boundaries that it found: what a chart over time shows."""
    n_clusters = int(words.cluster.max()) + 1

    def mean_error(start_s: Floats, end_s: Floats) -> Ratio:
        errors_ms = np.abs([start_s - words.reference_start_s, end_s - words.reference_end_s]) * MS_PER_S
        known = np.isfinite(errors_ms)  # (start or end, word)
        sums = sum_by(words.cluster, np.nansum(errors_ms, axis=0), n_clusters)
        return Ratio(sums, sum_by(words.cluster, known.sum(axis=0), n_clusters))

    of_baseline = mean_error(words.baseline_start_s, words.baseline_end_s)
    of_run = mean_error(words.run_start_s, words.run_end_s)
    value, low, high = estimate(of_run, weights_of(n_clusters, seed))
    before = float(of_baseline.evaluate(np.ones((1, n_clusters)))[0])
    return SystemFigures(
        system=words.system,
        reference=words.reference,
        baseline_ms=None if math.isnan(before) else before,
        run_ms=None if math.isnan(value) else value,
        run_ci_low=low,
        run_ci_high=high,
        n_words=len(words.word),
        baseline_lost=int((~words.in_baseline).sum()),
        run_lost=int((~words.in_run).sum()),
    )
