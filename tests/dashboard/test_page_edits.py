"""The page where somebody else is at work, too: a real Chromium over a site of numbers, whose file others change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from config.kept_file import revision_of
from pipelines.live.plan import plan_site
from tests.support.browser import Visitor, chromium
from tests.support.dashboard import PASSWORD, the_hash
from tests.support.face import ScriptedFace, camera_face
from tests.support.page_client import PageClient

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.timeout(120)
WINDOW: Any = {"width": 1440, "height": 900}
SITE = """\
version: 1
cameras:
  gate1:
    source: rtsp://viewer:gates-word@10.0.0.7/s?stream=gate1
    labels: [car]
    lines:
      road: [[0.1, 0.5], [0.9, 0.5]]
    zones:
      yard: [[0.2, 0.6], [0.5, 0.6], [0.5, 0.9], [0.2, 0.9]]
    rules:
      - {kind: dwell, zone: yard, seconds: "${DWELL_S:-8}"}   # from the environment
  alley:
    source: rtsp://viewer:alleys-word@10.0.0.8/s
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all: each visitor has a context of its own."""
    with chromium() as made:
        yield made


@pytest.fixture
def face(tmp_path: Path, models_dir: Path) -> ScriptedFace:
    """Two cameras as the file says."""
    made = ScriptedFace()
    made.file = tmp_path / "site.yaml"
    made.file.write_text(SITE)
    take_over(made)
    return made


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[PageClient], Visitor]]:
    """Makes visitors; their windows are closed at the end."""
    made: list[Visitor] = []

    def visitor(client: PageClient) -> Visitor:
        made.append(Visitor(browser.new_context(viewport=WINDOW), f"http://127.0.0.1:{client.server.port}"))
        return made[-1]

    yield visitor
    for one in made:
        one.context.close()


def take_over(face: ScriptedFace) -> None:
    """What ``run`` does with a file that is right."""
    assert face.file is not None
    face.in_force = plan_site(face.file, False, False, lambda line: None)
    face.known = {
        name: camera_face(name, config=one.config, plan=one.plan) for name, one in face.in_force.cameras.items()
    }
    now = face.stats_now
    service = now.service.model_copy(update={"reload_error": None, "reloads": now.service.reloads + 1})
    face.read_revision = revision_of(face.file.read_bytes())
    face.stats_now = now.model_copy(update={"service": service})


def written(face: ScriptedFace) -> dict[str, Any]:
    """The cameras of the file."""
    assert face.file is not None
    cameras: dict[str, Any] = yaml.safe_load(face.file.read_text())["cameras"]
    return cameras


def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def save(page: Page) -> None:
    """Press it."""
    page.get_by_role("button", name="Save", exact=True).click()


def click_at(page: Page, *points: tuple[float, float]) -> None:
    """Click on the drawing, in relative coordinates."""
    box = page.locator(".drawing").bounding_box()
    assert box is not None
    for x, y in points:
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_a_text_does_not_overwrite_what_came_meanwhile(
    face: ScriptedFace, visit: Callable[[PageClient], Visitor]
) -> None:
    """Not even where the other's change is in force already; and each camera keeps its own password."""
    assert face.file is not None
    theirs = SITE.replace("cameras:\n", "cameras:\n  new: {source: 'rtsp://viewer:news-word@10.0.0.9/s'}\n")
    with PageClient(face, history={"enabled": False}) as client:
        page = visit(client).open("system/config")
        text = page.get_by_label("The site file")
        mine = text.input_value().replace("version: 1", "version: 1   # mine")
        text.fill(mine)
        face.file.write_text(theirs)
        take_over(face)
        page.wait_for_function("() => document.querySelector('pre.code').textContent.includes('\"new\"')")
        save(page)
        dialog = page.get_by_role("dialog", name="The site file was changed meanwhile")
        dialog.get_by_text("Take the file").wait_for()
        assert dialog.get_by_role("button").count() == 2  # a whole text cannot go into a file that was changed
        dialog.get_by_role("button", name="Go on editing").click()
        assert (face.file.read_text(), text.input_value()) == (theirs, mine)
        save(page)
        dialog.get_by_text("Take the file").click()
        page.wait_for_function("() => document.querySelector('textarea').value.includes('new:')")

        text.fill(text.input_value().replace("version: 1", "version: 2"))
        save(page)
        page.locator("[role=alert] ul li").get_by_text("expected 1, not 2").wait_for()
        numbers = page.locator(".line-numbers")
        assert numbers.inner_text().split() == [str(at + 1) for at in range(text.input_value().count("\n") + 1)]
        assert numbers.locator("b").inner_text().strip() == "1"
        text.evaluate("one => { one.style.height = '5rem'; one.style.minHeight = 0; one.scrollTop = 1000; }")
        page.wait_for_function("() => document.querySelector('.line-numbers').scrollTop > 50")
        page.get_by_role("button", name="Line 1").click()
        assert text.evaluate("one => one.value.slice(one.selectionStart, one.selectionEnd)") == "version: 2"
        page.wait_for_function("() => document.querySelector('.line-numbers').scrollTop === 0")

        text.fill(text.input_value().replace("version: 2", "version: 1   # mine"))
        held: list[Any] = []
        page.route("**/api/config", lambda route: held.append(route) if route.request.method == "PUT" else
                   route.fallback())  # fmt: skip
        save(page)
        until(lambda: page.wait_for_timeout(10) or held)
        text.fill(text.input_value() + "# too late\n")
        held[0].continue_()
        page.get_by_text("what was written since is not saved yet").wait_for()
        assert face.file.read_text() == theirs.replace("version: 1", "version: 1   # mine")
        page.unroute("**/api/config")
        save(page)
        until(lambda: page.wait_for_timeout(10) or "# too late" in face.file.read_text())  # type: ignore[union-attr]
        assert face.file.read_text() == theirs.replace("version: 1", "version: 1   # mine") + "# too late\n"


def test_editors_begin_with_what_is_in_the_file(face: ScriptedFace, visit: Callable[[PageClient], Visitor]) -> None:
    """Whatever is in force: a zone whose reload has failed is not taken away, nor what the environment says."""
    assert face.file is not None
    face.file.write_text(SITE.replace("    zones:\n", "    zones:\n      theirs: [[0, 0], [0.1, 0], [0.1, 0.1]]\n"))
    with PageClient(face, history={"enabled": False}) as client:
        page = visit(client).open("setup/gate1/lines")
        page.get_by_role("button", name="Zone", exact=True).click()
        click_at(page, (0.6, 0.6), (0.8, 0.6), (0.8, 0.8))
        page.keyboard.press("Enter")  # the button has the focus still
        page.keyboard.type("by_enter")
        page.get_by_role("button", name="Line", exact=True).click()
        click_at(page, (0.6, 0.2))
        page.keyboard.press("Escape")
        assert page.get_by_label("Name").count() == 4
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.get_by_label("Camera", exact=True).select_option("alley")
        page.wait_for_function("() => document.querySelector('.head select').value === 'gate1'")
        save(page)
        page.get_by_text("Saved into the site file.").wait_for()
        assert written(face)["gate1"]["zones"].keys() == {"theirs", "yard", "by_enter"}
        page.get_by_label("Name").last.fill("again")
        page.get_by_role("button", name="Undo last save").click()
        page.get_by_role("dialog", name="Undo the last save?").get_by_role("button", name="Go on editing").click()
        assert page.get_by_label("Name").last.input_value() == "again"
        page.get_by_role("button", name="Undo", exact=True).click()

        page.get_by_role("link", name="Scenario and rules").click()
        page.locator(".rule summary").click()
        rule = page.locator(".rule")
        assert rule.get_by_label("seconds *").input_value() == "${DWELL_S:-8}"
        assert rule.locator(".chip").all_inner_texts() == ["person", "car"]  # of the model, not of the camera
        rule.get_by_text("car", exact=True).click()
        rule.locator("summary").click()  # closed: what is missing is shown all the same
        page.get_by_role("button", name="Add rule").click()
        page.locator(".rule summary").last.click()
        save(page)
        assert (
            page.locator(".rule[open]").last.locator("select").first.evaluate("one => one === document.activeElement")
        )
        page.get_by_role("button", name="Remove this rule").last.click()
        save(page)
        page.get_by_text("Saved into the site file.").wait_for()
    assert written(face)["gate1"]["rules"] == [
        {"kind": "dwell", "zone": "yard", "seconds": "${DWELL_S:-8}", "labels": ["car"]}
    ]
    assert "# from the environment" in face.file.read_text()


def test_the_keyboard_keeps_its_place(face: ScriptedFace, visit: Callable[[PageClient], Visitor]) -> None:
    """What is removed or switched off under the focus hands it on; faults of others say whose they are."""
    has_focus = "one => one === document.activeElement"
    with PageClient(face, history={"enabled": False}) as client:
        page = visit(client).open("counts")
        camera = page.get_by_label("Camera", exact=True)
        camera.focus()
        camera.select_option("alley")
        assert camera.evaluate(has_focus)

        page = visit(client).open("setup/gate1/lines")
        page.get_by_role("button", name="Calibrate").press("Enter")
        page.get_by_role("button", name="Remove the calibration").press("Enter")
        assert page.get_by_role("button", name="Calibrate").evaluate(has_focus)
        page.get_by_role("button", name="Delete this line").press("Enter")
        assert page.get_by_label("Name").evaluate(has_focus)
        page.get_by_role("button", name="Undo", exact=True).press("Enter")
        page.get_by_label("Name").first.fill("street")
        page.get_by_role("button", name="Save", exact=True).press("Enter")
        page.get_by_text("Saved into the site file.").wait_for()
        assert page.get_by_role("button", name="Save", exact=True).evaluate(has_focus)
        assert page.get_by_role("button", name="Save", exact=True).get_attribute("aria-disabled") == "true"

        page.get_by_role("link", name="Scenario and rules").click()
        page.get_by_role("button", name="Add rule").click()
        page.get_by_role("button", name="Remove this rule").last.press("Enter")
        assert page.locator(".rule summary").evaluate(has_focus)
        page.locator(".rule summary").press("Enter")
        page.get_by_label("name", exact=True).fill("waits")
        faults = [
            {"path": "cameras.alley.rules[0].seconds", "line": 9, "message": "not here"},
            {"path": "cameras.gate1.rules[0].seconds", "line": 9, "message": "but here"},
        ]
        page.route("**/scenario", lambda route: route.fulfill(status=422, json={"detail": "no", "faults": faults}))
        save(page)
        page.locator("[role=alert]").get_by_text("cameras.alley.rules[0].seconds: not here").wait_for()
        assert page.locator(".rule").get_by_text("but here").is_visible()
        assert page.locator(".rule").get_by_text("not here").count() == 0


def test_a_page_stays_of_use_over_a_restart(face: ScriptedFace, visit: Callable[[PageClient], Visitor]) -> None:
    """The new process wants another token: the page gets it by itself."""
    with PageClient(face, history={"enabled": False}) as client:
        port = client.server.port
        visitor = visit(client)
        page = visitor.open("setup/gate1/lines")
        page.get_by_label("Name").first.fill("street")
    page.get_by_text("No connection").wait_for()
    with PageClient(face, history={"enabled": False}, port=port):
        save(page)
        page.get_by_text("Saved into the site file.").wait_for()
    assert written(face)["gate1"]["lines"].keys() == {"street"}


def test_what_is_drawn_outlives_the_session(face: ScriptedFace, visit: Callable[[PageClient], Visitor]) -> None:
    with PageClient(face, history={"enabled": False}, password_hash=the_hash()) as client:
        visitor = visit(client)
        page = visitor.page
        page.goto(f"{visitor.base}/#/setup/gate1/lines")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_label("Name").first.fill("street")
        visitor.context.clear_cookies()  # the session is over
        save(page)
        dialog = page.get_by_role("dialog", name="Log in")
        dialog.get_by_text("What is not saved yet is still here").wait_for()
        for _ in range(3):
            page.keyboard.press("Escape")
        assert dialog.is_visible()
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        dialog.wait_for(state="hidden")
        assert page.get_by_label("Name").first.input_value() == "street"
        save(page)
        page.get_by_text("Saved into the site file.").wait_for()
        visitor.context.clear_cookies()
        page.get_by_role("button", name="New picture").click()  # nothing is lost now
        page.get_by_role("button", name="Undo last save").click()
        page.locator("main").get_by_role("heading", name="Log in").wait_for()
    assert written(face)["gate1"]["lines"].keys() == {"street"}


def test_a_login_that_cannot_be_loaded_is_tried_again(
    face: ScriptedFace, visit: Callable[[PageClient], Visitor]
) -> None:
    """The network goes away when the session ends: the page says so, and nothing that is drawn is lost."""
    with PageClient(face, history={"enabled": False}, password_hash=the_hash()) as client:
        visitor = visit(client)
        page, context = visitor.page, visitor.context
        context.request.post(f"{visitor.base}/api/login", data={"password": PASSWORD})
        page.goto(f"{visitor.base}/#/setup/gate1/lines")
        page.get_by_label("Name").first.fill("street")
        away = "**/views/*.js"
        context.route(away, lambda route: route.abort())
        context.clear_cookies()
        save(page)
        page.get_by_text("The session has ended, and the login cannot be loaded.").wait_for()
        context.unroute(away)
        page.get_by_role("dialog", name="Log in").wait_for()
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="Log in").wait_for(state="hidden")
        assert page.get_by_label("Name").first.input_value() == "street"
        page.once("dialog", lambda dialog: dialog.accept())
        context.route(away, lambda route: route.abort())
        page.get_by_role("link", name="Counts").click()
        page.get_by_text("A part of the page cannot be loaded from Sightline; trying again").wait_for()
        context.unroute(away)
        page.get_by_role("heading", name="Counts", exact=True).wait_for()


def test_who_may_not_configure_sees_all_and_why(face: ScriptedFace, visit: Callable[[PageClient], Visitor]) -> None:
    def looks_only(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "scopes": ["read"]})

    with PageClient(face, history={"enabled": False}) as client:
        visitor = visit(client)
        visitor.context.route("**/api/session", looks_only)
        for view, shown in (("setup/gate1/lines", "road"), ("setup/gate1/rules", "dwell"), ("system/config", "gate1:")):
            page = visitor.open(view)
            page.locator("main .note").get_by_text("You may look, but not change the configuration.").wait_for()
            assert page.get_by_role("button", name="Save", exact=True).is_disabled()
            said = page.locator("main").evaluate(
                "one => one.textContent + [...one.querySelectorAll('input, textarea')].map((field) => field.value)"
            )
            assert shown in said
        assert page.get_by_label("The site file").get_attribute("readonly") is not None


def test_live_views_work_without_a_history(face: ScriptedFace, visit: Callable[[PageClient], Visitor]) -> None:
    (figures,) = face.stats_now.cameras.values()
    face.stats_now = face.stats_now.model_copy(update={"cameras": dict.fromkeys(face.known, figures)})
    with PageClient(face) as client:
        visitor = visit(client)
        fault = {"status": 503, "json": {"detail": "the history is damaged", "path": None}}
        for path in ("history/*", "events?*", "compares"):
            visitor.context.route(f"**/api/{path}", lambda route: route.fulfill(**fault))
        page = visitor.open("counts")
        page.get_by_text("The history cannot be read: the history is damaged").wait_for()
        assert page.locator('[data-key="gate1/counts/road/in/car"]').inner_text() == "3"
        page = visitor.open("frameworks")
        page.get_by_text("The history cannot be read: the history is damaged").wait_for()
        page.get_by_role("table", name="Detectors and their speed").wait_for()
        page = visitor.open("events")
        page.get_by_text("The history cannot be read: the history is damaged").wait_for()
        assert "car" in page.get_by_label("Label", exact=True).inner_text()
        assert page.locator("h1").inner_text() == "Events"
