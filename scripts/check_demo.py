"""Compare a demo run with the accepted figures: each must exist in the run, within a tolerance of its accepted value.

Usage: check_demo.py RUN BASELINE [--accept]

With --accept, writes the figures of the run to BASELINE instead.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from align_eval.errors import EXIT_BAD_INPUT, EXIT_PASS, EXIT_REGRESSION
from align_eval.formats.run.folder import read_run

TOLERANCE = {"ms": 2.0, "share": 0.02}
"""Tolerance by unit. Other processors round sums differently and may move a few boundaries by a frame; a regression
moves more."""

METRICS = ("wbe_mean", "start_bias", "end_bias", "within_50ms", "iou", "coverage")


def figures(run_path: Path) -> dict[str, float]:
    """Return the uncalibrated figures of a run; keys are their conditions, which end with the unit."""
    run = read_run(run_path)
    return {
        " | ".join((row.reference, row.source, row.align, row.boundaries, row.metric, row.unit)): row.value
        for row in run.rows
        if row.calibration == "none" and row.metric in METRICS
    }


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3) or arguments[2:] not in ([], ["--accept"]):
        print(__doc__, file=sys.stderr)
        return EXIT_BAD_INPUT
    current, baseline_path = figures(Path(arguments[0])), Path(arguments[1])
    if arguments[2:]:
        rounded = {key: round(value, 4) for key, value in sorted(current.items())}
        baseline_path.write_text(json.dumps(rounded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return EXIT_PASS
    accepted = json.loads(baseline_path.read_text(encoding="utf-8"))
    problems = [f"missing: {key}" for key in accepted if key not in current]
    problems += [
        f"moved: {key}: accepted {value:.3f}, now {current[key]:.3f}"
        for key, value in accepted.items()
        if key in current and abs(current[key] - value) > TOLERANCE[key.rsplit(" | ", 1)[1]]
    ]
    print("\n".join(problems) if problems else f"all {len(accepted)} figures of the demo are within their tolerance")
    return EXIT_REGRESSION if problems else EXIT_PASS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
