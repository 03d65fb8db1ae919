"""One utterance as a figure: words on tiers, spectrogram and maps under each other on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from align_eval.corpus.audio import Samples
from align_eval.records import Word
from align_eval.reporting.media import MapView
from align_eval.reporting.spectrogram import spectrogram
from align_eval.reporting.view import Family
from align_eval.units import SAMPLE_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

COLOURS: Mapping[Family, str] = {
    "attention": "#0067a5",
    "saliency": "#c2500a",
    "hybrid": "#9c4682",
    "control": "#7a7f87",
    "given": "#6a4fb3",
    "reference": "#00795a",
}
"""Of the families, told apart by the colour-blind too; the page has the same."""

MAPS = {"attention": "Blues", "saliency": "Oranges"}
TIER, SPECTROGRAM, LETTER = 0.24, 1.1, 0.045
"""Heights, and the width of a letter, in inches."""

LONGEST_S = 8.0
"""More than that on a page's width tells no words apart."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Words by one system, or by the reference; times in seconds from the start of the utterance."""

    name: str
    family: Family
    words: Sequence[Word]


@dataclass(frozen=True, slots=True)
class Panel:
    """The map of a source, with the name of the tier that was read off it."""

    name: str
    family: Family
    map: MapView
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
        The words that the rows of maps belong to.
    samples
        At 16 kHz; without them there is no spectrogram.
    tiers
        A line of words each; the boundaries of the first, where it is the reference, stand on every panel.
    panels
        Maps, each with the boundaries of its tier.
    around_s
        Of an utterance longer than :data:`LONGEST_S` the stretch around that is drawn, with the rows of its words.
    """
    from matplotlib.figure import Figure

    span_s = _span_s(_duration_s(samples, tiers, panels), around_s)
    shown = {p.name: _rows(p, tiers, span_s) for p in panels}
    heights = [TIER * len(tiers), *([SPECTROGRAM] if samples is not None else [])]
    heights += [min(3.6, max(1.0, 0.13 * (shown[panel.name][1] - shown[panel.name][0]))) for panel in panels]
    picture = Figure(figsize=(_width(span_s), sum(heights) + 1.1), layout="constrained")
    axes = picture.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    _tiers(axes[0], tiers, _width(span_s) / (span_s[1] - span_s[0]))
    if samples is not None:
        _spectrogram(axes[1], samples)
        for tier in tiers:
            _boundaries(axes[1], tier)
    for axis, panel in zip(axes[len(heights) - len(panels) :], panels, strict=True):
        _map(axis, panel, texts)
        low, high = shown[panel.name]
        axis.set_ylim(low - 0.5, high - 0.5)
        for tier in tiers:
            if tier.family == "reference" or tier.name == panel.tier:
                _boundaries(axis, tier)
    axes[-1].set_xlabel("time, s", fontsize=8)
    axes[-1].tick_params(axis="x", labelsize=7)
    axes[-1].set_xlim(*span_s)
    picture.suptitle(title, fontsize=9)
    return picture


def _width(span_s: tuple[float, float]) -> float:
    return max(5.0, min(14.0, 2.2 + 1.6 * (span_s[1] - span_s[0])))


def _span_s(duration_s: float, around_s: float | None) -> tuple[float, float]:
    if around_s is None or duration_s <= LONGEST_S:
        return 0.0, duration_s
    start_s = min(max(0.0, around_s - LONGEST_S / 2), duration_s - LONGEST_S)
    return start_s, start_s + LONGEST_S


def _rows(panel: Panel, tiers: Sequence[Tier], span_s: tuple[float, float]) -> tuple[int, int]:
    """The rows of a map whose words lie in a span by any tier: the first and the one after the last."""
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
                continue  # a name beyond its box would read as its neighbour's
            middle = (word.start_s + word.end_s) / 2
            axis.text(middle, y + 0.47, _plain(word.text), ha="center", va="center", fontsize=6, clip_on=True)
    axis.set_ylim(0, len(tiers))
    axis.set_yticks([len(tiers) - 0.5 - row for row in range(len(tiers))], [_plain(t.name) for t in tiers], fontsize=6)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _box(x: float, y: float, width: float, height: float, colour: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor="white", edgecolor=colour, linewidth=0.8)


def _spectrogram(axis: Axes, samples: Samples) -> None:
    found = spectrogram(samples)
    half, khz = found.frame_s / 2, found.top_hz / 1000
    extent = (-half, found.frame_s * found.levels.shape[1] - half, 0.0, khz)
    axis.imshow(found.levels, origin="lower", aspect="auto", extent=extent, cmap="Greys", interpolation="bilinear")
    axis.set_ylabel("kHz", fontsize=7)
    axis.tick_params(labelsize=6)


def _map(axis: Axes, panel: Panel, texts: Sequence[str]) -> None:
    view = panel.map
    n_rows, n_frames = view.levels.shape
    extent = (view.start_s, view.start_s + view.frame_s * n_frames, -0.5, n_rows - 0.5)
    cmap = MAPS.get(panel.family, "Greys")
    axis.imshow(view.levels, origin="lower", aspect="auto", extent=extent, cmap=cmap, interpolation="nearest")
    words = np.array(view.word_of_row)
    first = np.flatnonzero(np.diff(words, prepend=-2))
    last = np.append(first[1:], n_rows)
    names = [_plain(texts[words[row]]) if words[row] >= 0 else "(end)" for row in first]
    axis.set_yticks(((first + last - 1) / 2).tolist(), names, fontsize=5)
    axis.set_title(_plain(panel.name), fontsize=7, loc="left")


def _boundaries(axis: Axes, tier: Tier) -> None:
    times_s = sorted({time for word in tier.words for time in (word.start_s, word.end_s)})
    style = {"reference": "-", "saliency": ":"}.get(tier.family, "--")
    for width, colour in ((2.0, "white"), (0.9, COLOURS[tier.family])):  # a rim, so that it is seen on dark, too
        for time_s in times_s:
            axis.axvline(time_s, color=colour, linewidth=width, linestyle=style if width < 1 else "-", alpha=0.9)


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
