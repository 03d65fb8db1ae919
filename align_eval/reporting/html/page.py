"""The page: what the template is given, and the file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from align_eval.errors import InputError, NotComparableError
from align_eval.formats.atomic import cannot_write, write_bytes
from align_eval.gate.verdicts import Comparison
from align_eval.records import AudioSpan
from align_eval.reporting.findings import Findings, is_long
from align_eval.reporting.html import charts, sections
from align_eval.reporting.html.distributions import histograms
from align_eval.reporting.html.embed import LONGEST_S, STRETCH_S, embed_media, stretches
from align_eval.reporting.html.words import WordColumns, most_telling, packed, word_agreement, word_columns
from align_eval.reporting.signature_text import run_signature_line
from align_eval.reporting.view import CALIBRATED, INTERIOR, RunView, StratumView, SystemView, stack_of
from align_eval.scoring.boundaries import Floats

HERE = Path(__file__).resolve().parent
MB = 1_000_000
MAX_MB = 25.0
ROWS_SHARE = 0.5
"""Of the page's size, what the rows of words may take; pictures and sound get the rest."""

PAGE_BYTES = 1.5 * MB
"""Kept for template, style, script and charts."""

MAX_DOTS = 1500
"""Of more words than that an even part is drawn."""


@dataclass(frozen=True, slots=True)
class Written:
    """What went into a page: its size, and how many words and utterances of how many."""

    size_bytes: int
    n_words: int
    n_words_of: int
    n_media: int
    n_media_of: int
    with_sound: bool


def write_report(
    path: Path,
    view: RunView,
    findings: Findings,
    spans: Mapping[str, AudioSpan],
    verdict: Comparison | NotComparableError | None = None,
    *,
    audio: bool = True,
    max_mb: float = MAX_MB,
) -> Written:
    """Write the report as one HTML file.

    Parameters
    ----------
    findings, verdict
        What is shown beside the run.
    spans
        Where the samples of utterances are.
    audio
        Whether sound is embedded.
    max_mb
        The greatest size in millions of bytes: words and utterances that do not fit are left out, the least telling
        first, and the page says how many.

    Raises
    ------
    InputError
        Where the run has no words, or the file cannot be written.
    """
    columns = word_columns(view.words)
    if not columns.text:
        raise InputError(view.folder / "words.parquet", "holds no words", "run again")
    names = list(columns.errors_s)
    pair = default_pair(view)
    order = most_telling(columns, *pair)
    rho = word_agreement(view.folder, columns, *_two(pair), view.run.failures) if None not in pair else None
    budget_bytes = max_mb * MB - PAGE_BYTES
    chosen = _chosen(columns, order, len(names), ROWS_SHARE * budget_bytes)
    data = packed(columns, chosen, names, rho)
    data["systems"] = [_system(view, name) for name in names]
    data["pair"] = [names.index(name) if name is not None else None for name in pair]
    room = int(budget_bytes - _rows_bytes(len(chosen), len(names)))
    on_page = set(chosen)
    wanted = stretches(_place(columns, i) for i in order if i in on_page)
    media, left_out = embed_media(view.folder, wanted, spans, room, audio=audio)
    ids = {stretch.utterance for stretch in wanted}
    could = any(system["stack"] is not None for system in data["systems"])
    parts = any(not stretch.whole for stretch in wanted)
    text = _render(
        view,
        findings,
        verdict,
        data=data,
        media=media,
        agreement=_agreement(view, columns, rho, pair),
        words_note=_words_note(
            len(chosen),
            len(columns.text),
            media,
            left_out,
            len(ids),
            could=could,
            parts=parts,
            audio=audio,
        ),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode())
    except OSError as error:
        raise cannot_write(path, error, "choose another --out") from error
    with_sound = any("audio" in entry for entries in media.values() for entry in entries)
    size = path.stat().st_size
    return Written(size, len(chosen), len(columns.text), len(media), len(ids), with_sound)


def default_pair(view: RunView) -> tuple[str | None, str | None]:
    """The systems that the words are first sorted by: the attention and the saliency of least error under the first
    kind of reference; without either, the two systems of least error.
    """
    first = view.strata[0]
    attention, saliency = first.best("attention"), first.best("saliency")
    names = [system.name for system in first.systems]
    if attention and saliency:
        return attention.name, saliency.name
    return names[0], names[1] if len(names) > 1 else None


def _two(pair: tuple[str | None, str | None]) -> tuple[str, str]:
    return str(pair[0]), str(pair[1])


def _system(view: RunView, name: str) -> dict[str, Any]:
    found = next(system for stratum in view.strata for system in stratum.systems if system.name == name)
    return {"name": found.label, "family": found.family, "stack": stack_of(found.source)}


def _rows_bytes(n_words: int, n_systems: int) -> int:
    """About what so many words take on the page: some 14 bytes a word and system, and the word itself."""
    return n_words * (14 * n_systems + 60)


def _chosen(columns: WordColumns, order: Sequence[int], n_systems: int, room_bytes: float) -> list[int]:
    """As many words as fit, the most telling ones, in the order of the table."""
    n = min(len(order), max(1, int(room_bytes / _rows_bytes(1, n_systems))))
    return sorted(order[:n]) if n < len(order) else list(range(len(columns.text)))


def _place(columns: WordColumns, i: int) -> tuple[str, float, float, float]:
    """A word's utterance, the length of that, and where in it the word is."""
    utterance = columns.of_utterance[columns.utterance[i]]
    offset_s = utterance["offset_s"]
    return (
        columns.utterance[i],
        float(utterance["duration_s"]),
        float(columns.start_s[i] - offset_s),
        float(columns.end_s[i] - offset_s),
    )


def _words_note(
    n: int,
    n_of: int,
    media: Mapping[str, Sequence[Mapping[str, Any]]],
    left_out: Sequence[str],
    n_utterances: int,
    *,
    could: bool,
    parts: bool,
    audio: bool,
) -> list[str]:
    notes = []
    if n < n_of:
        notes.append(f"{n} of {n_of} words are on this page, those of the greatest errors and differences.")
    seen = sum("spectrogram" in entries[0] for entries in media.values())
    heard = sum("audio" in entries[0] for entries in media.values())
    mapped = sum(bool(entries[0]["maps"]) for entries in media.values())
    has = [*([(mapped, "maps")] if could else []), (seen, "a spectrogram"), (heard, "sound")]
    listed = ", ".join(f"{count or 'none'} with {name}" for count, name in has if count < n_utterances)
    if listed:
        notes.append(f"{n_utterances} utterances: {listed}.")
    if could and not mapped:
        notes.append("To see maps, run with --keep maps.")
    if not audio:
        notes.append("Sound was left out on request.")
    if parts:
        notes.append(
            f"Of utterances longer than {LONGEST_S:g} s there are {STRETCH_S:g} s around the most telling words."
        )
    if left_out:
        notes.append(f"Left out for the size of the file: {len(left_out)} of {n_utterances} utterances.")
    return notes


def _agreement(
    view: RunView, columns: WordColumns, rho: Floats | None, pair: tuple[str | None, str | None]
) -> list[dict[str, Any]]:
    """Error against agreement, a part a kind of reference."""
    if rho is None:
        return []
    error = columns.error_ms(pair[0], interior=True)
    kinds = np.array([columns.of_utterance[id_]["reference"] for id_ in columns.utterance])
    parts = []
    for stratum in view.strata:
        known = np.flatnonzero((kinds == stratum.reference) & np.isfinite(rho) & np.isfinite(error))
        if len(known) < 8:
            continue
        quarters = _quarters(rho[known], error[known])
        drawn = known[:: 1 + len(known) // MAX_DOTS]
        titles = [f"{columns.text[i]} ({columns.utterance[i]}): ρ {rho[i]:.2f}, {error[i]:.0f} ms" for i in drawn]
        parts.append(
            {
                "reference": stratum.reference,
                "n": len(known),
                "n_drawn": len(drawn),
                "quarters": quarters,
                "chart": charts.scatter(rho[drawn], error[drawn], quarters, titles),
            }
        )
    return parts


def _quarters(rho: Floats, error_ms: Floats) -> list[tuple[float, float]]:
    """Least agreement and mean error of each quarter of words by agreement."""
    order = np.argsort(rho, kind="stable")
    return [(float(rho[part[0]]), float(error_ms[part].mean())) for part in np.array_split(order, 4)]


def _render(
    view: RunView,
    findings: Findings,
    verdict: Comparison | NotComparableError | None,
    *,
    data: Mapping[str, Any],
    media: Mapping[str, Any],
    agreement: Sequence[Mapping[str, Any]],
    words_note: Sequence[str],
) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    signature = view.run.signature
    pair = [data["systems"][i] if i is not None else None for i in data["pair"]]
    return environment.get_template("page.html").render(
        has_sources=any(system["stack"] is not None for system in data["systems"]),
        title=f"{signature['model']} on {signature['corpus']}",
        signature=run_signature_line(view.run),
        run_id=signature["id"],
        failures=view.run.failures,
        answers=sections.cards(view, findings),
        strata=[_stratum(stratum) for stratum in view.strata],
        budget=sections.budget_parts(view, findings.budget),
        verdict=sections.verdict_parts(verdict) if verdict is not None else None,
        agreement=agreement,
        rhos=sections.rho_lines(findings),
        heads=sections.head_parts(findings),
        drift=_drift(view.strata, findings),
        pair=pair,
        words_note=words_note,
        data=data,
        media=media,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=Markup(f"'sha256-{digest}'"),
    )


def _stratum(stratum: StratumView) -> dict[str, Any]:
    shown = stratum.one_a_source
    top_ms = _top_ms(stratum.systems)
    return {
        "reference": stratum.reference,
        "n_words": stratum.n_words,
        "clusters": stratum.clusters,
        "axis": charts.interval_axis(top_ms),
        "systems": [sections.system_row(system, charts.interval_plot(system, top_ms)) for system in stratum.systems],
        "histograms": histograms(shown),
        "curves": charts.tolerance_curves(shown),
        "legend": charts.legend(shown),
        "spread": [sections.spread_row(system) for system in shown],
        "within": [sections.within_row(system) for system in shown],
    }


def _top_ms(systems: Iterable[SystemView]) -> float:
    """Where the scale of intervals ends: beyond all but outliers, which are drawn at the edge."""
    rows = [system.rows.get(key) for system in systems for key in (INTERIOR, CALIBRATED)]
    ends = [row.ci_high or row.value for row in rows if row is not None]
    return max(20.0, min(max(ends), 3 * float(np.median(ends)))) * 1.04 if ends else 100.0


def _drift(strata: Sequence[StratumView], findings: Findings) -> list[dict[str, Any]]:
    if findings.drift is None or not is_long(findings.drift):
        return []
    return [
        {
            "reference": stratum.reference,
            "chart": charts.drift_lines(findings.drift, stratum),
            "legend": charts.legend(stratum.one_a_source),
            "rows": sections.drift_rows(findings.drift, stratum),
        }
        for stratum in strata
    ]
