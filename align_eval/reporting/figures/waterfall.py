"""One picture of the error budget: from Whisper's own way down, the price of incompleteness marked on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from align_eval.findings.budget.records import Budget, Figure, Stratum
from align_eval.formats.atomic import cannot_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

STEPS = ("preparation", "path", "heads", "swap")
LABELS = {
    "preparation": "log prep-\naration",
    "path": "silence-\naware path",
    "heads": "better\nheads",
    "swap": "saliency for\nattention",
}
INK, GAIN, LOSS, COST, FLOOR = "#4d4d4d", "#2b7bba", "#c44e52", "#e6a400", "#999999"


def draw_budget(path: Path, budget: Budget, floors_ms: Mapping[str, float] | None = None) -> None:
    """Draw a waterfall for every kind of reference and token unit, side by side, as PNG.

    ``floors_ms`` is how far two references lie apart, by kind of reference, drawn as a line: below it no system is told
    better.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    try:
        budget_figure(budget, floors_ms).savefig(path, dpi=120)
    except OSError as error:
        raise cannot_write(path, error, "choose another place") from error


def budget_figure(budget: Budget, floors_ms: Mapping[str, float] | None = None) -> Picture:
    """The picture itself; parameters as of :func:`draw_budget`."""
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(6.2 * len(budget.strata), 4.6), layout="constrained")
    axes = picture.subplots(1, len(budget.strata), sharey=True, squeeze=False)[0]
    for axis, stratum in zip(axes, budget.strata, strict=True):
        _waterfall(axis, stratum)
        floor_ms = (floors_ms or {}).get(stratum.reference)
        if floor_ms is not None:
            axis.axhline(floor_ms, color=FLOOR, linewidth=1, linestyle="--")
            axis.annotate("between references", (1.1, floor_ms), va="bottom", fontsize=7, color=INK)
    axes[0].set_ylabel("mean absolute error of interior word boundaries, ms")
    s = budget.signature
    picture.suptitle(f"{s['model']} on {s['corpus']}, run {s['id']}: Shapley shares, 95 % intervals", fontsize=10)
    return picture


def _waterfall(axis: Axes, stratum: Stratum) -> None:
    level = stratum.start.value
    axis.bar(0, level, color=INK, width=0.7)
    _label(axis, 0, level, stratum.start)
    for position, step in enumerate(STEPS, start=1):
        share = stratum.shapley[step]
        after = level - share.value
        top = max(level, after)
        axis.plot([position - 1.35, position + 0.35], [level, level], color=INK, linewidth=0.6)
        axis.bar(position, -share.value, bottom=level, color=GAIN if share.value >= 0 else LOSS, width=0.7)
        if share.ci_low is not None and share.ci_high is not None:
            axis.plot([position] * 2, [level - share.ci_high, level - share.ci_low], color="black", linewidth=1)
            top = max(top, level - share.ci_low)
        axis.annotate(f"{-share.value:+.1f}", (position, top), ha="center", va="bottom", fontsize=8)
        level = after
    last = len(STEPS) + 1
    axis.bar(last, stratum.end.value, color=INK, width=0.7)
    _label(axis, last, stratum.end.value, stratum.end)
    for position, found in enumerate((stratum.injection, stratum.injection_upper), start=last + 1):
        _price(axis, position, found.cost)
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.use_sticky_edges = False  # a bar that hangs would pin the upper limit to its top
    axis.margins(y=0.12)
    names = [
        "Whisper's\nheads, DTW",
        *(LABELS[step] for step in STEPS),
        "all steps",
        "price,\nall heads",
        "price,\nupper half",
    ]
    axis.set_xticks(range(len(names)), names, fontsize=7)
    axis.set_title(
        f"{stratum.reference} reference, {stratum.unit}\n{stratum.n_clusters} {stratum.clusters}, "
        f"{stratum.n_effective_clusters:.1f} effective; price: of incompleteness",
        fontsize=9,
    )
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _price(axis: Axes, position: float, cost: Figure) -> None:
    if cost.ci_low is not None and cost.ci_high is not None:
        axis.plot([position] * 2, [cost.ci_low, cost.ci_high], color=COST, marker="_", markersize=9)
    axis.plot(position, cost.value, color=COST, marker="D")
    axis.annotate(f"{cost.value:+.1f}", (position, cost.value), xytext=(7, 4), textcoords="offset points", fontsize=8)


def _label(axis: Axes, position: float, height: float, figure: Figure) -> None:
    interval = "" if figure.ci_low is None else f"\n[{figure.ci_low:.0f}, {figure.ci_high:.0f}]"
    axis.annotate(f"{figure.value:.1f}{interval}", (position, height), ha="center", va="bottom", fontsize=8)
