"""Response times of the report page with some ten thousand words, driven in headless Chromium.

Usage: python bench/page.py [RUN] [--words N] [--json FILE]

RUN is the folder of a run; the default is `runs/demo`, which `make demo` writes. Its utterances are repeated under new
names until there are N words (10,000). Two pages are measured: one with sound and pictures up to the default size, and
one with words only. Times are from the page's clock, from the event to the next frame. The mouse wheel scrolls, and a
frame of more than 50 ms counts as dropped. Needs Chromium and the extra `test`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from align_eval.formats.run.audio_spans import read_audio_spans, write_audio_spans
from align_eval.formats.run.folder import WORDS_NAME, place_run, read_run
from align_eval.formats.run.map_checksums import read_checksums, write_checksums
from align_eval.formats.run.maps import maps_path
from align_eval.formats.run.staging import staging
from align_eval.formats.run.words_file import write_words_table
from align_eval.formats.run.words_table import read_words_table
from align_eval.reporting.findings import Findings
from align_eval.reporting.html.page import write_report
from align_eval.reporting.run_view import view_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DROPPED_MS = 50.0
ORDERS = ("b", "apart", "text", "start", "utterance", "a")
TYPED = ("t", "th", "the", "th", "t", "")
SCROLL_S = 4.0

AFTER = """(act) => new Promise((done) => {
  const began = performance.now();
  (0, eval)(act);
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
"""Milliseconds from an action until the next frame is drawn."""

OPENED = """(act) => new Promise((done) => {
  const view = document.getElementById('view'), began = performance.now();
  delete view.dataset.panels;
  (0, eval)(act);
  const look = () => {
    if (view.dataset.panels) setTimeout(() => done(performance.now() - began)); else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
"""Milliseconds until the picture of a word is drawn."""

FRAMES = """(seconds) => new Promise((done) => {
  const frames = [], began = performance.now();
  const next = (now) => {
    frames.push(now);
    if (now - began < 1000 * seconds) requestAnimationFrame(next); else done(frames);
  };
  requestAnimationFrame(next);
})"""


def repeat_run(run: Path, out: Path, n_words: int) -> int:
    """Write a copy of the run with its utterances repeated until it has ``n_words`` words.

    Scores are copied unchanged: repeating every utterance equally often changes no mean.

    Parameters
    ----------
    run
        Folder of the run to read.
    out
        Folder to write.
    n_words
        Least number of words.

    Returns
    -------
    int
        Number of words of the copy.
    """
    original, table = read_run(run), read_words_table(run / "words.parquet")
    n_systems = len(set(zip(table.column("source").to_pylist(), table.column("align").to_pylist(), strict=True)))
    n_copies = -(-n_words * n_systems // len(table))
    ids, at = table.column("utterance").to_pylist(), table.schema.get_field_index("utterance")
    spans, repeated, repeated_spans = read_audio_spans(run), [], {}
    checksums = read_checksums(run)
    for copy in range(n_copies):
        names = pa.array([f"{id_}.{copy}" for id_ in ids], pa.string())
        repeated.append(table.set_column(at, table.schema.field(at), names))
        repeated_spans |= {f"{id_}.{copy}": span for id_, span in spans.items()}
    words = pa.concat_tables(repeated)
    with staging(out) as new:
        write_words_table(new / WORDS_NAME, words)
        write_audio_spans(new, repeated_spans)
        for id_ in checksums:
            for copy in range(n_copies):
                path = maps_path(new, f"{id_}.{copy}")
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(maps_path(run, id_), path)
        write_checksums(
            new, {f"{id_}.{copy}": checksum for id_, checksum in checksums.items() for copy in range(n_copies)}
        )
        place_run(out, new, original)
    return len(words) // n_systems


def drive(browser: Any, page_file: Path) -> dict[str, float]:
    """Load a page, sort, filter, scroll and open words; return milliseconds, frames per second and counts."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(page_file.resolve().as_uri())
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    page.wait_for_timeout(1000)
    measured = {"load": loaded}

    def add_median(name: str, times: list[float]) -> None:
        measured[name], measured[f"{name}, longest"] = float(np.median(times)), max(times)

    add_median(
        "sort", [page.evaluate(AFTER, f"document.querySelector('.words [data-order={o}]').click()") for o in ORDERS]
    )
    typing = "const f = document.getElementById('find'); f.value = {!r}; f.dispatchEvent(new Event('input'))"
    add_median("filter, a letter", [page.evaluate(AFTER, "{" + typing.format(text) + "}") for text in TYPED])
    page.locator("#rows").scroll_into_view_if_needed()
    page.locator("#rows").hover()
    page.evaluate("window.frames_ = null")
    page.evaluate(f"({FRAMES})({SCROLL_S}).then((f) => {{ window.frames_ = f; }}); null")
    while page.evaluate("window.frames_ === null"):
        page.mouse.wheel(0, 900)
    gaps = np.diff(page.evaluate("window.frames_"))
    measured["scroll, frames/s"] = 1000 * len(gaps) / float(gaps.sum())
    measured["scroll, longest frame"] = float(gaps.max())
    measured["scroll, dropped frames"] = int((gaps > DROPPED_MS).sum())
    page.evaluate("document.getElementById('rows').scrollTop = 0")
    measured["open a word"] = page.evaluate(OPENED, "document.querySelector('#body tr.word').click()")
    next_word = "document.getElementById('after').click()"
    add_median("next word", [page.evaluate(OPENED, next_word) for _ in range(8)])
    page.close()
    return measured


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, default=Path("runs/demo"))
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is installed; install one of them")
    load = os.getloadavg()[0]
    pages: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder, page_file = Path(temporary) / "run", Path(temporary) / "page.html"
        n_words = repeat_run(arguments.run, folder, arguments.words)
        view, spans = view_run(folder), read_audio_spans(folder)
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for name, audio in (("sound and pictures", True), ("words alone", False)):
            shown = view if audio else replace(view, maps_of=lambda _: None)
            written = write_report(page_file, shown, Findings(), spans if audio else {}, audio=audio)
            pages[name] = {"size, MB": written.size_bytes / 1e6, **drive(browser, page_file)}
        version = browser.version
        browser.close()
    n_systems = sum(len(stratum.systems) for stratum in view.strata) // len(view.strata)
    machine = f"Chromium {version}, {os.cpu_count()} cores, load average {load:.1f} before"
    print(f"{n_words} words of {n_systems} systems; {machine}; ms unless a unit is named\n")
    print(f"| | {' | '.join(pages)} |\n|---|{'---|' * len(pages)}")
    for name in next(iter(pages.values())):
        print(f"| {name} | {' | '.join(f'{values[name]:.1f}' for values in pages.values())} |")
    if arguments.json:
        content = {"words": n_words, "systems": n_systems, "machine": machine, "pages": pages}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
