"""From a camera's configuration to its rules: names, labels, wildcards, and what collides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from config.catalogue import catalogue
from config.errors import ConfigError
from config.loader import Document, load
from config.scenario import scenario_names
from config.site import Site
from pipelines.fitting import fitted, remarks, rules_off
from pipelines.live.plan import PlannedCamera, plan_site
from pipelines.rules import RULE_KINDS
from pipelines.scenario import CameraPlan, plan_camera, plan_scenario
from pipelines.values import Event, Track
from streams.frame import Frame
from tests.support.tracks import box, play, steps, walk
from tests.support.videos import encode

KINDS = ", ".join(RULE_KINDS)
COCO = catalogue().get("yolov8n").labels or ()
GEOMETRY = """\
version: 1
cameras:
  cam:
    source: x.mp4
    lines:
      gate: [[0.1, 0.6], [0.9, 0.6]]
      back: [[0.1, 0.2], [0.9, 0.2]]
    zones:
      box: [[0.3, 0.4], [0.7, 0.4], [0.8, 0.9], [0.2, 0.9]]
"""


def site(tmp_path: Path, extra: str, text: str = GEOMETRY) -> Document[Site]:
    path = tmp_path / "site.yaml"
    path.write_text(text + extra)
    return load(path, Site)


def plan(tmp_path: Path, extra: str, text: str = GEOMETRY, scenario: str | None = None) -> CameraPlan:
    return plan_camera(site(tmp_path, extra, text), "cam", scenario)


def faults(tmp_path: Path, extra: str, scenario: str | None = None) -> list[str]:
    document = site(tmp_path, extra)
    with pytest.raises(ConfigError) as error:
        plan_camera(document, "cam", scenario)
    return [fault.replace(f"{tmp_path}/", "") for fault in error.value.faults]


def names(found: CameraPlan) -> list[str]:
    return [rule.name for rule in found.rules]


@pytest.mark.parametrize("name", scenario_names())
def test_preset_on_its_own_geometry_runs_with_a_coco_model(name: str) -> None:
    found = plan_scenario(name)
    found.check_labels("yolov8n", COCO)
    rules = found.rule_set("cam", 640, 352)
    assert {"line_crossing", "zone_count", "dwell"} <= {rule.kind for rule in rules.rules} <= set(RULE_KINDS)
    assert sorted(rule.name for rule in rules.rules) == sorted(names(found))
    assert set(rules.counters().values()) == {0}
    assert set(rules.state()) == set(names(found))


@pytest.mark.parametrize("name", scenario_names())
def test_preset_on_a_cameras_geometry(name: str, tmp_path: Path) -> None:
    found = plan(tmp_path, f"    scenario: {name}\n")
    assert set(found.lines) == {"gate", "back"} and set(found.zones) == {"box"}
    always = {"dwell_box", "line_crossing_back", "line_crossing_gate", "zone_count_box"}
    assert set(names(found)) - always == {
        "traffic": {"stopped_box"}, "construction": {"helmet", "vest", "down"}, "restaurant": {"heat"},
        "pedestrian": {"crowding_box"},
    }[name]  # fmt: skip
    assert always <= set(names(found))


def test_what_a_preset_needs_of_the_camera_and_does_not_find_is_told(tmp_path: Path) -> None:
    assert rules_off(plan(tmp_path, "    scenario: traffic\n"), COCO) == {
        "speed_box": "speed measures in metres, and camera cam has no 'calibration'; write four points of the ground "
        "there (docs/scenarios.md), or name two 'lines' and the 'metres' between them"
    }
    off = rules_off(plan(tmp_path, "    scenario: construction\n"), COCO)
    assert set(off) == {"near_vehicle", "helmet", "vest"}
    assert "the model has no label 'helmet'" in off["helmet"]


def test_places_with_names_that_fit_bring_rules(tmp_path: Path) -> None:
    square = "[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.1, 0.4]]"
    zones = "".join(f"      {name}: {square}\n" for name in ("lane_a", "lane_b", "arm_n", "arm_s", "queue_bar"))
    text = f"""\
version: 1
cameras:
  cam:
    source: x
    lines: {{way_a: [[0, 0], [1, 1]], exit_bar: [[0, 1], [1, 1]]}}
    zones:
{zones}"""
    found = plan(tmp_path, "", text + "    scenario: traffic\n")
    rules = {rule.name: rule for rule in found.rules}
    assert {"congestion_lane_a", "congestion_lane_b", "turns", "wrong_way_lane_a"} <= set(names(found))
    assert rules["turns"].config.model_dump()["zones"] == ("arm_n", "arm_s")
    assert rules["wrong_way_lane_a"].config.model_dump()["along"] == "way_a"
    assert found.off["wrong_way_lane_b"].startswith("no line says which way is right in zone 'lane_b'")
    assert not [name for name in rules if name.startswith(("congestion_arm", "wrong_way_arm"))]
    found.rule_set("cam", 640, 352)
    found = plan(tmp_path, "", text + "    scenario: restaurant\n")
    queue = next(rule.config for rule in found.rules if rule.name == "queue_queue_bar").model_dump()
    assert (queue["zone"], queue["service"], queue["exit"]) == ("queue_bar", None, "exit_bar")


def test_wildcards_are_one_rule_for_each_place(tmp_path: Path) -> None:
    found = plan(tmp_path, "    rules:\n      - {kind: line_crossing, line: '*', name: cars, labels: [car]}\n")
    assert names(found) == ["cars_gate", "cars_back"]
    assert [rule.place for rule in found.rules] == ["gate", "back"]
    assert sorted(found.rule_set("cam", 100, 100).counters()) == sorted(
        ("counts", line, direction, "car") for line in ("gate", "back") for direction in ("in", "out")
    )


def test_wildcard_without_places_is_no_rule(tmp_path: Path) -> None:
    text = "version: 1\ncameras:\n  cam:\n    source: x\n    lines: {gate: [[0, 0], [1, 1]]}\n    scenario: traffic\n"
    assert names(plan(tmp_path, "", text)) == ["line_crossing_gate"]


def test_a_rule_over_several_zones(tmp_path: Path) -> None:
    extra = "    rules:\n      - {kind: flow_matrix, zones: %s}\n"
    found = plan(tmp_path, extra % "'*'")  # the camera has one zone, and a way needs two
    assert found.rules == ()
    assert found.off == {"flow_matrix": "flow_matrix needs 2 zones, and only 'box' fits '*'"}
    assert plan(tmp_path, extra % "'arm_*'").off == {}, "nobody has drawn any"
    two = GEOMETRY + "      far: [[0.3, 0.1], [0.7, 0.1], [0.7, 0.3]]\n"
    for zones in ("'*'", "[box, far]"):
        found = plan(tmp_path, extra % zones, two)
        assert names(found) == ["flow_matrix"]
        assert set(found.rule_set("cam", 100, 100).counters()) == {
            ("totals", "flow_matrix", "box_to_far"), ("totals", "flow_matrix", "far_to_box"),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ("[box, fra]", "unknown zone 'fra'; allowed: box"),
        ("[box]", "must have at least 2 items, this has 1"),
        ("[box, box]", "zone 'box' is named twice"),
        ("box", "expected a list of zones, or '*' for all, not 'box'"),
        ("[1, box]", "expected text, not 1; put it in quotes"),
    ],
)
def test_wrong_zones_of_a_rule_over_several(zones: str, expected: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, f"    rules:\n      - {{kind: flow_matrix, zones: {zones}}}\n")
    assert fault.startswith("site.yaml:11: cameras.cam.rules[0].zones")
    assert fault.endswith(expected)


def test_a_cameras_rule_takes_the_place_of_the_scenarios_rule_of_that_name(tmp_path: Path) -> None:
    extra = """\
    scenario: traffic
    rules:
      - {kind: line_crossing, line: gate, labels: [car]}
      - {kind: dwell, zone: box, seconds: 5, labels: [bus]}
      - {kind: dwell, zone: box, seconds: 20, labels: [car], name: blocked}
"""
    found = plan(tmp_path, extra)
    rules = {rule.name: rule.config for rule in found.rules}
    expected = ["blocked", "dwell_box", "line_crossing_back", "line_crossing_gate", "stopped_box", "zone_count_box"]
    assert sorted(names(found)) == expected
    assert rules["line_crossing_gate"].labels == ("car",)
    assert rules["dwell_box"].model_dump()["seconds"] == 5
    assert rules["blocked"].model_dump()["seconds"] == 20


def test_no_scenario_no_rules(tmp_path: Path) -> None:
    found = plan(tmp_path, "")
    assert (names(found), found.labels, found.rule_set("cam", 10, 10).counters()) == ([], None, {})


def test_scenario_of_the_command_line_takes_the_place_of_the_cameras(tmp_path: Path) -> None:
    found = plan(tmp_path, "    scenario: traffic\n", scenario="restaurant")
    assert found.labels == ("person",)


def test_labels_of_the_camera_come_before_those_of_the_scenario(tmp_path: Path) -> None:
    assert plan(tmp_path, "    scenario: traffic\n    labels: [car, bus]\n").labels == ("car", "bus")
    assert plan(tmp_path, "    scenario: restaurant\n").labels == ("person",)


SECOND = "site.yaml:12: cameras.cam.rules[1]"
WRONG = {
    "unknown kind": (
        "    rules:\n      - {kind: teleport, zone: box}\n",
        [f"site.yaml:11: cameras.cam.rules[0].kind: unknown rule kind 'teleport'; allowed: {KINDS}"],
    ),
    "unknown line": (
        "    rules:\n      - {kind: line_crossing, line: gaet}\n",
        ["site.yaml:11: cameras.cam.rules[0].line: unknown line 'gaet'; allowed: gate, back"],
    ),
    "unknown zone": (
        "    rules:\n      - kind: dwell\n        seconds: 3\n        zone: gate\n",
        ["site.yaml:13: cameras.cam.rules[0].zone: unknown zone 'gate'; allowed: box"],
    ),
    "unknown scenario": (
        "    scenario: trafic\n",
        [
            "site.yaml:10: cameras.cam.scenario: unknown scenario 'trafic'; allowed: construction, pedestrian, "
            "restaurant, traffic, or the path of a .yaml file"
        ],
    ),
    "unknown key": (
        "    rules:\n      - {kind: dwell, zone: box, second: 3}\n",
        [
            "site.yaml:11: cameras.cam.rules[0].seconds: this key is required",
            "site.yaml:11: cameras.cam.rules[0].second: unknown key (did you mean 'seconds'?); allowed: anchor, "
            "grace_s, kind, labels, name, optional, seconds, skip, zone",
        ],
    ),
    "wrong values": (
        "    rules:\n      - kind: dwell\n        zone: box\n        seconds: long\n        labels: car\n"
        "        anchor: head\n        name: A\n        grace_s: -1\n",
        [
            "site.yaml:13: cameras.cam.rules[0].seconds: expected a number, not 'long'",
            "site.yaml:14: cameras.cam.rules[0].labels: expected a list, not 'car'",
            "site.yaml:15: cameras.cam.rules[0].anchor: expected 'foot' or 'centre', not 'head'",
            "site.yaml:16: cameras.cam.rules[0].name: 'A' has characters that are not allowed; use a-z, 0-9, - and _ "
            "only",
            "site.yaml:17: cameras.cam.rules[0].grace_s: must be at least 0, not -1",
        ],
    ),
    "no labels at all": (
        "    rules:\n      - {kind: zone_count, zone: box, labels: []}\n",
        ["site.yaml:11: cameras.cam.rules[0].labels: must not be empty"],
    ),
    "two rules of one name": (
        "    rules:\n      - {kind: dwell, zone: box, seconds: 3}\n      - {kind: dwell, zone: box, seconds: 9}\n",
        ["site.yaml:12: cameras.cam.rules[1]: two rules are called 'dwell_box'; give one a 'name' of its own"],
    ),
    "two rules with the same counters": (
        "    rules:\n      - {kind: zone_count, zone: box, labels: [car, bus]}\n"
        "      - {kind: zone_count, zone: box, labels: [bus, truck], name: heavy}\n",
        [f"{SECOND}: rules 'zone_count_box' and 'heavy' both count 'box' for one label; keep one"],
    ),
    "a rule for all labels beside one for some": (
        "    rules:\n      - {kind: line_crossing, line: gate}\n"
        "      - {kind: line_crossing, line: '*', labels: [car], name: c}\n",
        [f"{SECOND}: rules 'line_crossing_gate' and 'c_gate' both count 'gate' for one label; keep one"],
    ),
    "same counters as the scenario": (
        "    scenario: traffic\n    rules:\n      - {kind: line_crossing, line: gate, labels: [car], name: mine}\n",
        [
            "site.yaml:12: cameras.cam.rules[0]: rules 'line_crossing_gate' and 'mine' both count 'gate' for one "
            "label; keep one"
        ],
    ),
    "several": (
        "    rules:\n      - {kind: a}\n      - {kind: dwell, zone: b, seconds: 1}\n",
        [
            "site.yaml:11: cameras.cam.rules[0].kind: unknown rule kind 'a'; allowed: " + KINDS,
            "site.yaml:12: cameras.cam.rules[1].zone: unknown zone 'b'; allowed: box",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules(name: str, tmp_path: Path) -> None:
    extra, expected = WRONG[name]
    assert faults(tmp_path, extra) == expected


def test_no_line_to_choose_from_is_said(tmp_path: Path) -> None:
    text = "version: 1\ncameras:\n  cam:\n    source: x\n    rules:\n      - {kind: line_crossing, line: gate}\n"
    with pytest.raises(ConfigError, match="unknown line 'gate'; allowed: none: the camera has no lines"):
        plan(tmp_path, "", text)


def test_every_fault_of_a_scenario_file_is_told_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("rules: [{knd: a}]\nlabel: [car]\n")
    found = faults(tmp_path, "    scenario: own.yaml\n")
    assert [fault.split(": ")[:4] for fault in found] == [
        ["site.yaml:10", "cameras.cam.scenario", "own.yaml:1", "rules[0].kind"],
        ["site.yaml:10", "cameras.cam.scenario", "own.yaml:2", "label"],
    ]


def test_labels_the_model_does_not_have(tmp_path: Path) -> None:
    rule = "{kind: dwell, zone: box, seconds: 3, labels: [cat, lorry]}"
    extra = f"    labels: [person, cat, lorry]\n    rules:\n      - {rule}\n"
    found = plan(tmp_path, extra)
    with pytest.raises(ConfigError) as error:
        found.check_labels("tiny", ("person", "car"))
    place = f"{tmp_path}/site.yaml"
    assert error.value.faults == (
        f"{place}:10: cameras.cam.labels: model 'tiny' has no label 'cat', 'lorry'; allowed: person, car",
        f"{place}:12: cameras.cam.rules[0].labels: model 'tiny' has no label 'cat', 'lorry'; allowed: person, car",
    )
    plan(tmp_path, "    labels: [person]\n").check_labels("tiny", ("person", "car"))


def test_a_rule_for_labels_the_camera_does_not_keep_is_a_fault(tmp_path: Path) -> None:
    extra = "    labels: [person]\n    rules:\n      - {kind: dwell, zone: box, seconds: 3, labels: [person, cat]}\n"
    with pytest.raises(ConfigError, match=r"rules\[0\]\.labels: the camera does not keep cat; it keeps person"):
        plan(tmp_path, extra)


def test_rules_without_labels_look_at_those_the_camera_keeps(tmp_path: Path) -> None:
    extra = "    labels: [person, car]\n    rules:\n      - {kind: line_crossing, line: gate}\n"
    rules = plan(tmp_path, extra).rule_set("cam", 100, 100)
    assert rules.counters() == {
        ("counts", "gate", direction, label): 0 for direction in ("in", "out") for label in ("person", "car")
    }


def test_a_scenarios_rules_shrink_to_the_labels_the_camera_keeps(tmp_path: Path) -> None:
    found = plan(tmp_path, "    labels: [car]\n    scenario: traffic\n")
    assert {rule.config.labels for rule in found.rules} == {("car",)}


def test_labels_of_a_preset_the_model_does_not_have() -> None:
    with pytest.raises(ConfigError) as error:
        plan_scenario("restaurant").check_labels("tiny", ("car", "bus"))
    assert [fault.split("restaurant.yaml:")[1] for fault in error.value.faults] == [
        "5: labels: model 'tiny' has no label 'person'; allowed: car, bus",
        *(f"{12 + n}: rules[{n}].labels: model 'tiny' has no label 'person'; allowed: car, bus" for n in range(4)),
    ]


def test_geometry_drawn_on_another_aspect_ratio(tmp_path: Path) -> None:
    found = plan(tmp_path, "    drawn_on: [1920, 1080]\n")
    found.check_size("x.mp4", 1280, 720)
    found.check_size("x.mp4", 640, 352)  # 16:9 as encoders round it
    with pytest.raises(ConfigError) as error:
        found.check_size("x.mp4", 640, 480)
    assert str(error.value) == (
        f"{tmp_path}/site.yaml:10: cameras.cam.drawn_on: the lines and zones were drawn on 1920x1080, but x.mp4 is "
        "640x480: another aspect ratio; draw them again"
    )
    plan(tmp_path, "").check_size("x.mp4", 1, 1000)


def test_geometry_becomes_pixels(tmp_path: Path) -> None:
    found = plan(tmp_path, "")
    assert found.pixel_lines(100, 50)["gate"] == (pytest.approx((10, 30)), pytest.approx((90, 30)))
    assert found.pixel_zones(100, 50)["box"][2] == pytest.approx((80, 45))


def test_rules_run_and_events_carry_the_frames_clock(tmp_path: Path) -> None:
    extra = (
        "    rules:\n      - {kind: line_crossing, line: gate, labels: [person]}\n"
        "      - {kind: zone_count, zone: box}\n"
    )
    rules = plan(tmp_path, extra).rule_set("cam", 1000, 500)
    events = []
    for index, row in enumerate(steps([(500, 250), (500, 250), (500, 400)])):
        frame = Frame("cam", index, np.zeros((500, 1000, 3), np.uint8), row.t, 1.7e9 + index)
        events += rules.update([Track(1, "person", box(row), 0.9, 0.0, row.t)], frame)
    assert [(event.rule, event.captured_at, event.pts_s) for event in events] == [
        ("zone_count_box", 1.7e9 + 1, 0.1),
        ("line_crossing_gate", 1.7e9 + 2, 0.2),
    ]
    assert rules.counters() == {
        ("counts", "gate", "in", "person"): 0,
        ("counts", "gate", "out", "person"): 1,
        ("occupancy", "box", "person"): 1,
        ("totals", "zone_count_box", "person"): 1,
    }
    assert rules.state()["line_crossing_gate"]["kind"] == "line_crossing"


DESIGN = """\
version: 1
site: north-gate
timezone: Europe/Berlin
mqtt:
  host: 127.0.0.1
  port: 1883
  prefix: sightline
  username: ${SIGHTLINE_TEST_UNSET:-}
  password: ${SIGHTLINE_TEST_UNSET:-}
  tls: {enabled: false, ca: null, cert: null, key: null}
  outbox: {path: var/outbox.sqlite, max_mb: 256, expiry_s: 3600}
  detections: {enabled: true, max_hz: 10}
  home_assistant: {enabled: false}
detectors:
  main: {model: yolov8n, runtime: torch, device: auto, precision: fp32, imgsz: 640, confidence: 0.25, iou: 0.7}
  edge: {model: yolov8n, runtime: litert, precision: int8}
  tf:   {model: yolov8n, runtime: tensorflow}
cameras:
  junction:
    source: rtsp://192.0.2.10/stream1
    username: ${SIGHTLINE_TEST_UNSET:-}
    password: ${SIGHTLINE_TEST_UNSET:-}
    backend: auto
    transport: tcp
    stall_s: 3
    detector: main
    detect_fps: 10
    labels: [car, truck, bus, person]
    min_size: 0.01
    motion: {enabled: false}
    tiles: null
    drawn_on: [1920, 1080]
    masks: [[[0, 0], [0.2, 0], [0.2, 0.1], [0, 0.1]]]
    lines:
      mid_block: [[0.10, 0.60], [0.90, 0.62]]
    zones:
      box: [[0.3, 0.4], [0.7, 0.4], [0.8, 0.9], [0.2, 0.9]]
    calibration:
      image: [[0.2, 0.4], [0.8, 0.4], [0.95, 0.9], [0.05, 0.9]]
      ground_m: [[0, 0], [12, 0], [12, 30], [0, 30]]
    scenario: traffic
    rules:
      - {kind: line_crossing, line: mid_block, labels: [car, truck, bus]}
      - {kind: dwell, name: blocked_box, zone: box, seconds: 20, labels: [car]}
      - {kind: zone_intrusion, zone: box, labels: [person], schedule: "mon-fri 18:00-06:00"}
outputs:
  jsonl: {path: var/results, rotate_mb: 100, keep_days: 14}
server: {host: 127.0.0.1, port: 8600, metrics: true, dashboard: true}
"""


def test_every_key_of_the_contract_is_known(tmp_path: Path) -> None:
    """All of it loads, and every rule kind is there."""
    found = plan_camera(site(tmp_path, "", DESIGN), "junction")
    found.check_labels("yolov8n", COCO)
    assert sorted(names(found)) == [
        "blocked_box", "dwell_box", "line_crossing_mid_block", "speed_box", "stopped_box", "zone_count_box",
        "zone_intrusion_box",
    ]  # fmt: skip
    assert (found.timezone, found.calibration is not None) == ("Europe/Berlin", True)


# --- several lines and zones, keys of labels, and what a camera cannot serve ----------------------------------------

CALIBRATION = """\
    calibration:
      image: [[0.4, 0.3], [0.6, 0.3], [0.95, 0.95], [0.05, 0.95]]
      ground_m: [[0, 60], [8, 60], [8, 0], [0, 0]]
"""
SPEED = "    rules:\n      - {kind: speed, lines: [gate, back], metres: 12"
NEAR = "    rules:\n      - {kind: proximity, labels: [person], to: [truck, car], metres: 3"


def test_a_rule_may_name_two_lines(tmp_path: Path) -> None:
    found = plan(tmp_path, f"{SPEED}}}\n")
    assert names(found) == ["speed_gate_back"]
    assert [type(rule).__name__ for rule in found.rule_set("cam", 100, 100).rules] == ["Speed"]
    assert faults(tmp_path, SPEED.replace("back", "yard") + "}\n") == [
        "site.yaml:11: cameras.cam.rules[0].lines: unknown line 'yard'; allowed: gate, back"
    ]


def test_a_rule_for_each_zone_may_measure(tmp_path: Path) -> None:
    found = plan(tmp_path, f'{CALIBRATION}    rules:\n      - {{kind: speed, zone: "*", limit_kmh: 30}}\n')
    assert names(found) == ["speed_box"]


def test_every_list_of_labels_is_checked(tmp_path: Path) -> None:
    found = plan(tmp_path, f"{CALIBRATION}{NEAR}, zone: box}}\n")
    assert names(found) == ["proximity_box"]
    found.check_labels("yolov8n", COCO)
    with pytest.raises(ConfigError) as error:
        found.check_labels("tiny", ("person", "car"))
    assert [fault.split("/")[-1] for fault in error.value.faults] == [
        "site.yaml:14: cameras.cam.rules[0].to: model 'tiny' has no label 'truck'; allowed: person, car"
    ]
    (fault,) = faults(tmp_path, f"    labels: [person, car]\n{CALIBRATION}{NEAR}}}\n")
    assert fault == "site.yaml:15: cameras.cam.rules[0].to: the camera does not keep truck; it keeps person, car"


def test_a_scenario_s_rule_goes_where_one_of_its_lists_is_empty(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "version: 1\nrules:\n  - {kind: proximity, labels: [person], to: [truck], metres: 2}\n"
        "  - {kind: zone_count, zone: box, labels: [person]}\n"
    )
    kept = f"    scenario: own.yaml\n    labels: [person]\n{CALIBRATION}"
    found = plan(tmp_path, kept)
    assert names(found) == ["zone_count_box"]
    assert rules_off(found, COCO) == {"proximity": "the camera does not keep truck; it keeps person"}
    assert remarks(found, COCO) == ["rule proximity is off: the camera does not keep truck; it keeps person"]


def test_the_catalogue_s_model_of_falls_alone_serves_the_construction_preset(tmp_path: Path) -> None:
    labels = catalogue().get("human-fall-yolov8s").labels or ()
    found = plan(tmp_path, f"    scenario: construction\n    labels: [Normal, Fall]\n{CALIBRATION}")
    found.check_labels("human-fall-yolov8s", labels)
    (down,) = (rule.config.model_dump() for rule in fitted(found, labels).rules)
    assert (down["name"], down["labels"], down["fall_labels"]) == ("down", ("Normal",), ("Fall",))
    off = rules_off(found, labels)
    assert off["near_vehicle"] == "the camera does not keep person, truck, car; it keeps Normal, Fall"
    assert set(off) == {
        "dwell_box", "helmet", "line_crossing_back", "line_crossing_gate", "near_vehicle", "vest", "zone_count_box",
    }  # fmt: skip
    falls = plan(tmp_path, "    scenario: construction\n    labels: [Fall]\n")
    assert names(fitted(falls, labels)) == ["down"]
    cars = plan(tmp_path, "    scenario: construction\n    labels: [car]\n")
    assert "down" not in names(fitted(cars, COCO)), "nobody falls where there are no people and no labels of falls"


def test_an_optional_rule_is_off_where_the_camera_knows_no_metres(tmp_path: Path) -> None:
    found = plan(tmp_path, f"{NEAR}, optional: true}}\n      - {{kind: dwell, zone: box, seconds: 3}}\n")
    assert names(found) == ["dwell_box"]
    (why,) = found.off.values()
    assert list(found.off) == ["proximity"]
    assert why.startswith("proximity measures in metres, and camera cam has no 'calibration'")
    assert rules_off(found, COCO) == found.off
    assert remarks(found, COCO) == [f"rule proximity is off: {why}"]
    known = plan(tmp_path, f"{CALIBRATION}{NEAR}, optional: true}}\n")
    assert (names(known), known.off) == (["proximity"], {})
    assert rules_off(known, ("person",)) == {"proximity": "the model has no label 'truck', 'car'"}


def test_without_a_site_file_there_are_no_metres(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    rule = "{kind: proximity, labels: [person], to: [truck], metres: 2"
    path.write_text(f"version: 1\nrules:\n  - {rule}}}\n")
    with pytest.raises(ConfigError, match=r"own.yaml:3: rules\[0\].kind: .* without a site file there is no 'calibra"):
        plan_scenario(str(path))
    path.write_text(f"version: 1\nrules:\n  - {rule}, optional: true}}\n")
    found = plan_scenario(str(path))
    assert (found.rules, list(found.off)) == ((), ["proximity"])


# --- the time of day ------------------------------------------------------------------------------------------------

NIGHTLY = "    rules:\n      - {kind: zone_intrusion, zone: box, schedule: daily 22:00-05:00}\n"


def test_a_schedule_reads_the_frames_clock_in_the_site_s_time_zone(tmp_path: Path) -> None:
    document = site(tmp_path, NIGHTLY, GEOMETRY.replace("version: 1", "version: 1\ntimezone: America/New_York"))
    rules = plan_camera(document, "cam").rule_set("cam", 100, 100)
    track = Track(1, "person", (45, 40, 55, 60), 0.9, 0.0, 0.0)

    def told(hour_utc: float, pts_s: float) -> int:
        frame = Frame("cam", 0, np.zeros((2, 2, 3), np.uint8), pts_s, 1_795_651_200.0 + hour_utc * 3600)  # a midnight
        return len(rules.update([track], frame))

    assert [told(12, 0.0), told(12, 0.2), told(12, 0.4)] == [0, 0, 0]
    assert [told(3.01, 0.6), told(3.01, 0.8)] == [1, 0]  # 22:00 in New York, and it stood there


def test_a_rule_that_fails_once_takes_nothing_from_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share who is in the zone: the one behind it, and the failed one itself, go on as if nothing had been."""
    extra = "    rules:\n" + "".join(
        f"      - {{kind: {kind}, zone: box}}\n" for kind in ("dwell, seconds: 1", "zone_count")
    )
    rules = plan_camera(site(tmp_path, extra), "cam").rule_set("cam", 100, 100)
    failing = next(rule for rule in rules.rules if rule.kind == "zone_count")
    update, told = failing.update, []

    def fails_when_somebody_comes(tracks: Sequence[Track], pts_s: float) -> list[Event]:
        if 0.05 < pts_s < 0.15:
            raise RuntimeError("once")
        return update(tracks, pts_s)

    monkeypatch.setattr(failing, "update", fails_when_somebody_comes)
    for step in range(20):
        track = Track(1, "person", (45, 40, 55, 60), 0.9, 0.0, step / 10)
        frame = Frame("cam", step, np.zeros((2, 2, 3), np.uint8), step / 10, 1_795_651_200.0)
        if step == 1:
            with pytest.raises(RuntimeError, match="once"):
                rules.update([track], frame)
        else:
            told += [event.kind for event in rules.update([track], frame)]
    assert told == ["dwell"]  # and the visit that was missed is not made up
    assert rules.counters()["occupancy", "box", "person"] == 1


def test_a_recording_has_to_say_when_it_was_made(tmp_path: Path) -> None:
    video = encode(tmp_path / "v.mp4")
    found = plan(tmp_path, NIGHTLY)
    with pytest.raises(ConfigError) as error:
        found.start_of(video, None)
    assert error.value.faults == (
        f"{tmp_path}/site.yaml:11: cameras.cam.rules[0].schedule: when {video} was recorded is not known, so this "
        "schedule cannot be kept; say it with --start-time",
    )
    assert found.start_of(video, 5.0) == 5.0
    dated = encode(tmp_path / "dated.mp4", metadata={"creation_time": "2026-11-26T21:30:00Z"})
    assert found.start_of(dated, None) == 1_795_728_600.0
    assert found.start_of(dated, 7.0) == 7.0
    assert plan(tmp_path, "").start_of(video, None) is None


def test_another_time_zone_or_ground_is_another_camera_for_a_reload(
    tmp_path: Path, data_dir: Path, models_dir: Path
) -> None:
    def planned(head: str, extra: str) -> PlannedCamera:
        text = GEOMETRY.replace("x.mp4", str(data_dir / "people-detection.mp4")).replace("version: 1", head)
        site(tmp_path, NIGHTLY + extra, text)
        return plan_site(tmp_path / "site.yaml", False, False, print).cameras["cam"]

    first = planned("version: 1", "")
    assert first.same_as(planned("version: 1", ""))
    assert not first.same_as(planned("version: 1\ntimezone: Asia/Tokyo", ""))
    assert not first.same_as(planned("version: 1", CALIBRATION))


@pytest.mark.parametrize(
    ("skip", "left"),
    [('"b*"', ["gate"]), ("gate", ["back"]), ('"*"', []), ("other", ["gate", "back"])],
)
def test_what_a_wildcard_does_not_stand_for(skip: str, left: list[str], tmp_path: Path) -> None:
    found = plan(tmp_path, f'    rules:\n      - {{kind: line_crossing, line: "*", skip: {skip}}}\n')
    assert names(found) == [f"line_crossing_{name}" for name in left]


def test_a_single_arm_of_a_junction_is_told(tmp_path: Path) -> None:
    found = plan(tmp_path, "    scenario: traffic\n", GEOMETRY.replace("box:", "arm_north:"))
    why = "flow_matrix needs 2 zones, and only 'arm_north' fits 'arm_*'"
    assert f"rule turns is off: {why}" in remarks(found, COCO)


def test_a_crossing_is_timed_from_kerb_to_kerb_by_the_pedestrian_preset(tmp_path: Path) -> None:
    """The zone between them is where people walk, and no stop on the way."""
    zones = {"kerb_a": (0.0, 0.3), "walk_crossing": (0.3, 0.7), "kerb_b": (0.7, 1.0)}
    drawn = "".join(f"      {name}: [[{a}, 0], [{b}, 0], [{b}, 1], [{a}, 1]]\n" for name, (a, b) in zones.items())
    text = GEOMETRY[: GEOMETRY.index("      box:")] + drawn
    rules = plan(tmp_path, "    scenario: pedestrian\n", text).rule_set("cam", 1000, 1000)
    flows = next(rule for rule in rules.rules if rule.name == "flows")
    events = play(flows, walk(lambda t: (100 + 200 * t, 500)))
    assert [(event.data["from"], event.data["to"], event.data["seconds"]) for event in events] == [
        ("kerb_a", "kerb_b", pytest.approx(2.0, abs=0.25))
    ]
    one = plan(tmp_path, "    scenario: pedestrian\n", text.replace("kerb_a", "walk_a"))
    assert one.off == {"flows": "flow_matrix needs 2 zones, and only 'kerb_b' fits '*' without 'walk_*'"}


def test_lines_that_are_directions_are_not_counted_over_by_the_traffic_preset(tmp_path: Path) -> None:
    text = GEOMETRY.replace("back:", "way_1:").replace("box:", "lane_1:")
    found = names(plan(tmp_path, "    scenario: traffic\n", text))
    assert [name for name in found if name.startswith("line_crossing")] == ["line_crossing_gate"]
    assert "wrong_way_lane_1" in found
