"""What tiles find: vehicles on frames spread over a video, on the whole frame and on its tiles.

A vehicle that has two boxes (IoU over 0.5, whatever their labels) is counted once, on both sides.

    python -m benchmarks.tiles VIDEO [--tiles 2x3] [--overlap 0.2] [--frames 20] [--model yolov8n] [--picture FILE]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from config.site import Detector as DetectorConfig
from config.site import Tiles
from detectors.detections import Detections
from detectors.load import load_detector
from detectors.model_files import chosen
from detectors.nms import nms
from detectors.tiles import Finder, TiledDetector
from streams.spread import spread_pictures

VEHICLES = ("car", "truck", "bus", "motorcycle")


def vehicles(found: Detections) -> Detections:
    """The vehicles, each once."""
    wanted = found[np.array([found.label(row) in VEHICLES for row in range(len(found))], bool)]
    return wanted[nms(wanted.xyxy, wanted.score, np.zeros(len(wanted), np.int64), 0.5)]


def drawn(image: Any, found: Detections, width: int) -> Any:
    """The picture with its boxes, ``width`` pixels wide."""
    copy = image.copy()
    for x1, y1, x2, y2 in found.xyxy.round().astype(int).tolist():
        cv2.rectangle(copy, (x1, y1), (x2, y2), (0, 255, 255), 2)
    height = round(copy.shape[0] * width / copy.shape[1])
    return cv2.resize(copy, (width, height), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Count, print one line, and draw where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--tiles", default="2x3", help="ROWSxCOLS")
    parser.add_argument("--overlap", type=float, default=0.2)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--model", default="yolov8n")
    parser.add_argument("--picture", type=Path, help="JPEG of the middle frame: left whole, right tiles")
    wanted = parser.parse_args()
    rows, cols = map(int, wanted.tiles.split("x"))
    whole = load_detector(chosen(wanted.model, print), DetectorConfig(model=wanted.model), print)
    tiled = TiledDetector(whole, Tiles(rows=rows, cols=cols, overlap=wanted.overlap))
    both: tuple[Finder, Finder] = (whole, tiled)
    images = spread_pictures(wanted.video, wanted.frames)
    counts, spent = [0, 0], [0.0, 0.0]
    for number, image in enumerate(images):
        sides = []
        for side, detector in enumerate(both):
            start = time.perf_counter()
            (found,) = detector.detect([image])
            spent[side] += time.perf_counter() - start
            sides.append(vehicles(found))
            counts[side] += len(sides[-1])
        if number == len(images) // 2 and wanted.picture is not None:
            picture = np.hstack([drawn(image, found, 800) for found in sides])
            cv2.imwrite(str(wanted.picture), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    milliseconds = [1e3 * seconds / len(images) for seconds in spent]
    print(
        f"{len(images)} frames, vehicles: whole frame {counts[0]}, {wanted.tiles} tiles {counts[1]} "
        f"({counts[1] / max(counts[0], 1):.2f}x); {milliseconds[0]:.0f} and {milliseconds[1]:.0f} ms a frame"
    )


if __name__ == "__main__":
    main()
