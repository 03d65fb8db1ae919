"""Make the pictures of the report in docs again: wide, dark, and on a phone.

Usage: screenshots.py [RUN [FINDING...]] [--out FOLDER]

RUN is a run of the demo that kept its heads, with what `agree` and `budget` found in it; FINDING is what `heads search`
wrote. Without them both are made in runs/, as docs/findings.md does, where they are not there yet (some minutes). Needs
Chromium and the extra `test`. Look at the pictures before they are committed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).resolve().parents[1] / "docs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SOURCES = (
    "attention:heads=all",
    "attention",
    "gradient:at=encoder.1/2",
    "gradient",
    "control-random-weights:of=(gradient:at=encoder-output)",
)
WIDE, PHONE = (1440, 1000), (390, 920)
GAP = 20
GREY = (128, 128, 128)


def align_eval(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "align_eval", *map(str, arguments)], check=True)


def make_run(run: Path, heads: Path) -> None:
    """The run and its findings, as far as they are not there."""
    if not (run / "run.json").is_file():
        sources = [argument for source in SOURCES for argument in ("--source", source)]
        align_eval("run", "demo", *sources, "--preset", "openai", "--align", "dtw", "--align", "viterbi",
                   "--keep", "heads", "--out", run)  # fmt: skip
    if not (run / "agree.json").is_file():
        align_eval("agree", run)
    if not (run / "budget.json").is_file():
        align_eval("budget", run)
    if not heads.is_file():
        align_eval("heads", "search", run, "--out", heads)


def shot(page: Page) -> Image.Image:
    """What is in the window."""
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def beside(images: list[Image.Image], *, down: bool) -> Image.Image:
    """Pictures below each other or side by side on grey."""
    widths, heights = [image.width for image in images], [image.height for image in images]
    gaps = GAP * (len(images) - 1)
    size = (max(widths), sum(heights) + gaps) if down else (sum(widths) + gaps, max(heights))
    whole, at = Image.new("RGB", size, GREY), 0
    for image in images:
        whole.paste(image, (0, at) if down else (at, 0))
        at += (image.height if down else image.width) + GAP
    return whole


def opened(browser: Browser, report: Path, size: tuple[int, int], scheme: str) -> Page:
    """The page, in a window of that size."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(report.resolve().as_uri())
    return page


def show(page: Page, heading: str, above: int) -> None:
    """Scroll to the first heading of those, with some pixels above it."""
    scroll = "(element, above) => scrollTo({ top: element.offsetTop - above, behavior: 'instant' })"
    page.locator(heading).first.evaluate(scroll, above)


def show_word(page: Page) -> None:
    """Open the first of the words, the worst."""
    page.locator("#body tr.word").first.click()
    page.locator("#view[data-panels]").wait_for()


def wide(browser: Browser, report: Path, scheme: str) -> Image.Image:
    """The answer and the table, and a word."""
    page = opened(browser, report, WIDE, scheme)
    first = shot(page)
    page.locator("#words").scroll_into_view_if_needed()
    show_word(page)
    return beside([first, shot(page)], down=True)


def charts(browser: Browser, report: Path, scheme: str) -> Image.Image:
    """What the error is made of, and how it is spread."""
    page = opened(browser, report, (WIDE[0], 1240), scheme)
    show(page, "#budget, #errors", 24)
    return shot(page)


def phone(browser: Browser, report: Path) -> Image.Image:
    """Top, table of words, and a word."""
    page = opened(browser, report, PHONE, "light")
    first = shot(page)
    show(page, "#words", 8)
    second = shot(page)
    show_word(page)
    return beside([first, second, shot(page)], down=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("finding", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=DOCS)
    asked = parser.parse_args()
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is installed")
    run, findings = asked.run or Path("runs/kept"), asked.finding if asked.run else [Path("runs/heads.json")]
    if asked.run is None:
        make_run(run, findings[0])
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        report = Path(place) / "report.html"
        shown = [argument for finding in findings for argument in ("--finding", finding)]
        align_eval("report", run, *shown, "--out", report)
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        pictures = {
            "report-1440.png": wide(browser, report, "light"),
            "report-charts.png": charts(browser, report, "light"),
            "report-dark.png": wide(browser, report, "dark"),
            "report-390.png": phone(browser, report),
        }
        browser.close()
    for name, picture in pictures.items():
        file = asked.out / name
        picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
        print(f"written: {file} ({file.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
