"""Numbers with their 95 % intervals, as text."""

from __future__ import annotations


def interval_text(low: float | None, high: float | None, digits: int = 1) -> str:
    """Return an interval in brackets after a space; nothing where it has no ends."""
    return "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"


def number_text(value: float, low: float | None, high: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return a number and its interval; ``signed`` adds a plus to a positive number."""
    return f"{value:{'+' if signed else ''}.{digits}f}{interval_text(low, high, digits)}"
