"""Figures fit for a paper, with matplotlib: what the page draws, as PDF, SVG or PNG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.findings.heads.records import HeadStratum
from align_eval.formats.atomic import cannot_write
from align_eval.formats.run.maps import KeptMaps
from align_eval.records import AudioSpan, System, Word
from align_eval.reporting.figures.utterance import COLOURS, Panel, Tier, utterance_figure
from align_eval.reporting.figures.waterfall import budget_figure
from align_eval.reporting.findings import Findings
from align_eval.reporting.html.charts import CURVE_MS, dash_of
from align_eval.reporting.html.page import default_pair
from align_eval.reporting.html.words import most_telling, word_columns
from align_eval.reporting.media import map_views, maps_of, samples_of
from align_eval.reporting.terminal.scores import floors_ms
from align_eval.reporting.view import RunView, StratumView, family_of, stack_of
from align_eval.scoring.curves import share_within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_UTTERANCES = 3
"""Of the most telling words, so many utterances are drawn."""

DASHES = ("-", "--", ":", "-.")


def draw_figures(
    folder: Path, view: RunView, findings: Findings, spans: Mapping[str, AudioSpan], forms: Sequence[str]
) -> list[str]:
    """Draw tolerance curves, waterfall and heads where there are such findings, and the most telling utterances.

    Parameters
    ----------
    forms
        Of ``pdf``, ``svg`` and ``png``.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    InputError
        Where matplotlib is not installed, or a file cannot be written.
    """
    require_matplotlib()
    written: list[str] = []
    for name, picture in _figures(view, findings, spans):
        for form in forms:
            save(picture, folder / f"{name}.{form}")
            written.append(f"{name}.{form}")
    return written


def require_matplotlib() -> None:
    """Refuse to go on without matplotlib.

    Raises
    ------
    InputError
        Where it is not installed.
    """
    try:
        import matplotlib as _  # noqa: F401
    except ImportError as error:
        raise InputError("figures", "need matplotlib", "pip install 'align-eval[figures]'") from error


def save(picture: Figure, path: Path) -> None:
    """Write a figure in the form of its suffix, text as text, without a date: the same figure is the same bytes.

    Raises
    ------
    InputError
        Where matplotlib does not know the form, or the file cannot be written.
    """
    import matplotlib as mpl

    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "align-eval"}):
            _lay_out(picture)
            picture.savefig(path, dpi=200, metadata=dates.get(path.suffix))
    except OSError as error:
        raise cannot_write(path, error, "choose another place") from error
    except ValueError as error:
        raise InputError(path, f"cannot be written ({error})", "give a file that ends in .pdf, .svg or .png") from error


def _lay_out(picture: Figure) -> None:
    """Fix the layout to the sixth decimal, below which the solver's order of work decides, for every form the same."""
    picture.draw_without_rendering()
    picture.set_layout_engine("none")
    for axis in picture.axes:
        left, bottom, width, height = (round(float(value), 6) for value in axis.get_position().bounds)
        axis.set_position((left, bottom, width, height))


def _figures(view: RunView, findings: Findings, spans: Mapping[str, AudioSpan]) -> Iterator[tuple[str, Figure]]:
    yield "tolerance", _tolerance(view.strata)
    if findings.budget is not None:
        yield "waterfall", budget_figure(findings.budget, floors_ms(view.run))
    if findings.heads is not None:
        for stratum in findings.heads.strata:
            yield f"heads-{stratum.reference}", _heads(stratum)
    yield from _utterances(view, spans)


def _tolerance(strata: Sequence[StratumView]) -> Figure:
    from matplotlib.figure import Figure

    picture = Figure(figsize=(3.6 * len(strata), 4.2), layout="constrained")
    axes = picture.subplots(1, len(strata), sharey=True, squeeze=False)[0]
    for axis, stratum in zip(axes, strata, strict=True):
        shown = stratum.one_a_source
        for i, system in enumerate(shown):
            shares = share_within(np.concatenate([system.starts_s, system.ends_s]), CURVE_MS)
            style = DASHES[dash_of(shown, i)]
            axis.plot(CURVE_MS, 100 * shares, style, color=COLOURS[system.family], label=system.label, linewidth=1.2)
        axis.set_title(f"{stratum.reference} reference, {stratum.n_words} words", fontsize=8)
        axis.set_xlabel("tolerance, ms", fontsize=8)
        axis.set_xlim(0, CURVE_MS[-1])
        axis.set_ylim(0, 100)
        axis.grid(linewidth=0.3)
        axis.tick_params(labelsize=7)
        axis.legend(fontsize=5, loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
    axes[0].set_ylabel("interior boundaries within, %", fontsize=8)
    return picture


def _heads(stratum: HeadStratum) -> Figure:
    from matplotlib.figure import Figure

    names = [tuple(int(part) for part in row.head.split(".")) for row in stratum.heads]
    n_layers, n_heads = 1 + max(layer for layer, _ in names), 1 + max(head for _, head in names)
    picture = Figure(figsize=(2 * (1.3 + 0.36 * n_heads), 1.2 + 0.36 * n_layers), layout="constrained")
    axes = picture.subplots(1, 2)
    of = (
        ("error, ms", "Blues_r", 0, [r.error_ms.value for r in stratum.heads]),
        ("agreement ρ", "Blues", 2, [r.agreement.value for r in stratum.heads]),
    )
    for axis, (title, cmap, digits, values) in zip(axes, of, strict=True):
        grid = np.full((n_layers, n_heads), np.nan)
        for (layer, head), value in zip(names, values, strict=True):
            grid[layer, head] = value
        axis.imshow(grid, cmap=cmap, aspect="equal")
        middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
        for (layer, head), value in zip(names, values, strict=True):
            dark = (value < middle) == (cmap == "Blues_r")
            colour = "white" if dark else "black"
            axis.text(head, layer, f"{value:.{digits}f}", ha="center", va="center", fontsize=5, color=colour)
        axis.set_xticks(range(n_heads))
        axis.set_yticks(range(n_layers))
        axis.tick_params(labelsize=6, length=0)
        axis.set_xlabel("head", fontsize=7)
        axis.set_title(title, fontsize=8)
    axes[0].set_ylabel("layer", fontsize=7)
    picture.suptitle(f"{stratum.reference} reference, {stratum.n_boundaries} boundaries", fontsize=8)
    return picture


def _utterances(view: RunView, spans: Mapping[str, AudioSpan]) -> Iterator[tuple[str, Figure]]:
    columns = word_columns(view.words)
    pair = default_pair(view)
    worst: dict[str, int] = {}
    for i in most_telling(columns, *pair):
        worst.setdefault(columns.utterance[i], i)
    for id_, i in list(worst.items())[:N_UTTERANCES]:
        around_s = float(columns.start_s[i]) - float(columns.of_utterance[id_]["offset_s"])
        kept = maps_of(view.folder, id_)
        views = map_views(kept) if kept is not None else {}
        tiers, panels = [Tier("reference", "reference", _words(view, id_, None))], []
        for name in pair:
            if name is None:
                continue
            source = name.partition(" | ")[0]
            tiers.append(Tier(name, family_of(source), _words(view, id_, name)))
            stack = stack_of(source)
            if stack in views:
                panels.append(Panel(name, family_of(source), views[stack], name))
        samples = samples_of(spans[id_]) if id_ in spans else None
        texts = [word.text for word in tiers[0].words]
        yield f"utterance-{id_.replace('/', '_')}", utterance_figure(id_, texts, samples, tiers, panels, around_s)


def _words(view: RunView, id_: str, system: str | None) -> list[Word]:
    """Words of an utterance from its start, of the reference or by a system; those without both times are left out."""
    table = view.words.filter(pc.equal(view.words.column("utterance"), id_))
    rows = table.to_pylist()
    name = system or f"{rows[0]['source']} | {rows[0]['align']}"
    prefix = "" if system else "reference_"
    times = [
        (row["word"], row[f"{prefix}start_s"], row[f"{prefix}end_s"], row["offset_s"])
        for row in rows
        if f"{row['source']} | {row['align']}" == name
    ]
    return [Word(text, s - offset, e - offset) for text, s, e, offset in times if s is not None and e is not None]


def draw_explained(
    path: Path,
    title: str,
    samples: Samples,
    texts: Sequence[str],
    words: Mapping[System, Sequence[Word]],
    maps: KeptMaps,
    reference: Sequence[Word] | None = None,
) -> None:
    """Draw one recording: words by every system, spectrogram and maps, reference words above where they are given.

    Raises
    ------
    InputError
        As of :func:`save`.
    """
    tiers = [Tier("reference", "reference", reference)] if reference else []
    panels = []
    views = map_views(maps)
    for system, found in words.items():
        name = f"{system.source} | {system.align}"
        tiers.append(Tier(name, family_of(system.source), found))
        stack = stack_of(system.source)
        if stack in views:
            panels.append(Panel(name, family_of(system.source), views[stack], name))
    save(utterance_figure(title, texts, samples, tiers, panels), path)
