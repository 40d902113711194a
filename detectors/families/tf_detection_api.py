"""Networks of the TensorFlow Object Detection API (SSD, SSDLite, Faster R-CNN): boxes come ready, NMS included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.detector import Image, Tensor
from detectors.errors import ModelError

INPUT = "image_tensor"
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")

Size = tuple[int, int]


class TfDetectionApiFamily:
    """Pre- and post-processing of TF Object Detection API networks.

    Input of the network: (N, H, W, 3) RGB, uint8 unless ``levels`` are given. Outputs, in the order of ``OUTPUTS``:
    boxes (N, M, 4) as ymin, xmin, ymax, xmax relative to the picture, scores (N, M), classes (N, M), and how many of
    the M count (N,).
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        confidence: float,
        imgsz: Size = (300, 300),
        first_class: int = 1,
        levels: Tensor | None = None,
        rows_each: int = 1,
    ) -> None:
        """Set labels and threshold.

        Args:
            labels: Name of the first class, of the next one, ….
            confidence: Boxes must score above this.
            imgsz: (height, width) in pixels that pictures are stretched to; best the size the network was trained at,
                to which it resizes inside. Boxes are relative, so that aspect need not be kept, and a picture gets the
                same boxes whatever the sizes of the others in its batch.
            first_class: The network's number of the first class: 1 in graphs, 0 in TFLite files.
            levels: (256,) or (256, 3): what the network gets for each level of a pixel, of each channel where they
                differ; None: the level itself.
            rows_each: How many rows, of as many classes, stand for one that counts.
        """
        self.labels = labels
        self.confidence = confidence
        self.imgsz = imgsz
        self._first = first_class
        self._rows_each = rows_each
        self._levels: NDArray[Any] | None = None if levels is None else levels.reshape(1, 256, -1)

    def preprocess(self, images: Sequence[Image]) -> tuple[Tensor, list[Size]]:
        """Stretch (H, W, 3) uint8 BGR pictures into one (N, H', W', 3) RGB batch; also return their (H, W)."""
        height, width = self.imgsz
        batch = np.empty((len(images), height, width, 3), np.uint8 if self._levels is None else self._levels.dtype)
        for row, image in zip(batch, images, strict=True):
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
            if self._levels is None:
                cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=row)
            else:
                row[:] = cv2.LUT(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), self._levels)
        return batch, [(image.shape[0], image.shape[1]) for image in images]

    def postprocess(self, outputs: tuple[Tensor, ...], meta: list[Size]) -> list[Detections]:
        """Turn the four outputs into boxes in source pixels.

        Raises:
            ModelError: The outputs do not have the shapes of this family, or a class has no label.
        """
        if len(outputs) != len(OUTPUTS):
            raise ModelError(f"the network has {len(outputs)} outputs, this family needs {', '.join(OUTPUTS)}")
        boxes, scores, classes, counts = outputs
        n = len(meta)
        if boxes.ndim != 3 or boxes.shape[2] != 4 or not boxes.shape[:2] == scores.shape == classes.shape:
            raise ModelError(
                f"detection_boxes, _scores and _classes have the shapes {boxes.shape}, {scores.shape} and "
                f"{classes.shape}; this family needs (N, M, 4), (N, M) and (N, M)"
            )
        if boxes.shape[0] != n or counts.shape != (n,):
            raise ModelError(f"the network answered for {boxes.shape[0]} pictures, it was given {n}")
        found = []
        for row, size in enumerate(meta):
            count = int(counts[row]) * self._rows_each
            found.append(self._decode(boxes[row, :count], scores[row, :count], classes[row, :count], size))
        return found

    def _decode(self, boxes: Tensor, scores: Tensor, classes: Tensor, size: Size) -> Detections:
        """Boxes of one picture above the threshold, best score first, clipped to its (height, width)."""
        score = scores.astype(np.float32)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] > self.confidence]
        class_id = np.rint(classes[order].astype(np.float64)).astype(np.int64) - self._first
        if len(class_id) and not (0 <= class_id.min() and class_id.max() < len(self.labels)):
            wrong = class_id.max() if class_id.max() >= len(self.labels) else class_id.min()
            raise ModelError(
                f"the network found class {wrong + self._first}, but labels are given for classes {self._first} to "
                f"{len(self.labels) - 1 + self._first}; "
                "check that the label list belongs to this model"
            )
        height, width = size
        corners = boxes[order].astype(np.float32)[:, [1, 0, 3, 2]].clip(0, 1)
        xyxy = corners * np.array([width, height, width, height], np.float32)
        return Detections(xyxy, score[order].clip(0, 1), class_id, self.labels)
