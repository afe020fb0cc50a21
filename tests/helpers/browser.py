"""A real browser, headless, where one is installed: see CONTRIBUTING."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start Chromium; skip the test, and say why, where it or Playwright is missing."""
    reason = "no browser: see 'A browser for the tests of the report' in CONTRIBUTING.md"
    path = os.environ.get("SMOECAST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(reason)
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright.sync_playwright() as driver:
        # as root, and in most containers, Chromium's own sandbox cannot be set up
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
