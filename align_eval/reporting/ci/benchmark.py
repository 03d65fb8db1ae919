"""The run's figures as benchmark JSON, where smaller is better: what trend charts of continuous integration read.

A list of entries with ``name``, ``unit``, ``value``, ``range`` and ``extra``, the form that github-action-benchmark
calls ``customSmallerIsBetter``.
"""

from __future__ import annotations

import json

from align_eval.gate.records import Comparison


def benchmark(found: Comparison) -> str:
    """Mean absolute error and words without times, of every system and kind of reference."""
    entries: list[dict[str, object]] = []
    for f in found.figures:
        extra = f"run {found.run_id}, {f.n_words} words"
        if f.run_ms is not None:
            entry = {"name": f"{f.system}, {f.reference}: mean absolute error", "unit": "ms", "value": f.run_ms}
            if f.run_ci_low is not None and f.run_ci_high is not None:
                entry["range"] = f"± {(f.run_ci_high - f.run_ci_low) / 2:.1f}"
            entries.append({**entry, "extra": extra})
        name = f"{f.system}, {f.reference}: words without times"
        entries.append({"name": name, "unit": "words", "value": f.run_lost, "extra": extra})
    return json.dumps(entries, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
