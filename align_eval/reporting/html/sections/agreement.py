"""The section with the error of words against the agreement of attention with saliency."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from align_eval.engine.fitting_maps import MapsOf
from align_eval.findings.agreement.correlation import agreement
from align_eval.formats.run.maps import n_words_of
from align_eval.records import Failure
from align_eval.relevance.source import parse_source
from align_eval.reporting.budget_sentences import effect_sentence
from align_eval.reporting.findings import Findings
from align_eval.reporting.html.svg import Plane, axes, figure, line
from align_eval.reporting.numbers import number_text
from align_eval.reporting.run_view import RunView, family_of, stack_of
from align_eval.reporting.word_columns import WordColumns
from align_eval.scoring.boundaries import Floats

MAX_DOTS = 1500
"""Of more words, an even part is drawn."""

MIN_WORDS = 8
"""Fewer words are not drawn."""


def word_agreement(
    maps_of: MapsOf, columns: WordColumns, pair: tuple[str | None, str | None], failures: Sequence[Failure]
) -> Floats | None:
    """Correlate the maps behind two systems, word by word.

    Parameters
    ----------
    maps_of
        Reads the saved maps of an utterance.
    pair
        An attention system and a saliency system with the same token unit.

    Returns
    -------
    float64[n_words] or None
        Pearson's correlation of the two maps, both standardised per token. NaN if a map is constant or was not saved.
        None for any other pair, and if no maps were saved.
    """
    specs = [system.partition(" | ")[0] for system in pair if system is not None]
    stacks = [stack_of(spec) for spec in specs]
    if [family_of(spec) for spec in specs] != ["attention", "saliency"] or None in stacks:
        return None
    attention, saliency = (str(stack) for stack in stacks)
    unit = parse_source(attention).tokens.unit
    if unit != parse_source(saliency).tokens.unit:
        return None
    failed = {failure.id for failure in failures if failure.system is None}
    n_words = Counter(columns.utterance)
    rho: dict[str, Floats] = {}
    for id_ in columns.utterance_rows:
        maps = maps_of(id_) if id_ not in failed else None
        if maps is None or n_words_of(maps, unit) != n_words[id_]:
            continue
        if attention in maps.stacks and saliency in maps.stacks:
            a, s = (_mean_map(maps.stacks[spec]) for spec in (attention, saliency))
            rho[id_] = agreement(a, s, maps.word_of_token[unit][:-1], "rows", "pearson").words
    if not rho:
        return None
    return np.array([rho[u][i] if u in rho else np.nan for u, i in zip(columns.utterance, columns.index, strict=True)])


def agreement_section(
    view: RunView, columns: WordColumns, rho: Floats | None, system: str | None
) -> list[dict[str, Any]]:
    """A scatter plot for each kind of reference with enough words.

    Parameters
    ----------
    rho
        Agreement of each word, ``float64[n_words]``, from :func:`word_agreement`.
    system
        The system with the errors.
    """
    if rho is None:
        return []
    error_ms = columns.error_ms(system, interior=True)
    references = np.array([columns.utterance_rows[id_]["reference"] for id_ in columns.utterance])
    parts = []
    for stratum in view.strata:
        words = np.flatnonzero((references == stratum.reference) & np.isfinite(rho) & np.isfinite(error_ms))
        if len(words) < MIN_WORDS:
            continue
        quarters = _quarters(rho[words], error_ms[words])
        drawn = words[:: 1 + len(words) // MAX_DOTS]
        titles = [f"{columns.text[i]} ({columns.utterance[i]}): ρ {rho[i]:.2f}, {error_ms[i]:.0f} ms" for i in drawn]
        parts.append(
            {
                "reference": stratum.reference,
                "n": len(words),
                "n_drawn": len(drawn),
                "quarters": quarters,
                "chart": _scatter(rho[drawn], error_ms[drawn], quarters, titles),
            }
        )
    return parts


def agreement_lines(findings: Findings) -> list[str]:
    """The results of `budget` and `agree` on agreement and error, one sentence each."""
    lines = []
    for s in findings.budget.strata if findings.budget is not None else ():
        if s.head_sets is not None:
            lines.append(effect_sentence(s.head_sets, s))
    for row in findings.agree.rows if findings.agree is not None else ():
        if (row.group, row.level, row.method, row.normalisation) == ("all", "utterance", "pearson", "rows"):
            rho = number_text(row.value, row.ci_low, row.ci_high, 3)
            lines.append(f"Agreement of {row.source} with {row.saliency}: ρ = {rho}, {row.n} utterances.")
    return lines


def _mean_map(stack: npt.NDArray[np.float32]) -> Floats:
    """The mean over heads, without the row of the end of the text."""
    return np.asarray(stack.mean(axis=0)[:-1], dtype=np.float64)


def _quarters(rho: Floats, error_ms: Floats) -> list[tuple[float, float]]:
    """Least agreement and mean error of each quarter of the words, by agreement."""
    order = np.argsort(rho, kind="stable")
    return [(float(rho[part[0]]), float(error_ms[part].mean())) for part in np.array_split(order, 4)]


def _scatter(rho: Floats, error_ms: Floats, quarters: Sequence[tuple[float, float]], titles: Sequence[str]) -> Markup:
    """A dot per word, and a step per quarter at its mean error."""
    top = max(50.0, float(np.quantile(error_ms, 0.98)))
    plane = Plane((math.floor(10 * float(rho.min()) - 0.2) / 10, 1.0), (0, top * 1.04), height=300, left=52)
    parts = [axes(plane, "agreement of attention with saliency, ρ", "error of the word, ms")]
    dot = Markup('<circle cx="{:g}" cy="{:g}" r="2.6" class="dot"><title>{}</title></circle>')
    for x, y, title in zip(rho.tolist(), error_ms.tolist(), titles, strict=True):
        parts.append(dot.format(plane.x(x), plane.y(min(y, top)), title))
    edges = [*(low for low, _ in quarters), float(rho.max())]
    for (_, mean), low, high in zip(quarters, edges, edges[1:], strict=False):
        y = plane.y(min(mean, top))
        parts.append(line((plane.x(low), y), (plane.x(high), y), "quarter"))
    return figure(plane, "Error of words against agreement; the means by quarter are in the text below", parts)
