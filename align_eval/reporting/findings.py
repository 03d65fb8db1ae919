"""The findings that a report shows with a run: those in its folder, and those named on the command line."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from align_eval.errors import InputError, InputWarning
from align_eval.findings import drift
from align_eval.findings.agreement import records as agree
from align_eval.findings.agreement.records import AgreementFinding
from align_eval.findings.budget import records as budget
from align_eval.findings.budget.records import Budget
from align_eval.findings.drift import S_PER_MIN, Drift, measure_drift
from align_eval.findings.heads import records as heads
from align_eval.findings.heads.records import HeadSearch
from align_eval.formats.run.finding_json import finding_of, read_finding
from align_eval.reporting.run_view import RunView
from align_eval.run_record import Run

IN_FOLDER = ("budget.json", "agree.json", "drift.json")

LONG_MIN = 2.0
"""Drift is shown if one audio file spans at least this many minutes."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of a run; None for each that was not measured."""

    budget: Budget | None = None
    agree: AgreementFinding | None = None
    heads: HeadSearch | None = None
    drift: Drift | None = None


_RECORDS: dict[str, tuple[type, int]] = {
    "budget": (Budget, budget.SCHEMA_VERSION),
    "agree": (AgreementFinding, agree.SCHEMA_VERSION),
    "heads": (HeadSearch, heads.SCHEMA_VERSION),
    "drift": (Drift, drift.SCHEMA_VERSION),
}


def gather_findings(view: RunView, paths: Sequence[Path] = ()) -> Findings:
    """Read the findings of a run, and measure drift if recordings are long and no drift was read.

    Parameters
    ----------
    paths
        Files of findings. They replace findings of the same kind in the run folder.

    Raises
    ------
    InputError
        If a file of ``paths`` holds no finding of this version, or one of another model or corpus.

    Warns
    -----
    InputWarning
        If a finding in the run folder is of another run. It is left out.
    """
    findings, run = Findings(), view.run
    for path in paths:
        findings = _with(findings, path, run)
    for path in (view.folder / name for name in IN_FOLDER):
        if path.is_file() and getattr(findings, path.stem) is None:
            run_id = read_finding(path).finding.run
            if run_id == run.signature["id"]:
                findings = _with(findings, path, run)
            else:
                warnings.warn(InputWarning(f"{path}: is of run {run_id} and is not shown"), stacklevel=2)
    if findings.drift is None and _longest_min(view.words) >= LONG_MIN:
        findings = replace(findings, drift=measure_drift(view.folder, edited=not view.run.files))
    return findings


def is_long(finding: Drift | None) -> bool:
    """True if recordings are long enough to show drift."""
    return finding is not None and max(row.longest_min for row in finding.rows) >= LONG_MIN


def _longest_min(words: pa.Table) -> float:
    """The longest span between starts, or ends, of timed words in one file, in minutes."""
    timed = words.filter(pc.is_valid(words.column("start_s")))
    edges = ("reference_start_s", "reference_end_s")
    files = timed.group_by("audio").aggregate([(edge, end) for edge in edges for end in ("min", "max")])
    spans_s = [pc.max(pc.subtract(files.column(f"{edge}_max"), files.column(f"{edge}_min"))) for edge in edges]
    return max(float(span.as_py() or 0.0) for span in spans_s) / S_PER_MIN


def _with(findings: Findings, path: Path, run: Run) -> Findings:
    file = read_finding(path)
    name = file.finding.finding
    if name not in _RECORDS:
        raise InputError(path, f"is a finding of {name!r}", f"give one of {', '.join(_RECORDS)}")
    checksums = ["model_checksum"] if name == "heads" else ["model_checksum", "corpus_checksum"]
    different = [key for key in checksums if getattr(file.signature, key) != run.signature[key]]
    if different:
        what = " and ".join(key.partition("_")[0] for key in different)
        raise InputError(path, f"is of another {what} than the run", "give a finding of this run")
    return replace(findings, **{name: finding_of(file, *_RECORDS[name])})
