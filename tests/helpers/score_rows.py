"""Values of score rows."""

from __future__ import annotations

from collections.abc import Iterable

from align_eval.run_record import ScoreRow


def value(rows: Iterable[ScoreRow], metric: str, protocol: str = "wbe", boundaries: str = "all") -> float:
    """Value of the only row with this metric, protocol and choice of boundaries, without calibration."""
    key = (metric, protocol, boundaries, "none")
    (row,) = (r for r in rows if (r.metric, r.protocol, r.boundaries, r.calibration) == key)
    return row.value
