"""The answer of a run is one sentence: on the terminal, in Markdown, JSON, JUnit XML, on the page and in the figure."""

from __future__ import annotations

import html
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from align_eval.formats.run.folder import read_run
from align_eval.gate.compare import compare, read_side
from align_eval.reporting.answer_sentences import footnotes, sentence
from align_eval.reporting.charts.steps import steps_chart
from align_eval.reporting.ci.files import write_comparison
from align_eval.reporting.figures.steps import steps_figure
from align_eval.reporting.findings import Findings
from align_eval.reporting.html.page import write_report
from align_eval.reporting.run_view import view_run
from align_eval.reporting.terminal.answer import print_answer
from align_eval.run_record import Answer, Figure, Run
from tests.helpers.answered_run import ATTENTION, RESIDUAL, SHARES, WHISPER, write_answered

pytestmark = pytest.mark.usefixtures("few_draws")

ENDINGS = {
    "shown": ({"manual": 12}, SHARES),
    "not shown": ({"automatic": 12}, {**SHARES, **dict.fromkeys(RESIDUAL, 1.1)}),
    "cannot be told": ({"manual": 3, "automatic": 4}, SHARES),
}


@pytest.fixture(scope="module", params=ENDINGS)
def answered(few_draws, request, tmp_path_factory) -> Path:  # noqa: ARG001
    speakers, shares = ENDINGS[request.param]
    folder = write_answered(tmp_path_factory.mktemp("answered") / "run", speakers, shares)
    assert {answer.verdict for answer in read_run(folder).answer} == {request.param}
    return folder


def report_of(folder: Path, run: Run | None = None) -> str:
    view = view_run(folder)
    page = folder.parent / "page.html"
    write_report(page, replace(view, run=run or view.run), Findings(), {})
    return page.read_text(encoding="utf-8")


def words_of(text: str) -> str:
    return " ".join(text.split())


def unescaped(markdown: str) -> str:
    return html.unescape(re.sub(r"\\(?=[^\w\s])", "", markdown)).replace("\u200b", "")


def test_every_output_has_the_same_sentence(answered, tmp_path):
    run = read_run(answered)  # JSON
    terminal = io.StringIO()
    print_answer(run, Console(file=terminal, width=80))
    write_comparison(tmp_path, compare(read_side(answered), read_side(answered)), strict=False)
    markdown = unescaped((tmp_path / "summary.md").read_text(encoding="utf-8"))
    suite = ET.parse(tmp_path / "junit.xml").getroot().find("testsuite")
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    page = html.unescape(report_of(answered))
    assert len(properties) == len(run.answer)
    for answer in run.answer:
        said = sentence(answer)
        assert said in words_of(terminal.getvalue())
        assert said in markdown
        assert properties[f"answer on the gradient, {answer.reference} reference"] == said
        assert f'<p class="sentence">{said}</p>' in page
        assert words_of(said) in words_of(steps_figure([answer], run).axes[0].get_title(loc="left"))


def test_markdown_has_the_answer_of_hand_made_times_first_below_the_headline(tmp_path):
    folder = write_answered(tmp_path / "run", {"automatic": 3, "manual": 3})
    write_comparison(tmp_path / "gate", compare(read_side(folder), read_side(folder)), strict=False)
    lines = unescaped((tmp_path / "gate" / "summary.md").read_text(encoding="utf-8")).splitlines()
    said = {answer.reference: sentence(answer) for answer in read_run(folder).answer}
    assert lines[2].startswith("pass: ")
    assert [line for line in lines[3:7] if line] == [said["manual"], said["automatic"]]


def test_the_page_opens_with_the_answer_then_the_words_then_the_scores(answered):
    page = report_of(answered)
    places = [page.index(part) for part in ('class="sentence"', 'id="words-section"', 'id="sources"', 'id="errors"')]
    assert places == sorted(places)
    assert '<details class="fold"><summary>Scores of 17 systems</summary>' in page
    assert 'class="card' not in page
    run = read_run(answered)
    notes = {note for answer in run.answer for note in footnotes(answer)}
    assert all(note in html.unescape(page) for note in notes)


def test_a_run_without_an_answer_says_why_and_shows_its_scores_first(answered):
    page = report_of(answered, replace(read_run(answered), answer=None, no_answer="the run lacks <whisper>"))
    assert "This run has no answer on what attention lacks: the run lacks &lt;whisper&gt;." in page
    assert '<details class="fold" open>' in page
    assert page.index('id="sources"') < page.index('id="words-section"')
    assert 'class="sentence"' not in page


def shown(tmp_path: Path) -> Answer:
    (answer,) = read_run(write_answered(tmp_path / "run", {"manual": 12})).answer
    return answer


def test_the_picture_has_a_bar_per_step_its_interval_and_the_floor(tmp_path):
    """A bar is as long as its error: the plane has 408 units for the largest value, here an upper end."""
    answer = replace(shown(tmp_path), floor_ms=Figure(20.0, 18.0, 22.0))
    chart = steps_chart(answer)
    assert [bar.error_ms for bar in chart.bars] == [step.error.value for step in answer.steps]
    assert [bar.interval_ms for bar in chart.bars] == [(s.error.ci_low, s.error.ci_high) for s in answer.steps]
    page = report_of(tmp_path / "run", replace(read_run(tmp_path / "run"), answer=(answer,)))
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="14" class="step', page)]
    longest_ms = max(step.error.ci_high for step in answer.steps)
    assert widths == pytest.approx([408 * s.error.value / longest_ms for s in answer.steps], abs=0.02)
    assert page.count('class="whisker"') == 3 * len(answer.steps)
    (floor_x,) = re.findall(r'<line x1="([\d.]+)"[^>]*class="floor"', page)
    assert float(floor_x) == pytest.approx(8 + 408 * 20 / longest_ms, abs=0.02)
    assert "between two references: 20.0 ms" in page
    axis = steps_figure([answer], read_run(tmp_path / "run")).axes[0]
    assert [patch.get_width() for patch in axis.patches] == [step.error.value for step in answer.steps]


def test_systems_have_short_names_and_the_table_their_specs(tmp_path):
    write_answered(tmp_path / "run", {"manual": 3})
    view = view_run(tmp_path / "run")
    labels = {(system.source, system.align): system.label for system in view.strata[0].systems}
    assert labels[WHISPER.source, WHISPER.align] == "whisper"
    assert labels[ATTENTION.source, ATTENTION.align] == "attention"
    page = html.unescape(report_of(tmp_path / "run"))
    folded = page[page.index('class="fold"') : page.index('id="errors"')].replace("<wbr>", "")
    assert f'<span class="short">whisper</span><span class="spec">{WHISPER.source}</span>' in folded
    assert WHISPER.source not in page[page.index('id="errors"') : page.index('id="data"')]


def test_amounts_of_one_residual_are_one_curve(tmp_path):
    """Seventeen systems: whisper, attention, gradient, and the amount of least error of residual and control."""
    write_answered(tmp_path / "run", {"manual": 3})
    drawn = view_run(tmp_path / "run").strata[0].best_per_source
    assert sorted(system.family for system in drawn) == ["attention", "attention", "control", "hybrid", "saliency"]
