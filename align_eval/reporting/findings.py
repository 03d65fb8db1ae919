"""The findings that a report shows beside a run: those that lie in its folder, and those that were named."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from align_eval.records import Run
from align_eval.reporting.view import RunView

IN_FOLDER = ("budget.json", "agree.json", "drift.json")

LONG_MIN = 2.0
"""Drift is shown where a stretch of one file is at least that long."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found of a run, each None where it was not."""

    budget: Budget | None = None
    agree: AgreementFinding | None = None
    heads: HeadSearch | None = None
    drift: Drift | None = None


_READERS: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "budget": lambda data, path: finding_of(data, Budget, budget.SCHEMA_VERSION, path),
    "agree": lambda data, path: finding_of(data, AgreementFinding, agree.SCHEMA_VERSION, path),
    "heads": lambda data, path: finding_of(data, HeadSearch, heads.SCHEMA_VERSION, path),
    "drift": lambda data, path: finding_of(data, Drift, drift.SCHEMA_VERSION, path),
}


def gather_findings(view: RunView, given: Sequence[Path] = ()) -> Findings:
    """Findings of a run: those given, then those of its folder; drift is measured where recordings are long.

    One of the folder that is of another run (which stood there before) is left out with a warning.

    Raises
    ------
    InputError
        Where a file that was given is no such finding, or is of another model or corpus.
    """
    found, run = Findings(), view.run
    for path in given:
        found = _with(found, path, run)
    for path in (view.folder / name for name in IN_FOLDER):
        if path.is_file() and getattr(found, path.stem) is None:
            of_run = read_finding(path)["finding"].get("run")
            if of_run == run.signature["id"]:
                found = _with(found, path, run)
            else:
                warnings.warn(InputWarning(f"{path}: is of run {of_run} and is not shown"), stacklevel=2)
    if found.drift is None and _longest_min(view.words) >= LONG_MIN:
        found = replace(found, drift=measure_drift(view.folder))
    return found


def is_long(found: Drift | None) -> bool:
    """Whether recordings are long enough to show drift in."""
    return found is not None and max(row.longest_min for row in found.rows) >= LONG_MIN


def _longest_min(words: pa.Table) -> float:
    """The longest stretch between starts, or ends, of words with times in one file, in minutes."""
    timed = words.filter(pc.is_valid(words.column("start_s")))
    edges = ("reference_start_s", "reference_end_s")
    of_file = timed.group_by("audio").aggregate([(edge, end) for edge in edges for end in ("min", "max")])
    spans_s = [pc.max(pc.subtract(of_file.column(f"{edge}_max"), of_file.column(f"{edge}_min"))) for edge in edges]
    return max(float(span.as_py() or 0.0) for span in spans_s) / S_PER_MIN


def _with(found: Findings, path: Path, run: Run) -> Findings:
    data = read_finding(path)
    name = data["finding"].get("finding")
    if name not in _READERS:
        raise InputError(path, f"is a finding of {name!r}", f"give one of {', '.join(_READERS)}")
    of_finding = data.get("signature", {})
    held_to = ["model_checksum"] if name == "heads" else ["model_checksum", "corpus_checksum"]
    other = [key for key in held_to if of_finding.get(key) != run.signature.get(key)]
    if other:
        what = " and ".join(key.partition("_")[0] for key in other)
        raise InputError(path, f"is of another {what} than the run", "give a finding of this run")
    return replace(found, **{name: _READERS[name](data, path)})
