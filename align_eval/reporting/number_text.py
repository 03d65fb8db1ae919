"""Numbers as text on the page and in figures: signs, intervals, and a dash for a missing value."""

from __future__ import annotations

from align_eval.findings.budget.price import Figure
from align_eval.records import ScoreRow

MISSING = "–"


def signed(value: float, digits: int = 0) -> str:
    """A number with its sign, a true minus; without a sign if it rounds to zero."""
    text = minus(f"{value:+.{digits}f}")
    return text[1:] if float(f"{value:.{digits}f}") == 0 else text


def minus(text: str) -> str:
    """Text with a true minus in place of each hyphen."""
    return text.replace("-", "−")


def score_text(row: ScoreRow | None, digits: int = 1) -> str:
    """The value of a score row with its interval; a share is a percentage, a bias has a sign."""
    if row is None:
        return MISSING
    sign = "+" if row.metric.endswith("bias") else ""
    scale, unit = (100, " %") if row.unit == "share" else (1, "")
    text = f"{row.value * scale:{sign}.{0 if unit else digits}f}{unit}"
    if row.ci_low is None or row.ci_high is None:
        return text
    return f"{text} [{row.ci_low * scale:.0f}, {row.ci_high * scale:.0f}]"


def figure_text(figure: Figure, *, sign: bool = False) -> str:
    """The value of a finding in ms with its interval, if it has one."""
    value = signed(figure.value, 1) if sign else f"{figure.value:.1f}"
    if figure.ci_low is None or figure.ci_high is None:
        return value
    return minus(f"{value} [{figure.ci_low:.1f}, {figure.ci_high:.1f}]")
