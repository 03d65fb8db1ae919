"""Dynamic time warping with dtw-python.

Its ``symmetric1`` steps (right, down, diagonal, each at the cost of the cell entered) are those of openai-whisper's
own search, and the path is the same wherever no two paths tie.
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
    from align_eval.alignment.options import DtwOptions


def dtw_path(cost: npt.NDArray[np.float64]) -> tuple[IntVector, IntVector, float]:
    """Cheapest path through ``cost`` (row, column) from corner to corner.

    Returns
    -------
    rows, columns : int32[n_steps]
        The cells of the path in order.
    total : float
        The sum of the costs of its cells.
    """
    from align_eval.alignment.kernels import way_back

    # the search is compiled and its own way back is not: that takes four times as long as all else
    found = _dtw()(cost, step_pattern="symmetric1", distance_only=True, keep_internals=True)
    rows, columns = way_back(found.directionMatrix)
    return rows, columns, float(cost[rows, columns].sum())


_IMPORTING = threading.Lock()


@cache
def _dtw() -> Callable[..., Any]:
    """dtw-python's search. Its import greets where ``sys.ps1`` says that the session is interactive: not here."""
    with _IMPORTING:  # a second thread must not take the empty prompt for the session's own
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
    """Stretch of columns of each row on the path of least ``-values``.

    ``rows`` as of :class:`~align_eval.alignment.options.DtwOptions`; ``lead`` is the row of the token before the text,
    ``(1, n_frames)``, which a path over ``start`` needs. A path over ``later`` rows gives the first none of its own.

    Returns
    -------
    token_frames : int32[n_tokens, 2]
        First column of the row, and first column of the next row (the number of columns for the last).
    cost : float

    Raises
    ------
    InputError
        Where the map has no row of the token before the text, or a single row.
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
        starts = np.concatenate([starts[:1], starts])  # the first row is passed over: it starts with the path
    return np.stack([starts, np.append(starts[1:], n_frames)], axis=1).astype(np.int32), cost


def dtw_offset_s(options: DtwOptions, start_s: float) -> float:
    """Time of the start of column 0."""
    return 0.0 if options.grid == "index" else start_s
