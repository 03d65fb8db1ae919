"""Contents of the picture of an answer: one bar per step with its error, and the distance of two references."""

from __future__ import annotations

from dataclasses import dataclass

from align_eval.reporting.answer_sentences import label_of
from align_eval.reporting.numbers import interval_text
from align_eval.reporting.run_view import Family
from align_eval.run_record import Answer, Step

FAMILIES: dict[str, Family] = {
    "whisper": "attention",
    "attention": "attention",
    "residual": "hybrid",
    "control": "control",
    "saliency": "saliency",
}
"""Kind of signal by the role of a step."""

ERROR_LABEL = "mean absolute error of interior boundaries, ms"
FLOOR_LABEL = "between two references"


@dataclass(frozen=True, slots=True)
class StepBar:
    """One step: its error in ms from 0, the 95 % interval, and both as text."""

    label: str
    family: Family
    error_ms: float
    interval_ms: tuple[float, float] | None
    text: str


@dataclass(frozen=True, slots=True)
class Steps:
    """The whole chart, from the first step down; ``floor_ms`` is the distance of two references, if there are two."""

    bars: tuple[StepBar, ...]
    floor_ms: float | None

    @property
    def longest_ms(self) -> float:
        """Greatest value on the chart, above zero."""
        ends_ms: list[float] = [end for bar in self.bars for end in (bar.error_ms, *(bar.interval_ms or ()))]
        return max(*ends_ms, self.floor_ms or 0.0, 1.0)


def steps_chart(answer: Answer) -> Steps:
    """The chart of an answer, with the labels of its lines on the terminal."""
    bars = tuple(_bar(step, answer) for step in answer.steps)
    return Steps(bars, answer.floor_ms.value if answer.floor_ms else None)


def _bar(step: Step, answer: Answer) -> StepBar:
    low_ms, high_ms = step.error.ci_low, step.error.ci_high
    interval = interval_text(low_ms, high_ms)
    ends = None if low_ms is None or high_ms is None or not interval else (low_ms, high_ms)
    text = f"{step.error.value:.1f}{interval}"
    return StepBar(label_of(step, answer), FAMILIES[step.role], step.error.value, ends, text)
