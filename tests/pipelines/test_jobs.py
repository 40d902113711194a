"""From the arguments of ``analyze`` to jobs."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from rich.console import Console

from config.errors import ConfigError, SightlineError
from pipelines.jobs import Wishes, jobs_of, prepare, run_jobs
from streams.mqtt import Broker
from tests.support.videos import encode

SITE = """\
version: 1
site: yard
mqtt: {host: broker.example, port: 8883, prefix: a/b, username: u, password: geheim, tls: {enabled: true, ca: ca.pem}}
detectors:
  main: {model: yolov8n}
  own: {model: own.pt, imgsz: 320, confidence: 0.4}
cameras:
  gate: {source: x.mp4, detector: own, backend: opencv, labels: [person]}
  door: {source: x.mp4}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


def test_without_a_site_file_everything_has_a_default() -> None:
    prepared = prepare(Wishes([Path("x.mp4")]))
    assert (prepared.camera, prepared.publication, prepared.backend) == (None, None, "auto")
    assert (prepared.detector.model, prepared.detector.runtime) == ("yolov8n", "torch")
    assert (prepared.plan.labels, prepared.plan.rules) == (None, ())


def test_the_arguments_win_over_the_site_file(site: Path) -> None:
    wishes = Wishes(
        [Path("x.mp4")], site, "gate", model="yolov8s", runtime="tensorflow", device="cpu", precision="fp32",
        imgsz=416, confidence=0.3, backend="gstreamer", mqtt="mqtt://other/p",
    )  # fmt: skip
    prepared = prepare(wishes)
    found = prepared.detector
    assert (found.model, found.runtime, found.device, found.imgsz, found.confidence) == (
        "yolov8s", "tensorflow", "cpu", 416, 0.3,
    )  # fmt: skip
    assert prepared.backend == "gstreamer"
    assert prepared.publication is not None
    assert (prepared.publication.broker, prepared.publication.prefix) == (Broker("other", 1883), "p")


def test_the_camera_decides_what_the_arguments_do_not(site: Path, tmp_path: Path) -> None:
    (tmp_path / "own.pt").write_bytes(b"x")
    prepared = prepare(Wishes([Path("x.mp4")], site, "gate"))
    assert prepared.detector.model == str(tmp_path / "own.pt")  # beside the site file
    assert (prepared.detector_name, prepared.detector.imgsz, prepared.backend) == ("own", 320, "opencv")
    assert prepared.plan.labels == ("person",)
    assert prepare(Wishes([Path("x.mp4")], site, "door")).detector_name == "main"


def test_a_further_detector_is_the_site_files_but_for_the_confidence(site: Path, tmp_path: Path) -> None:
    site.write_text(site.read_text().replace("detector: own", "detector: [own, main]"))
    prepared = prepare(Wishes([tmp_path / "x.mp4"], site, "gate", runtime="onnxruntime", confidence=0.1))
    assert (prepared.detector_name, list(prepared.beside)) == ("own", ["main"])
    assert (prepared.detector.runtime, prepared.beside["main"].runtime) == ("onnxruntime", "torch")
    assert (prepared.detector.confidence, prepared.beside["main"].confidence) == (0.1, 0.1)


def test_what_is_wrong_with_a_further_detector_is_told_with_its_place(
    site: Path, models_dir: Path, tmp_path: Path
) -> None:
    video = encode(tmp_path / "v.mp4")
    site.write_text(site.read_text().replace("detector: own", "detector: [main, own]").replace("own.pt", "nowhere.pt"))
    err = io.StringIO()
    with pytest.raises(SightlineError, match=r"site\.yaml:\d+: detectors\.own: .*nowhere\.pt"):
        run_jobs(Wishes([video], site, "gate"), threading.Event(), Console(file=err), Console(file=err), print)


def test_the_site_file_says_where_to_publish(site: Path, tmp_path: Path) -> None:
    publication = prepare(Wishes([Path("x.mp4")], site, "door")).publication
    assert publication is not None
    broker = publication.broker
    assert (broker.host, broker.port, broker.username, broker.password) == ("broker.example", 8883, "u", "geheim")
    assert (broker.tls, broker.ca, publication.prefix) == (True, tmp_path / "ca.pem", "a/b")
    assert "geheim" not in repr(publication)


def test_each_video_has_a_folder_and_a_client_of_its_own() -> None:
    names = ["a/Tor 1.mp4", "b/Tor 1.mp4", "Tor 1-2.mp4", "stats.mp4", ".mp4", "...mp4", "ÄÖ.mp4"]
    wishes = Wishes([Path(name) for name in names], out=Path("out"), mqtt="mqtt://h")
    jobs = jobs_of(wishes, prepare(wishes))
    folders = [str(job.folder) for job in jobs]
    assert folders == [
        "out/Tor 1", "out/Tor 1-2", "out/Tor 1-2-2", "out/stats", "out/.mp4", "out/video", "out/ÄÖ",
    ]  # fmt: skip
    cameras = [job.camera for job in jobs]
    assert cameras[:4] == ["tor-1", "tor-1-2", "tor-1-2-2", "stats-video"]
    clients = [job.publication.client_id for job in jobs if job.publication]
    assert clients == [f"sightline-analyze-{camera}" for camera in cameras]


@pytest.mark.parametrize(
    ("wishes", "part"),
    [
        ({"camera": "gate"}, "--config"),
        ({"scenario": ""}, "unknown scenario ''"),
        ({"model": ""}, "--model: "),
        ({"mqtt": ""}, "--mqtt wants"),
        ({"videos": [Path("rtsp://u:geheim@h/x")]}, "rtsp://h/x is a stream"),
    ],
)
def test_wrong_wishes_are_one_sentence(wishes: dict[str, object], part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(Wishes(**{"videos": [Path("x.mp4")], **wishes}))  # type: ignore[arg-type]
    assert len(caught.value.faults) == 1
    assert part in caught.value.faults[0]
    assert "geheim" not in caught.value.faults[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-26T18:00", 1_795_712_400.0), ("2026-11-26 18:00:00", 1_795_712_400.0),
        ("2026-11-26T17:00Z", 1_795_712_400.0), ("2026-07-01T18:00", 1_782_921_600.0), (None, None),
    ],
)  # fmt: skip
def test_the_start_of_a_recording_is_in_the_site_s_time_zone(
    site: Path, text: str | None, expected: float | None
) -> None:
    site.write_text(site.read_text().replace("version: 1", "version: 1\ntimezone: Europe/Berlin", 1))
    wishes = Wishes([Path("x.mp4")], site, "gate", start_time=text)
    prepared = prepare(wishes)
    assert prepared.start == expected
    assert [job.start for job in jobs_of(wishes, prepared)] == [expected]


def test_a_start_that_is_no_time_or_of_several_videos_is_refused(site: Path) -> None:
    with pytest.raises(ConfigError, match="--start-time: 'noon' is no time; write it as 2026-11-26T18:00"):
        prepare(Wishes([Path("x.mp4")], site, "gate", start_time="noon"))
    with pytest.raises(ConfigError, match="--start-time is of one video"):
        prepare(Wishes([Path("x.mp4"), Path("y.mp4")], site, "gate", start_time="2026-11-26T18:00"))
