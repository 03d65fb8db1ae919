"""Files of a comparison for continuous integration: JSON, Markdown, JUnit XML and benchmark JSON."""

from __future__ import annotations

from pathlib import Path

from align_eval.formats.atomic import cannot_write
from align_eval.formats.run.finding_json import write_finding
from align_eval.gate.verdicts import Comparison
from align_eval.reporting.ci.benchmark import benchmark
from align_eval.reporting.ci.junit import junit
from align_eval.reporting.ci.markdown import summary

FILES = ("compare.json", "summary.md", "junit.xml", "benchmark.json")


def write_comparison(out: Path, comparison: Comparison, *, strict: bool) -> None:
    """Write :data:`FILES` into a folder, which is created where it is missing.

    Parameters
    ----------
    strict
        Report undecided checks as failures in junit.xml.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    texts = {
        "summary.md": summary(comparison),
        "junit.xml": junit(comparison, strict=strict),
        "benchmark.json": benchmark(comparison),
    }
    write_finding(
        out / "compare.json",
        comparison,
        beside={out / name: text.encode(errors="backslashreplace") for name, text in texts.items()},
    )


def append_summary(file: Path, comparison: Comparison) -> None:
    """Append the Markdown summary to the file that ``GITHUB_STEP_SUMMARY`` names.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(summary(comparison))
    except OSError as error:
        raise cannot_write(file, error, "unset GITHUB_STEP_SUMMARY") from error
