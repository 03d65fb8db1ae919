"""Comparison of a run with a baseline: read both, check that they are comparable, pair their words, judge."""

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
from align_eval.run_record import Run
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.inference import NOT_NEGATIVE, student_interval
from align_eval.scoring.metrics import Ratio, sum_by
from align_eval.units import MS_PER_S

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Side:
    """Baseline or run: its folder, scores with signature, and words."""

    place: str
    run: Run
    words: pa.Table


def read_side(folder: Path, *, edited: bool = False) -> Side:
    """Read the folder of a run or of an accepted baseline.

    Raises
    ------
    InputError
        If the folder is neither, was changed since it was written (unless ``edited``), or has no words.
    """
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "pass the folder of a run or of an accepted baseline")
    side = Side(str(folder), read_run(folder, edited=edited), read_words_table(folder / "words.parquet"))
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
    """Compare a run with a baseline, word by word.

    Parameters
    ----------
    baseline, run
        Results of :func:`read_side`.
    options
        Thresholds of a regression.
    renamed
        New names of renamed systems, by their name in the baseline, each ``source | align``.
    only
        Systems of the baseline to compare; all if empty.

    Returns
    -------
    Comparison
        All verdicts and figures.

    Raises
    ------
    NotComparableError
        If speech, words or references differ, or the run lacks a system.
    InputError
        If a name is unknown or a table has a word twice.
    """
    options, renamed = options or GateOptions(), dict(renamed or {})
    differences = signature_differences(baseline.run.signature, run.run.signature)
    check_comparable(differences, baseline.place, run.place)
    baseline_systems, run_systems = system_labels(baseline.words), system_labels(run.words)
    systems = match_systems(baseline_systems, run_systems, renamed, only)
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
        new_systems=tuple(
            name for name in run_systems if name not in systems.values() and name not in baseline_systems
        ),
        answers=run.run.answer or (),
    )


def compare_or_reason(
    baseline: Side,
    run: Side,
    options: GateOptions | None = None,
    *,
    renamed: Mapping[str, str] | None = None,
    only: Iterable[str] = (),
) -> Comparison | NotComparableError:
    """Compare as :func:`compare` does, but return a NotComparableError instead of raising it.

    A run on another corpus cannot be compared but can be accepted as a new baseline.
    """
    try:
        return compare(baseline, run, options, renamed=renamed, only=only)
    except NotComparableError as reason:
        return reason


def _figures(words: PairedWords, seed: int) -> SystemFigures:
    """Mean absolute error of each side over all boundaries that this side knows, for charts over time."""
    n_clusters = int(words.cluster.max()) + 1

    def mean_error(start_s: Floats, end_s: Floats) -> Ratio:
        errors_ms = np.abs([start_s - words.reference_start_s, end_s - words.reference_end_s]) * MS_PER_S
        known = np.isfinite(errors_ms)  # [2, n_words]: starts, ends
        sums = sum_by(words.cluster, np.nansum(errors_ms, axis=0), n_clusters)
        return Ratio(sums, sum_by(words.cluster, known.sum(axis=0), n_clusters))

    baseline_error = mean_error(words.baseline_start_s, words.baseline_end_s)
    run_error = mean_error(words.run_start_s, words.run_end_s)
    baseline_ms = float(baseline_error.evaluate(np.ones((1, n_clusters)))[0])
    run_ms, ci_low, ci_high = student_interval(run_error, weights_of(n_clusters, seed), bounds=NOT_NEGATIVE)
    return SystemFigures(
        system=words.system,
        reference=words.reference,
        baseline_ms=None if math.isnan(baseline_ms) else baseline_ms,
        run_ms=None if math.isnan(run_ms) else run_ms,
        run_ci_low=ci_low,
        run_ci_high=ci_high,
        n_words=len(words.word),
        baseline_lost=int((~words.in_baseline).sum()),
        run_lost=int((~words.in_run).sum()),
    )
