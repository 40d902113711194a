"""A real browser: Debian's Chromium, driven by Playwright, which sees nothing but this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "dashboard/node_modules/axe-core/axe.min.js"
PATIENCE_MS = 120_000
"""How long a step may take on a machine that is busy; it goes on as soon as it can."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it; skips where it is not installed."""
    sync_playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").sync_playwright
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
        )
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody at the page, and what the browser said meanwhile.

    Attributes:
        page: What they see.
        said: Errors and warnings of the console, and exceptions.
        asked: Every address that was asked for.
    """

    def __init__(self, context: BrowserContext, base: str) -> None:
        """Open an empty page; ``base`` is where the site answers, without a slash at its end."""
        self.base = base
        self.said: list[str] = []
        self.asked: list[str] = []
        context.set_default_timeout(PATIENCE_MS)
        self.context = context
        self.page: Page = context.new_page()
        context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda one: self.said.append(one.text) if one.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def open(self, view: str) -> Page:
        """Go to a view, ``events`` say, and wait until it is there."""
        self.page.goto(f"{self.base}/#/{view}")
        self.page.reload()
        self.page.wait_for_selector("main h1")
        return self.page

    def pictures(self, selector: str) -> int:
        """How many pictures a canvas has shown so far."""
        return int(self.page.eval_on_selector(selector, "one => one.dataset.pictures ?? 0"))

    def wait_for_pictures(self, selector: str, more: int) -> None:
        """Wait until a canvas has shown so many more pictures than now."""
        wanted = self.pictures(selector) + more
        self.page.wait_for_function(
            "([selector, wanted]) => (document.querySelector(selector)?.dataset.pictures ?? 0) >= wanted",
            arg=[selector, wanted],
        )

    def strangers(self) -> list[str]:
        """Addresses that are not the site's."""
        host = urlsplit(self.base).netloc
        return [url for url in self.asked if urlsplit(url).netloc != host]

    def axe(self) -> list[str]:
        """What axe-core finds to be serious or critical: rule and element; skips where npm did not bring it."""
        if not AXE.is_file():
            pytest.skip("axe-core is not installed (make web, with npm)")
        self.page.evaluate(AXE.read_text(encoding="utf-8") + "; void 0")
        found: dict[str, Any] = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']} ({one['impact']}): {node['target']} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
