"""Failures of a run in sentences, the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from align_eval.records import Failure
from align_eval.reporting.numbers import counted


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    """Return one line for each failed utterance or file, and one for each system that failed on some utterances."""
    whole = [failure for failure in failures if failure.system is None]
    lines = [f"failed: {failure.message}" for failure in whole]
    if whole:
        lines.append(counted(len(whole), "failed and is not scored.", "failed and are not scored."))
    by_system: dict[str, list[Failure]] = {}
    for failure in failures:
        if failure.system is not None:
            by_system.setdefault(failure.system, []).append(failure)
    for system, failed in by_system.items():
        n = len(failed)
        where = "1 utterance, whose words it lost" if n == 1 else f"{n:,} utterances, whose words it lost; the first"
        lines.append(f"failed: {system} in {where}: {failed[0].message}")
    return lines
