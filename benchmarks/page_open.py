"""The page held open: how fast its first view stands, and whether it grows.

A real Chromium looks at a running site, at one view after the other; the heap is read behind a garbage collection.
Without ``--url`` a site of two videos is started for it. It ends with 1 where the page has grown by more than a tenth
and 5 MB between the second quarter of the time and the last, or where the first view is slow or large.

    python -m benchmarks.page_open VIDEO [VIDEO] [--minutes 30] [--runtime onnxruntime]
    python -m benchmarks.page_open --url http://127.0.0.1:8600 --password-file FILE
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.support.live import Running, write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page, StorageState, ViewportSize

VIEWS = ("cameras", "counts", "events", "frameworks", "system", "system/log")
STAY_S = 12.0
FIRST_VIEWS = 7
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
FIRST_VIEW_S = 1.0
FIRST_VIEW_BYTES = 300_000
LEAST_GROWTH_MB = 5.0
LARGEST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """The page at one moment.

    Attributes:
        at_s: Since the first one.
        view: Which was open.
        heap_mb: Of JavaScript, behind a collection.
        nodes: Of all documents.
        listeners: Of events.
        rss_mb: Of the browser's processes that show pages.
    """

    at_s: float
    view: str
    heap_mb: float
    nodes: int
    listeners: int
    rss_mb: float


@contextmanager
def site_of(videos: list[Path], runtime: str) -> Iterator[str]:
    """Run a site over videos that begin anew at their end; gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        rules = [{"kind": "line_crossing", "line": "*"}, {"kind": "zone_count", "zone": "*"}]
        places = {
            "lines": {"across": [[0.05, 0.6], [0.95, 0.6]]},
            "zones": {"middle": [[0.2, 0.3], [0.8, 0.3], [0.9, 0.95], [0.1, 0.95]]},
        }
        cameras = {
            f"camera_{number}": {"source": str(video.resolve()), "detect_fps": 4, "rules": rules, **places}
            for number, video in enumerate(videos, 1)
        }
        detectors = {"main": {"model": "yolov8n", "runtime": runtime, "device": "cpu", "imgsz": 320}}
        file = write_site(Path(folder) / "site.yaml", cameras, detectors=detectors)
        with Running(file, "--realtime", "--loop") as running:
            while not running.port or not running.health():
                if running.process is None or running.process.poll() is not None:
                    raise SystemExit(running.log)
                time.sleep(0.2)
            yield f"http://127.0.0.1:{running.port}"


def log_in(page: Page, url: str, password: str | None) -> None:
    """Open the page, and log in where that is asked for."""
    page.goto(url)
    page.wait_for_selector("main h1")
    if page.locator("#password").count():
        if password is None:
            raise SystemExit("this site asks for a password: give --password-file")
        page.fill("#password", password)
        page.keyboard.press("Enter")
        page.wait_for_selector("#nav a[aria-current]")


def first_view(browser: Browser, state: StorageState, url: str) -> tuple[float, int]:
    """Seconds until the wall stands, and bytes that came until then, without pictures of cameras; nothing is cached.

    Args:
        browser: A window of its own is opened in it.
        state: Cookies of who is logged in.
        url: Of the site.
    """
    context = browser.new_context(viewport=VIEWPORT, storage_state=state)
    page = context.new_page()
    page.set_default_timeout(60_000)
    begin = time.perf_counter()
    page.goto(f"{url}/#/cameras")
    page.wait_for_selector(".tile, main .empty")
    seconds = time.perf_counter() - begin
    size: int = page.evaluate(
        "() => performance.getEntriesByType('resource').filter((one) => !/still|stream/.test(one.name))"
        ".reduce((sum, one) => sum + one.transferSize, performance.getEntriesByType('navigation')[0].transferSize)"
    )
    context.close()
    return seconds, size


def sample(session: CDPSession, view: str, begin: float) -> Sample:
    """Collect garbage, and read."""
    session.send("HeapProfiler.collectGarbage")
    found = session.send("Performance.getMetrics")
    values = {one["name"]: one["value"] for one in found["metrics"]}
    children = psutil.Process().children(recursive=True)
    rss = sum(one.memory_info().rss for one in children if "--type=renderer" in _command(one))
    heap = values["JSHeapUsedSize"] / 1e6
    return Sample(
        time.perf_counter() - begin, view, heap, int(values["Nodes"]), int(values["JSEventListeners"]), rss / 1e6
    )


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def hold_open(page: Page, url: str, seconds: float) -> list[Sample]:
    """Go round the views for so long; each is looked at for a while."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    first = page.evaluate("() => fetch('/api/cameras').then((answer) => answer.json())")["cameras"]
    views = [
        *VIEWS,
        *(f"cameras/{one['name']}" for one in first[:2]),
        *(f"setup/{one['name']}/lines" for one in first[:1]),
    ]
    samples: list[Sample] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for view in views:
            page.evaluate("(view) => { location.hash = `#/${view}`; }", view)
            page.wait_for_timeout(min(STAY_S, seconds / 16) * 1000)
            samples.append(sample(session, view, begin))
            show(samples[-1])
    return samples


def show(one: Sample) -> None:
    """A line for one sample."""
    print(
        f"{one.at_s:7.0f} s  {one.view:24} heap {one.heap_mb:6.2f} MB  nodes {one.nodes:6d}  "
        f"listeners {one.listeners:5d}  RSS {one.rss_mb:6.0f} MB",
        flush=True,
    )


def growth(samples: list[Sample]) -> tuple[float, float]:
    """Megabytes of heap in the second quarter of the time and in the last one: medians over all views.

    The first quarter is left out: what the page keeps of the last minutes is filled there.
    """
    end = samples[-1].at_s
    quarter = [one.heap_mb for one in samples if end / 4 <= one.at_s < end / 2]
    last = [one.heap_mb for one in samples if one.at_s >= end * 3 / 4]
    return statistics.median(quarter or [samples[0].heap_mb]), statistics.median(last)


def has_grown(early: float, late: float) -> bool:
    """Whether that is more than what comes and goes."""
    return late - early > LEAST_GROWTH_MB and late > early * (1 + LARGEST_SHARE)


def measure(browser: Browser, url: str, password: str | None, minutes: float) -> bool:
    """Print what is found; true where all is well."""
    page = browser.new_page(viewport=VIEWPORT)
    page.set_default_timeout(60_000)
    log_in(page, url, password)
    views = sorted(first_view(browser, page.context.storage_state(), url) for _ in range(FIRST_VIEWS))
    took, size = views[len(views) // 2]
    print(f"first view: {took:.2f} s (median of {len(views)}), {size / 1e3:.0f} kB", flush=True)
    early, late = growth(hold_open(page, url, minutes * 60))
    print(f"heap in the second quarter {early:.2f} MB, in the last {late:.2f} MB, over {minutes:g} minutes")
    return not has_grown(early, late) and took < FIRST_VIEW_S and size < FIRST_VIEW_BYTES


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("--url", help="a site that runs already")
    parser.add_argument("--password-file", type=Path, help="its first line is the password")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--runtime", default="onnxruntime")
    arguments = parser.parse_args()
    if bool(arguments.videos) == bool(arguments.url):
        parser.error("give videos, or --url")
    from playwright.sync_api import sync_playwright

    password = arguments.password_file.read_text(encoding="utf-8").splitlines()[0] if arguments.password_file else None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        if arguments.url:
            is_well = measure(browser, arguments.url.rstrip("/"), password, arguments.minutes)
        else:
            with site_of(arguments.videos, arguments.runtime) as url:
                is_well = measure(browser, url, None, arguments.minutes)
        browser.close()
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
