"""Numbers as text: signs, 95 % intervals, and a dash for a missing value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from align_eval.run_record import Figure, ScoreRow

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
    return text + interval_text(row.ci_low * scale, row.ci_high * scale, 0)


def figure_text(figure: Figure, *, sign: bool = False) -> str:
    """The value of a finding in ms with its interval, if it has one."""
    value = signed(figure.value, 1) if sign else f"{figure.value:.1f}"
    return value + minus(interval_text(figure.ci_low, figure.ci_high))


def interval_text(low: float | None, high: float | None, digits: int = 1) -> str:
    """Return an interval in brackets after a space; nothing where :func:`ends_text` has none."""
    ends = ends_text(low, high, digits)
    return f" [{ends[0]}, {ends[1]}]" if ends else ""


def ends_text(low: float | None, high: float | None, digits: int = 1) -> tuple[str, str] | None:
    """Return the ends of an interval, with up to two more digits where they would look equal.

    None without an interval, and for one of no width: it would claim a certainty that no data give.
    """
    if low is None or high is None:
        return None
    texts = ((f"{low:z.{n}f}", f"{high:z.{n}f}") for n in range(digits, digits + 3))
    return next((ends for ends in texts if ends[0] != ends[1]), None)


def number_text(value: float, low: float | None, high: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return a number and its interval; ``signed`` adds a plus to a positive number."""
    return f"{value:{'+' if signed else ''}.{digits}f}{interval_text(low, high, digits)}"


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun; ``many`` is the plural where it is not ``one`` with an s.

    Examples
    --------
    >>> counted(1, "check"), counted(3, "check"), counted(0, "word is", "words are")
    ('1 check', '3 checks', '0 words are')
    """
    return f"{n} {one if n == 1 else many or one + 's'}"
