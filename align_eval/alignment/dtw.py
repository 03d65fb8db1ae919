"""Dynamic time warping (DTW) with dtw-python.

The step pattern ``symmetric1`` (right, down, diagonal, each at the cost of the entered cell) is that of openai-whisper.
The paths of both are equal if no two paths tie.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from align_eval.errors import InputError
from align_eval.records import IntVector

if TYPE_CHECKING:
    from align_eval.alignment.aligner import DtwOptions


def dtw_path(cost: npt.NDArray[np.float64]) -> tuple[IntVector, IntVector, float]:
    """Cheapest path through a cost matrix from corner to corner.

    Parameters
    ----------
    cost : float64[n_rows, n_columns]

    Returns
    -------
    rows, columns : int32[n_steps]
        Cells of the path, in order.
    total : float
        Sum of the costs of these cells.
    """
    from align_eval.alignment.kernels import backtrack

    # dtw-python's search is compiled; its backtracking is not and would take four times as long as the rest
    search = _dtw()(cost, step_pattern="symmetric1", distance_only=True, keep_internals=True)
    rows, columns = backtrack(search.directionMatrix)
    return rows, columns, float(cost[rows, columns].sum())


_IMPORTING = threading.Lock()


@cache
def _dtw() -> Callable[..., Any]:
    """Import dtw-python's search without its greeting, which it prints if ``sys.ps1`` shows an interactive session."""
    with _IMPORTING:  # a second thread must not save the empty prompt as the original
        interactive, prompt = hasattr(sys, "ps1"), getattr(sys, "ps1", "")
        sys.ps1 = ""
        try:
            from dtw import dtw
        finally:
            sys.ps1 = prompt
            if not interactive:
                del sys.ps1
    return dtw  # type: ignore[no-any-return]


def dtw_token_frames(
    values: npt.NDArray[np.float32], rows: str = "text", lead: npt.NDArray[np.float32] | None = None
) -> tuple[IntVector, float]:
    """Columns of each row on the path with the smallest sum of ``-values``.

    Parameters
    ----------
    values : float32[n_tokens, n_frames]
        The map.
    rows : str
        Rows of the path, as in :class:`~align_eval.alignment.aligner.DtwOptions`. With ``later``, the first row gets no
        columns.
    lead : float32[1, n_frames], optional
        Row of the token before the text, required for ``rows="start"``.

    Returns
    -------
    token_frames : int32[n_tokens, 2]
        First column of the row and of the next row (the number of columns for the last row).
    cost : float
        Sum of ``-values`` along the path.

    Raises
    ------
    InputError
        If ``rows="start"`` and the map has no row of the token before the text.
    """
    n_frames = values.shape[1]
    if rows == "start":
        if lead is None:
            problem = "the map has no row of the token before the text"
            raise InputError(
                "alignment dtw:rows=start", problem, "use attention:rows=start or rows=all, or dtw:rows=text"
            )
        values = np.concatenate([lead, values])
    path, columns, cost = dtw_path(-(values[1:] if rows == "later" else values).astype(np.float64))
    starts = columns[np.diff(path, prepend=-1) > 0]
    if rows == "start":
        starts = starts[1:]
    elif rows == "later":
        starts = np.concatenate([starts[:1], starts])  # the first row is not on the path and starts with it
    return np.stack([starts, np.append(starts[1:], n_frames)], axis=1).astype(np.int32), cost


def dtw_offset_s(options: DtwOptions, start_s: float) -> float:
    """Start of column 0 in seconds, by the option ``grid``."""
    return 0.0 if options.grid == "index" else start_s
