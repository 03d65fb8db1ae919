"""The report of a run as one HTML file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from align_eval.errors import InputError, NotComparableError
from align_eval.formats.atomic import write_bytes, writing
from align_eval.gate.verdicts import Comparison
from align_eval.records import AudioSpan
from align_eval.reporting.failures import failure_lines
from align_eval.reporting.findings import Findings
from align_eval.reporting.html.embed import choose_stretches, embed_media, word_place
from align_eval.reporting.html.sections.agreement import agreement_lines, agreement_section, word_agreement
from align_eval.reporting.html.sections.answer import answer_section
from align_eval.reporting.html.sections.budget import budget_section
from align_eval.reporting.html.sections.drift import drift_section
from align_eval.reporting.html.sections.errors import errors_section
from align_eval.reporting.html.sections.heads import heads_section
from align_eval.reporting.html.sections.sources import sources_section
from align_eval.reporting.html.sections.verdict import verdict_section
from align_eval.reporting.html.sections.words import pack_words, select_words, words_bytes, words_note
from align_eval.reporting.run_view import RunView, default_pair
from align_eval.reporting.utterance_phones import phones_reader
from align_eval.reporting.word_columns import rank_words, word_columns
from align_eval.signature import run_signature_line

HERE = Path(__file__).resolve().parent
SCRIPTS = ("words.js", "table.js", "sound.js", "zoom.js", "picture.js", "textgrid.js", "dialog.js", "page.js")
"""Parts of the page's script, in order. They share one scope."""

MB = 1_000_000
MAX_MB = 25.0
WORDS_SHARE = 0.5
"""Largest share of the size limit for the table of words. Media get the rest."""

PAGE_BYTES = 1.5 * MB
"""Reserved for template, style, script and charts."""


@dataclass(frozen=True, slots=True)
class Written:
    """Content of a written page: its size, and the words and utterances on it, with the number there are in the run."""

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
        Results to show with the run.
    spans
        Audio of the utterances, by id.
    audio
        Whether to embed sound.
    max_mb
        Size limit in millions of bytes. The lowest-ranked words and utterances that do not fit are left out, and the
        page says how many.

    Raises
    ------
    InputError
        If the run has no words, or the file cannot be written.
    """
    columns = word_columns(view.words)
    if not columns.text:
        raise InputError(view.folder / "words.parquet", "holds no words", "run again")
    pair = default_pair(view)
    ranking = rank_words(columns, *pair)
    rho = word_agreement(view.maps_of, columns, pair, view.run.failures)
    limit_bytes = max_mb * MB - PAGE_BYTES
    selected = select_words(columns, ranking, WORDS_SHARE * limit_bytes)
    data = pack_words(view, columns, selected, pair, rho)
    media_bytes = int(limit_bytes - words_bytes(len(selected), len(columns.errors_s)))
    on_page = set(selected)
    stretches = choose_stretches(word_place(columns, i) for i in ranking if i in on_page)
    phones_of = phones_reader(spans, {id_: row["speaker"] for id_, row in columns.utterance_rows.items()})
    media = embed_media(view.maps_of, stretches, spans, media_bytes, audio=audio, phones_of=phones_of)
    has_sources = any(system["stack"] is not None for system in data["systems"])
    text = _render(
        **_run_sections(view, findings, verdict),
        agreement=agreement_section(view, columns, rho, pair[0]),
        has_sources=has_sources,
        pair=[data["systems"][i] if i is not None else None for i in data["pair"]],
        words_note=words_note(len(selected), len(columns.text), media, has_sources=has_sources, audio=audio),
        data=data,
        media=media.entries,
    )
    with writing(path):
        write_bytes(path, text.encode())
    return Written(
        path.stat().st_size,
        len(selected),
        len(columns.text),
        len(media.entries),
        media.n_utterances,
        media.has_sound,
    )


def _run_sections(view: RunView, findings: Findings, verdict: Comparison | NotComparableError | None) -> dict[str, Any]:
    """Everything on the page except the words and their agreement."""
    signature = view.run.signature
    return {
        "title": f"{signature['model']} on {signature['corpus']}",
        "signature": run_signature_line(view.run),
        "run_id": signature["id"],
        "n_failures": len(view.run.failures),
        "failures": failure_lines(view.run.failures),
        "answers": answer_section(view.run),
        "has_intervals": any(step.error.ci_low is not None for of in view.run.answer or () for step in of.steps),
        "no_answer": view.run.no_answer,
        "strata": [sources_section(stratum) | errors_section(stratum) for stratum in view.strata],
        "n_systems": len({system.name for stratum in view.strata for system in stratum.systems}),
        "budget": budget_section(view, findings.budget),
        "verdict": verdict_section(verdict) if verdict is not None else None,
        "rhos": agreement_lines(findings),
        "heads": heads_section(findings),
        "drift": drift_section(view.strata, findings.drift),
    }


def _render(**values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        **values,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=Markup(f"'sha256-{digest}'"),
    )


def _script() -> str:
    parts = [(HERE / "script" / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return f'"use strict";\n(() => {{\n{"".join(parts)}}})();\n'
