"""Findings on the page, figures for papers, and one recording explained; budget and heads prepare maps with torch."""

from __future__ import annotations

import re

import numpy as np
import pytest
from markupsafe import escape

from align_eval.api import align, explain
from align_eval.corpus.audio import read_audio
from align_eval.errors import InputError
from align_eval.findings.budget.measure import measure_budget, with_holm
from align_eval.findings.budget.records import SCHEMA_VERSION, Budget
from align_eval.findings.heads.measure import search_heads
from align_eval.findings.saved_run import read_saved_run
from align_eval.formats.run.audio_spans import read_audio_spans
from align_eval.formats.run.finding_json import finding_of, read_finding, write_finding
from align_eval.formats.textgrids import read_words
from align_eval.records import SystemName, Word
from align_eval.reporting.budget_sentences import injection_sentences
from align_eval.reporting.figures.explained import draw_explained
from align_eval.reporting.figures.run_figures import draw_figures
from align_eval.reporting.figures.save import save
from align_eval.reporting.figures.utterance import LONGEST_S, Panel, Tier, utterance_figure
from align_eval.reporting.findings import gather_findings
from align_eval.reporting.html.page import write_report
from align_eval.reporting.map_images import MapImage, map_images
from align_eval.reporting.numbers import signed
from align_eval.reporting.run_view import view_run
from tests.helpers.command_line import align_eval
from tests.helpers.planted_run import (
    CHOSEN,
    EVERY,
    EXACT,
    SIX_SPEAKERS,
    SPEAKERS,
    Planted,
    exact,
    maps_of,
    planted_answer,
)
from tests.helpers.reported_run import write_reported

ATTENTION, GRADIENT = SystemName("attention:heads=all", "viterbi"), SystemName("gradient:at=encoder-output", "viterbi")


pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture(scope="module")
def folder(few_draws, tmp_path_factory):  # noqa: ARG001
    """Heads 60, 40, 20 and 0 ms late, gradients exact; the budget in the run's folder, the heads beside it."""

    def late(u: Planted, n_tokens: int) -> np.ndarray:
        return np.concatenate([exact(u, n_tokens, shift) for shift in (3, 2, 1, 0)])

    folder = tmp_path_factory.mktemp("findings") / "run"
    saved = {"saved": lambda u: maps_of(u, {**EXACT, EVERY: late}), "answer": planted_answer(CHOSEN)}
    write_reported(folder, SIX_SPEAKERS, **saved)
    run = read_saved_run(folder)
    (budget,) = with_holm([measure_budget(run, 0)])
    write_finding(folder / "budget.json", budget)
    write_finding(folder.parent / "heads.json", search_heads(run))
    return folder


def test_a_budget_survives_a_round_trip(folder):
    (budget,) = with_holm([measure_budget(read_saved_run(folder), 0)])
    path = folder / "budget.json"
    assert finding_of(read_finding(path), Budget, SCHEMA_VERSION).strata == budget.strata


def test_the_page_shows_budget_and_heads(folder, tmp_path):
    """Start and end of the waterfall, the cost, and every head; later heads have larger errors."""
    view = view_run(folder)
    findings = gather_findings(view, [folder.parent / "heads.json"])
    write_report(tmp_path / "report.html", view, findings, {})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (stratum,) = findings.budget.strata
    section = page[page.index('id="budget"') : page.index('id="errors"')]
    for value in (stratum.start.value, stratum.end.value):
        assert f">{value:.1f}</text>" in section
    assert f">{signed(stratum.injection.cost.value, 1)}</text>" in section
    for line in injection_sentences(stratum):  # the same as on the terminal
        assert escape(line[1:]) in section
    assert '<th scope="row">+ other heads</th>' in section
    heads = page[page.index('id="heads"') : page.index("<dialog")]
    (searched,) = findings.heads.strata
    assert len(re.findall("<title>head ", heads)) == 2 * len(searched.heads) == 8
    errors = {row.head: round(row.error_ms.value) for row in searched.heads}
    assert errors == {"0.0": 60, "0.1": 40, "1.0": 20, "1.1": 0}
    for row in searched.heads:
        assert f"head {row.head}: {row.error_ms.value:.1f}" in heads
        assert f"head {row.head}: {row.agreement.value:.2f}" in heads


def test_figures_have_every_format_and_the_same_bytes_each_time(folder, tmp_path):
    view = view_run(folder)
    findings = gather_findings(view, [folder.parent / "heads.json"])
    spans = read_audio_spans(folder)
    names = draw_figures(tmp_path / "one", view, findings, spans, ["pdf", "svg", "png"])
    assert {name.rpartition(".")[0] for name in names} == {
        "answer", "tolerance", "heads-manual", "waterfall", "utterance-a", "utterance-b", "utterance-c",
    }  # fmt: skip
    signatures = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes().startswith(signatures[name.rpartition(".")[2]])
    draw_figures(tmp_path / "two", view, findings, spans, ["svg"])
    again = [name for name in names if name.endswith(".svg")]
    for name in again:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    svg = (tmp_path / "one" / "utterance-a.svg").read_text()
    assert {"w0", "w3", "(end)", "reference", "attention", "gradient"} <= set(re.findall(r">([^<>]+)</text>", svg))


def test_a_long_utterance_is_drawn_around_its_word():
    """8 s around second 10 of 20, with the rows of the words in that stretch."""
    image = map_images(maps_of(SPEAKERS[0]))["gradient:at=encoder-output"]
    words = [Word(f"w{i}", 5.0 * i, 5.0 * i + 1) for i in range(4)]  # seconds 0, 5, 10 and 15
    panel = Panel("gradient", "saliency", MapImage(image.levels, image.word_of_row, 0.4, 0.0), None)
    picture = utterance_figure("", [w.text for w in words], None, [Tier("x", "external", words)], [panel], 10.5)
    axes = picture.axes[-1]
    assert axes.get_xlim() == (10.5 - LONGEST_S / 2, 10.5 + LONGEST_S / 2)
    assert axes.get_ylim() == (1.5, 2.5)  # only word 2 lies between 6.5 and 14.5 s


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written .*give a file that ends in \.pdf, \.svg or \.png"):
        save(
            utterance_figure("", [], None, [Tier("x", "external", [Word("a", 0.0, 1.0)])], []), tmp_path / "figure.xyz"
        )


def test_explain_gives_the_words_of_align(tiny_en, clip, tmp_path):
    result = explain(tiny_en, clip.audio.path, clip.text, [ATTENTION.source, GRADIENT.source], "viterbi", "en")
    for system in (ATTENTION, GRADIENT):
        assert result.words[system] == align(
            tiny_en, clip.audio.path, clip.text, source=system.source, align=system.align, language="en"
        )
    assert (result.samples == read_audio(clip.audio)).all()
    assert set(result.maps.stacks) == {ATTENTION.source, GRADIENT.source}
    draw_explained(tmp_path / "x.svg", "x", result.samples, result.texts, result.words, result.maps, clip.words)
    assert "ledger" in re.findall(r">([^<>]+)</text>", (tmp_path / "x.svg").read_text())


def test_the_command_explains_a_recording(clip, tmp_path):
    grid = clip.audio.path.with_suffix(".TextGrid")
    out = tmp_path / "x.svg"
    done = align_eval("explain", str(clip.audio.path), "--text", clip.text, "--reference", str(grid), "--out", str(out))
    assert (done.returncode, done.stdout) == (0, f"written: {out}\n"), done.stderr
    shown = re.findall(r">([^<>]+)</text>", out.read_text())
    assert {word.text for word in read_words(grid)} <= set(shown)
    assert {"reference", "attention", "gradient"} <= set(shown)
