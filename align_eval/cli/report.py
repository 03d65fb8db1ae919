"""The verbs that show: `report` a finished run as a page and figures, `explain` one recording as a figure."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    Device,
    Language,
    MarginMs,
    Model,
    Recording,
    RunFolder,
    ShiftMs,
    SpokenText,
    make_console,
    print_json,
    say,
)


class Form(StrEnum):
    """Of figures."""

    pdf = "pdf"
    svg = "svg"
    png = "png"


def report(
    run: RunFolder,
    finding: Annotated[
        list[Path] | None,
        typer.Option(help="A finding's file, as of `heads search`; may be repeated. Those in RUN are shown anyway."),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="A run or baseline that RUN is held to, as by compare.")] = None,
    margin_ms: MarginMs = 5.0,
    shift_ms: ShiftMs = 20.0,
    corpus: Annotated[
        str | None, typer.Option(help="Where the audio is, where it was moved or the run does not say: as for run.")
    ] = None,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Whether the page can play words.")] = True,
    max_mb: Annotated[float, typer.Option(min=3, help="The page's greatest size; what is least telling goes.")] = 25.0,
    out: Annotated[Path | None, typer.Option(help="The page; RUN/report.html without.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for figures fit for a paper (needs the extra `figures`).")
    ] = None,
    form: Annotated[list[Form] | None, typer.Option(help="Of figures; may be repeated. pdf without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a run as one HTML page that needs no network: figures, words to see and hear, the verdict.

    Example: align-eval report runs/kept --finding runs/heads.json --baseline baselines/mine --out report.html
    """
    from align_eval.gate.compare import compare_or_reason, read_side
    from align_eval.gate.records import GateOptions
    from align_eval.reporting.findings import gather_findings
    from align_eval.reporting.html.page import write_report
    from align_eval.reporting.run_view import view_run
    from align_eval.reporting.utterance_audio import find_audio

    view = view_run(run)
    findings = gather_findings(view, finding or ())
    options = GateOptions(margin_ms=margin_ms, shift_ms=shift_ms)
    verdict = compare_or_reason(read_side(baseline), read_side(run), options) if baseline else None
    spans = find_audio(run, view.run, corpus)
    page = out or run / "report.html"
    written = write_report(page, view, findings, spans, verdict, audio=audio, max_mb=max_mb)
    console = make_console(quiet=as_json)
    say(
        console,
        f"written: {page} ({written.size_bytes / 1e6:.1f} MB, {written.n_words} of {written.n_words_of} words, "
        f"{written.n_media} of {written.n_media_of} utterances to see{' and hear' if written.with_sound else ''})",
    )
    if audio and not spans:
        say(console, "no sound: the run does not say where its audio is; give --corpus")
    drawn: list[str] = []
    if figures:
        from align_eval.reporting.figures.run_figures import draw_figures

        drawn = draw_figures(figures, view, findings, spans, [f.value for f in form or [Form.pdf]])
        say(console, f"written: {figures}/{', '.join(drawn)}")
    if as_json:
        print_json(
            {"page": str(page), "content": written, "figures": [str(figures / name) for name in drawn if figures]}
        )


def explain(
    audio: Recording,
    text: SpokenText,
    out: Annotated[Path, typer.Option(help="Figure to write: .pdf, .svg or .png.")],
    model: Model = "tiny.en",
    source: Annotated[
        list[str] | None, typer.Option(help="A relevance source; may be repeated. Attention and gradient without.")
    ] = None,
    align: Annotated[str, typer.Option(help="An alignment for every source.")] = "viterbi",
    reference: Annotated[Path | None, typer.Option(help="A TextGrid whose words are drawn above.")] = None,
    language: Language = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Draw one recording: spectrogram, attention map and saliency map on one time axis, with the words read off them.

    Example: align-eval explain speech.wav --text "and you always want to see it" --out speech.pdf
    """
    from align_eval.engine.explain import explain as explain_text
    from align_eval.formats.textgrids import read_words
    from align_eval.model.load import load_model
    from align_eval.reporting.figures.explained import draw_explained
    from align_eval.reporting.figures.save import require_matplotlib

    require_matplotlib()
    sources = source or ["attention:heads=all", "gradient:at=encoder-output"]
    words = read_words(reference) if reference else None
    found = explain_text(load_model(model, device=device), audio, text, sources, align, language)
    draw_explained(out, f"{audio.name}, {model}", found.samples, found.texts, found.words, found.maps, words)
    say(make_console(quiet=as_json), f"written: {out}")
    if as_json:
        by_system = [{"system": system, "words": of_system} for system, of_system in found.words.items()]
        print_json({"figure": str(out), "systems": by_system})
