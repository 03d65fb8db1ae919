"""Benchmark JSON for trend charts of continuous integration: smaller is better.

A list of entries with ``name``, ``unit``, ``value``, ``range`` and ``extra``. github-action-benchmark calls this form
``customSmallerIsBetter``.
"""

from __future__ import annotations

import json

from align_eval.gate.verdicts import Comparison


def benchmark(comparison: Comparison) -> str:
    """Return mean absolute error and number of words without times, per system and kind of reference."""
    entries: list[dict[str, object]] = []
    for figures in comparison.figures:
        system = f"{figures.system}, {figures.reference}"
        extra = f"run {comparison.run_id}, {figures.n_words} words"
        if figures.run_ms is not None:
            entry = {"name": f"{system}: mean absolute error", "unit": "ms", "value": figures.run_ms}
            if figures.run_ci_low is not None and figures.run_ci_high is not None:
                entry["range"] = f"± {(figures.run_ci_high - figures.run_ci_low) / 2:.1f}"
            entries.append({**entry, "extra": extra})
        entries.append(
            {"name": f"{system}: words without times", "unit": "words", "value": figures.run_lost, "extra": extra}
        )
    return json.dumps(entries, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
