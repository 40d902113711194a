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


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("cameras.gate.rules[1].seconds", ["rules", "1", "seconds"]),
        ("rules.1.seconds", ["rules", "1", "seconds"]),
        ("cameras.yard.rules[1].seconds", None),
        ("cameras.gate.lines.road[1][0]", ["lines", "road", "1", "0"]),
        (None, []),
    ],
)
def test_a_fault_is_about_one_camera(page: Page, path: str | None, steps: list[str] | None) -> None:
    assert run(page, "lib/faults", "return m.stepsBelow(a, 'gate')", path) == steps


def test_faults_stand_at_their_own_shapes_only(page: Page) -> None:
    paths = [
        "cameras.gate.lines.road[1]",
        "cameras.yard.lines.road",
        "cameras.gate.rules[0].line",
        "cameras.road",
        None,
    ]
    script = """const found = m.atShapes(a.map((path) => ({path, message: 'no'})), 'gate', ['road']);
        return [[...found.faulty], found.left];"""
    left = ["cameras.yard.lines.road: no", "cameras.gate.rules[0].line: no", "cameras.road: no", "no"]
    assert run(page, "lib/faults", script, paths) == [[["road", "no"]], left]


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


def test_shapes_that_no_rule_looks_at_are_told(page: Page) -> None:
    items = [{"kind": "line", "name": name} for name in ("road", "lane_1")] + [{"kind": "zone", "name": "yard"}]
    script = "return [a.rules, [{line: 'lane_*'}], [{line: '*'}], []].map((rules) => m.unwatched(a.items, {rules}))"
    rules = [{"kind": "line_crossing", "line": "road"}, {"kind": "flow_matrix", "zones": ["yard", "street"]}]
    found = run(page, "editor/drawing", script, {"items": items, "rules": rules})
    assert found == [["lane_1"], ["road", "yard"], ["yard"], ["road", "lane_1", "yard"]]
    assert run(page, "editor/drawing", "return m.unwatched(a, {scenario: 'traffic', rules: []})", items) == []


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


STUBS = """
  window.EventSource = class extends EventTarget {
    constructor() { super(); window.source = this; setTimeout(() => this.dispatchEvent(new Event('open'))); }
    close() {}
  };
  window.tell = (name, data) => window.source.dispatchEvent(new MessageEvent(name, {data: JSON.stringify(data)}));
  window.asked = [];
  window.fetch = async (path, options) => {
    window.asked.push(path);
    const [status, body, more] = await window.answer(path, options);
    return new Response(JSON.stringify(body), {status, headers: {'content-type': 'application/json', ...more}});
  };
"""


@pytest.fixture
def blank(page: Page) -> Iterator[Page]:
    """An HTML page without a server behind its API: ``answer(path, options)`` gives ``[status, body]``."""
    browser = page.context.browser
    assert browser is not None
    made = browser.new_page()
    made.add_init_script(STUBS)
    body = "<meta charset=utf-8><div id=notices></div><main></main>"
    made.route("**/blank", lambda route: route.fulfill(body=body, content_type="text/html"))
    made.goto(page.url.replace("/static/icon.svg", "/blank"))
    yield made
    made.close()


def test_a_save_is_settled_by_the_reload_that_read_it(blank: Page) -> None:
    """Also where it fails as the one before did, and not by one that was under way already."""
    script = """
      const {SiteFile} = await import('/static/js/parts/saving.js');
      const file = new SiteFile();
      window.answer = () => [200, {revision: 'r'}];
      const heard = [];
      const hear = (data) => heard.push([data.reloads ?? 'any', file.isSettledBy(data)]);
      m.on('config', hear, new AbortController().signal);
      const tells = (reloads, read_revision, reload_error = null) =>
        tell('config', {reloads, reload_error, read_revision});
      const wrong = 'no such model';
      m.start();
      tells(3, 'r0', wrong);
      await file.save(async () => ({revision: 'r1', reloading: true, reloads: 3, read_revision: 'r0'}));
      tells(3, 'r0', wrong);
      tells(4, 'r0', wrong);
      tells(5, 'r1', wrong);
      heard.push(file.note);
      await file.save(async () => {
        tells(6, 'r1', wrong);
        return {revision: 'r1', reloading: true, reloads: 5, read_revision: 'r1'};
      });
      heard.push(file.note);
      await file.save(async () => ({revision: 'r1', reloading: true, reloads: 6, read_revision: 'r1'}));
      heard.push(file.note);
      for (const said of [[6, 'r1'], [7, 'r1'], [8, 'r2']]) {
        tells(...said);
        heard.push(file.outcome({reloads: said[0], read_revision: said[1]}));
      }
      const last = {reloads: 8, read_revision: 'r2', reload_error: null};
      for (const said of [last, {reloads: 0, reload_error: null}, {}]) {
        m.stop();
        m.start();
        tell('config', said);
      }
      return heard;"""
    assert run(blank, "lib/live", script) == [
        [3, False], [4, False], [5, True], "Saved; being taken over …",
        [6, True], "Saved, but not taken over", "Saved; being taken over …", [6, False], "In force", [7, True],
        "In force", [8, True], "The file was changed since; that is in force", [0, True], ["any", True],
    ]  # fmt: skip


def test_what_became_of_a_save_is_asked_where_no_stream_tells_it(blank: Page) -> None:
    script = """
      const {SiteFile} = await import('/static/js/parts/saving.js');
      const later = setTimeout;
      window.setTimeout = (act, ms) => later(act, ms / 500);
      let reloads = 3;
      const config = () => ({revision: 'r', reloads, read_revision: 'r', reload_error: null, read_only_reason: null});
      window.answer = () => [200, config()];
      const file = await new SiteFile().load();
      const heard = [];
      m.on('config', (said) => heard.push([said.reloads, file.isSettledBy(said)]), new AbortController().signal);
      await file.save(async () => ({revision: 'r', reloading: true, reloads, read_revision: 'r'}));
      heard.push(file.note);
      await new Promise((resolve) => later(resolve, 50));
      reloads = 4;
      await new Promise((resolve) => later(resolve, 200));
      const {length} = window.asked;
      await new Promise((resolve) => later(resolve, 100));
      return [...heard, window.asked.length - length];"""
    assert run(blank, "lib/live", script) == ["Saved; being taken over …", [4, True], 0]


def test_a_change_that_a_new_process_refuses_is_sent_again_with_its_token(blank: Page) -> None:
    script = """
      const {refresh} = await import('/static/js/lib/session.js');
      let token = 'old';
      window.answer = (path, options) =>
        path === '/api/session' ? [200, {csrf: token}]
          : options.headers['X-CSRF-Token'] === token && path !== '/api/no' ? [200, {path}] : [403, {detail: 'no'}];
      await refresh();
      token = 'new';
      const said = await m.put('/api/config', {});
      window.asked = [];
      const refused = await m.put('/api/no', {}).catch((error) => error.status);
      return [said, refused, window.asked];"""
    assert run(blank, "lib/api", script) == [{"path": "/api/config"}, 403, ["/api/no", "/api/session"]]


def test_a_switched_runtime_computes_in_the_precision_that_is_shown(blank: Page) -> None:
    """The file may have another one, whose reload has failed: it is written with the runtime."""
    script = """
      const {SiteFile} = await import('/static/js/parts/saving.js');
      const {session} = await import('/static/js/lib/session.js');
      Object.assign(session, {dashboard: {charts: false}, scopes: ['read', 'configure']});
      const detectors = {main: {runtime: 'torch', precision: 'fp32'}};
      const sent = [];
      window.answer = (path, options) => {
        if (options.method === 'PUT') { sent.push(JSON.parse(options.body)); }
        const inForce = {cameras: {gate: {detector: 'main'}}, detectors};
        return [200, {revision: 'r', read_only_reason: null, in_force: inForce}];
      };
      const made = m.runtimeSwitch({
        all: [{name: 'gate', detectors: ['main']}],
        runtimes: ['torch', 'openvino'].map((name) => ({name, installed: true, precisions: ['fp32', 'int8']})),
        file: await new SiteFile().load(),
        signal: new AbortController().signal,
      });
      document.querySelector('main').append(made);
      const press = made.querySelector('button.first');
      for (const [key, value] of [['runtime', 'openvino'], ['precision', 'int8']]) {
        const choice = made.querySelector(`[name=${key}]`);
        choice.value = value;
        choice.dispatchEvent(new Event('change'));
        press.click();
        while (press.disabled) { await new Promise((resolve) => setTimeout(resolve, 5)); }
      }
      return sent;"""
    assert run(blank, "views/runtime-switch", script) == [
        {"revision": "r", "runtime": "openvino", "precision": "fp32"}, {"revision": "r", "precision": "int8"}
    ]  # fmt: skip


def test_a_switch_is_told_to_its_end(blank: Page) -> None:
    """That it is being loaded, that it is in use, or why it is not; where nothing was measured, a gap."""
    script = """
      const {SiteFile} = await import('/static/js/parts/saving.js');
      const {session} = await import('/static/js/lib/session.js');
      const live = await import('/static/js/lib/live.js');
      Object.assign(session, {dashboard: {charts: false}, scopes: ['read', 'configure']});
      let [reloads, runtime] = [0, 'torch'];
      window.answer = (path, options) => {
        const inForce = {cameras: {gate: {detector: 'main'}}, detectors: {main: {runtime, precision: 'fp32'}}};
        return [200, {revision: `r${reloads + 1}`, read_revision: `r${reloads}`, reloads, in_force: inForce,
                      read_only_reason: null, reloading: true, note: null}];
      };
      live.start();
      tell('config', {reloads, reload_error: null, read_revision: 'r0'});
      const stats = (p95) => tell('stats', {cameras: {gate: {detection_fps: 5, latency_ms: {p95}}}, detectors: {}});
      stats(80);
      stats(0);
      const made = m.runtimeSwitch({
        all: [{name: 'gate', detectors: ['main']}],
        runtimes: [...['torch', 'openvino'].map((name) => ({name, installed: true, precisions: ['fp32']})),
                   {name: 'tensorrt', installed: false, reason: 'no GPU is here'}],
        file: await new SiteFile().load(),
        signal: new AbortController().signal,
      });
      document.querySelector('main').append(made);
      const press = made.querySelector('button.first');
      const seen = [live.live.samples.map((one) => one.cameras.gate.p95), made.querySelector('details').textContent];
      const told = () => [...made.querySelectorAll('[role=status], [role=alert]')]
        .filter((one) => !one.hidden).map((one) => one.textContent.replace(/\\d+:\\d+:\\d+/, 'T'));
      const until = async (act) => {
        const before = told().join();
        act();
        for (let n = 0; n < 1000 && (told().join() === before || !told().length); n += 1) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      };
      const change = async (name, error, taken) => {
        const choice = made.querySelector('[name=runtime]');
        choice.value = name;
        choice.dispatchEvent(new Event('change'));
        press.click();
        while (press.disabled) { await new Promise((resolve) => setTimeout(resolve, 5)); }
        seen.push(...told());
        [reloads, runtime] = [reloads + 1, taken];
        await until(() => tell('config', {reloads, reload_error: error, read_revision: `r${reloads}`}));
        seen.push(...told());
      };
      await change('openvino', null, 'openvino');
      await change('torch', 'no room for it', 'openvino');
      const undo = [...made.querySelectorAll('button')].find((one) => one.textContent.includes('Undo'));
      undo.disabled = false;
      await until(() => undo.click());
      seen.push(...told());
      [reloads, runtime] = [reloads + 1, 'torch'];
      await until(() => tell('config', {reloads, reload_error: null, read_revision: `r${reloads}`}));
      return [...seen, ...told()];"""
    later = "What was never used here is exported first, which may take minutes."
    assert run(blank, "views/runtime-switch", script) == [
        [80, None], "Why tensorrt cannot be chosentensorrt: no GPU is here",
        f"gate: openvino fp32 is being loaded; the runtime of before works until then. {later}",
        "gate: openvino fp32 is in use now, since T.",
        f"gate: torch fp32 is being loaded; the runtime of before works until then. {later}",
        "gate: torch fp32 is not in use, and the runtime of before works on: no room for it",
        "The site file is as it was before; that is being taken over.", "gate: torch fp32 is in use now, since T.",
    ]  # fmt: skip


def test_data_of_events_has_words_and_units(page: Page) -> None:
    data = {
        "zone": "yard", "dwell_time_sec": 8.0004, "speed_kmh": 43.26, "since_pts_s": 1.5, "least_m": None,
        "people_per_m2": 0.25, "action": "long_queue_over", "new_key_m": 3,
    }  # fmt: skip
    assert run(page, "lib/format", "return m.dataLine(a, ['zone'])", data).split(" · ") == [
        "stayed 8 s", "speed 43.26 km/h", "since (media time) 1.5 s", "least distance \u2013", "people per m² 0.25",
        "action long queue over", "new key 3 m",
    ]  # fmt: skip


def test_why_an_event_has_no_picture_is_said(blank: Page) -> None:
    script = """
      const {session} = await import('/static/js/lib/session.js');
      const event = {camera: 'gate', kind: 'speed', rule: 'speed_road', at: 1, pts_s: 1, data: {speed_kmh: 43}};
      const seen = [];
      const last = {id: 7, thumbnail: true};
      for (const [more, dashboard] of [[{}, {}], [{id: 7}, {}], [{}, {history: false}], [last, {}]]) {
        session.dashboard = dashboard;
        m.showEvent({...event, ...more});
        const dialog = document.querySelector('dialog');
        if (more.thumbnail) { await new Promise((resolve) => setTimeout(resolve, 200)); }
        seen.push(dialog.querySelector('.note').textContent);
        const [row] = [...dialog.querySelectorAll('[title=speed_kmh]')].map((one) => one.closest('tr'));
        seen.push(...(more.thumbnail ? [row.textContent] : []));
        dialog.querySelector('button').click();
      }
      return seen;"""
    assert run(blank, "parts/event-dialog", script) == [
        "The picture of this event is not there yet; open the event again in a few seconds.",
        "There is no picture of this event: none was made, or it is not kept any more.",
        "There are no pictures of events, for no history is kept (server.history of the site file).",
        "The picture of this event cannot be loaded any more.", "Speed43 km/h",
    ]  # fmt: skip


def test_what_a_busy_server_puts_off_is_read_later(blank: Page) -> None:
    """As often as twice, where the server says when; changes are not sent again."""
    script = """
      const waits = [];
      const later = setTimeout;
      window.setTimeout = (act, ms) => { waits.push(ms); return later(act, 0); };
      const soon = [503, {detail: 'busy'}, {'retry-after': '5'}];
      const outcome = async (asked, ...answers) => {
        window.answer = () => answers.shift();
        window.asked = [];
        return [await asked().then(() => 'well', (error) => error.message), window.asked.length];
      };
      const seen = [
        await outcome(() => m.get('/a'), soon, soon, [200, {}]),
        await outcome(() => m.get('/a'), soon, soon, soon),
        await outcome(() => m.get('/a'), [503, {detail: 'damaged'}]),
        await outcome(() => m.put('/a', {}), soon),
      ];
      const ending = new AbortController();
      window.setTimeout = () => later(() => ending.abort(), 0);
      window.answer = () => soon;
      seen.push(await m.get('/a', ending.signal).catch((error) => error.name));
      return [...seen, waits.every((ms) => ms >= 5000 && ms <= 7500)];"""
    assert run(blank, "lib/api", script) == [
        ["well", 3], ["busy", 3], ["damaged", 1], ["busy", 1], "AbortError", True
    ]  # fmt: skip


EVENTS = """
  const event = (id) => ({camera: 'gate', kind: 'x', rule: 'r', track_id: id, at: id, pts_s: id, data: {}});
  let newest = 60;
  window.answer = (path) => {
    const query = new URL(path, location).searchParams;
    const before = Number(query.get('before') ?? newest + 1);
    const ids = [...Array(Number(query.get('limit'))).keys()].map((index) => before - 1 - index).filter((id) => id > 0);
    const last = ids.at(-1) ?? 0;
    return [200, {events: ids.map((id) => ({id, ...event(id)})), next: last > 1 ? last : null}];
  };
  const {start} = await import('/static/js/lib/live.js');
  start();
  const list = m.eventList(
    {asked: () => ({}), fits: () => true, page: 10, most: 25, short: false, changed: () => {}},
    new AbortController().signal,
  );
  document.querySelector('main').append(list.element);
  const ids = () => [...list.element.children].map((one) => Math.round(one.dataset.at));
  const settled = async () => {
    window.asked = [];
    source.dispatchEvent(new Event('error'));
    while (!window.asked.length) { await new Promise((resolve) => setTimeout(resolve, 10)); }
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await new Promise((resolve) => setTimeout(resolve, 30));
"""


def test_a_list_of_events_has_no_holes(blank: Page) -> None:
    """After an outage, and where there are more than the page holds: what stands there is what happened in a row."""
    script = f"""{EVENTS}
      await list.load();
      const later = setTimeout;
      window.setTimeout = (act, ms) => later(act, ms / 100);
      for (let id = 61; id < 76; id += 1) {{ tell('event', event(id)); }}
      newest = 75;
      window.asked = [];
      while (!window.asked.length) {{ await new Promise((resolve) => later(resolve, 10)); }}
      await new Promise((resolve) => later(resolve, 20));
      const lively = ids();
      window.setTimeout = later;
      newest = 60;
      await list.load();
      newest = 64;
      tell('event', event(65));
      await settled();
      const few = ids();
      newest = 100;
      await settled();
      const many = ids();
      await list.older();
      await list.older();
      const old = ids();
      tell('event', event(101));
      const cut = [list.cut, ids()[0]];
      newest = 101;
      await list.load();
      await list.older();
      for (const id of [102, 103, 104, 105, 106, 107]) {{ tell('event', event(id)); }}
      await list.older();
      return [lively, few, many, old, cut, ids()];"""
    lively, few, many, old, cut, late = run(blank, "parts/event-list", script)
    assert lively == list(range(75, 50, -1))  # nothing was missed: what is read keeps its place
    assert few == list(range(65, 50, -1))
    assert many == list(range(100, 90, -1))
    assert old == list(range(95, 70, -1))
    assert cut == [True, 95]
    assert late == list(range(late[0], late[0] - 25, -1))


def test_what_nobody_changed_in_a_form_is_as_it_was_written(blank: Page) -> None:
    script = """
      const schema = {
        required: ['seconds'],
        properties: {
          seconds: {type: 'number'}, least: {type: 'integer'}, labels: {type: 'array', items: {type: 'string'}},
          hours: {}, zone: {type: 'string'}, optional: {type: 'boolean'},
          name: {anyOf: [{type: 'string'}, {type: 'null'}]},
        },
      };
      const values = {
        kind: 'dwell', seconds: '${DWELL_S:-8}', labels: ['${WHO}', 'car', 'person'], hours: {mon: [480, 600]},
        zone: '${ZONE}', optional: false, name: null, other: 1,
      };
      const form = m.schemaForm(schema, values, {lines: [], zones: ['a'], labels: ['person', 'car']}, {skip: ['kind']});
      document.querySelector('main').append(form.element);
      const same = form.value();
      const input = form.element.querySelector('input');
      input.value = '12';
      const changed = form.value().seconds;
      input.value = 'long';
      return [same, changed, form.invalid(), values];"""
    same, changed, invalid, values = run(blank, "parts/schema-form", script)
    assert same == {key: value for key, value in values.items() if key != "other"}
    assert (changed, invalid) == (12, True)


def test_lists_and_tables_keep_their_place(blank: Page) -> None:
    """A row of a zone is never left over for a line of its number; a table that is read is written on, not replaced."""
    script = """
      const {panel} = await import('/static/js/editor/panel.js');
      const {chart} = await import('/static/js/lib/chart.js');
      const {session} = await import('/static/js/lib/session.js');
      const own = {steps: {now: {items: []}}, item: (id) => own.steps.now.items.find((one) => one.id === id)};
      const list = panel(own);
      const kinds = (...all) => {
        own.steps.now.items = all.map((kind, index) => ({id: index + 1, kind, name: kind, points: [[0, 0], [1, 1]]}));
        list.update(new Map());
        return [...list.element.querySelectorAll('li')].map((one) => one.dataset.kind);
      };
      const seen = [kinds('line', 'zone'), kinds('zone', 'line', 'zone'), kinds('line', 'line', 'zone')];

      session.dashboard = {charts: false};
      const made = chart('fps', {}, new AbortController().signal);
      document.querySelector('main').append(made.element);
      made.update([1, 2], [{name: 'a', values: [3, 4]}]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const scroll = made.element.querySelector('[tabindex]');
      scroll.focus();
      made.update([1, 2, 3], [{name: 'a', values: [3, 4, 5]}]);
      const cells = [...scroll.querySelectorAll('td.number')].map((one) => one.textContent);
      return [...seen, document.activeElement === scroll, cells];"""
    assert run(blank, "lib/dom", script) == [
        ["line", "zone"], ["zone", "line", "zone"], ["line", "line", "zone"], True, ["5", "4", "3"]
    ]  # fmt: skip


def test_the_focus_stays_in_the_drawing(blank: Page) -> None:
    """After a shape or a corner is deleted it is at what is left: the shape, another one, or the tools."""
    script = """
      const root = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      const home = document.createElement('button');
      document.querySelector('main').append(root, home);
      const zone = {id: 1, kind: 'zone', name: 'z', points: [[0, 0], [1, 0], [1, 1], [0, 1]]};
      const line = {id: 2, kind: 'line', name: 'l', points: [[0, 0], [1, 1]]};
      const own = {root, home, size: [100, 100], steps: {now: {items: [zone, line], calibration: null}}, selected: 1};
      const at = () => document.activeElement.dataset.key ?? document.activeElement.tagName;
      m.render(own);
      root.querySelector('[data-key="point-1-3"]').focus();
      own.steps.now.items = [{...zone, points: zone.points.slice(0, 3)}, line];
      m.render(own);
      const seen = [at()];
      own.steps.now.items = [line];
      m.render(own);
      seen.push(at());
      own.steps.now.items = [];
      m.render(own);
      return [...seen, at()];"""
    assert run(blank, "editor/scene", script) == ["point-1-0", "item-2", "BUTTON"]


@pytest.mark.parametrize(("hours", "off"), [(0, 0), (3, 3), (-3, -3)])
def test_the_servers_clock_is_followed(page: Page, hours: float, off: float) -> None:
    script = """m.heard(new Date(Date.now() + a * 3600e3).toUTCString());
        const {spanOf} = await import('/static/js/parts/filters.js');
        const found = [m.now() - Date.now() / 1000, spanOf('1h').until - Date.now() / 1000];
        m.heard(null);
        m.heard('no date');
        const kept = m.now() - Date.now() / 1000;
        m.heard(new Date().toUTCString());
        return [...found, kept, m.now() - Date.now() / 1000];"""
    now, until, kept, again = run(page, "lib/clock", script, hours)
    assert now == pytest.approx(3600 * off, abs=2)
    assert -2 <= until - 3600 * off <= 62
    assert kept == pytest.approx(now, abs=0.1)
    assert again == pytest.approx(0, abs=0.1)


def test_a_lost_stream_is_told_once(blank: Page) -> None:
    """Screen readers hear why there is no picture, and not each try."""
    script = """window.answer = () => [503, {detail: 'The camera is away.'}];
        const said = [];
        const ending = new AbortController();
        await new Promise((enough) => {
          m.play(document.createElement('canvas'), () => '/live', (state, text) => {
            said.push(`${state} ${text}`);
            if (said.length > 2) {
              enough();
            }
          }, ending.signal);
        });
        ending.abort();
        return said;"""
    assert run(blank, "lib/mjpeg", script) == [
        "waiting Connecting to the camera …", "lost The camera is away.", "lost The camera is away.",
    ]  # fmt: skip


def test_a_button_that_is_turned_off_keeps_the_focus(blank: Page) -> None:
    script = """const main = document.querySelector('main');
        let pressed = 0;
        const one = m.button('Save', {onclick: () => { pressed += 1; }});
        const other = m.button('Other');
        main.append(one, other);
        const state = () => [one.disabled, m.isOff(one), document.activeElement === one, pressed];
        const said = [];
        one.focus();
        m.turnOff(one);
        one.click();
        said.push(state());
        m.turnOff(one, false);
        one.click();
        said.push(state());
        m.turnOff(one);
        other.focus();
        said.push(state());
        m.turnOff(one, false);
        said.push(state());
        return said;"""
    assert run(blank, "lib/dom", script) == [
        [False, True, True, 0], [False, False, True, 1], [True, True, False, 1], [False, False, False, 1],
    ]  # fmt: skip


def test_a_notice_that_is_closed_gives_the_focus_back(blank: Page) -> None:
    script = """const field = document.createElement('input');
        document.querySelector('main').append(field);
        field.focus();
        m.failed('one');
        m.failed('two');
        const closes = [...document.querySelectorAll('#notices button')];
        closes[0].focus();
        closes[0].click();
        const neighbour = document.activeElement === closes[1];
        field.focus();
        closes[1].focus();
        closes[1].click();
        return [neighbour, document.activeElement === field];"""
    assert run(blank, "lib/notice", script) == [True, True]


def test_an_event_that_is_closed_gives_the_focus_to_its_row(blank: Page) -> None:
    """Also where the list was written anew while its picture was open."""
    event = {"camera": "gate", "kind": "dwell", "rule": "dwell", "at": 1.76e9, "pts_s": 1.5, "track_id": 3, "data": {}}
    script = """window.answer = () => [200, {events: [a], next: null}];
        const choices = {asked: () => ({}), fits: () => true, page: 5, most: 9, short: true, changed() {}};
        const list = m.eventList(choices, new AbortController().signal);
        document.querySelector('main').append(list.element);
        await list.load();
        const old = list.element.querySelector('button');
        old.focus();
        old.click();
        await list.load();
        document.querySelector('dialog button').click();
        await new Promise((soon) => { setTimeout(soon, 50); });
        const row = list.element.querySelector('button');
        return [row === old, document.activeElement === row];"""
    assert run(blank, "parts/event-list", script, event) == [False, True]
