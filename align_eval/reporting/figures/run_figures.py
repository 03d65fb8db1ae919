"""The figures of a run, as PDF, SVG or PNG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from align_eval.records import AudioSpan, Word
from align_eval.reporting.figures.heads import heads_figure
from align_eval.reporting.figures.save import require_matplotlib, save
from align_eval.reporting.figures.steps import steps_figure
from align_eval.reporting.figures.tolerance import tolerance_figure
from align_eval.reporting.figures.utterance import Panel, Tier, utterance_figure
from align_eval.reporting.figures.waterfall import budget_figure
from align_eval.reporting.findings import Findings
from align_eval.reporting.map_images import map_images
from align_eval.reporting.reference_order import in_order
from align_eval.reporting.run_view import RunView, default_pair, family_of, stack_of
from align_eval.reporting.terminal.scores import floors_ms
from align_eval.reporting.utterance_audio import read_samples
from align_eval.reporting.word_columns import rank_words, word_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_UTTERANCES = 3
"""Number of utterances drawn, in the ranking of their words."""


def draw_figures(
    folder: Path, view: RunView, findings: Findings, spans: Mapping[str, AudioSpan], formats: Sequence[str]
) -> list[str]:
    """Draw tolerance curves, the utterances of the top-ranked words, with answer, waterfall and heads if there are any.

    Parameters
    ----------
    spans
        Audio of the utterances, by id. Without it an utterance has no spectrogram.
    formats
        Any of ``pdf``, ``svg`` and ``png``.

    Returns
    -------
    list of str
        Names of the files in ``folder``.

    Raises
    ------
    InputError
        If matplotlib is not installed, or a file cannot be written.
    """
    require_matplotlib()
    names: list[str] = []
    for stem, picture in _figures(view, findings, spans):
        for suffix in formats:
            save(picture, folder / f"{stem}.{suffix}")
            names.append(f"{stem}.{suffix}")
    return names


def _figures(view: RunView, findings: Findings, spans: Mapping[str, AudioSpan]) -> Iterator[tuple[str, Figure]]:
    if view.run.answer:
        yield "answer", steps_figure(in_order(view.run.answer), view.run)
    yield "tolerance", tolerance_figure(view.strata)
    if findings.budget is not None:
        yield "waterfall", budget_figure(findings.budget, floors_ms(view.run))
    if findings.heads is not None:
        for stratum in findings.heads.strata:
            yield f"heads-{stratum.reference}", heads_figure(stratum)
    yield from _utterances(view, spans)


def _utterances(view: RunView, spans: Mapping[str, AudioSpan]) -> Iterator[tuple[str, Figure]]:
    columns = word_columns(view.words)
    pair = default_pair(view)
    labels = {system.name: system.label for stratum in view.strata for system in stratum.systems}
    top_word: dict[str, int] = {}
    for i in rank_words(columns, *pair):
        top_word.setdefault(columns.utterance[i], i)
    for id_, i in list(top_word.items())[:N_UTTERANCES]:
        around_s = float(columns.start_s[i]) - float(columns.utterance_rows[id_]["offset_s"])
        maps = view.maps_of(id_)
        images = map_images(maps) if maps is not None else {}
        tiers, panels = [Tier("reference", "reference", _words(view, id_, None))], []
        texts = [word.text for word in tiers[0].words]
        for name in pair:
            if name is None:
                continue
            source = name.partition(" | ")[0]
            tiers.append(Tier(labels[name], family_of(source), _words(view, id_, name)))
            stack = stack_of(source)
            if stack in images and max(images[stack].word_of_row) < len(texts):
                panels.append(Panel(labels[name], family_of(source), images[stack], labels[name]))
        duration_s = float(columns.utterance_rows[id_]["duration_s"])
        samples = read_samples(spans[id_], duration_s) if id_ in spans else None
        yield f"utterance-{id_.replace('/', '_')}", utterance_figure(id_, texts, samples, tiers, panels, around_s)


def _words(view: RunView, id_: str, system: str | None) -> list[Word]:
    """Words of an utterance by a system, or by the reference, timed from its start. Words without both times are left
    out.
    """
    rows = view.words.filter(pc.equal(view.words.column("utterance"), id_)).to_pylist()
    name = system or f"{rows[0]['source']} | {rows[0]['align']}"
    prefix = "" if system else "reference_"
    times = [
        (row["word"], row[f"{prefix}start_s"], row[f"{prefix}end_s"], row["offset_s"])
        for row in rows
        if f"{row['source']} | {row['align']}" == name
    ]
    return [Word(text, s - offset, e - offset) for text, s, e, offset in times if s is not None and e is not None]
