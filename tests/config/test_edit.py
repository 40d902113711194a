"""Changes of a site file by code: what is changed, and what is left as a person wrote it."""

from __future__ import annotations

import difflib
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.edit import DetectorChoice, Geometry, with_detector, with_geometry, with_scenario
from config.errors import ConfigError
from config.loader import load
from config.round_trip import edited
from config.site import Site

FILE = Path("site.yaml")
EXAMPLES = sorted((Path(__file__).parents[2] / "config" / "examples").glob("*.yaml"))
BOX = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
ODD = """\
# head
cameras:
    a:
        source: x   # the x
        labels: ['car',   "truck"]

        # lines are below
        lines:
            # the north gate
            north: [[0.1,0.2],
                    [0.3, 0.4]]   # n
            # the south gate
            south:   [[ .5,0.5], [0.6,0.6]]  # s

    # camera b

    b:
        source: "y"
        rules:
        -   kind: zone_count   # how many
            zone: z
        # long stays
        -   {kind: dwell, zone: z, seconds: 10}   # ten
version: 1
"""


def difference(old: str, new: str) -> list[str]:
    """The lines that went and came, without their places."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def test_a_line_is_added_and_the_rest_is_untouched() -> None:
    new = with_geometry(
        FILE, ODD, "a", Geometry({"north": [[0.1, 0.2], [0.3, 0.4]], "south": [[0.5, 0.5], [0.6, 0.6]],
                                  "west": [[0, 0.123456], [1, 1]]}, {})
    )  # fmt: skip
    assert difference(ODD, new) == ["+            west: [[0, 0.1235], [1, 1]]"]
    assert new.index("west") < new.index("# camera b")


@pytest.mark.parametrize("name", ["1", "007", "on", "1_0", "1e3", "null", "0x1f", "2024-01-01"])
def test_names_that_look_like_something_else_are_text(name: str) -> None:
    text = (
        f"version: 1\ncameras:\n  {name}:   # the first\n    source: a.mp4\n    lines:\n"
        f"      {name}: [[0.1, 0.2], [0.3, 0.4]]   # one\n  b: {{source: b.mp4}}\n"
    )
    old = {name: [[0.1, 0.2], [0.3, 0.4]]}
    assert with_geometry(FILE, text, name, Geometry(old, {})) == text
    new = with_geometry(FILE, text, name, Geometry({**old, "x": [[0.1, 0.2], [0.3, 0.5]]}, {}))
    assert difference(text, new) == ["+      x: [[0.1, 0.2], [0.3, 0.5]]"]
    moved = with_geometry(FILE, text, name, Geometry({name: [[0.1, 0.2], [0.3, 0.5]]}, {}))
    (line,) = [line for line in difference(text, moved) if line.startswith("+")]
    assert line.replace("'", "").split() == f"+ {name}: [[0.1, 0.2], [0.3, 0.5]] # one".split()
    detector = with_detector(FILE, text, name, DetectorChoice(precision="fp16"))
    assert yaml.safe_load(detector)["detectors"]


@pytest.mark.parametrize("text", ["---\n{}...\n", "# head\n---   # begins\n{}", "{}...\n", "%YAML 1.1\n---\n{}"])
def test_the_marks_of_a_document_stay(text: str) -> None:
    whole = text.format("version: 1\ncameras:\n  a:\n    source: x\n")
    assert difference(whole, with_geometry(FILE, whole, "a", Geometry({"l": [[0, 0], [1, 1]]}, {}))) == [
        "+    lines:", "+      l: [[0, 0], [1, 1]]",
    ]  # fmt: skip


def test_a_changed_line_keeps_its_comments() -> None:
    new = with_geometry(
        FILE, ODD, "a", Geometry({"north": [[0.15, 0.2], [0.3, 0.4]], "south": [[0.5, 0.5], [0.6, 0.6]]}, {})
    )
    assert difference(ODD, new) == [
        "-            north: [[0.1,0.2],",
        "-                    [0.3, 0.4]]   # n",
        "+            north: [[0.15, 0.2], [0.3, 0.4]] # n",
    ]


def test_what_goes_takes_no_comment_of_others_with_it() -> None:
    new = with_geometry(FILE, ODD, "a", Geometry({"south": [[0.5, 0.5], [0.6, 0.6]]}, {}))
    assert difference(ODD, new) == ["-            north: [[0.1,0.2],", "-                    [0.3, 0.4]]   # n"]
    assert "# the south gate\n            south" in new


def test_a_camera_without_geometry_gets_it_before_what_comes_next() -> None:
    calibration = {"image": [[0, 0], [1, 0], [1, 1], [0, 1]], "ground_m": [[0, 9.5], [3, 9.5], [3, 0], [0, 0]]}
    new = with_geometry(FILE, ODD, "b", Geometry({}, {"z": BOX}, calibration, (1920, 1080)))
    found = yaml.safe_load(new)["cameras"]["b"]
    assert found["zones"] == {"z": BOX}
    assert found["drawn_on"] == [1920, 1080]
    assert found["calibration"] == calibration
    assert not [line for line in difference(ODD, new) if line.startswith("-")]
    assert new.endswith("version: 1\n")
    gone = with_geometry(FILE, new, "b", Geometry({}, {}))
    assert yaml.safe_load(gone)["cameras"]["b"].keys() == {"source", "rules", "drawn_on"}


def test_the_same_again_changes_nothing() -> None:
    same = Geometry({"north": [[0.1, 0.2], [0.3, 0.4]], "south": [[0.5, 0.5], [0.6, 0.6]]}, {})
    assert with_geometry(FILE, ODD, "a", same) == ODD


def test_a_threshold_is_changed_in_place() -> None:
    rules: list[dict[str, Any]] = [{"kind": "zone_count", "zone": "z"}, {"kind": "dwell", "zone": "z", "seconds": 12}]
    new = with_scenario(FILE, ODD, "b", "traffic", rules)
    assert difference(ODD, new) == [
        "-        -   {kind: dwell, zone: z, seconds: 10}   # ten",
        "+        -   {kind: dwell, zone: z, seconds: 12}   # ten",
        "+        scenario: traffic",
    ]


def test_rules_are_matched_by_kind_name_and_place() -> None:
    new = with_scenario(
        FILE, ODD, "b", None, [{"kind": "dwell", "zone": "z", "seconds": 10}, {"kind": "zone_count", "zone": "y"}]
    )
    assert yaml.safe_load(new)["cameras"]["b"]["rules"] == [
        {"kind": "dwell", "zone": "z", "seconds": 10},
        {"kind": "zone_count", "zone": "y"},
    ]
    assert "# long stays" in new and "# ten" in new
    assert "rules" not in yaml.safe_load(with_scenario(FILE, ODD, "b", None, []))["cameras"]["b"]


@pytest.mark.parametrize("word", ["on", "no", "12:30", "1e3", "0x1F", "null", "~", "a: b", "#x", " x", "", "é", "it's"])
def test_words_come_back_as_they_went(word: str) -> None:
    new = with_scenario(FILE, ODD, "a", None, [{"kind": "dwell", "labels": [word], word or "empty": word}])
    rule = yaml.safe_load(new)["cameras"]["a"]["rules"][0]
    assert rule["labels"] == [word]
    assert rule[word or "empty"] == word


def test_windows_line_ends_and_a_byte_order_mark_stay() -> None:
    text = "\N{ZERO WIDTH NO-BREAK SPACE}" + ODD.replace("\n", "\r\n")
    new = with_geometry(FILE, text, "b", Geometry({}, {"z": BOX}))
    assert new.startswith("\N{ZERO WIDTH NO-BREAK SPACE}# head\r\n")
    assert new.count("\n") == new.count("\r\n")
    assert "zones:\r\n" in new


def test_what_cameras_share_is_changed_for_one_alone() -> None:
    text = (
        "version: 1\ncameras:\n  a:\n    source: x\n    lines: &gates\n      north: [[0, 0], [1, 1]]\n"
        "  b:\n    source: y\n    lines: *gates\n"
    )
    for camera, other in (("a", "b"), ("b", "a")):
        new = with_geometry(FILE, text, camera, Geometry({"south": [[0, 0], [1, 0]]}, {}))
        cameras = yaml.safe_load(new)["cameras"]
        assert cameras[camera]["lines"] == {"south": [[0, 0], [1, 0]]}
        assert cameras[other]["lines"] == {"north": [[0, 0], [1, 1]]}


SHARED = """\
version: 1
detectors:
  main: {model: yolov8n, runtime: torch}   # for all
cameras:
  a: {source: x}
  b: {source: y}
"""


def test_a_shared_detector_is_left_to_the_others() -> None:
    new = with_detector(FILE, SHARED, "a", DetectorChoice("openvino", "int8"))
    found = yaml.safe_load(new)
    assert found["detectors"]["main"] == {"model": "yolov8n", "runtime": "torch"}
    assert found["detectors"]["main-openvino-int8"] == {"model": "yolov8n", "runtime": "openvino", "precision": "int8"}
    assert found["cameras"]["a"]["detector"] == "main-openvino-int8"
    assert "detector" not in found["cameras"]["b"]
    assert "# for all" in new
    back = with_detector(FILE, new, "a", DetectorChoice("torch", "fp32"))
    assert yaml.safe_load(back)["cameras"]["a"]["detector"] == "main"  # fp32 is what 'main' has by default
    again = with_detector(FILE, back, "a", DetectorChoice("openvino", "int8"))
    assert yaml.safe_load(again) == found


def test_a_detector_of_its_own_is_changed_in_place() -> None:
    text = SHARED.replace("  b: {source: y}\n", "")
    new = with_detector(FILE, text, "a", DetectorChoice("litert"))
    assert difference(text, new) == [
        "-  main: {model: yolov8n, runtime: torch}   # for all",
        "+  main: {model: yolov8n, runtime: litert}  # for all",
    ]


def test_the_detector_nobody_wrote_stays_the_first() -> None:
    text = "version: 1\ncameras:\n  a: {source: x}\n  b: {source: y}\n"
    new = with_detector(FILE, text, "b", DetectorChoice("onnxruntime"))
    found = yaml.safe_load(new)
    assert list(found["detectors"]) == ["main", "main-onnxruntime"]
    assert found["detectors"]["main"] == {}
    assert found["detectors"]["main-onnxruntime"] == {"runtime": "onnxruntime"}  # no model is named by that


@pytest.mark.parametrize(
    ("text", "camera", "fault"),
    [
        ("version: 1\ncameras:\n  a: {source: x}\n", "b", "site.yaml:1: cameras.b: there is no such camera"),
        ("version: 1\ncameras: []\n", "b", "site.yaml:1: cameras.b: there is no such camera"),
        ("cameras: {a: [}\n", "a", "site.yaml:1: not valid YAML"),
        ("cameras: {}\ncameras: {}\n", "a", "not valid YAML: found duplicate key"),
        ("- a\n", "a", "site.yaml:1: expected keys with values"),
    ],
)
def test_what_cannot_be_changed(text: str, camera: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault.replace("[", r"\[")):
        with_geometry(FILE, text, camera, Geometry({}, {}))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_lose_nothing_but_what_was_changed(path: Path) -> None:
    text = path.read_text()
    site = load(path, Site).value
    for camera, config in site.cameras.items():
        lines = {name: [list(point) for point in line] for name, line in config.lines.items()}
        zones = {name: [list(point) for point in zone] for name, zone in config.zones.items()}
        calibration = config.calibration.model_dump(mode="json") if config.calibration else None
        assert with_geometry(path, text, camera, Geometry(lines, zones, calibration)) == text
        new = with_geometry(path, text, camera, Geometry({**lines, "added": [[0, 0], [1, 1]]}, zones, calibration))
        assert not [line for line in difference(text, new) if line.startswith("-")]
        assert load(path, Site, new).value.cameras[camera].lines["added"] == ((0, 0), (1, 1))


KEYS = st.text("abcdefg", min_size=1, max_size=3)
LEAVES = st.one_of(st.integers(-9, 9), st.booleans(), st.sampled_from(["on", "x", "two words", "1:2"]))
COMMENTS = st.sampled_from(["", "", "   # behind", "\n# {n} on its own", "\n\n    # {n} indented"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Two levels of keys, written by hand in many ways: flow, block, comments, blank lines."""
    lines, numbers = [], itertools.count()
    for key in draw(st.lists(KEYS, min_size=1, max_size=4, unique=True)):
        below = draw(st.dictionaries(KEYS, LEAVES, max_size=3))
        comment = draw(COMMENTS).format(n=next(numbers))
        if not below or draw(st.booleans()):
            inner = ", ".join(f"{name}: {yaml.safe_dump(value).split()[0]!s}" for name, value in below.items()
                              if not isinstance(value, str))  # fmt: skip
            lines.append(f"{key}: {{{inner}}}{comment}")
        else:
            lines.append(f"{key}:{draw(COMMENTS).format(n=next(numbers))}")
            for name, value in below.items():
                shown = f"'{value}'" if isinstance(value, str) else str(value).lower()
                lines.append(f"  {name}:  {shown}{draw(COMMENTS).format(n=next(numbers))}")
    return "\n".join(lines) + "\n"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts(), st.data())
def test_any_change_says_what_it_should_and_keeps_all_comments(text: str, data: st.DataObject) -> None:
    before = yaml.safe_load(text)
    key = data.draw(st.sampled_from(sorted(before)))
    what = data.draw(st.sampled_from(["add", "set", "delete", "delete one"]))
    wanted = {name: dict(below) for name, below in before.items()}

    def change(tree: Any) -> None:
        for place in (tree, wanted):
            if what == "add":
                place[key]["zz"] = 1
            elif what == "delete":
                del place[key]
            elif place[key] and what == "set":
                place[key][sorted(place[key])[0]] = 7
            elif len(place[key]) > 1:
                del place[key][sorted(place[key])[-1]]

    new = edited(FILE, text, change)
    assert yaml.safe_load(new) == (wanted or {})
    alone = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    assert [line.strip() for line in new.splitlines() if line.strip().startswith("#")] == alone
