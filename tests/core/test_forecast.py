"""Forecast of planted times, and durations as text."""

import pytest

from align_eval.engine.forecast import Measured, expected_s, spread
from align_eval.reporting.terminal.forecast import duration

SIZES = [(50 + 13 * i, 5 + i * i % 40) for i in range(100)]


def measured(sizes, seconds):
    return [Measured(str(i), frames, tokens, 0, seconds(frames, tokens)) for i, (frames, tokens) in enumerate(sizes)]


@pytest.mark.parametrize(("fixed", "by_frame", "by_token"), [(0.5, 0, 0), (0, 1e-3, 0), (0, 0, 0.1), (0.2, 1e-3, 0.1)])
def test_times_on_a_line_are_forecast_exactly(fixed, by_frame, by_token):
    def seconds(frames, tokens):
        return fixed + by_frame * frames + by_token * tokens

    few = measured([SIZES[i] for i in spread(len(SIZES), 4)], seconds)
    assert expected_s(few, SIZES) == pytest.approx(sum(seconds(*size) for size in SIZES), rel=1e-9)


def test_more_work_is_never_forecast_to_take_less():
    """Two that took less than a shorter one: a line through them would fall below zero."""
    few = measured([(100, 10), (1000, 10)], lambda frames, _: 2.0 if frames == 100 else 1.0)
    assert expected_s(few, [(10000, 10)]) >= expected_s(few, [(1000, 10)]) > 0


@pytest.mark.parametrize(
    ("n", "chosen"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (10, [0, 3, 6, 9])]
)
def test_those_measured_are_spread_from_first_to_last(n, chosen):
    assert spread(n, 4) == chosen


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (119, "119.0 s"), (120, "2.0 minutes"), (7200, "2.0 hours"), (3.5 * 86400, "3.5 days")],
)
def test_a_duration_is_printed_in_its_largest_unit(seconds, text):
    assert duration(seconds) == text
