"""A small dataset in Ultralytics' YAML form, of frames of videos with a model's own boxes as labels.

Good for trying ``compare --train`` where nobody has drawn anything; what is learnt is its opinion.
Every third picture is for ``val``.

    python -m benchmarks.auto_label VIDEO... [--out dataset] [--frames 12] [--classes person,car,bicycle] [--anew]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from config.site import Detector as DetectorConfig
from detectors.detections import Detections
from detectors.detector import Detector
from detectors.load import load_detector
from detectors.model_files import chosen
from streams.spread import spread_pictures

CONFIDENCE = 0.4
VAL = 3


def label(
    detector: Detector[Any], videos: Sequence[Path], frames: int, classes: Sequence[str], anew: bool, out: Path
) -> Path:
    """Write the dataset; its YAML.

    Args:
        detector: What finds the boxes.
        videos: Files, or folders of pictures.
        frames: Pictures of each.
        classes: The labels that are kept, in the order of the dataset's classes.
        anew: Give them names that the model does not know, so that training must learn the classes anew.
        out: Folder to write into.
    """
    number = 0
    for video in videos:
        for image in spread_pictures(video, frames):
            split = "val" if number % VAL == VAL - 1 else "train"
            picture, labels = (out / kind / split for kind in ("images", "labels"))
            for folder in (picture, labels):
                folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(picture / f"{number:04}.png"), image)
            (found,) = detector.detect([image])
            (labels / f"{number:04}.txt").write_text("\n".join(rows(found, image, classes)), encoding="utf-8")
            number += 1
    names = [f"my {name}" if anew else name for name in classes]
    content = {"path": ".", "train": "images/train", "val": "images/val", "names": names}
    file = out / "data.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


def rows(found: Detections, image: NDArray[np.uint8], classes: Sequence[str]) -> list[str]:
    """``class x y w h`` of each box whose label is wanted, relative to the picture."""
    height, width = image.shape[:2]
    return [
        f"{classes.index(found.labels[class_id])} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} "
        f"{(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}"
        for (x1, y1, x2, y2), class_id in zip(found.xyxy.tolist(), found.class_id.tolist(), strict=True)
        if found.labels[class_id] in classes
    ]


def main() -> None:
    """Read the arguments and write the dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("dataset"))
    parser.add_argument("--frames", type=int, default=12, help="of each video")
    parser.add_argument("--classes", default="person,car,bicycle")
    parser.add_argument("--anew", action="store_true", help="names that the model does not know")
    parser.add_argument("--model")
    options = parser.parse_args()
    detector = load_detector(chosen(options.model, print), DetectorConfig(confidence=CONFIDENCE))
    print(label(detector, options.videos, options.frames, options.classes.split(","), options.anew, options.out))


if __name__ == "__main__":
    main()
