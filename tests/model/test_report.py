"""Findings on the page, figures for papers, and one recording explained; budget and heads prepare maps with torch."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from align_eval.api import align
from align_eval.corpus.audio import read_audio
from align_eval.engine.explain import explain
from align_eval.errors import InputError
from align_eval.findings.budget.measure import measure_budget, with_holm
from align_eval.findings.budget.records import SCHEMA_VERSION, Budget
from align_eval.findings.heads.measure import search_heads
from align_eval.findings.kept_run import read_kept
from align_eval.formats.run.audio_spans import read_audio_spans
from align_eval.formats.run.finding_json import finding_of, read_finding, write_finding
from align_eval.formats.run.maps import write_maps
from align_eval.formats.textgrids import read_words
from align_eval.records import System, Word
from align_eval.reporting.figures.figures import draw_explained, draw_figures, save
from align_eval.reporting.figures.utterance import LONGEST_S, Panel, Tier, utterance_figure
from align_eval.reporting.findings import gather_findings
from align_eval.reporting.html.page import write_report
from align_eval.reporting.media import MapView, map_views
from align_eval.reporting.view import view_run
from tests.helpers.command_line import align_eval
from tests.helpers.planted_run import EVERY, EXACT, SPEAKERS, Planted, exact, maps_of

ATTENTION, GRADIENT = System("attention:heads=all", "viterbi"), System("gradient:at=encoder-output", "viterbi")


pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture(scope="module")
def folder(few_draws, reported, tmp_path_factory):  # noqa: ARG001
    """Heads 60, 40, 20 and 0 ms late, gradients exact; the budget in the run's folder, the heads beside it."""

    def late(u: Planted, n_tokens: int) -> np.ndarray:
        return np.concatenate([exact(u, n_tokens, shift) for shift in (3, 2, 1, 0)])

    folder = shutil.copytree(reported, tmp_path_factory.mktemp("findings") / "run")
    for u in SPEAKERS:
        write_maps(folder / "maps" / f"{u.id}.safetensors", maps_of(u, {**EXACT, EVERY: late}))
    kept = read_kept(folder)
    (budget,) = with_holm([measure_budget(kept, 0)])
    write_finding(folder / "budget.json", budget)
    write_finding(folder.parent / "heads.json", search_heads(kept))
    return folder


def test_a_budget_is_read_as_the_record_that_it_was(folder):
    (budget,) = with_holm([measure_budget(read_kept(folder), 0)])
    path = folder / "budget.json"
    assert finding_of(read_finding(path), Budget, SCHEMA_VERSION, path).strata == budget.strata


def test_budget_and_heads_stand_on_the_page(folder, tmp_path):
    """Start and end of the waterfall, the price, and every head with its error, the later the greater."""
    view = view_run(folder)
    findings = gather_findings(view, [folder.parent / "heads.json"])
    write_report(tmp_path / "report.html", view, findings, {})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (stratum,) = findings.budget.strata
    section = page[page.index('id="budget"') : page.index('id="errors"')]
    for value in (stratum.start.value, stratum.end.value):
        assert f">{value:.1f}</text>" in section
    assert f">{stratum.injection.cost.value:+.1f}</text>" in section
    heads = page[page.index('id="heads"') : page.index('id="words"')]
    (searched,) = findings.heads.strata
    assert len(re.findall("<title>head ", heads)) == 2 * len(searched.heads) == 8
    errors = {row.head: round(row.error_ms.value) for row in searched.heads}
    assert errors == {"0.0": 60, "0.1": 40, "1.0": 20, "1.1": 0}
    for row in searched.heads:
        assert f"head {row.head}: {row.error_ms.value:.1f}" in heads
        assert f"head {row.head}: {row.agreement.value:.2f}" in heads


def test_figures_are_drawn_in_every_form_and_the_same_each_time(folder, tmp_path):
    view = view_run(folder)
    findings = gather_findings(view, [folder.parent / "heads.json"])
    spans = read_audio_spans(folder)
    names = draw_figures(tmp_path / "one", view, findings, spans, ["pdf", "svg", "png"])
    assert {name.rpartition(".")[0] for name in names} == {
        "tolerance", "heads-manual", "waterfall", "utterance-a", "utterance-b", "utterance-c",
    }  # fmt: skip
    begins = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes().startswith(begins[name.rpartition(".")[2]])
    draw_figures(tmp_path / "two", view, findings, spans, ["svg"])
    again = [name for name in names if name.endswith(".svg")]
    for name in again:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    svg = (tmp_path / "one" / "utterance-a.svg").read_text()
    assert {"w0", "w3", "(end)", "reference", "attention:heads=all | dtw"} <= set(re.findall(r">([^<>]+)</text>", svg))


def test_a_long_utterance_is_drawn_around_its_word():
    """8 s around second 10 of 20; the rows are those of words that lie there."""
    view = map_views(maps_of(SPEAKERS[0]))["gradient:at=encoder-output"]
    words = [Word(f"w{i}", 5.0 * i, 5.0 * i + 1) for i in range(4)]  # seconds 0, 5, 10 and 15
    panel = Panel("gradient", "saliency", MapView(view.levels, view.word_of_row, 0.4, 0.0), None)
    picture = utterance_figure("", [w.text for w in words], None, [Tier("x", "given", words)], [panel], 10.5)
    axes = picture.axes[-1]
    assert axes.get_xlim() == (10.5 - LONGEST_S / 2, 10.5 + LONGEST_S / 2)
    assert axes.get_ylim() == (1.5, 2.5)  # word 2 alone lies between 6.5 and 14.5 s


def test_a_form_that_matplotlib_does_not_know_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written .*give a file that ends in \.pdf, \.svg or \.png"):
        save(utterance_figure("", [], None, [Tier("x", "given", [Word("a", 0.0, 1.0)])], []), tmp_path / "figure.xyz")


def test_explained_words_are_those_that_are_aligned(tiny_en, clip, tmp_path):
    found = explain(tiny_en, clip.audio.path, clip.text, [ATTENTION.source, GRADIENT.source], "viterbi", "en")
    for system in (ATTENTION, GRADIENT):
        assert found.words[system] == align(
            tiny_en, clip.audio.path, clip.text, source=system.source, align=system.align, language="en"
        )
    assert (found.samples == read_audio(clip.audio)).all()
    assert set(found.maps.stacks) == {ATTENTION.source, GRADIENT.source}
    draw_explained(tmp_path / "x.svg", "x", found.samples, found.texts, found.words, found.maps, clip.words)
    assert "ledger" in re.findall(r">([^<>]+)</text>", (tmp_path / "x.svg").read_text())


def test_the_command_explains_a_recording(clip, tmp_path):
    grid = clip.audio.path.with_suffix(".TextGrid")
    out = tmp_path / "x.svg"
    done = align_eval("explain", str(clip.audio.path), "--text", clip.text, "--reference", str(grid), "--out", str(out))
    assert (done.returncode, done.stdout) == (0, f"written: {out}\n"), done.stderr
    shown = re.findall(r">([^<>]+)</text>", out.read_text())
    assert {word.text for word in read_words(grid)} <= set(shown)
    assert {"reference", "attention:heads=all | viterbi", "gradient:at=encoder-output | viterbi"} <= set(shown)
