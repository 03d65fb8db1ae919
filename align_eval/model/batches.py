"""Batch sizes from a fixed memory budget.

A batch size depends on the model, the task and the type of device, never on free memory or on other utterances, so
results depend on neither.
"""

from __future__ import annotations

from whisper.model import Whisper

MEMORY_BUDGET_BYTES = {"cpu": 384 * 2**20, "gpu": 8 * 2**30}
"""Memory of one batch besides the model; a single row may exceed it."""

GPU_CAP = 120
"""More rows than this are no faster on a GPU (docs/reproduction.md). A CPU needs fewer."""


def rows_at_once(model: Whisper, floats_per_row: int, cpu_cap: int) -> int:
    """Rows per batch, at least one.

    Parameters
    ----------
    floats_per_row : int
        Peak number of float32 values of one row.
    cpu_cap : int
        Maximum number of rows on a CPU.
    """
    kind, cap = ("cpu", cpu_cap) if model.device.type == "cpu" else ("gpu", GPU_CAP)
    return max(1, min(cap, MEMORY_BUDGET_BYTES[kind] // (4 * floats_per_row)))
