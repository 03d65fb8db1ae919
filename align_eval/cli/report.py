"""The commands `report`, which writes a run as a page and figures, and `explain`, which draws one recording."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    Channel,
    CorpusKind,
    Device,
    Edited,
    Language,
    MarginMs,
    Model,
    Recording,
    RunFolder,
    ShiftMs,
    SpokenText,
    Tier,
    make_console,
    print_json,
)
from align_eval.reporting.terminal.printing import print_line


class Form(StrEnum):
    """File formats of figures."""

    pdf = "pdf"
    svg = "svg"
    png = "png"


def report(
    run: RunFolder,
    finding: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of a finding, as from `heads search`; may be repeated. Findings in RUN are always shown."
        ),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="A run or baseline to compare RUN with, as in compare.")] = None,
    margin_ms: MarginMs = 5.0,
    shift_ms: ShiftMs = 20.0,
    corpus: Annotated[
        str | None,
        typer.Option(help="Corpus with the audio, as in run, if the audio was moved or RUN does not name it."),
    ] = None,
    kind: CorpusKind = None,
    tier: Tier = None,
    channel: Channel = None,
    audio: Annotated[
        bool, typer.Option("--audio/--no-audio", help="Embed sound, so that the page can play words.")
    ] = True,
    max_mb: Annotated[
        float, typer.Option(min=3, help="Size limit of the page; words of small errors are left out first.")
    ] = 25.0,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: RUN/report.html.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for figures for a paper (needs the extra `figures`).")
    ] = None,
    form: Annotated[
        list[Form] | None, typer.Option(help="File format of figures; may be repeated. Default: pdf.")
    ] = None,
    edited: Edited = False,
    as_json: AsJson = False,
) -> None:
    """Write a run as one HTML page that needs no network: scores, charts, the verdict, and words to see and hear.

    Example: align-eval report runs/kept --finding runs/heads.json --baseline baselines/mine --out report.html
    """
    from align_eval.gate.compare import compare_or_reason, read_side
    from align_eval.gate.verdicts import GateOptions
    from align_eval.reporting.findings import gather_findings
    from align_eval.reporting.html.page import write_report
    from align_eval.reporting.run_view import view_run
    from align_eval.reporting.utterance_audio import find_audio

    view = view_run(run, edited=edited)
    findings = gather_findings(view, finding or ())
    options = GateOptions(margin_ms=margin_ms, shift_ms=shift_ms)
    sides = [read_side(folder, edited=edited) for folder in (baseline, run)] if baseline else []
    verdict = compare_or_reason(sides[0], sides[1], options) if baseline else None
    spans = find_audio(run, view.run, corpus, kind, tier, channel)
    page = out or run / "report.html"
    content = write_report(page, view, findings, spans, verdict, audio=audio, max_mb=max_mb)
    console = make_console(quiet=as_json)
    print_line(
        console,
        f"written: {page} ({content.size_bytes / 1e6:.1f} MB, {content.n_words} of {content.n_words_of} words, "
        f"{content.n_media} of {content.n_media_of} utterances to see{' and hear' if content.with_sound else ''})",
    )
    if audio and not spans:
        print_line(console, "no sound: the run does not name its audio; give --corpus")
    names: list[str] = []
    if figures:
        from align_eval.reporting.figures.run_figures import draw_figures

        names = draw_figures(figures, view, findings, spans, [f.value for f in form or [Form.pdf]])
        print_line(console, f"written: {figures}/{', '.join(names)}")
    if as_json:
        print_json(
            {"page": str(page), "content": content, "figures": [str(figures / name) for name in names if figures]}
        )


def explain(
    audio: Recording,
    text: SpokenText,
    out: Annotated[Path, typer.Option(help="Figure to write: .pdf, .svg or .png.")],
    model: Model = "tiny.en",
    source: Annotated[
        list[str] | None, typer.Option(help="A relevance source; may be repeated. Default: attention and gradient.")
    ] = None,
    align: Annotated[str, typer.Option(help="Alignment of every source.")] = "viterbi",
    reference: Annotated[Path | None, typer.Option(help="A TextGrid of reference words to draw above.")] = None,
    tier: Tier = None,
    language: Language = None,
    channel: Channel = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Draw one recording: spectrogram, attention map and saliency map on one time axis, with the words read from them.

    Example: align-eval explain speech.wav --text "and you always want to see it" --out speech.pdf
    """
    from align_eval.api import explain as explain_text
    from align_eval.formats.textgrids import read_words
    from align_eval.model.load import load_model
    from align_eval.reporting.figures.explained import draw_explained
    from align_eval.reporting.figures.save import require_matplotlib
    from align_eval.systems import BEST, SALIENCY

    require_matplotlib()
    sources = source or [BEST, SALIENCY]
    words = read_words(reference, tier) if reference else None
    result = explain_text(load_model(model, device=device), audio, text, sources, align, language, channel)
    draw_explained(out, f"{audio.name}, {model}", result.samples, result.texts, result.words, result.maps, words)
    print_line(make_console(quiet=as_json), f"written: {out}")
    if as_json:
        systems = [{"system": system, "words": system_words} for system, system_words in result.words.items()]
        print_json({"figure": str(out), "systems": systems})
