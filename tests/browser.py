"""A headless Chromium for the tests of pages; where there is none, these tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["chromium", "web_page"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of one module: the Chromium of the machine, or that of ``CHROMIUM``.

    It ends with the module, because playwright's event loop would disturb other tests that run one.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None or not Path(path).exists():
        pytest.skip("needs Chromium on this machine")
    with playwright.sync_playwright() as started:
        # the sandbox does not work for root nor in containers; the pages are our own
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def web_page(chromium: Browser) -> Iterator[Page]:
    """A fresh page of 1280 x 900 pixels, in a context of its own.

    The test fails if a script of the page raises, the console gets an error or the page asks another machine.
    """
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("console", lambda message: problems.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("request", lambda request: problems.append(f"asks {request.url}") if _leaves(request.url) else None)
    yield page
    context.close()
    assert problems == []


def _leaves(url: Any) -> bool:
    return not url.startswith(("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "http://localhost:"))
