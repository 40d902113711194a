"""The page as an operator uses it: a real Chromium, a running site, real videos."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dashboard.passwords import hash_password
from tests.support.browser import Visitor, chromium
from tests.support.live import Running, write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.timeout(900)
PASSWORD = "correct horse battery"  # noqa: S105 - of a site that lasts as long as the tests
VIEWS = [
    "cameras", "cameras/street", "counts", "events", "setup/street/lines", "setup/street/rules", "frameworks", "system",
    "system/config", "system/log",
]  # fmt: skip
VEHICLES = ["car", "truck", "bus"]
PATIENCE_S = 240


class Site:
    """A running site behind a password, and a browser that is logged in."""

    def __init__(self, running: Running, browser: Browser) -> None:
        """Log in once; every visitor that is made has the session."""
        self.running, self.browser = running, browser
        self.base = f"http://127.0.0.1:{running.port}"
        visitor = self.visitor(logged_in=False)
        page = visitor.page
        page.goto(self.base)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#nav a[aria-current]")
        self.state = visitor.context.storage_state()
        visitor.context.close()

    def visitor(self, logged_in: bool = True, **context: Any) -> Visitor:
        """Somebody with a window of their own; its context is closed by the caller."""
        state = self.state if logged_in else None
        return Visitor(self.browser.new_context(storage_state=state, **context), self.base)

    @property
    def file(self) -> Path:
        """The site file."""
        return self.running.site

    def written(self) -> dict[str, Any]:
        """What the site file holds."""
        content: dict[str, Any] = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        return content


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, data_dir: Path, light_runtime: str, cache_dir: Path
) -> Iterator[Site]:
    """A street and a yard."""
    folder = tmp_path_factory.mktemp("page")
    rules = [{"kind": "line_crossing", "line": "*", "labels": VEHICLES}, {"kind": "zone_count", "zone": "*"}]
    file = write_site(
        folder / "site.yaml",
        {
            "street": {
                "source": str(data_dir / "traffic.mp4"),
                "detect_fps": 5,
                "labels": VEHICLES,
                "lines": {"road": [[0.1, 0.62], [0.95, 0.62]]},
                "zones": {"near": [[0.2, 0.5], [0.9, 0.5], [0.95, 0.95], [0.1, 0.95]]},
                "rules": rules,
            },
            "yard": {"source": str(data_dir / "worker-zone-detection.mp4"), "detect_fps": 3, "labels": ["person"]},
        },
        site="junction",
        detectors={"main": {"model": "yolov8n", "runtime": light_runtime, "device": "cpu", "imgsz": 256}},
        server={"password_hash": hash_password(PASSWORD)},
    )
    env = {"SIGHTLINE_CACHE": str(cache_dir), "SIGHTLINE_STATE": str(folder / "state")}
    with chromium() as browser, Running(file, "--realtime", "--loop", env=env) as running:
        until(lambda: all(f"camera {name} is online" in running.log for name in ("street", "yard")) and running.port)
        # a comment of the person who wrote the file: what is changed on the page must not take it away
        file.write_text("# the junction, as surveyed\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
        yield Site(running, browser)


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    """Somebody who is logged in, at a desk. At the end nothing was wrong, and nothing was asked of strangers."""
    made = site.visitor(viewport={"width": 1440, "height": 900})
    yield made
    made.context.close()
    assert made.said == []
    assert made.strangers() == []


def until(holds: Callable[[], Any], seconds: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.1)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag with the mouse over the drawing, in relative coordinates."""
    box = page.locator(".drawing").bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=5)
    page.mouse.up()


def saved(page: Page) -> None:
    """Press Save, and wait until the site has taken it over."""
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".tools").get_by_text("In force", exact=True).wait_for()


def test_the_first_view_is_small_and_complete(visitor: Visitor) -> None:
    """All that is loaded until the wall stands, but its pictures: less than 300 kB, and nothing is missing."""
    page = visitor.open("cameras")
    page.wait_for_selector(".tile canvas")
    sizes = page.evaluate(
        "() => performance.getEntriesByType('resource').map((one) => [one.name, one.transferSize, one.responseStatus])"
    )
    assert [name for name, _, status in sizes if status >= 400] == []
    first = [size for name, size, _ in sizes if "/still" not in name and "/stream" not in name]
    assert len(first) > 10
    assert sum(first) < 300_000


def test_pictures_on_the_wall_and_large_are_live(visitor: Visitor) -> None:
    page = visitor.open("cameras")
    visitor.wait_for_pictures("canvas[data-camera='street']", 3)
    visitor.wait_for_pictures("canvas[data-camera='yard']", 2)
    page.get_by_role("link", name="street").click()
    page.wait_for_selector("#live")
    visitor.wait_for_pictures("#live", 3)
    looks = "() => { const c = document.querySelector('#live'); return c.toDataURL('image/jpeg', 0.5); }"
    before = page.evaluate(looks)
    visitor.wait_for_pictures("#live", 3)
    assert page.evaluate(looks) != before
    assert page.get_by_text("Analysed").is_visible()


def test_layers_are_asked_for_and_remembered(visitor: Visitor) -> None:
    page = visitor.open("cameras/street")
    visitor.wait_for_pictures("#live", 1)
    with page.expect_request(lambda request: "/live" in request.url and "blur" in request.url) as asked:
        page.get_by_label("Blur").check()
    assert "boxes" in asked.value.url
    page.reload()
    page.wait_for_selector("#live")
    assert page.get_by_label("Blur").is_checked()


def test_a_line_drawn_with_the_mouse_counts(site: Site, visitor: Visitor) -> None:
    """It is in the YAML, whose comment stays, and soon in the counters; no restart."""
    page = visitor.open("setup/street/lines")
    page.wait_for_selector('.shape.line[aria-label="line road"]', state="attached")
    page.get_by_role("button", name="Line", exact=True).click()
    drag(page, (0.2, 0.75), (0.9, 0.7))
    page.keyboard.type("drawn")  # its name is chosen, to be typed over
    saved(page)
    written = site.written()["cameras"]["street"]["lines"]["drawn"]
    assert written == [[pytest.approx(0.2, abs=0.01), pytest.approx(0.75, abs=0.01)],
                       [pytest.approx(0.9, abs=0.01), pytest.approx(0.7, abs=0.01)]]  # fmt: skip
    assert site.file.read_text(encoding="utf-8").startswith("# the junction, as surveyed\n")
    page.get_by_role("link", name="Counts").click()
    page.wait_for_selector('[data-key="street/counts/drawn/in/car"]')
    page.wait_for_function(
        """() => [...document.querySelectorAll('[data-key^="street/counts/drawn/"]')]
                .some((one) => Number(one.textContent) > 0)""",
        timeout=PATIENCE_S * 1000,
    )


def test_a_zone_by_keyboard_alone_with_undo(site: Site, visitor: Visitor) -> None:
    page = visitor.open("setup/yard/lines")
    before = site.written()["cameras"]["yard"].get("zones", {})
    page.get_by_role("button", name="Zone", exact=True).focus()
    page.keyboard.press("Enter")
    corner = page.locator("[data-key^='point-'][aria-label^='Corner 1 ']")
    assert corner.evaluate("(one) => one === document.activeElement")
    said = corner.get_attribute("aria-label")
    page.keyboard.press("Shift+ArrowLeft")
    assert corner.get_attribute("aria-label") != said
    assert corner.evaluate("(one) => one === document.activeElement")
    page.keyboard.press("Control+z")
    assert corner.get_attribute("aria-label") == said
    page.get_by_label("Name").last.fill("hand_made")
    saved(page)
    assert set(site.written()["cameras"]["yard"]["zones"]) == {*before, "hand_made"}
    page.get_by_role("button", name="Undo last save").click()
    page.get_by_text("The site file is as it was before the last save.").wait_for()
    until(lambda: site.written()["cameras"]["yard"].get("zones", {}) == before)


def test_faults_stand_at_their_shape_and_are_not_saved(visitor: Visitor) -> None:
    page = visitor.open("setup/street/lines")
    save = page.get_by_role("button", name="Save", exact=True)
    page.get_by_role("button", name="near", exact=False).first.wait_for()
    page.get_by_label("Name").last.focus()
    drag(page, (0.2, 0.5), (0.97, 0.7))  # a corner over to the other side: a bow
    item = page.locator(".item", has=page.locator("input[aria-invalid='true']"))
    assert "cross" in item.inner_text()
    assert save.is_disabled()
    page.keyboard.press("Control+z")
    page.get_by_label("Name").first.fill("yard")  # the name of a camera
    assert "in use" in page.locator(".item").first.inner_text()
    assert save.is_disabled()
    page.get_by_label("Name").first.blur()
    page.get_by_role("button", name="Undo", exact=True).click()
    assert page.locator("input[aria-invalid='true']").count() == 0


def test_a_file_changed_meanwhile_is_not_overwritten(site: Site) -> None:
    """The conflict is shown, what was drawn stays, and the other's change is in the file still."""
    visitor = site.visitor(viewport={"width": 1440, "height": 900})
    page = visitor.open("setup/yard/lines")
    page.get_by_role("button", name="Line", exact=True).click()
    drag(page, (0.1, 0.4), (0.5, 0.4))
    text = site.file.read_text(encoding="utf-8")
    site.file.write_text(text + "# another was here\n", encoding="utf-8")
    page.get_by_role("button", name="Save", exact=True).click()
    dialog = page.get_by_role("dialog", name="The site file was changed meanwhile")
    dialog.wait_for()
    assert "another was here" in dialog.inner_text()
    dialog.get_by_role("button", name="Go on editing").click()
    assert page.locator(".shape.line").count() == 1
    assert site.file.read_text(encoding="utf-8") == text + "# another was here\n"
    page.get_by_role("button", name="Save", exact=True).click()
    dialog.wait_for()
    dialog.get_by_role("button", name="Save mine into the changed file").click()
    page.locator(".tools").get_by_text("In force", exact=True).wait_for()
    assert "line_1" in site.written()["cameras"]["yard"]["lines"]
    assert site.file.read_text(encoding="utf-8").endswith("# another was here\n")
    visitor.context.close()
    assert [one for one in visitor.said if "409" not in one] == []  # which the browser itself puts there


def test_a_runtime_is_switched_and_the_figures_follow(site: Site, visitor: Visitor, light_runtime: str) -> None:
    if light_runtime == "torch":
        pytest.skip("there is one runtime only")
    page = visitor.open("frameworks")
    page.get_by_role("cell", name=light_runtime).first.wait_for()
    page.get_by_label("Camera", exact=True).select_option("yard")
    page.get_by_label("Runtime", exact=True).select_option("torch")
    page.get_by_role("button", name="Switch").click()
    page.get_by_role("table", name="Before and now").wait_for()
    page.get_by_role("cell", name="torch", exact=True).wait_for(timeout=PATIENCE_S * 1000)
    written = site.written()
    chosen = written["cameras"]["yard"]["detector"]
    assert written["detectors"][chosen]["runtime"] == "torch"
    assert written["detectors"]["main"]["runtime"] == light_runtime  # the street goes on with it


def test_a_rule_is_made_in_its_form(site: Site, visitor: Visitor) -> None:
    page = visitor.open("setup/street/rules")
    page.get_by_label("Kind of the new rule").select_option("dwell")
    page.get_by_role("button", name="Add rule").click()
    form = page.locator(".rule[open]")
    page.get_by_role("button", name="Save", exact=True).click()
    assert "needed" in form.inner_text()  # it must have a zone
    form.get_by_label("zone *", exact=True).select_option("near")
    form.get_by_label(re.compile("^seconds")).fill("7")
    form.get_by_label("name", exact=True).fill("waits")
    saved(page)
    assert {"kind": "dwell", "name": "waits", "zone": "near", "seconds": 7} in site.written()["cameras"]["street"][
        "rules"
    ]
    page.get_by_role("table", name="Rules in force").get_by_text("waits").wait_for()


def test_events_are_filtered_and_have_pictures(site: Site, visitor: Visitor) -> None:
    page = visitor.open("events")
    page.wait_for_selector(".event", timeout=PATIENCE_S * 1000)
    page.wait_for_function("() => [...document.querySelectorAll('.event img')].some((one) => one.naturalWidth > 0)")
    page.get_by_label("Kind", exact=True).select_option("line_crossing")
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.event')];"
        " return all.length && all.every((one) => one.dataset.kind === 'line_crossing'); }"
    )
    assert "line_crossing" in page.url
    page.get_by_label("Camera", exact=True).select_option("yard")
    page.get_by_text("No event fits these choices.").wait_for()
    page.get_by_label("Camera", exact=True).select_option("street")
    page.locator(".event button").first.click()
    page.get_by_role("dialog").get_by_role("cell", name="street").wait_for()
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) > 1
    assert all(",line_crossing," in row for row in rows[1:])


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visitor: Visitor) -> None:
    page = visitor.open("cameras")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'main'")
    assert page.locator("h1").inner_text() == "Cameras"
    page.locator("#nav a").first.focus()
    seen = set()
    for _ in range(6):
        seen.add(page.evaluate("document.activeElement.textContent"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Tab")
    assert seen == {"Cameras", "Counts", "Events", "Setup", "Frameworks", "System"}
    page.locator("#nav a", has_text="System").press("Enter")
    page.wait_for_function("() => document.querySelector('main h1')?.textContent === 'System'")
    assert page.evaluate("document.activeElement.tagName") == "H1"  # so that reading goes on there


def test_the_theme_is_the_systems_or_the_chosen_one(site: Site) -> None:
    visitor = site.visitor(color_scheme="dark")
    page = visitor.open("cameras")
    colour = "getComputedStyle(document.body.parentElement).backgroundColor"
    dark = page.evaluate(colour)
    page.locator("#theme").click()
    light = page.evaluate(colour)
    assert light != dark
    page.reload()
    page.wait_for_selector("main h1")
    assert page.evaluate(colour) == light
    page.locator("#theme").click()
    assert page.evaluate(colour) == dark
    visitor.context.close()


@pytest.mark.parametrize(
    "window",
    [
        {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
        pytest.param({"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"}, marks=pytest.mark.slow),
        {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
    ],
    ids=["light", "dark", "phone"],
)
def test_nothing_bars_anybody(site: Site, window: dict[str, Any]) -> None:
    """axe-core finds nothing serious in any view, no view is wider than the window, none says an error."""
    visitor = site.visitor(**window)
    found = []
    for view in VIEWS:
        page = visitor.open(view)
        page.wait_for_load_state("load")
        page.wait_for_timeout(300)
        found += [f"{view}: {fault}" for fault in visitor.axe()]
        if page.evaluate("document.documentElement.scrollWidth") > window["viewport"]["width"]:
            found.append(f"{view} is wider than the window")
    visitor.context.close()
    assert not found, "\n".join(found)
    assert visitor.said == []
    assert visitor.strangers() == []


def test_without_the_library_for_charts_there_are_tables(site: Site) -> None:
    visitor = site.visitor()
    visitor.context.route("**/vendor/*", lambda route: route.fulfill(status=404))
    page = visitor.open("counts")
    page.locator(".chart").get_by_role("table", name="Crossings: road, camera street").wait_for()
    visitor.context.close()


def test_logging_in_and_being_locked_out(site: Site) -> None:
    """Wrong passwords are refused, soon for a while; who is logged in goes on; logging out ends it."""
    visitor = site.visitor(logged_in=False)
    page = visitor.page
    page.goto(f"{site.base}/#/events")
    page.get_by_role("heading", name="Log in").wait_for()
    assert page.locator("#nav").is_hidden()
    for _ in range(8):
        page.fill("#password", "a guess")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_function("() => document.querySelector('.login button').disabled === false")
        page.locator(".fault").wait_for()
        if "try again in" in page.locator(".fault").inner_text():
            break
    else:
        pytest.fail("guesses were never slowed down")
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator(".fault").wait_for()  # even the right one has to wait
    assert page.get_by_role("heading", name="Log in").is_visible()
    visitor.context.close()
    another = site.visitor()
    another.open("cameras").get_by_role("button", name="Log out").wait_for()
    another.context.close()
