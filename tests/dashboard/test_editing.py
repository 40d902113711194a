"""The site file changed on the page: checked as ``run`` checks it, conflicts, undo, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.edit import Geometry, with_geometry
from config.errors import ConfigError, SightlineError
from config.kept_file import ConflictError
from config.loader import load
from config.site import Site
from dashboard.editing import Fault, RefusedError, SiteEditor, StaleError, faults_of
from dashboard.written import written_cameras

SITE = """\
version: 1   # of the format
cameras:
  gate:
    source: rtsp://viewer:s3cret-word@10.0.0.7/s
    lines:
      road: [[0.1, 0.5], [0.9, 0.5]]   # the road
    rules:
      - {kind: line_crossing, line: road}
"""


def loaded(path: Path, text: str) -> None:
    """The loader alone, where no model is to be looked for."""
    load(path, Site, text)


@pytest.fixture
def editor(tmp_path: Path) -> SiteEditor:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return SiteEditor(path, check=loaded)


def test_what_is_shown_has_no_secret_and_comes_back_whole(editor: SiteEditor) -> None:
    shown = editor.shown()
    assert "s3cret" not in shown.text and "# of the format" in shown.text
    assert (shown.can_undo, shown.read_only_reason, shown.backups) == (False, None, ())
    revision = editor.save(shown.revision, shown.text.replace("road: [[0.1", "road: [[0.2"))
    assert editor.file.read() == (SITE.replace("road: [[0.1", "road: [[0.2"), revision)
    assert editor.shown().can_undo
    editor.undo(revision)
    assert editor.file.read()[0] == SITE


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("version: 1", "version: 2", Fault("version", 1, "expected 1, not 2")),
        ("[0.9, 0.5]]", "[0.9, 1.5]]", Fault("cameras.gate.lines.road[1][1]", 6, "must be at most 1, not 1.5")),
        ("  gate:", "  stats:", Fault("cameras.stats", 3, "a camera cannot be called 'stats': that is a word of the "
                                                         "MQTT topics")),
        ("cameras:", "cameras: [", Fault(None, 4, "not valid YAML: expected ',' or ']', but got ':'")),
        ("    lines:", "    detect_fps: many\n    lines:", Fault("cameras.gate.detect_fps", 5, "expected a number, not "
                                                                                            "'many'")),
        ("  gate:", "  front gate:", Fault("cameras.front gate", 3, "'front gate' has characters that are not allowed; "
                                                                   "use a-z, 0-9, - and _ only")),
    ],
)  # fmt: skip
def test_faults_have_their_place(editor: SiteEditor, old: str, new: str, fault: Fault) -> None:
    shown = editor.shown()
    text = shown.text.replace(old, new)
    assert fault in editor.faults(shown.revision, text)
    with pytest.raises(RefusedError) as caught:
        editor.save(shown.revision, text)
    assert fault in caught.value.faults
    assert editor.file.read()[0] == SITE
    assert editor.file.backups() == []


def test_the_very_code_of_run_checks(tmp_path: Path, models_dir: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    editor = SiteEditor(path)
    shown = editor.shown()
    assert editor.faults(shown.revision, shown.text) == []
    wrong = shown.text.replace("line: road}", "line: rod}").replace("line_crossing", "line_crossing, labels: [dragon]")
    found = editor.faults(shown.revision, wrong)
    assert [(fault.path, fault.line) for fault in found] == [("cameras.gate.rules[0].line", 8)]
    assert found[0].message == "unknown line 'rod'; allowed: road"
    dragon = shown.text.replace("line_crossing", "line_crossing, labels: [dragon]")
    (fault,) = editor.faults(shown.revision, dragon)
    assert (fault.path, fault.line) == ("cameras.gate.rules[0].labels", 8)
    assert fault.message.startswith("model 'yolov8n' has no label 'dragon'")


def test_a_line_that_a_rule_needs_is_not_taken_away(tmp_path: Path, models_dir: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    editor = SiteEditor(path)
    with pytest.raises(RefusedError) as caught:
        editor.change(editor.shown().revision, lambda file, text: with_geometry(file, text, "gate", Geometry({}, {})))
    assert caught.value.faults[0].path == "cameras.gate.rules[0].line"
    assert path.read_text() == SITE


def test_a_crossed_zone_is_told_where_it_would_be(editor: SiteEditor) -> None:
    bow = Geometry({"road": [[0.1, 0.5], [0.9, 0.5]]}, {"bow": [[0, 0], [1, 1], [1, 0], [0, 1]]})
    with pytest.raises(RefusedError) as caught:
        editor.change(editor.shown().revision, lambda file, text: with_geometry(file, text, "gate", bow))
    (fault,) = caught.value.faults
    assert fault.path == "cameras.gate.zones.bow"
    assert fault.message.startswith("this polygon crosses or touches itself")


def test_a_change_meanwhile_is_shown_without_secrets(editor: SiteEditor) -> None:
    shown = editor.shown()
    theirs = SITE.replace("[0.9, 0.5]", "[0.8, 0.5]").replace("s3cret-word", "an0ther-word")
    editor.file.path.write_text(theirs)
    for change in (
        lambda: editor.save(shown.revision, shown.text),
        lambda: editor.change(shown.revision, lambda file, text: text + "# more\n"),
        lambda: editor.undo(shown.revision),
    ):
        with pytest.raises(StaleError) as caught:
            change()
        assert caught.value.revision == editor.shown().revision
        changes = caught.value.changes or ""
        assert "-      road: [[0.1, 0.5], [0.9, 0.5]]" in changes
        assert "+      road: [[0.1, 0.5], [0.8, 0.5]]" in changes
        assert "word" not in changes
    assert editor.file.path.read_text() == theirs


def test_a_text_that_was_shown_can_be_checked_after_the_file_has_changed(editor: SiteEditor) -> None:
    shown = editor.shown()
    editor.file.path.write_text(SITE + "# theirs\n")
    assert editor.faults(shown.revision, shown.text) == []
    with pytest.raises(StaleError):
        editor.faults("0" * 64, shown.text)


def test_placeholders_stand_for_what_they_stood_for_when_they_were_shown(editor: SiteEditor) -> None:
    """A text that was shown before the file changed gets none of the passwords that have its numbers now."""
    yard = "  yard:\n    source: rtsp://viewer:yards-word@10.0.0.8/s\n"
    editor.file.path.write_text(SITE + yard)
    shown = editor.shown()
    editor.file.path.write_text(SITE.replace("cameras:\n", "cameras:\n" + yard))
    now = editor.shown()
    assert now.text != shown.text
    editor.save(now.revision, shown.text + "# mine\n", shown.revision)
    assert editor.file.path.read_text() == SITE + yard + "# mine\n"
    present = editor.shown().revision
    with pytest.raises(RefusedError, match="not known any more"):
        editor.save(present, shown.text, "0" * 64)
    with pytest.raises(StaleError):
        editor.save(shown.revision, shown.text, shown.revision)


def test_rules_come_back_as_they_are_written(editor: SiteEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says stays there, secrets are placeholders, and the same again changes nothing."""
    monkeypatch.setenv("DWELL_S", "8")
    text = SITE.replace("  gate:", "  gate1:").replace("@10.0.0.7/s", "@10.0.0.7/s?stream=gate1").replace(
        "      - {kind: line_crossing, line: road}\n",
        "      - {kind: dwell, zone: way, seconds: \"${DWELL_S}\", optional: yes}   # long\n"
        "      - {kind: line_crossing, line: road, labels: [\"a://me:w0rds@b\"]}\n",
    )  # fmt: skip
    text += '    zones: {way: [[0.123456, "${WAY_Y:-0.5}"], [1, 0], [1, 1]]}\n    scenario: ${PRESET:-traffic}\n'
    editor.file.path.write_text(text)
    shown = editor.shown()
    assert shown.cameras is not None and shown.cameras_fault is None
    camera = shown.cameras["gate1"]
    assert (camera.scenario, camera.own_geometry) == ("${PRESET:-traffic}", True)
    assert camera.rules[0] == {"kind": "dwell", "zone": "way", "seconds": "${DWELL_S}", "optional": True}
    assert "w0rds" not in str(camera.rules)
    assert camera.zones == {"way": [(0.123456, 0.5), (1, 0), (1, 1)]}
    assert editor.change_rules(shown.revision, "gate1", camera.scenario, camera.rules) == shown.revision
    drawn = Geometry(camera.lines, camera.zones, camera.calibration, camera.drawn_on)
    assert editor.change(shown.revision, lambda file, held: with_geometry(file, held, "gate1", drawn)) == shown.revision
    longer = [camera.rules[0] | {"seconds": 9}, camera.rules[1]]
    editor.change_rules(shown.revision, "gate1", camera.scenario, longer)
    assert "{kind: dwell, zone: way, seconds: 9, optional: yes}" in editor.file.path.read_text()
    with pytest.raises(RefusedError, match="stands for nothing here"):
        rule = {"kind": "line_crossing", "line": "road", "labels": ["<hidden-1>"]}
        editor.change_rules(editor.shown().revision, "gate1", None, [rule])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    source:", "    # password:\n    source:"),
        ("rules:\n", "rules:\n      # no password :\n"),
        ("  gate:\n", "  b: {source: a.mp4, password: &pw hunter22}\n  gate:\n    password: *pw\n"),
    ],
)
def test_comments_and_anchors_lock_nothing(editor: SiteEditor, old: str, new: str) -> None:
    editor.file.path.write_text(SITE.replace(old, new))
    shown = editor.shown()
    assert shown.cameras is not None and shown.cameras_fault is None
    assert shown.cameras["gate"].rules == [{"kind": "line_crossing", "line": "road"}]


def test_a_placeholder_in_place_of_keys_is_told(tmp_path: Path) -> None:
    text = "version: 1\ncameras:\n  gate:\n    source: a.mp4\n"
    for shown in ("version: 1\ncameras:\n  gate: <hidden-1>\n", "cameras: {gate: {rules: <hidden-1>}}", "cameras: x"):
        with pytest.raises(ConfigError, match=r"cameras\.gate: a placeholder stands where keys should"):
            written_cameras(tmp_path / "site.yaml", text, shown)


@pytest.mark.parametrize("depth", [300, 900])
def test_lists_in_lists_are_refused_in_a_sentence(editor: SiteEditor, depth: int) -> None:
    deep: list[object] = []
    for _ in range(depth):
        deep = [deep]
    rule = {"kind": "line_crossing", "line": "road", "labels": deep}
    with pytest.raises(RefusedError, match="nested too deeply"):
        editor.change_rules(editor.shown().revision, "gate", None, [rule])
    assert editor.file.read()[0] == SITE


def test_a_camera_without_geometry_shows_its_scenarios(editor: SiteEditor) -> None:
    editor.file.path.write_text("version: 1\ncameras: {gate: {source: a.mp4, scenario: own.yaml}}\n")
    editor.file.path.with_name("own.yaml").write_text(
        "geometry: {lines: {road: [[0, 0], [1, 1]]}}\nrules: [{kind: line_crossing, line: '*'}]\n"
    )
    shown = editor.shown()
    assert shown.cameras is not None
    assert (shown.cameras["gate"].lines, shown.cameras["gate"].own_geometry) == ({"road": [(0, 0), (1, 1)]}, False)
    editor.file.path.with_name("own.yaml").unlink()
    shown = editor.shown()
    assert shown.cameras is None and "own.yaml" in (shown.cameras_fault or "")


def test_a_broken_file_is_not_edited_by_code_but_can_be_mended_as_text(editor: SiteEditor) -> None:
    broken = SITE.replace("cameras:", "cameras: {")
    editor.file.path.write_text(broken)
    shown = editor.shown()
    assert "s3cret" not in shown.text
    with pytest.raises(RefusedError, match="not valid YAML"):
        editor.change(shown.revision, lambda file, text: with_geometry(file, text, "gate", Geometry({}, {})))
    editor.save(shown.revision, shown.text.replace("cameras: {", "cameras:"))
    assert editor.file.path.read_text() == SITE


def test_undoing_into_a_wrong_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    refuses: list[str] = []

    def check(file: Path, text: str) -> None:
        if any(word in text for word in refuses):
            raise ConfigError(f"{file}:1: version: not any more")

    editor = SiteEditor(path, check=check)
    revision = editor.save(editor.shown().revision, SITE + "# second\n")
    refuses.append("s3cret-word")
    with pytest.raises(RefusedError, match="not any more"):
        editor.undo(revision)
    assert path.read_text() == SITE + "# second\n"
    refuses.clear()
    editor.undo(revision)
    with pytest.raises(ConflictError, match="nothing to undo"):
        editor.undo(editor.shown().revision)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("F:3: cameras.a.lines: no", Fault("cameras.a.lines", 3, "no")),
        ("F: the file is empty", Fault(None, None, "the file is empty")),
        ("F:7: not valid YAML: a: b", Fault(None, 7, "not valid YAML: a: b")),
        ("cameras.a: the rules need labels", Fault("cameras.a", None, "the rules need labels")),
        ("yolov8n was not found: pull it", Fault(None, None, "yolov8n was not found: pull it")),
        ("model: it is gone", Fault(None, None, "model: it is gone")),
        ("F:2: cameras.a.scenario: other.yaml:4: rules[0]: no", 
         Fault("cameras.a.scenario", 2, "other.yaml:4: rules[0]: no")),
    ],
)  # fmt: skip
def test_sentences_are_taken_apart(sentence: str, expected: Fault) -> None:
    path = Path("/x/site.yaml")
    assert faults_of(path, SightlineError(sentence.replace("F:", f"{path}:"))) == [expected]
