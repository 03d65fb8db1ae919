"""The report of a real run in a real browser: sort, filter, open, hear, light and dark, wide and on a phone."""

from __future__ import annotations

import json
import re
import shutil
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import Page
from textgrid import TextGrid

from align_eval.corpus.bundled import bundled_path
from align_eval.formats.praat import read_textgrid
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.words_table import SCHEMA, read_words_table
from align_eval.formats.textgrids import write_words
from align_eval.records import SystemName, Word
from align_eval.reporting.run_view import INTERIOR, view_run
from align_eval.reporting.word_columns import word_columns
from tests.helpers.command_line import align_eval, start
from tests.helpers.planted_run import SPEAKERS
from tests.helpers.reported_run import write_many_words, write_reported

pytestmark = pytest.mark.browser

CLIPS = ("en_praatio_bobby", "en_praatio_damon", "en_praatio_mary")
ATTENTION, GRADIENT = "attention:heads=all | viterbi", "gradient:at=encoder-output | viterbi"
ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "</script><script>alert(1)</script><img src=http://127.0.0.1/x onerror=alert(2)>"


def command(*arguments: str | Path) -> str:
    done = align_eval(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A run of tiny.en on three clips of the demo, with saved maps and a report."""
    folder = tmp_path_factory.mktemp("report")
    for clip in CLIPS:
        for suffix in (".flac", ".TextGrid"):
            (folder / "corpus").mkdir(exist_ok=True)
            shutil.copy(bundled_path("demo") / f"{clip}{suffix}", folder / "corpus")
    sources = ["--source", "attention:heads=all", "--source", "gradient", "--align", "viterbi", "--align", "dtw"]
    command("run", folder / "corpus", *sources, "--keep", "maps", "--out", folder / "run")
    command("report", folder / "run", "--baseline", folder / "run")
    return folder / "run"


@pytest.fixture
def page(run, opened) -> Page:
    return opened(run / "report.html")


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def column(page: Page, number: int) -> list[float]:
    cells = texts(page, f"#body tr.word td:nth-child({number})")
    return [float(re.match(r"[\d.]+", text)[0]) for text in cells]  # signed errors of start and end follow


def errors_ms(run: Path, system: str) -> np.ndarray:
    return word_columns(read_words_table(run / "words.parquet")).error_ms(system)


def test_the_page_has_the_figures_of_the_run(run, page):
    """The interior error of every system equals `run.json`, and the words of the page have the same mean.

    Three recordings are too few for an interval.
    """
    view = view_run(run)
    rows = {r.source + r.align: r for r in read_run(run).rows if (r.boundaries, r.calibration, r.metric) == INTERIOR}
    assert len(rows) == 4
    lines = page.locator(".sources tbody tr").all()
    assert len(lines) == 4
    for line in lines:
        source, align = line.locator("th").inner_text().split("\n")
        row = rows[source + align]
        assert line.locator("td.main").inner_text() == f"{row.value:.1f}"
    data = json.loads(page.locator("#data").text_content())
    mean = np.abs(data["errors"][data["pair"][0]]).mean() / 10  # of starts and ends; tenths of a millisecond
    best = view.strata[0].best("attention")
    assert mean == pytest.approx(best.rows["all", "none", "wbe_mean"].value, abs=0.05)


def test_words_are_sorted_by_each_criterion(run, page):
    page.locator("#a").select_option(label=ATTENTION)
    page.locator("#b").select_option(label=GRADIENT)
    assert column(page, 5) == pytest.approx(sorted(errors_ms(run, ATTENTION), reverse=True), abs=0.06)
    page.get_by_role("button", name=f"Worst of {GRADIENT}").click()
    assert column(page, 6) == pytest.approx(sorted(errors_ms(run, GRADIENT), reverse=True), abs=0.06)
    page.get_by_role("button", name="Where they differ most").click()
    apart = word_columns(read_words_table(run / "words.parquet")).apart_ms(ATTENTION, GRADIENT)
    assert column(page, 7) == pytest.approx(sorted(apart, reverse=True), abs=0.06)
    head = page.locator(".words th").filter(has_text="word").first
    head.get_by_role("button").click()
    words = [text.lower() for text in texts(page, "#body tr.word td:first-child")]
    assert words == sorted(words)
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert texts(page, "#body tr.word td:first-child")[0].lower() == words[-1]


def test_words_are_filtered_by_text_speaker_and_error(run, page):
    n = len(errors_ms(run, ATTENTION))
    assert page.locator("#count").inner_text() == f"{n} of {n} words"
    page.keyboard.press("/")
    page.keyboard.type("ledger")
    assert texts(page, "#body tr.word td:first-child") == ["ledger"]
    assert page.locator("#count").inner_text() == f"1 of {n} words"
    page.locator("#find").fill("no match")
    assert page.locator("#body tr.word").count() == 0
    page.locator("#find").fill("")
    worst = max(errors_ms(run, ATTENTION).max(), errors_ms(run, GRADIENT).max())
    page.locator("#a").select_option(label=ATTENTION)
    page.locator("#b").select_option(label=GRADIENT)
    page.locator("#least").fill(str(int(worst)))
    assert page.locator("#body tr.word").count() == 1


def open_word(page: Page, word: str) -> None:
    page.locator("#find").fill(word)
    page.locator("#body tr.word").first.click()
    page.locator("#view[data-panels]").wait_for()


def test_a_click_shows_the_maps_of_a_word_and_its_times(run, page):
    """Tiers, spectrogram, waveform and two maps; the picture has many colours; times equal the words table."""
    page.locator("#a").select_option(label=ATTENTION)
    page.locator("#b").select_option(label=GRADIENT)
    open_word(page, "ripped")
    assert page.locator("#word-title").inner_text() == "ripped"
    assert page.locator("#view").get_attribute("data-panels") == "5"
    n_colours = page.evaluate(
        """() => {
        const c = document.getElementById('view'), p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const seen = new Set();
        for (let i = 0; i < p.length; i += 4) seen.add(p[i] << 16 | p[i + 1] << 8 | p[i + 2]);
        return seen.size;
        }"""
    )
    assert n_colours > 100
    rows = read_words_table(run / "words.parquet").to_pylist()
    row = next(r for r in rows if r["word"] == "ripped" and f"{r['source']} | {r['align']}" == GRADIENT)
    assert texts(page, "#times tr.here td")[2] == f"{row['start_s']:.3f} to {row['end_s']:.3f}"
    assert texts(page, "#times tr.here td")[0] == f"{row['reference_start_s']:.3f} to {row['reference_end_s']:.3f}"
    assert "ripped: spectrogram" in page.locator("#view").get_attribute("aria-label")


def test_a_word_is_heard_from_its_start_to_its_end(run, page):
    """The played samples run from the start to the end by the reference, and by the first system."""
    page.locator("#a").select_option(label=ATTENTION)
    open_word(page, "ledger")
    rows = [r for r in read_words_table(run / "words.parquet").to_pylist() if r["word"] == "ledger"]
    row = next(r for r in rows if f"{r['source']} | {r['align']}" == ATTENTION)
    for n, (button, start_s, end_s) in enumerate(
        (
            ("▶ word", row["reference_start_s"], row["reference_end_s"]),
            (f"▶ {ATTENTION}", row["start_s"], row["end_s"]),
            ("▶ utterance", 0.0, row["duration_s"]),
        ),
        start=1,
    ):
        page.get_by_role("button", name=button).click()
        page.locator(f"html[data-started='{n}']").wait_for()
        offset, length, of = page.evaluate("window.started.at(-1)")
        assert (offset, length) == pytest.approx((start_s, end_s - start_s), abs=1e-4)
        assert of == pytest.approx(row["duration_s"], abs=1e-4)
    page.locator("#word:not([data-playing])").wait_for()  # playback ends by itself


def test_a_window_of_a_long_recording_is_played_at_its_place(run, opened, tmp_path):
    """A window that starts 10 s into its file: times are 10 s later, and the played samples are the same."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    table = read_words_table(folder / "words.parquet")
    for name in ("offset_s", "reference_start_s", "reference_end_s", "start_s", "end_s"):
        i = table.schema.get_field_index(name)
        table = table.set_column(i, table.schema.field(i), pc.add(table[name], 10.0))
    pq.write_table(table, folder / "words.parquet")
    command("report", folder, "--edited")
    page = opened(folder / "report.html")
    open_word(page, "ledger")
    row = next(r for r in read_words_table(run / "words.parquet").to_pylist() if r["word"] == "ledger")
    start_s, end_s = row["reference_start_s"], row["reference_end_s"]
    assert texts(page, "#times tr.here td")[0] == f"{start_s + 10:.3f} to {end_s + 10:.3f}"
    page.get_by_role("button", name="▶ word").click()
    page.locator("html[data-started='1']").wait_for()
    assert page.evaluate("window.started[0]")[:2] == pytest.approx([start_s, end_s - start_s], abs=2e-4)


def ink_per_column(page: Page) -> np.ndarray:
    """Dark pixels in each column of the waveform, which is the last panel of a page without maps."""
    picture = np.array(Image.open(BytesIO(page.locator("#view").screenshot())).convert("L"))[1:-1, 1:-1]  # the border
    bottom = len(picture) - 24  # the axis
    return (picture[bottom - 48 : bottom] < 150).sum(axis=0)


def test_the_waveform_is_as_high_as_the_sound_is_loud(opened, tmp_path):
    """A tone of 4 kHz until 0.3 s, silence after: columns are full before and a thin line after, at any zoom."""
    folder = write_reported(tmp_path / "run", SPEAKERS[:1], saved=None)
    path = folder / "audio" / "a.wav"
    at_sample = np.arange(soundfile.info(path).frames)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 4000 * at_sample / 16000) * (at_sample < 4800), 16000)
    command("report", folder)
    page = opened(folder / "report.html")
    open_word(page, "w0")
    for is_zoomed in (False, True):
        first_s, last_s = span_s(page)
        columns = ink_per_column(page)[92:-6]
        at_s = np.linspace(first_s, last_s, len(columns))
        assert np.median(columns[at_s < 0.28]) >= 46
        assert 1 <= np.median(columns[at_s > 0.32]) <= 2  # between two rows of the screen
        if not is_zoomed:
            page.keyboard.press("-")
            page.locator("#view").evaluate("() => new Promise((drawn) => setTimeout(drawn, 200))")


def span_s(page: Page) -> tuple[float, float]:
    """The part of the utterance that the picture shows."""
    first, last = re.findall(r"[\d.]+", page.locator("#span").inner_text())
    return float(first), float(last)


def test_keys_and_buttons_zoom_around_the_word(run, page):
    """Each step divides the part that is shown by 1.5; the middle of the word stays at its place."""

    open_word(page, "ripped")
    row = next(r for r in read_words_table(run / "words.parquet").to_pylist() if r["word"] == "ripped")
    middle_s = (row["reference_start_s"] + row["reference_end_s"]) / 2
    whole = span_s(page)
    page.keyboard.press("+")
    page.get_by_role("button", name="Zoom in").click()
    first, last = span_s(page)
    assert last - first == pytest.approx((whole[1] - whole[0]) / 1.5**2, abs=0.02)
    place, before = (middle_s - first) / (last - first), (middle_s - whole[0]) / (whole[1] - whole[0])
    assert place == pytest.approx(before, abs=0.02)
    page.keyboard.press("Shift+ArrowRight")
    assert span_s(page) == pytest.approx([edge + (last - first) / 4 for edge in (first, last)], abs=0.02)
    assert page.locator("#word-title").inner_text() == "ripped"
    for _ in range(20):
        page.keyboard.press("-")
    assert span_s(page) == pytest.approx([0, row["duration_s"]], abs=0.01)
    assert page.get_by_role("button", name="Zoom out").is_disabled()
    for _ in range(20):
        page.keyboard.press("+")
    first, last = span_s(page)
    assert last - first == pytest.approx(0.05, abs=0.01)
    assert page.get_by_role("button", name="Zoom in").is_disabled()
    page.locator("#whole").check()
    assert span_s(page) == pytest.approx([0, row["duration_s"]], abs=0.01)
    page.locator("#whole").uncheck()
    assert span_s(page) == whole


def test_systems_have_short_names_and_their_specs_under_the_pointer(opened, tmp_path):
    command("report", write_reported(tmp_path / "run", SPEAKERS[:1]))
    page = opened(tmp_path / "run" / "report.html")
    assert texts(page, "#a option") == ["attention", "gradient"]
    assert page.locator("#a option").first.get_attribute("title") == "attention:heads=all | dtw"
    page.get_by_role("button", name="Worst of gradient").click()
    open_word(page, "w1")
    names = texts(page, "#play button")
    assert names == ["▶ word", "▶ attention", "▶ gradient", "▶ with neighbours", "▶ utterance"]
    assert texts(page, "#times th[scope=col]") == ["word", "reference, s", "attention, s", "gradient, s"]
    assert page.locator("#times .name-b").get_attribute("title") == "gradient:at=encoder-output | viterbi"
    assert "error: attention 60.0 ms, gradient 20.0 ms" in page.locator("#word-place").inner_text()
    page.keyboard.press("Escape")
    page.locator("#a").select_option(label="gradient")
    page.locator("#b").select_option(label="none")
    heads = texts(page, ".words th")
    assert ["gradient, ms" in heads[4], "none, ms" in heads[5]] == [True, True]


def saved_textgrid(page: Page, path: Path) -> TextGrid:
    """The TextGrid of the open word's utterance, as our strict reader reads it."""
    with page.expect_download() as download:
        page.get_by_role("link", name="Open in Praat").press("Enter")
    download.value.save_as(path / download.value.suggested_filename)
    return read_textgrid(path / download.value.suggested_filename)[0]


def test_the_saved_textgrid_has_words_and_phones(opened, tmp_path):
    """Words of the reference, the phones beside the audio, both systems 60 and 20 ms later; every interval in order."""
    quoted = 'say "ah" \\n'
    folder = write_reported(tmp_path / "run", SPEAKERS[:1], texts={"w1": quoted})
    (spoken,) = (u.words() for u in SPEAKERS[:1])
    phones = tuple(Word(f"P{i}", 0.1 * i, 0.1 * i + 0.1) for i in range(1, 4))
    write_words(folder / "audio" / "a.TextGrid", {"words": spoken, "Phones": phones}, spoken[-1].end_s)
    command("report", folder)
    page = opened(folder / "report.html")
    open_word(page, "w0")
    grid = saved_textgrid(page, tmp_path)
    assert [tier.name for tier in grid.tiers] == ["reference", "phones", "attention", "gradient"]
    assert (tmp_path / "a.TextGrid").is_file()
    for tier, late_s, words in zip(grid.tiers, (0, 0, 0.06, 0.02), (spoken, phones, spoken, spoken), strict=True):
        labelled = [(i.mark, i.minTime, i.maxTime) for i in tier if i.mark]
        assert [mark for mark, *_ in labelled] == [quoted if w.text == "w1" else w.text for w in words]
        times = [time for _, *ends in labelled for time in ends]
        assert times == pytest.approx([t + late_s for w in words for t in (w.start_s, w.end_s)], abs=1e-4)
        assert (tier.intervals[0].minTime, tier.intervals[-1].maxTime) == (grid.minTime, grid.maxTime)
        assert all(one.maxTime == other.minTime for one, other in pairwise(tier.intervals))  # as Praat writes them


def test_words_that_no_interval_can_hold_are_points_in_the_saved_textgrid(opened, tmp_path):
    """Word 1 of attention overlaps word 0, and word 2 has no length; 10 s into the file, times count from its start."""
    folder = write_reported(tmp_path / "run", SPEAKERS[:1], late_s={SystemName("attention:heads=all", "dtw"): 0.06})
    rows = read_words_table(folder / "words.parquet").to_pylist()
    rows[1]["start_s"] = rows[0]["end_s"] - 0.05
    rows[2]["end_s"] = rows[2]["start_s"]
    for row in rows:
        for edge in ("start", "end"):
            row[f"{edge}_error_s"] = row[f"{edge}_s"] - row[f"reference_{edge}_s"]
            row[f"{edge}_s"], row[f"reference_{edge}_s"] = row[f"{edge}_s"] + 10, row[f"reference_{edge}_s"] + 10
        row["offset_s"] += 10
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "words.parquet")
    command("report", folder, "--edited")
    page = opened(folder / "report.html")
    open_word(page, "w0")
    grid = saved_textgrid(page, tmp_path)
    assert grid.minTime == 10
    tiers = {tier.name: tier for tier in grid.tiers}
    assert list(tiers) == ["reference", "attention", "attention (no length)", "attention (overlapping)"]
    assert [i.mark for i in tiers["attention"] if i.mark] == ["w0", "w3"]
    for name, row in (("no length", rows[2]), ("overlapping", rows[1])):
        (point,) = tiers[f"attention ({name})"]
        assert (point.mark, point.time) == (row["word"], pytest.approx(row["start_s"], abs=1e-4))


def test_long_utterances_show_and_play_20_s_around_a_word(opened, tmp_path):
    """Words 50 s into 80 s of tone: the embedded stretch lasts 20 s, and the word is played from its place in it."""
    folder = write_reported(tmp_path / "run", SPEAKERS[:1], longer_s=80.0)
    table = read_words_table(folder / "words.parquet")
    for name in ("reference_start_s", "reference_end_s", "start_s", "end_s"):
        i = table.schema.get_field_index(name)
        table = table.set_column(i, table.schema.field(i), pc.add(table[name], 50.0))
    pq.write_table(table, folder / "words.parquet")
    command("report", folder, "--edited")
    page = opened(folder / "report.html")
    row = next(r for r in table.to_pylist() if r["word_index"] == 1)
    open_word(page, row["word"])
    (part,) = json.loads(page.locator("script.media[data-utterance='a']").text_content())
    assert part["to"] - part["from"] == 20
    assert part["from"] < row["reference_start_s"] - 2
    assert page.locator("#view").get_attribute("data-panels") == "3"  # boundaries, spectrogram and waveform
    for n, (button, offset, length) in enumerate(
        (
            ("▶ word", row["reference_start_s"] - part["from"], row["reference_end_s"] - row["reference_start_s"]),
            ("▶ 20 s around it", 0, 20),
        ),
        start=1,
    ):
        page.get_by_role("button", name=button).click()
        page.locator(f"html[data-started='{n}']").wait_for()
        assert page.evaluate("window.started.at(-1)") == pytest.approx([offset, length, 20], abs=2e-4)


def test_the_keyboard_is_enough(run, page):
    """Move to the second word, open it, go to the next and back, play it, close it; then from the first to the second.

    At the first word the button to the word before is disabled, and has the focus no more.
    """
    page.locator("#rows").focus()
    page.keyboard.press("ArrowDown")
    second = page.locator("#body tr.here td").first.inner_text()
    page.keyboard.press("Enter")
    assert page.locator("#word-title").inner_text() == second
    page.keyboard.press("ArrowRight")
    assert page.locator("#word-title").inner_text() == texts(page, "#body tr.word td:first-child")[2]
    page.keyboard.press("ArrowLeft")
    assert page.locator("#word-title").inner_text() == second
    page.locator("#view").click()
    page.keyboard.press("Space")
    page.locator("html[data-started='1']").wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("#word").is_visible()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert page.locator("#word-title").inner_text() == second
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    assert page.locator("#body tr.here").get_attribute("data-at") == str(len(errors_ms(run, ATTENTION)) - 1)


def test_dark_follows_the_system_and_the_button(run, opened):
    def background(page: Page) -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = (opened(run / "report.html", color_scheme=scheme) for scheme in ("light", "dark"))
    assert (background(light), background(dark)) == ("rgb(255, 255, 255)", "rgb(16, 19, 23)")
    for page in (light, dark):
        page.get_by_role("button", name="Light or dark").click()
    assert (background(light), background(dark)) == ("rgb(16, 19, 23)", "rgb(255, 255, 255)")
    dark.emulate_media(media="print")
    assert background(dark) == "rgb(255, 255, 255)"


def test_a_phone_has_no_sideways_scrolling(run, opened):
    page = opened(run / "report.html", width=390, height=844)
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]
    open_word(page, "ripped")
    box = page.locator("#word").bounding_box()
    assert (box["x"], box["width"]) == (0, 390)


def test_markup_in_a_transcript_is_text(run, opened, tmp_path):
    """Markup in words, speakers, failures and the corpus name is shown as text; nothing runs or is requested."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    table = read_words_table(folder / "words.parquet")
    for name in ("word", "speaker", "hypothesis"):
        i = table.schema.get_field_index(name)
        values = [
            HOSTILE if u == CLIPS[0] else v
            for u, v in zip(table["utterance"].to_pylist(), table[name].to_pylist(), strict=True)
        ]
        table = table.set_column(i, table.schema.field(i), pa.array(values, pa.string()))
    pq.write_table(table, folder / "words.parquet")
    data = json.loads((folder / "run.json").read_text())
    data["failures"] = [{"id": "x", "message": HOSTILE}]
    data["signature"]["corpus"] = HOSTILE
    (folder / "run.json").write_text(json.dumps(data))
    command("report", folder, "--edited")
    page = opened(folder / "report.html")
    assert page.locator("h1").inner_text().endswith(HOSTILE)
    page.locator("#find").fill("alert(1)")
    assert texts(page, "#body tr.word td:first-child") == [HOSTILE] * 4
    page.locator("#body tr.word").first.click()
    page.locator("#view[data-panels]").wait_for()
    assert page.locator("#word-title").inner_text() == HOSTILE
    assert page.locator("img").count() == 0


def test_ten_thousand_words_keep_few_rows_in_the_page(opened, tmp_path):
    n_words = write_many_words(tmp_path / "run", n_speakers=400, n_systems=5)
    assert n_words > 10_000
    command("report", tmp_path / "run")
    page = opened(tmp_path / "run" / "report.html")
    assert page.locator("#count").inner_text() == f"{n_words} of {n_words} words"
    page.locator("#rows").focus()
    page.keyboard.press("End")
    assert page.locator(f"#body tr[data-at='{n_words - 1}']").is_visible()
    assert page.locator("#body tr").count() < 60
    page.get_by_role("button", name="Where they differ most").click()
    assert page.locator("#rows").evaluate("e => e.scrollTop") == 0
    assert page.locator("#body tr").count() < 60


def test_a_printed_page_has_words_and_no_buttons(run, opened):
    page = opened(run / "report.html", width=717)  # A4 at 96 dots per inch, within Chromium's margins
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") == 717
    widths = page.evaluate("[...document.querySelectorAll('.sources, .words')].map((table) => table.offsetWidth)")
    assert max(widths) <= 717
    cut = "[...document.querySelectorAll('.words td')].filter((cell) => cell.scrollWidth > cell.clientWidth).length"
    assert page.evaluate(cut) == 0
    assert not page.locator("#theme").is_visible()
    assert page.locator("#body tr.word").count() == len(errors_ms(run, ATTENTION))
    assert page.locator("#on-paper").inner_text().startswith("first: ")
    assert len(page.pdf()) > 10_000


def script(*arguments: str | Path) -> str:
    done = start(*arguments, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.validate
def test_the_pictures_of_the_docs_are_made_by_a_script(run, tmp_path):
    """The script makes every picture in docs/report.md, at the right width and with many colours."""
    script("scripts/screenshots.py", run, "--out", tmp_path)
    pictures = set(re.findall(r"report-\w+\.png", (ROOT / "docs" / "report.md").read_text(encoding="utf-8")))
    assert {path.name for path in tmp_path.iterdir()} == pictures
    for name, width in (("report-1440.png", 1440), ("report-dark.png", 1440), ("report-390.png", 3 * 390 + 40)):
        picture = Image.open(tmp_path / name)
        assert picture.width == width
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 100


@pytest.mark.validate
def test_the_benchmark_of_the_page_repeats_a_run_and_drives_it(run, tmp_path):
    """Three copies of 11 words have maps, and the page sorts, filters, scrolls and opens them."""
    output = script("bench/page.py", run, "--words", "30", "--json", tmp_path / "page.json")
    result = json.loads((tmp_path / "page.json").read_text())
    n = len(errors_ms(run, ATTENTION))
    assert (result["words"], result["systems"]) == (n * -(-30 // n), 4)
    assert set(result["pages"]) == {"sound and pictures", "words alone"}
    for figures in result["pages"].values():
        assert all(value > 0 for name, value in figures.items() if name != "scroll, dropped frames")
    assert result["pages"]["sound and pictures"]["size, MB"] > result["pages"]["words alone"]["size, MB"]
    assert "| load |" in output
