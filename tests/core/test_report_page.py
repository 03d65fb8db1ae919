"""The page shows the figures of the run, loads nothing, and never reads a transcript as markup."""

from __future__ import annotations

import html
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.errors import InputError, InputWarning
from align_eval.findings.drift import measure_drift
from align_eval.formats.run.audio_spans import read_audio_spans
from align_eval.formats.run.finding_json import finding_of, read_finding, write_finding
from align_eval.formats.run.folder import read_run
from align_eval.gate.compare import compare_or_reason, read_side
from align_eval.records import Failure
from align_eval.reporting.failures import failure_lines
from align_eval.reporting.findings import Findings, gather_findings
from align_eval.reporting.html.page import write_report
from align_eval.reporting.html.sections.histograms import bin_shares
from align_eval.reporting.html.svg import Plane, ticks
from align_eval.reporting.numbers import signed
from align_eval.reporting.run_view import INTERIOR, default_pair, family_of, stack_of, view_run
from align_eval.reporting.word_columns import rank_words, word_columns
from tests.helpers.command_line import align_eval
from tests.helpers.planted_run import SPEAKERS, Planted
from tests.helpers.reported_run import ATTENTION, GRADIENT, write_many_words, write_reported

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'\"\u2028"


class Cells(HTMLParser):
    """Text of the cells of every row, and every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open = True

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.rows[-1][-1] += data.strip()


def page_of(folder: Path, findings: Findings | None = None, baseline: Path | None = None, **options: object) -> str:
    view = view_run(folder)
    verdict = compare_or_reason(read_side(baseline), read_side(folder)) if baseline else None
    findings = findings or gather_findings(view)
    write_report(folder / "report.html", view, findings, read_audio_spans(folder), verdict, **options)
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))


def media_of(page: str) -> dict[str, list[dict]]:
    """The embedded media, by utterance."""
    pattern = r'<script type="application/json" class="media" data-utterance="(.*?)">(.*?)</script>'
    return {html.unescape(id_): json.loads(parts) for id_, parts in re.findall(pattern, page, re.DOTALL)}


def parsed(page: str) -> Cells:
    cells = Cells()
    cells.feed(page)
    return cells


@pytest.fixture(scope="module")
def folder(reported, tmp_path_factory):
    return shutil.copytree(reported, tmp_path_factory.mktemp("page") / "run")


@pytest.fixture(scope="module")
def page(folder):
    return page_of(folder)


def test_the_table_has_the_figures_of_the_run(folder, page):
    """Attention is 60 ms late, the gradient 20 ms: mean error and both biases; four speakers have no interval."""
    rows = {row[0]: row for row in parsed(page).rows if len(row) == 8}
    assert rows["attentionattention:heads=alldtw"][2:] == [
        "60.0", "0.0", "60.0", "0%", "+60", "+60",
    ]  # fmt: skip
    assert rows["gradientgradient:at=encoder-outputviterbi"][2:] == [
        "20.0", "0.0", "20.0", "100%", "+20", "+20",
    ]  # fmt: skip
    values = {r.source: r.value for r in read_run(folder).rows if (r.boundaries, r.calibration, r.metric) == INTERIOR}
    assert {s: f"{v:.1f}" for s, v in values.items()} == {ATTENTION.source: "60.0", GRADIENT.source: "20.0"}


def test_a_run_without_an_answer_opens_with_its_signature_and_scores(page):
    """Older runs, and those of `align-eval score`, have no answer and no reason."""
    top = page[page.index("<main>") : page.index('id="words-section"')]
    assert "signature 0123456789ab: model planted.en" in top
    assert '<details class="fold" open><summary>Scores of 2 systems</summary>' in top
    assert "answer on what attention lacks" not in top


def test_the_words_are_those_of_the_table(folder, page):
    """Sixteen words with times and errors in tenths of a millisecond, and the names of systems."""
    data = data_of(page)
    columns = word_columns(view_run(folder).words)
    assert data["text"] == list(columns.text)
    assert data["start"] == [round(10_000 * t) for t in columns.start_s]
    assert [(system["name"], system["spec"]) for system in data["systems"]] == [
        ("attention", "attention:heads=all | dtw"), ("gradient", "gradient:at=encoder-output | viterbi"),
    ]  # fmt: skip
    assert data["errors"] == [[[600] * 16] * 2, [[200] * 16] * 2]
    assert data["pair"] == [0, 1]
    assert [data["systems"][i]["stack"] for i in data["pair"]] == ["attention:heads=all", "gradient:at=encoder-output"]
    assert set(media_of(page)["a"][0]["maps"]) >= {"attention:heads=all", "gradient:at=encoder-output"}


def test_a_system_that_failed_is_not_an_utterance_that_is_not_scored(folder):
    """One of four failures is of a whole utterance. The terminal and the page count and name them alike."""
    failures = (
        Failure("x", "x.wav: is empty; copy it"),
        *(Failure(id_, f"{id_}.wav: the map is flat; use dtw", system="spes | viterbi") for id_ in ("a", "b", "c")),
    )
    view = view_run(folder)
    write_report(folder / "failed.html", replace(view, run=replace(view.run, failures=failures)), Findings(), {})
    page = (folder / "failed.html").read_text(encoding="utf-8")
    (details,) = re.findall(r'<details class="failed">(.*?)</details>', page, re.DOTALL)
    assert re.search(r"<summary>(.*?)</summary>", details).group(1) == "Failures: 4"
    assert re.findall(r"<li>(.*?)</li>", details) == failure_lines(failures) == [
        "failed: x.wav: is empty; copy it",
        "1 failed and is not scored.",
        "failed: spes | viterbi in 3 utterances, whose words it lost; the first: a.wav: the map is flat; use dtw",
    ]  # fmt: skip


def test_equal_maps_have_agreement_one(page):
    """The planted maps of both signals are equal."""
    assert data_of(page)["rho"] == [1.0] * 16


def test_too_many_words_are_thinned_evenly(folder, monkeypatch):
    """Sixteen words and room for five dots: every fourth."""
    monkeypatch.setattr("align_eval.reporting.html.sections.agreement.MAX_DOTS", 5)
    page = page_of(folder)
    assert "16 words, manual reference; 4 are drawn" in page
    assert page.count('class="dot"') == 4


def test_markup_in_a_transcript_is_text(tmp_path):
    """Markup in words and speakers makes no tag, and the words are read back unchanged."""
    utterances = [replace(u, speaker=HOSTILE if u.id == "a" else u.speaker) for u in SPEAKERS]
    page = page_of(write_reported(tmp_path / "run", utterances, texts={"w1": HOSTILE}))
    cells = parsed(page)
    assert [tag for tag, _ in cells.tags].count("script") == 2 + len(media_of(page))
    assert not [tag for tag, attributes in cells.tags if tag == "img" or "onerror" in attributes]
    data = data_of(page)
    assert data["text"][1] == HOSTILE
    assert data["utterances"][0]["speaker"] == HOSTILE


def test_nothing_is_loaded_from_the_network(page):
    """Every address is a place on the page, and the policy forbids others."""
    for tag, attributes in parsed(page).tags:
        for name in ("src", "href", "action", "srcset", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,")), (tag, attributes)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_utterances_that_do_not_fit_are_left_out_and_counted(tmp_path):
    """Four utterances of 21 s of noise take about 0.9 MB each: a page of 3 MB has room for some, not for all."""
    folder = write_reported(tmp_path / "run", longer_s=20.0)
    rng = np.random.default_rng(0)
    for u in SPEAKERS:
        path = folder / "audio" / f"{u.id}.wav"
        soundfile.write(path, rng.uniform(-0.05, 0.05, soundfile.info(path).frames), 16000)
    page = page_of(folder, max_mb=3.0)
    assert len(page.encode()) <= 3_000_000
    n_left_out = 4 - len(media_of(page))
    assert 0 < n_left_out < 4
    assert f"Left out to limit the size of the file: {n_left_out} of 4 utterances" in page


def test_words_that_do_not_fit_are_left_out_and_counted(tmp_path):
    """A page of 3 MB leaves 1.5 MB; half of it has room for 5,208 rows of six systems at 144 bytes per row."""
    n_words = write_many_words(tmp_path / "run", n_speakers=240, n_systems=6)
    page = page_of(tmp_path / "run", max_mb=3.0)
    assert n_words > 5208 == len(data_of(page)["text"])
    assert f"5208 of {n_words} words are on this page" in page
    assert len(page.encode()) <= 3_000_000


def test_no_audio_leaves_the_sound_out(folder, tmp_path):
    view = view_run(folder)
    write_report(tmp_path / "r.html", view, Findings(), read_audio_spans(folder), audio=False)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Sound was left out on request." in page
    assert not any("audio" in part for parts in media_of(page).values() for part in parts)
    assert media_of(page)


def test_the_verdict_is_at_the_top(folder, tmp_path):
    """A run against itself passes; 60 ms against 20 ms is a regression that names its system."""
    assert "<strong>pass: nothing got worse by more than the margin</strong>" in page_of(folder, baseline=folder)
    worse = write_reported(tmp_path / "worse", late_s={ATTENTION: 0.060, GRADIENT: 0.120})
    page = page_of(worse, baseline=folder)
    assert "<strong>regression: something got worse</strong>" in page
    assert "regression: gradient, manual reference; all words: " in page


def test_a_baseline_that_cannot_be_compared_is_reported(folder, tmp_path):
    other = write_reported(tmp_path / "other", late_s={ATTENTION: 0.060})
    page = page_of(other, baseline=folder)
    assert "<strong>not comparable</strong>" in page
    assert "lacks systems of the baseline: gradient:at=encoder-output | viterbi" in page


def test_one_system_alone_has_a_page(tmp_path):
    """As `score` writes it: no second system, no maps."""
    folder = write_reported(tmp_path / "run", late_s={ATTENTION: 0.060}, saved=None)
    data = data_of(page_of(folder))
    assert data["pair"] == [0, None]
    assert "rho" not in data


def test_a_finding_survives_a_round_trip(folder, tmp_path):
    drift = measure_drift(folder)
    write_finding(tmp_path / "drift.json", drift)
    finding = finding_of(read_finding(tmp_path / "drift.json"), type(drift), 1)
    assert (finding.rows, finding.minutes) == (drift.rows, drift.minutes)


def test_a_finding_of_another_version_is_refused(folder, tmp_path):
    path = tmp_path / "drift.json"
    write_finding(path, measure_drift(folder))
    with pytest.raises(InputError, match=r"is no 'drift' of this version \(schema 1\); make the finding again"):
        finding_of(read_finding(path), type(measure_drift(folder)), 2)
    broken = json.loads(path.read_text())
    del broken["rows"]
    path.write_text(json.dumps(broken))
    with pytest.raises(InputError, match="is no 'drift' of this version"):
        gather_findings(view_run(folder), [path])


def test_a_named_finding_of_another_corpus_is_refused(folder, tmp_path):
    drift = measure_drift(folder)
    write_finding(tmp_path / "drift.json", replace(drift, signature={**drift.signature, "corpus_checksum": "c" * 64}))
    with pytest.raises(InputError, match="is of another corpus than the run"):
        gather_findings(view_run(folder), [tmp_path / "drift.json"])


def test_a_finding_of_an_earlier_run_is_not_shown(reported_copy):
    drift = measure_drift(reported_copy)
    write_finding(reported_copy / "drift.json", replace(drift, finding={**drift.finding, "run": "ffffffffffff"}))
    with pytest.warns(InputWarning, match="is of run ffffffffffff and is not shown"):
        gather_findings(view_run(reported_copy))


def test_drift_is_shown_for_long_recordings(tmp_path, page):
    """Words over 2.5 minutes have a section with both slopes; a second of speech has none."""
    assert "Over time" not in page
    planted = [Planted(id_, id_, (0, 50, 4000, 7500)) for id_ in ("a", "b")]
    page = page_of(write_reported(tmp_path / "run", planted))
    assert "Over time" in page
    assert [row[:2] for row in parsed(page).rows if len(row) == 3 and row[0].startswith("attention")] == [
        ["attention:heads=all | dtw", "starts"], ["attention:heads=all | dtw", "ends"],
    ]  # fmt: skip


def test_the_ranking_takes_the_criteria_in_turn(folder):
    """Worst of attention, worst of the gradient, farthest apart: three different words."""
    columns = word_columns(view_run(folder).words)
    pair = default_pair(view_run(folder))
    errors = {name: values.copy() for name, values in columns.errors_s.items()}
    errors[pair[0]][:, 3], errors[pair[1]][:, 3] = 1.0, 0.9  # worst of the first
    errors[pair[0]][:, 5], errors[pair[1]][:, 5] = 0.9, 0.95  # worst of the second
    errors[pair[0]][:, 9], errors[pair[1]][:, 9] = -0.8, 0.8  # farthest apart
    assert rank_words(replace(columns, errors_s=errors), *pair)[:3] == [3, 5, 9]


RESIDUAL = "residual:of=(gradient:at=encoder-output),to=(attention:heads=0.3),amount=0.5"
OTHER_HEADS = "residual:of=(attention:heads=all-0.3),to=(attention:heads=0.3),amount=0.5"
HYBRID = "hybrid:a=(attention:heads=all),b=(gradient:at=encoder-output),alpha=0.5"


@pytest.mark.parametrize(
    ("source", "family", "stack"),
    [
        ("attention:heads=all,prep=log", "attention", "attention:heads=all"),
        ("gradient:at=encoder-output", "saliency", "gradient:at=encoder-output"),
        ("control-energy", "control", "control-energy"),
        (HYBRID, "hybrid", HYBRID),
        (RESIDUAL, "hybrid", RESIDUAL),
        (OTHER_HEADS, "control", OTHER_HEADS),
        ("whisperx", "external", None),
        ("second reference", "reference", None),
    ],
)
def test_sources_have_families_and_stacks(source, family, stack):
    assert family_of(source) == family
    assert stack_of(source) == stack


def test_bins_count_their_errors_and_the_edges_those_beyond():
    """By hand: -10, 0 and 10 ms are in the middle bin; 290 ms and 1 s are in the last."""
    shares = bin_shares(np.array([-0.010, 0.0, 0.010, 0.020, 1.0, 0.290, -0.5, np.nan]))
    assert np.flatnonzero(shares).tolist() == [0, 10, 11, 20]
    assert shares[[0, 10, 11, 20]] * 7 == pytest.approx([1, 3, 1, 2])
    assert not bin_shares(np.array([])).any()
    mirrored = bin_shares(-np.arange(-0.31, 0.311, 0.01))[::-1]  # the 10 ms grid: neither side is favoured
    np.testing.assert_array_equal(bin_shares(np.arange(-0.31, 0.311, 0.01)), mirrored)


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(-0.4, 0, "0"), (-0.9, 1, "−0.9"), (12.3, 0, "+12"), (0.0, 1, "0.0")]
)
def test_zero_has_no_sign(value, digits, text):
    assert signed(value, digits) == text


def test_ticks_are_round_and_inside():
    assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert ticks(-0.3, 0.31, 3) == [-0.2, 0.0, 0.2]


def test_a_plane_puts_its_corners_inside_the_margins():
    plane = Plane((0, 10), (0, 1), height=100, left=20, right=10, top=5, bottom=15, width=200)
    assert (plane.x(0), plane.x(10), plane.y(0), plane.y(1)) == (20, 190, 85, 5)


def test_the_command_writes_the_page_and_prints_its_content(folder, tmp_path):
    done = align_eval("report", str(folder), "--out", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"written: .*/page\.html \(0\.\d MB, 16 of 16 words, 4 of 4 utterances to see and hear\)\n", done.stdout
    )
    assert (tmp_path / "page.html").is_file()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    done = align_eval("report", str(tmp_path))
    assert done.returncode == 2
    assert "holds no run (no run.json)" in done.stderr
