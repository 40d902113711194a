"""The page's arithmetic, in the browser that runs it: geometry, the ground, undo, the cutting of streams."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config.quadrilateral import flat_corner, seen_from_one_side
from config.site import Calibration
from pipelines.geometry import Tripline
from pipelines.ground import Ground
from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"
QUAD = {
    "image": [[0.36, 0.45], [0.64, 0.45], [0.85, 0.88], [0.15, 0.88]],
    "ground_m": [[0, 10], [5, 10], [5, 0], [0, 0]],
}


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}  # noqa: RUF012

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """An empty page that may import the modules."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(DASHBOARD)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with chromium() as browser:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/static/icon.svg")
            yield page
    finally:
        server.shutdown()
        server.server_close()


def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """Run the body of a function with ``m``, a module of the page, and ``a``, the argument."""
    return page.evaluate(f"async a => {{ const m = await import('/static/js/{module}.js'); {body} }}", argument)


@pytest.mark.parametrize(
    ("points", "crossed"),
    [
        ([[0, 0], [1, 0], [1, 1], [0, 1]], None),
        ([[0, 0], [1, 1], [1, 0], [0, 1]], [0, 2]),
        ([[0, 0], [0.5, 0], [0.5, 0.5], [0.2, 0.2], [0, 0.5]], None),
        ([[0, 0], [1, 0], [0.5, 0], [0.5, 1]], [0, 2]),
    ],
    ids=["square", "bow", "dented", "side on side"],
)
def test_crossed_polygons_are_seen(page: Page, points: list[list[float]], crossed: list[int] | None) -> None:
    assert run(page, "editor/plane", "return m.crossedSides(a)", points) == crossed


def test_the_arrow_shows_where_rules_count_in(page: Page) -> None:
    """The side that ``line_crossing`` calls ``in`` is the one the arrow points to, whatever way the line goes."""
    for line in ([[10, 60], [90, 60]], [[90, 60], [10, 60]], [[30, 10], [50, 80]], [[70, 90], [20, 5]]):
        dx, dy = run(page, "editor/plane", "return m.inward(a)", line)
        middle = ((line[0][0] + line[1][0]) / 2 + 5 * dx, (line[0][1] + line[1][1]) / 2 + 5 * dy)
        assert Tripline(tuple(line[0]), tuple(line[1])).side(middle) > 0  # `in`


def test_metres_are_those_of_the_rules(page: Page) -> None:
    """The grid and the tape stand where the rules measure."""
    ground = Ground.of(Calibration.model_validate(QUAD), 1, 1)
    for one, two in (([0.4, 0.6], [0.6, 0.6]), ([0.5, 0.5], [0.3, 0.85]), ([0.2, 0.8], [0.7, 0.7])):
        here, there = ground.point(tuple(one)), ground.point(tuple(two))
        assert here is not None and there is not None
        expected = ((here[0] - there[0]) ** 2 + (here[1] - there[1]) ** 2) ** 0.5
        found = run(page, "editor/ground", "return m.metresBetween(a[0], a[1], a[2])", [QUAD, one, two])
        assert found == pytest.approx(expected, rel=1e-6)


def test_the_grid_has_whole_metres_and_ends_at_the_horizon(page: Page) -> None:
    grid = run(page, "editor/ground", "return m.metricGrid(a)", QUAD)
    assert grid["step"] == 1
    assert len(grid["lines"]) > 20
    ground = Ground.of(Calibration.model_validate(QUAD), 1, 1)
    corners = [ground.point(tuple(line[0])) for line in grid["lines"]]
    assert all(x is not None and min(abs(x[0] - round(x[0])), abs(x[1] - round(x[1]))) < 1e-6 for x in corners)
    far = {"image": QUAD["image"], "ground_m": [[x + 1e4, y - 1e4] for x, y in QUAD["ground_m"]]}
    assert len(run(page, "editor/ground", "return m.metricGrid(a)", far)["lines"]) == len(grid["lines"])


@pytest.mark.parametrize(
    "ground",
    [
        QUAD["ground_m"],
        [[0, 0], [5, 0], [5, 10], [0, 10]],
        [[5, 10], [0, 10], [5, 0], [0, 0]],
        [[0, 0], [1, 1], [2, 2], [0, 5]],
    ],
    ids=["right", "mirrored", "crossed", "flat"],
)
def test_a_calibration_is_refused_where_the_server_refuses_it(page: Page, ground: list[list[float]]) -> None:
    is_right = flat_corner(ground) is None and seen_from_one_side(QUAD["image"], ground)
    fault = run(page, "editor/ground", "return m.calibrationFault(a)", {**QUAD, "ground_m": ground})
    assert (fault is None) == is_right


def test_steps_of_one_drag_are_undone_at_once(page: Page) -> None:
    script = """
      const steps = new m.Steps('a');
      steps.take('b', 'drag'); steps.take('c', 'drag'); steps.settle(); steps.take('d', 'drag');
      const seen = [steps.now, steps.changed];
      steps.undo(); seen.push(steps.now);
      steps.undo(); seen.push(steps.now, steps.changed);
      steps.undo(); steps.redo(); steps.redo(); steps.redo(); seen.push(steps.now);
      for (let step = 0; step < 500; step += 1) { steps.take(step); }
      return [...seen, steps.past.length];"""
    assert run(page, "editor/drawing", script) == ["d", True, "c", "a", False, "d", 200]


@pytest.mark.parametrize(
    ("name", "fault"), [("road", False), ("Road", True), ("", True), ("gate", True), ("a" * 65, True), ("lane_1", True)]
)
def test_names_are_checked_where_they_are_typed(page: Page, name: str, fault: bool) -> None:
    assert (run(page, "editor/plane", "return m.nameFault(a, ['gate', 'lane_1'])", name) is not None) == fault


@pytest.mark.parametrize("with_length", [True, False], ids=["with lengths", "without"])
def test_pictures_are_cut_out_of_a_stream_in_any_pieces(page: Page, with_length: bool) -> None:
    pictures = [bytes([0xFF, 0xD8, *range(number, number + 40), 0xFF, 0xD9]) for number in (1, 60, 120)]
    head = "Content-Type: image/jpeg\r\n" + ("Content-Length: 44\r\n" if with_length else "")
    stream = b"".join(b"--cut\r\n" + head.encode() + b"\r\n" + one + b"\r\n" for one in pictures) + b"--cut"
    script = """
      const found = [];
      for (const size of [1, 7, 50, a.length]) {
        const split = m.splitter('multipart/x-mixed-replace; boundary=cut');
        const here = [];
        for (let at = 0; at < a.length; at += size) { here.push(...split(new Uint8Array(a.slice(at, at + size)))); }
        found.push(here.map((one) => [...one]));
      }
      return found;"""
    expected = [list(one) for one in pictures]
    assert run(page, "lib/mjpeg", script, list(stream)) == [expected] * 4


def test_a_stream_that_is_none_does_not_fill_the_memory(page: Page) -> None:
    script = """
      const split = m.splitter('multipart/x-mixed-replace; boundary=cut');
      try {
        for (let turn = 0; turn < 20; turn += 1) { split(new Uint8Array(1e6)); }
      } catch (error) { return error.message; }"""
    assert run(page, "lib/mjpeg", script) == "This is no stream of pictures."
