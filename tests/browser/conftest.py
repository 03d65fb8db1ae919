"""A headless Chromium, and pages that fail on any message of the console and on any request."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

STARTED = """
window.started = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, offset, duration) {
  window.started.push([offset, duration, this.buffer.duration]);
  document.documentElement.dataset.started = window.started.length;
  return start.call(this, when, offset, duration);
};
"""
"""Records each playback: its offset, its length, and the length of the buffer, in seconds."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        pytest.fail(f"none of {', '.join(BROWSERS)} is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


Opener = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opener]:
    """Open a file in a window of a size. Any message of the console and any request to the network fails the test."""
    contexts: list[BrowserContext] = []
    messages: list[str] = []

    def open_page(path: Path, width: int = 1440, height: int = 1000, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.add_init_script(STARTED)
        page = context.new_page()
        page.on("console", lambda message: messages.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: messages.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (messages.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request", lambda request: messages.append(f"request: {request.url[:200]}") if request.url != url else None
        )
        url = path.resolve().as_uri()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
