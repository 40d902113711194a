"""The HTTP server as a monitoring system sees it: real requests to a real port."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.errors import SightlineError
from config.site import Server as ServerConfig
from dashboard.calm import Calm
from dashboard.server import Server
from pipelines.live.face import Health
from pipelines.messages import CameraStats, DetectorStats, ServiceStats, StatsPayload
from tests.support.face import ScriptedFace

ROOT = Path(__file__).resolve().parents[2]
STATS = StatsPayload(
    cameras={
        "gate": CameraStats(
            camera_fps=25,
            process_fps=9.9,
            detection_fps=10,
            skipped_fps=0.1,
            latency_ms={"p50": 40, "p95": 90, "p99": 120.5},
            reconnects=2,
            observed_share=0.99,
            gated_share=0.5,
            clock_skew_s=-1.5,
            captured=1000,
            processed=396,
            detected=400,
            skipped=4,
            gated=596,
            dropped_results=3,
        ),
        "yard": CameraStats(
            status="offline",
            camera_fps=0,
            process_fps=0,
            detection_fps=0,
            skipped_fps=0,
            latency_ms={"p50": 0, "p95": 0, "p99": 0},
            reconnects=0,
            observed_share=0,
        ),
    },
    detectors={
        "main": DetectorStats(
            framework="torch",
            model='a "model"\\n',
            device="cpu",
            precision="fp32",
            imgsz=[640, 640],
            batch=4,
            fps=10,
            inference_ms={"p50": 30, "p95": 50, "p99": 60},
            frames=400,
            camera_fps=25,
            process_fps=9.9,
            skipped_fps=0.1,
            latency_ms={"p50": 41, "p95": 91, "p99": 121},
        )
    },
    service=ServiceStats(
        uptime=61.5, version="1.2", rss_mb=512.5, spooled=7, dropped=1, reason=None, broker="connected",
        queues={"results:gate": 3}, restarts=1,
    ),
)  # fmt: skip
DETECTOR = {"detector": "main", "framework": "torch", "model": 'a "model"\\n', "device": "cpu", "precision": "fp32"}


SMALL = ServerConfig(port=0, dashboard=False)


def face_of(stats: Callable[[], StatsPayload], healthy: Callable[[], Health]) -> ScriptedFace:
    face = ScriptedFace()
    face.stats, face.health_now = stats, healthy  # type: ignore[method-assign]
    return face


@contextmanager
def serving(
    config: ServerConfig | None = None,
    stats: Callable[[], StatsPayload] = lambda: STATS,
    healthy: Callable[[], Health] = lambda: (True, {"status": "ok"}),
) -> Iterator[Server]:
    server = Server(config or SMALL, face_of(stats, healthy))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels; one that is there twice is an error."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def test_health_is_200_or_503_with_what_is_said_of_it() -> None:
    said: dict[str, Any] = {"status": "ok", "cameras": {"gate": "online"}}
    answers = iter([(True, said), (False, {"status": "stalled"})])
    with serving(healthy=lambda: next(answers)) as server:
        status, headers, body = get(server, "/healthz")
        assert (status, json.loads(body)) == (200, said)
        assert headers["content-type"] == "application/json"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert get(server, "/healthz")[::2] == (503, '{"status":"stalled"}')


def test_metrics_are_the_numbers_of_now() -> None:
    with serving() as server:
        status, headers, text = get(server, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(text)

    def value(name: str, **labels: str) -> float:
        return found[f"sightline_{name}", frozenset(labels.items())]

    for kind, fps, total in (("capture", 25, 1000), ("process", 9.9, 396), ("detection", 10, 400), ("skipped", 0.1, 4)):
        assert value("camera_fps", camera="gate", kind=kind) == fps
        assert value("camera_frames_total", camera="gate", kind=kind) == total
        assert value("detector_cameras_fps", kind=kind, **DETECTOR) == fps
    assert value("camera_frames_total", camera="gate", kind="gated") == 596
    assert (value("camera_up", camera="gate"), value("camera_up", camera="yard")) == (1, 0)
    assert value("camera_detecting", camera="gate") == 1
    for quantile, latency, inference in (("0.5", 40, 30), ("0.95", 90, 50), ("0.99", 120.5, 60)):
        assert value("camera_latency_ms", camera="gate", quantile=quantile) == latency
        assert value("detector_inference_ms", quantile=quantile, **DETECTOR) == inference
        assert value("detector_latency_ms", quantile=quantile, **DETECTOR) == round(latency) + 1
    assert value("camera_reconnects_total", camera="gate") == 2
    assert value("camera_observed_share", camera="gate") == 0.99
    assert value("camera_gated_share", camera="gate") == 0.5
    assert value("camera_dropped_results_total", camera="gate") == 3
    assert value("camera_clock_skew_seconds", camera="gate") == -1.5
    assert ("sightline_camera_clock_skew_seconds", frozenset({("camera", "yard")})) not in found
    assert value("detector_fps", **DETECTOR) == 10
    assert value("detector_frames_total", **DETECTOR) == 400
    assert value("outbox_depth") == 7
    assert value("messages_dropped_total") == 1
    assert value("queue_depth", queue="results:gate") == 3
    assert value("rss_bytes") == 512.5e6
    assert value("uptime_seconds") == 61.5
    assert value("mqtt_connected") == 1
    assert value("stage_restarts_total") == 1
    assert value("build_info", version="1.2") == 1


def test_openmetrics_is_given_to_those_who_ask() -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

    with serving() as server:
        _, headers, text = get(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    assert "sightline_camera_frames" in {family.name for family in parse(text)}  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("broker", "expected"), [(None, None), ("refused: bad login", 0.0)])
def test_the_broker_is_absent_without_mqtt(broker: str | None, expected: float | None) -> None:
    service = STATS.service.model_copy(update={"broker": broker})
    with serving(stats=lambda: STATS.model_copy(update={"service": service})) as server:
        found = samples(get(server, "/metrics")[2])
    assert found.get(("sightline_mqtt_connected", frozenset())) == expected


def test_nothing_else_is_served() -> None:
    with serving(ServerConfig(port=0, metrics=False, dashboard=False)) as server:
        for path in ("/", "/metrics", "/docs", "/redoc", "/openapi.json", "/healthz/", "/static/../healthz"):
            assert get(server, path)[0] == 404, path
        assert get(server, "/healthz", "POST")[0] == 405
        assert get(server, "/healthz", "HEAD")[::2] == (200, "")


def test_a_report_that_fails_is_an_error_of_this_request_only(caplog: pytest.LogCaptureFixture) -> None:
    def stats() -> StatsPayload:
        raise ValueError("no numbers")

    with serving(stats=stats) as server:
        assert get(server, "/metrics")[::2] == (500, "Internal Server Error")
        assert get(server, "/healthz")[0] == 200
    assert "no numbers" in caplog.text


def test_who_sends_nonsense_again_and_again_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    before = list(logging.getLogger("uvicorn.error").filters)
    with serving() as server:
        for content in 20 * [b"\x16\x03\x01 this is no HTTP\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n"]:
            with socket.create_connection(("127.0.0.1", server.port), 5) as stranger:
                stranger.sendall(content)
                assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")
        assert get(server, "/healthz")[0] == 200
    said = [record.getMessage() for record in caplog.records if record.name == "uvicorn.error"]
    assert said.count("Invalid HTTP request received.") == 1
    assert logging.getLogger("uvicorn.error").filters == before


def test_connections_are_bounded_whoever_opens_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.server.MOST_OPEN", 3)
    with serving() as server:
        held = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(3)]
        held[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")  # it is known when this is answered
        assert held[0].recv(100).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", server.port), 5) as more:
            more.settimeout(5)
            with suppress(ConnectionResetError):
                assert more.recv(1) == b""
        for one in held:
            one.close()
        end = time.monotonic() + 5
        while True:
            try:
                assert get(server, "/healthz")[0] == 200
                break
            except OSError:  # the others are still being closed
                assert time.monotonic() < end


def test_a_text_is_logged_again_later_and_another_one_at_once() -> None:
    now = [0.0]
    calm = Calm(30, lambda: now[0])

    def passes(text: str, *arguments: object) -> bool:
        return bool(calm.filter(logging.LogRecord("x", logging.WARNING, __file__, 1, text, arguments, None)))

    assert [passes("a"), passes("a"), passes("b %d", 1), passes("b %d", 2)] == [True, False, True, False]
    now[0] = 30.0
    assert [passes("a"), passes("a")] == [True, False]
    assert sum(passes(f"text {number}") for number in range(5000)) == 5000
    assert len(calm._told) <= 200


def test_a_taken_port_is_one_sentence() -> None:
    with serving() as server:
        config = ServerConfig(port=server.port, dashboard=False)
        second = Server(config, ScriptedFace())
        with pytest.raises(SightlineError) as caught:
            second.start()
        second.stop()
        assert str(caught.value) == (
            f"the HTTP server cannot listen on 127.0.0.1:{server.port} (Address already in use); "
            "stop what listens there, or choose another server.port"
        )
        assert get(server, "/healthz")[0] == 200
    with serving(config) as after:  # the port is free at once
        assert after.port == config.port


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_one_sentence(host: str) -> None:
    server = Server(ServerConfig(host=host, port=0, dashboard=False), ScriptedFace())
    with pytest.raises(SightlineError, match=rf"cannot listen on {host}:0 \(.+\); choose an address of this machine"):
        server.start()


@pytest.mark.parametrize(("host", "warns"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])  # noqa: S104
def test_an_open_port_is_one_warning(host: str, warns: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), serving(ServerConfig(host=host, port=0, dashboard=False)) as server:
        assert server.port > 0
    said = [record.getMessage() for record in caplog.records if record.name == "dashboard.server"]
    assert said == (
        [f"http://{host}:{server.port} is open to the network: /healthz and /metrics have no login"] if warns else []
    )


def test_it_stops_in_time_whatever_its_clients_do() -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow() -> Health:
        asked.set()
        answer.wait(30)
        return True, {}

    server = Server(SMALL, face_of(lambda: STATS, slow))
    server.start()
    with (
        socket.create_connection(("127.0.0.1", server.port)) as idle,
        socket.create_connection(("127.0.0.1", server.port)) as half,
        socket.create_connection(("127.0.0.1", server.port)) as waiting,
    ):
        half.sendall(b"GET /healthz HT")
        waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert asked.wait(5)
        start = time.monotonic()
        server.stop()
        server.stop()
        took = time.monotonic() - start
        answer.set()
        assert took < 2
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port))
        idle.close()
    for thread in threading.enumerate():
        if thread.name == "http":
            thread.join(5)
            assert not thread.is_alive()


def test_without_the_extra_the_sentence_names_it() -> None:
    script = """
import sys
sys.modules["uvicorn"] = None
from config.site import Server as Config
from dashboard.server import Server
try:
    Server(Config(port=0), None).start()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == (
        "ServerError the HTTP server needs uvicorn, which is not installed; "
        "run pip install 'sightline[server]', or remove the server block\n"
    )
