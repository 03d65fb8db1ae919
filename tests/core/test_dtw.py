"""Cheapest path through a cost matrix, against planted paths and plain dynamic programming."""

import subprocess
import sys

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align_eval.alignment.dtw import dtw_path, dtw_token_frames
from align_eval.errors import InputError

# Small whole numbers: sums are exact, so that costs are compared with ==.
COSTS = hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-4, 4))
STEPS = st.lists(st.sampled_from([(0, 1), (1, 0), (1, 1)]), max_size=40)


def staircase(steps: list[tuple[int, int]]) -> np.ndarray:
    return np.cumsum([(0, 0), *steps], axis=0)  # (step, row and column)


def map_of(path: np.ndarray) -> np.ndarray:
    """1 on the path and -1 elsewhere: leaving the path, or a detour to another cell, always costs more."""
    values = np.full(path[-1] + 1, -1.0, dtype=np.float32)
    values[tuple(path.T)] = 1.0
    return values


def least_cost(cost: np.ndarray) -> float:
    best = np.full_like(cost, np.inf)
    for i, j in np.ndindex(cost.shape):
        before = [best[i - a, j - b] for a, b in ((0, 1), (1, 0), (1, 1)) if i >= a and j >= b]
        best[i, j] = cost[i, j] + (min(before) if i or j else 0.0)
    return float(best[-1, -1])


@settings(deadline=None)
@given(STEPS)
def test_a_planted_staircase_is_recovered_exactly(steps):
    path = staircase(steps)
    rows, columns, total = dtw_path(-map_of(path).astype(np.float64))
    np.testing.assert_array_equal(np.stack([rows, columns], axis=1), path)
    assert total == -len(path)


@settings(deadline=None)
@given(COSTS)
def test_the_cost_is_the_optimum_of_dynamic_programming(cost):
    rows, columns, total = dtw_path(cost)
    assert total == least_cost(cost) == cost[rows, columns].sum()


@settings(deadline=None)
@given(COSTS)
def test_backtracking_equals_the_librarys_also_among_ties(cost):
    from dtw import dtw

    theirs = dtw(cost, step_pattern="symmetric1")
    rows, columns, _ = dtw_path(cost)
    assert (rows.tolist(), columns.tolist()) == (theirs.index1.tolist(), theirs.index2.tolist())


@settings(deadline=None)
@given(COSTS)
def test_the_path_goes_from_corner_to_corner_in_unit_steps(cost):
    rows, columns, _ = dtw_path(cost)
    assert (rows[0], columns[0]) == (0, 0)
    assert (rows[-1] + 1, columns[-1] + 1) == cost.shape
    assert set(zip(np.diff(rows).tolist(), np.diff(columns).tolist(), strict=True)) <= {(0, 1), (1, 0), (1, 1)}


@settings(deadline=None)
@given(STEPS)
def test_a_row_stretches_from_its_first_column_to_that_of_the_next_row(steps):
    path = staircase(steps)
    n_tokens, n_frames = path[-1] + 1
    starts = [int(path[path[:, 0] == row, 1].min()) for row in range(n_tokens)]
    token_frames, cost = dtw_token_frames(map_of(path))
    assert token_frames.tolist() == [list(pair) for pair in zip(starts, [*starts[1:], n_frames], strict=True)]
    assert cost == -len(path)


def test_rows_share_a_column_where_there_are_more_tokens_than_frames():
    # Down, down, right, down: rows 0, 1 and 2 begin in column 0, row 3 in column 1, which is the last.
    path = staircase([(1, 0), (1, 0), (0, 1), (1, 0)])
    token_frames, _ = dtw_token_frames(map_of(path))
    assert token_frames.tolist() == [[0, 0], [0, 0], [0, 1], [1, 2]]


FIRST_SEARCH = "import numpy; from align_eval.alignment.dtw import dtw_path; dtw_path(numpy.ones((2, 2)))"


def printed_by(code: str, *options: str) -> str:
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True, input="")
    return done.stdout


def test_dtw_python_greets_an_interactive_session_and_a_search_does_not():
    """`-i` makes the session interactive, where the import of the library prints a greeting."""
    assert "Importing the dtw module" in printed_by("import dtw", "-i")
    assert printed_by(FIRST_SEARCH, "-i") == ""
    assert printed_by(FIRST_SEARCH) == ""


def test_the_prompt_of_a_session_is_what_it_was_before_the_search():
    shown = "; import sys; print(getattr(sys, 'ps1', 'none'))"
    assert printed_by(FIRST_SEARCH + shown) == "none\n"
    assert printed_by(f"import sys; sys.ps1 = 'mine'; {FIRST_SEARCH}{shown}") == "mine\n"


def test_threads_print_while_others_search_for_the_first_time_and_later():
    """No search replaces sys.stdout, not even the first, which imports the library: every printed line arrives.

    ``look`` is called at every call and return inside the import and the searches.
    """
    code = """
import sys, threading
import numpy
from align_eval.alignment.dtw import dtw_path

before, others = sys.stdout, set()

def look(frame, event, argument):
    if sys.stdout is not before:
        others.add(frame.f_code.co_name)

def search():
    sys.setprofile(look)
    for _ in range(20):
        dtw_path(numpy.ones((9, 9)))
        print("searched\\n", end="")
    sys.setprofile(None)

threads = [threading.Thread(target=search) for _ in range(4)]
for thread in threads:
    thread.start()
for i in range(200):
    print(f"line {i}\\n", end="")
for thread in threads:
    thread.join()
print("others", sorted(others))
"""
    lines = printed_by(code).splitlines()
    assert lines.count("searched") == 4 * 20
    assert [line for line in lines if line.startswith("line")] == [f"line {i}" for i in range(200)]
    assert lines[-1] == "others []"


def test_the_row_before_the_text_takes_what_comes_before_the_first_word():
    """Planted: the row before the text for two columns, then the text's rows for two, one and one."""
    path = staircase([(0, 1), (1, 1), (0, 1), (1, 1), (1, 1)])
    whole = map_of(path)
    frames, _ = dtw_token_frames(whole[1:], "start", whole[:1])
    assert frames.tolist() == [[2, 4], [4, 5], [5, 6]]
    assert dtw_token_frames(whole[1:])[0][0, 0] == 0  # without that row the first word starts at 0


def test_a_path_over_the_later_rows_gives_the_first_token_no_time():
    """Planted: row 1 for two columns, row 2 for one; row 0 is high everywhere else and is not on the path."""
    whole = np.concatenate([np.full((1, 3), 5.0, np.float32), map_of(staircase([(0, 1), (1, 1)]))])
    assert dtw_token_frames(whole, "later")[0].tolist() == [[0, 0], [0, 2], [2, 3]]


def test_a_map_without_the_row_before_the_text_is_refused_where_the_path_needs_it():
    with pytest.raises(
        InputError, match="dtw:rows=start: the map has no row of the token before the text; use attention"
    ):
        dtw_token_frames(np.ones((2, 3), np.float32), "start")
