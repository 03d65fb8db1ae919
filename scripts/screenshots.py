"""Make the pictures of the report in docs: wide, dark, and on a phone.

Usage: screenshots.py [RUN [FINDING...]] [--out FOLDER]

RUN is a run of the demo with --keep heads, with the findings of `agree` and `budget` in its folder. FINDING is a file
that `heads search` wrote. Without RUN both are read from runs/, or made there as in docs/findings.md (some minutes).
Needs Chromium and the extra `test`. Look at the pictures before you commit them.
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
WIDE, PHONE = (1440, 1000), (390, 920)
GAP = 20
GREY = (128, 128, 128)


def align_eval(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "align_eval", *map(str, arguments)], check=True)


def make_run(run: Path, heads: Path) -> None:
    """Make the run and its findings, except those that exist."""
    if not (run / "run.json").is_file():
        align_eval("run", "demo", "--keep", "heads", "--out", run)
    if not (run / "agree.json").is_file():
        align_eval("agree", run)
    if not (run / "budget.json").is_file():
        align_eval("budget", run)
    if not heads.is_file():
        align_eval("heads", "search", run, "--out", heads)


def shot(page: Page) -> Image.Image:
    """A picture of the window."""
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def join(images: list[Image.Image], *, down: bool) -> Image.Image:
    """Join pictures on grey, below each other or side by side."""
    widths, heights = [image.width for image in images], [image.height for image in images]
    gaps = GAP * (len(images) - 1)
    size = (max(widths), sum(heights) + gaps) if down else (sum(widths) + gaps, max(heights))
    joined, at = Image.new("RGB", size, GREY), 0
    for image in images:
        joined.paste(image, (0, at) if down else (at, 0))
        at += (image.height if down else image.width) + GAP
    return joined


def open_page(browser: Browser, report: Path, size: tuple[int, int], scheme: str) -> Page:
    """Open the report in a window of a size, in pixels."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(report.resolve().as_uri())
    return page


def show(page: Page, heading: str, above: int) -> None:
    """Scroll to the first heading that matches, with some pixels above it."""
    scroll = "(element, above) => scrollTo({ top: element.offsetTop - above, behavior: 'instant' })"
    page.locator(heading).first.evaluate(scroll, above)


def show_word(page: Page) -> None:
    """Open the first word, the worst."""
    page.locator("#body tr.word").first.click()
    page.locator("#view[data-panels]").wait_for()


def wide(browser: Browser, report: Path, scheme: str) -> Image.Image:
    """The summary with the table of sources, and a word."""
    page = open_page(browser, report, WIDE, scheme)
    first = shot(page)
    page.locator("#words").scroll_into_view_if_needed()
    show_word(page)
    return join([first, shot(page)], down=True)


def charts(browser: Browser, report: Path, scheme: str) -> Image.Image:
    """The error budget and the distribution of errors."""
    page = open_page(browser, report, (WIDE[0], 1240), scheme)
    show(page, "#budget, #errors", 24)
    return shot(page)


def phone(browser: Browser, report: Path) -> Image.Image:
    """The top of the page, the table of words, and a word."""
    page = open_page(browser, report, PHONE, "light")
    first = shot(page)
    show(page, "#words", 8)
    second = shot(page)
    show_word(page)
    return join([first, second, shot(page)], down=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("finding", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=DOCS)
    arguments = parser.parse_args()
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is installed")
    run, findings = arguments.run, arguments.finding
    if run is None:
        run, findings = Path("runs/kept"), [Path("runs/heads.json")]
        make_run(run, findings[0])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = Path(folder) / "report.html"
        options = [argument for finding in findings for argument in ("--finding", finding)]
        align_eval("report", run, *options, "--out", report)
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        pictures = {
            "report-1440.png": wide(browser, report, "light"),
            "report-charts.png": charts(browser, report, "light"),
            "report-dark.png": wide(browser, report, "dark"),
            "report-390.png": phone(browser, report),
        }
        browser.close()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        file = arguments.out / name
        picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
        print(f"written: {file} ({file.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
