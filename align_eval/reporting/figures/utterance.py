"""One utterance as a figure: word tiers, spectrogram and maps below each other on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from align_eval.corpus.audio import Samples
from align_eval.errors import printable
from align_eval.records import Word
from align_eval.reporting.figures.style import COLOURS
from align_eval.reporting.map_images import MapImage
from align_eval.reporting.run_view import Family
from align_eval.reporting.spectrogram import spectrogram
from align_eval.units import SAMPLE_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

COLOUR_MAPS = {"attention": "Blues", "saliency": "Oranges"}
TIER, SPECTROGRAM, LETTER = 0.24, 1.1, 0.045
"""Height of a tier, height of the spectrogram, and width of a letter, in inches."""

LONGEST_S = 8.0
"""Longest stretch drawn: words of a longer one cannot be told apart at the width of a page."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Words by one system or the reference, timed in seconds from the start of the utterance."""

    name: str
    family: Family
    words: Sequence[Word]


@dataclass(frozen=True, slots=True)
class Panel:
    """The map of a source; ``tier`` names the tier that was read from it."""

    name: str
    family: Family
    map: MapImage
    tier: str | None


def utterance_figure(
    title: str,
    texts: Sequence[str],
    samples: Samples | None,
    tiers: Sequence[Tier],
    panels: Sequence[Panel],
    around_s: float | None = None,
) -> Figure:
    """Draw an utterance.

    Parameters
    ----------
    texts
        The words that the rows of the maps belong to.
    samples
        ``float32[n_samples]`` at 16 kHz; None draws no spectrogram.
    tiers
        One line of words each. Boundaries of a reference tier are drawn on every panel.
    panels
        Maps, each drawn with the boundaries of its tier.
    around_s
        Time of interest, in seconds. If the utterance is longer than :data:`LONGEST_S`, only that stretch around the
        time is drawn, with the rows of its words.
    """
    from matplotlib.figure import Figure

    span_s = _span_s(_duration_s(samples, tiers, panels), around_s)
    rows = {panel.name: _rows(panel, tiers, span_s) for panel in panels}
    heights = [TIER * len(tiers), *([SPECTROGRAM] if samples is not None else [])]
    heights += [min(3.6, max(1.0, 0.13 * (rows[panel.name][1] - rows[panel.name][0]))) for panel in panels]
    picture = Figure(figsize=(_width(span_s), sum(heights) + 1.1), layout="constrained")
    axes = picture.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    _tiers(axes[0], tiers, _width(span_s) / (span_s[1] - span_s[0]))
    if samples is not None:
        _spectrogram(axes[1], samples)
        for tier in tiers:
            _boundaries(axes[1], tier)
    for axis, panel in zip(axes[len(heights) - len(panels) :], panels, strict=True):
        _map(axis, panel, texts)
        low, high = rows[panel.name]
        axis.set_ylim(low - 0.5, high - 0.5)
        for tier in tiers:
            if tier.family == "reference" or tier.name == panel.tier:
                _boundaries(axis, tier)
    axes[-1].set_xlabel("time, s", fontsize=8)
    axes[-1].tick_params(axis="x", labelsize=7)
    axes[-1].set_xlim(*span_s)
    picture.suptitle(printable(title), fontsize=9)
    return picture


def _width(span_s: tuple[float, float]) -> float:
    return max(5.0, min(14.0, 2.2 + 1.6 * (span_s[1] - span_s[0])))


def _span_s(duration_s: float, around_s: float | None) -> tuple[float, float]:
    if around_s is None or duration_s <= LONGEST_S:
        return 0.0, duration_s
    start_s = min(max(0.0, around_s - LONGEST_S / 2), duration_s - LONGEST_S)
    return start_s, start_s + LONGEST_S


def _rows(panel: Panel, tiers: Sequence[Tier], span_s: tuple[float, float]) -> tuple[int, int]:
    """The rows of a map whose words lie in a span by any tier: the first row, and the row after the last."""
    n_words = 1 + max(panel.map.word_of_row)
    inside = {
        i
        for tier in tiers
        if len(tier.words) == n_words
        for i, word in enumerate(tier.words)
        if word.end_s > span_s[0] and word.start_s < span_s[1]
    }
    rows = [row for row, word in enumerate(panel.map.word_of_row) if word in inside]
    whole = not rows or len(inside) == n_words
    return (0, len(panel.map.word_of_row)) if whole else (rows[0], rows[-1] + 1)


def _duration_s(samples: Samples | None, tiers: Sequence[Tier], panels: Sequence[Panel]) -> float:
    if samples is not None:
        return len(samples) / SAMPLE_RATE
    ends = [word.end_s for tier in tiers for word in tier.words]
    return float(max([0.0, *ends, *(p.map.start_s + p.map.frame_s * p.map.levels.shape[1] for p in panels)]))


def _tiers(axis: Axes, tiers: Sequence[Tier], inches_per_s: float) -> None:
    for row, tier in enumerate(tiers):
        y, colour = len(tiers) - 1 - row, COLOURS[tier.family]
        for word in tier.words:
            axis.add_patch(_box(word.start_s, y + 0.08, word.end_s - word.start_s, 0.84, colour))
            if LETTER * len(word.text) > (word.end_s - word.start_s) * inches_per_s:
                continue  # text wider than its box would run into the next word
            middle = (word.start_s + word.end_s) / 2
            axis.text(middle, y + 0.47, printable(word.text), ha="center", va="center", fontsize=6, clip_on=True)
    axis.set_ylim(0, len(tiers))
    axis.set_yticks(
        [len(tiers) - 0.5 - row for row in range(len(tiers))], [printable(t.name) for t in tiers], fontsize=6
    )
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _box(x: float, y: float, width: float, height: float, colour: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor="white", edgecolor=colour, linewidth=0.8)


def _spectrogram(axis: Axes, samples: Samples) -> None:
    image = spectrogram(samples)
    half, khz = image.frame_s / 2, image.top_hz / 1000
    extent = (-half, image.frame_s * image.levels.shape[1] - half, 0.0, khz)
    axis.imshow(image.levels, origin="lower", aspect="auto", extent=extent, cmap="Greys", interpolation="bilinear")
    axis.set_ylabel("kHz", fontsize=7)
    axis.tick_params(labelsize=6)


def _map(axis: Axes, panel: Panel, texts: Sequence[str]) -> None:
    image = panel.map
    n_rows, n_frames = image.levels.shape
    extent = (image.start_s, image.start_s + image.frame_s * n_frames, -0.5, n_rows - 0.5)
    cmap = COLOUR_MAPS.get(panel.family, "Greys")
    axis.imshow(image.levels, origin="lower", aspect="auto", extent=extent, cmap=cmap, interpolation="nearest")
    words = np.array(image.word_of_row)
    first = np.flatnonzero(np.diff(words, prepend=-2))
    last = np.append(first[1:], n_rows)
    names = [printable(texts[words[row]]) if words[row] >= 0 else "(end)" for row in first]
    axis.set_yticks(((first + last - 1) / 2).tolist(), names, fontsize=5)
    axis.set_title(printable(panel.name), fontsize=7, loc="left")


def _boundaries(axis: Axes, tier: Tier) -> None:
    times_s = sorted({time for word in tier.words for time in (word.start_s, word.end_s)})
    style = {"reference": "-", "saliency": ":"}.get(tier.family, "--")
    for width, colour in (
        (2.0, "white"),
        (0.9, COLOURS[tier.family]),
    ):  # white rim for dark maps
        for time_s in times_s:
            axis.axvline(time_s, color=colour, linewidth=width, linestyle=style if width < 1 else "-", alpha=0.9)
