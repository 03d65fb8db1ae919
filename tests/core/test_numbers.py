"""Numbers as text: an interval never looks as if it had no width."""

import pytest

from align_eval.reporting.numbers import ends_text, interval_text, number_text


@pytest.mark.parametrize(
    ("low", "high", "digits", "text"),
    [
        (38.2, 44.6, 0, " [38, 45]"),
        (40.8, 41.3, 0, " [40.8, 41.3]"),  # both round to 41
        (40.98, 41.03, 0, " [40.98, 41.03]"),
        (-0.04, 0.04, 1, " [-0.04, 0.04]"),  # and not [-0.0, 0.0], which are one number
        (-0.04, 0.3, 1, " [0.0, 0.3]"),
        (19.0, 19.0, 0, ""),
        (0.0, 0.0, 1, ""),
        (1e-12, 3e-12, 1, ""),
        (None, None, 1, ""),
        (None, 2.0, 1, ""),
    ],
)
def test_an_interval_shows_its_width_or_is_left_out(low, high, digits, text):
    assert interval_text(low, high, digits) == text
    assert number_text(5.0, low, high, digits) == f"{5:.{digits}f}{text}"
    assert bool(ends_text(low, high, digits)) == bool(text)
