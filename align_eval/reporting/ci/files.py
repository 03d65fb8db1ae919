"""The gate's answer as files: one record and three forms of it that continuous integration reads."""

from __future__ import annotations

from pathlib import Path

from align_eval.formats.atomic import cannot_write
from align_eval.formats.run.finding_json import write_finding
from align_eval.gate.records import Comparison
from align_eval.reporting.ci.benchmark import benchmark
from align_eval.reporting.ci.junit import junit
from align_eval.reporting.ci.markdown import summary

FILES = ("compare.json", "summary.md", "junit.xml", "benchmark.json")


def write_comparison(out: Path, found: Comparison, *, strict: bool) -> None:
    """Write all of it into a folder, which is made where it is missing.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    write_finding(out / "compare.json", found)
    try:
        (out / "summary.md").write_text(summary(found), encoding="utf-8")
        (out / "junit.xml").write_text(junit(found, strict=strict), encoding="utf-8")
        (out / "benchmark.json").write_text(benchmark(found), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error, "choose another --out") from error


def append_summary(file: Path, found: Comparison) -> None:
    """Append the Markdown to a job's summary, as the services that set ``GITHUB_STEP_SUMMARY`` want it.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(summary(found))
    except OSError as error:
        raise cannot_write(file, error, "unset GITHUB_STEP_SUMMARY") from error
