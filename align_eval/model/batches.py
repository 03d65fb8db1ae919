"""How many rows of a batch run at once: what a stated memory budget holds.

It is a function of the model, the task and the type of device, never of what is free or of neighbours, so that results
do not depend on either.
"""

from __future__ import annotations

from whisper.model import Whisper

MEMORY_BUDGET_BYTES = {"cpu": 384 * 2**20, "gpu": 8 * 2**30}
"""What one batch may take beside the model; one row always runs."""

GPU_CAP = 120
"""More rows than that are no faster on a GPU (docs/reproduction.md); a CPU has enough with fewer."""


def rows_at_once(model: Whisper, floats_per_row: int, cpu_cap: int) -> int:
    """Rows of a batch, at least one; ``floats_per_row`` are float32 numbers that a row holds at its peak."""
    kind, cap = ("cpu", cpu_cap) if model.device.type == "cpu" else ("gpu", GPU_CAP)
    return max(1, min(cap, MEMORY_BUDGET_BYTES[kind] // (4 * floats_per_row)))
