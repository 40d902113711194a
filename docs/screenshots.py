"""Pictures of the page for ``docs/images``: light, dark and on a phone, of a site that runs.

    python docs/screenshots.py http://127.0.0.1:8600 CAMERA [--out docs/images]

They are JPEG files of less than 150 kB.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
MOST_BYTES = 150_000


class Picture(NamedTuple):
    """One picture; ``{camera}`` in the view is replaced."""

    name: str
    view: str
    theme: str
    size: dict[str, int]


PICTURES = (
    Picture("page-cameras", "cameras", "light", DESK),
    Picture("page-camera-dark", "cameras/{camera}", "dark", DESK),
    Picture("page-counts", "counts?camera={camera}&range=15m", "light", DESK),
    Picture("page-events-dark", "events", "dark", DESK),
    Picture("page-lines", "setup/{camera}/lines", "light", DESK),
    Picture("page-frameworks", "frameworks?range=15m", "light", DESK),
    Picture("page-phone", "cameras/{camera}", "light", PHONE),
    Picture("page-phone-counts-dark", "counts?camera={camera}&range=15m", "dark", PHONE),
)


def take(browser: Browser, base: str, camera: str, picture: Picture, folder: Path) -> Path:
    """Take one picture; its quality is lowered until it is small enough."""
    page = browser.new_page(viewport=picture.size, color_scheme=picture.theme, device_scale_factor=1)  # type: ignore[arg-type]
    page.set_default_timeout(120_000)
    page.goto(f"{base}/#/{picture.view.format(camera=camera)}")
    page.wait_for_selector("main h1")
    if picture.view.startswith("cameras"):
        page.wait_for_function(
            "() => [...document.querySelectorAll('canvas')].every((one) => one.dataset.pictures > 2)"
        )
    page.wait_for_timeout(4000)
    path = folder / f"{picture.name}.jpg"
    for quality in (82, 72, 60, 45):
        path.write_bytes(page.screenshot(type="jpeg", quality=quality))
        if path.stat().st_size < MOST_BYTES:
            break
    page.close()
    return path


def main() -> None:
    """Read the arguments and take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="where the site answers; without a login")
    parser.add_argument("camera", help="the one that is shown large")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for picture in PICTURES:
            path = take(browser, arguments.base.rstrip("/"), arguments.camera, picture, arguments.out)
            print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
