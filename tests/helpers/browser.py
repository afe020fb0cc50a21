"""A real browser, headless, where one is installed: see CONTRIBUTING."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start Chromium, that of the system or Playwright's own; skip, and say why, without any."""
    reason = "no browser: see 'A browser for the tests of the report' in CONTRIBUTING.md"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    asked = os.environ.get("SMOECAST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as driver:
        path = asked or driver.chromium.executable_path
        if not Path(path).exists():
            pytest.skip(reason)
        # as root, and in most containers, Chromium's own sandbox cannot be set up
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
