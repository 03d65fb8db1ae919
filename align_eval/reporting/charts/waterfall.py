"""Contents of the waterfall: the error budget from Whisper's heads and DTW to saliency, and costs beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from align_eval.findings.budget.records import Stratum
from align_eval.reporting.numbers import signed
from align_eval.run_record import Figure

STEPS = ("preparation", "path", "heads", "swap")
LABELS = {
    "preparation": "log prep-\naration",
    "path": "silence-\naware path",
    "heads": "better\nheads",
    "swap": "saliency for\nattention",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in ms: a total from 0, or a step from the level before it to the level after it."""

    label: str
    kind: Literal["total", "gain", "loss"]
    start_ms: float
    end_ms: float
    interval_ms: tuple[float, float] | None
    text: str


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost of incompleteness, in ms, marked beside the bars."""

    label: str
    value_ms: float
    interval_ms: tuple[float, float] | None
    text: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The whole chart; ``floor_ms`` is the disagreement of two references, below which no system is better."""

    bars: tuple[Bar, ...]
    costs: tuple[Cost, ...]
    floor_ms: float | None

    @property
    def labels(self) -> list[str]:
        """Labels of bars and costs, from left to right."""
        return [*(bar.label for bar in self.bars), *(cost.label for cost in self.costs)]


def waterfall(stratum: Stratum, floor_ms: float | None = None) -> Waterfall:
    """Stack the Shapley shares of a budget from its first total down to its last."""
    level_ms = stratum.start.value
    bars = [_total("Whisper's\nheads, DTW", stratum.start)]
    for step in STEPS:
        share = stratum.shapley[step]
        ends = _interval(share)
        bars.append(
            Bar(
                LABELS[step],
                "gain" if share.value >= 0 else "loss",
                level_ms,
                level_ms - share.value,
                None if ends is None else (level_ms - ends[1], level_ms - ends[0]),
                signed(-share.value, 1),
            )
        )
        level_ms -= share.value
    bars.append(_total("all\nsteps", stratum.end))
    injection = stratum.injection
    costs = (
        ()
        if injection is None
        else (
            _cost("cost of in-\ncompleteness", injection.cost),
            _cost("cost,\ncalibrated", injection.calibrated_cost),
        )
    )
    return Waterfall(tuple(bars), costs, floor_ms)


def _total(label: str, figure: Figure) -> Bar:
    return Bar(label, "total", 0.0, figure.value, _interval(figure), f"{figure.value:.1f}")


def _cost(label: str, figure: Figure) -> Cost:
    return Cost(label, figure.value, _interval(figure), signed(figure.value, 1))


def _interval(figure: Figure) -> tuple[float, float] | None:
    return None if figure.ci_low is None or figure.ci_high is None else (figure.ci_low, figure.ci_high)
