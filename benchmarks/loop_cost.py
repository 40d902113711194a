"""CPU of the live loop after decoding: batching, tracking, rules, messages; the detector answers at once.

The boxes are a real model's on a real video, found beforehand; pictures are 640x360 and lie decoded in memory; the
feeds, the engine, the tracker, the rules, the outbox and the connection to a real Mosquitto are those of ``run``. What
is measured is the CPU time of the whole process by the frames it handled.

    python -m benchmarks.loop_cost VIDEO [--cameras 4] [--seconds 20] [--model yolov8n] [--batch-wait 100]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from config.site import Detector as DetectorConfig
from detectors.detections import Detections
from detectors.detector import StageTimes
from detectors.load import load_detector
from detectors.model_files import chosen
from pipelines.live import camera as live_camera
from pipelines.live.plan import plan_site
from pipelines.live.service import Service
from streams.open import open_source
from tests.support.live import MemoryCamera
from tests.support.mosquitto import Mosquitto

SIZE = (640, 360)
FPS = 10
WARM_S = 6.0


class Answers:
    """A detector that knows the answers."""

    def __init__(self, detector: Any, answers: dict[int, Detections]) -> None:
        self._answers = answers
        self.labels, self.family = detector.labels, detector.family
        self.framework, self.device = detector.framework, detector.device
        self.precision, self.model = detector.precision, detector.model
        self.last_times = StageTimes(0.0, 0.0, 0.0)

    def detect(self, images: Sequence[Any]) -> list[Detections]:
        """What was found in these pictures before."""
        return [self._answers[image.ctypes.data] for image in images]

    def close(self) -> None:
        """Nothing to release."""


def pictures_of(video: Path, seconds: int = 10) -> list[Any]:
    """Pictures of a video, ten a second of its own time, fitted into 640x360."""
    found, due = [], 0.0
    with open_source(video, "source") as source:
        for frame in source:
            if frame.pts_s >= due:
                due += 1 / FPS
                found.append(np.ascontiguousarray(cv2.resize(frame.image, SIZE, interpolation=cv2.INTER_AREA)))
            if len(found) >= seconds * FPS:
                break
    return found


def site_of(cameras: int, broker_port: int, folder: Path, model: str, batch_wait_ms: float) -> Path:
    """A site file with rules, events, counters and messages for each frame."""
    camera = {
        "source": "rtsp://127.0.0.1/never-opened",
        "lines": {"middle": [[0.0, 0.6], [1.0, 0.6]]},
        "zones": {"all": [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]},
        "rules": [
            {"kind": "line_crossing", "line": "middle"},
            {"kind": "zone_count", "zone": "all"},
            {"kind": "dwell", "zone": "all", "seconds": 2},
        ],
    }
    site = {
        "version": 1,
        "mqtt": {"port": broker_port},
        "detectors": {"main": {"model": model, "batch_wait_ms": batch_wait_ms}},
        "cameras": {f"cam{number}": camera for number in range(cameras)},
    }
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site), encoding="utf-8")
    return path


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--batch-wait", type=float, default=0.0, help="batch_wait_ms of the detector")
    parser.add_argument("--model", help="default: yolov8n, or what can be had")
    arguments = parser.parse_args()
    model = chosen(arguments.model)
    detector = load_detector(model, DetectorConfig(device="cpu"))
    pictures = pictures_of(arguments.video)
    answers = {picture.ctypes.data: detector.detect([picture])[0] for picture in pictures}
    boxes = sum(map(len, answers.values())) / len(answers)
    known = Answers(detector, answers)
    setattr(live_camera, "live_source", lambda *_, **__: MemoryCamera(pictures, FPS))  # noqa: B010 - in place of a real camera
    with tempfile.TemporaryDirectory() as name, Mosquitto(Path(name)) as broker:
        path = site_of(arguments.cameras, broker.port, Path(name), str(model.path), arguments.batch_wait)
        plan = plan_site(path, False, False, print)
        service = Service(path, plan, loader=lambda planned: known)  # type: ignore[arg-type, return-value]
        stop = threading.Event()
        running = threading.Thread(target=service.run, args=(stop,))
        running.start()
        time.sleep(WARM_S)
        frames, cpu = handled(service), time.process_time()
        time.sleep(arguments.seconds)
        frames, cpu = handled(service) - frames, time.process_time() - cpu
        published = service.stats().service
        latency = max(camera.latency_ms["p95"] for camera in service.stats().cameras.values())
        stop.set()
        running.join()
    print(
        f"{arguments.cameras} cameras, {frames} frames with {boxes:.1f} boxes each, broker {published.broker}: "
        f"{cpu / frames * 1e3:.2f} ms CPU a frame, p95 latency {latency:.0f} ms"
    )


def handled(service: Service) -> int:
    """Frames that went through so far."""
    return sum(camera.processed for camera in service.stats().cameras.values())


if __name__ == "__main__":
    main()
