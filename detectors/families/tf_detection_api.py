"""Networks of the TensorFlow Object Detection API (SSD, SSDLite, Faster R-CNN): boxes come ready, NMS included."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detectors.detections import Detections
from detectors.detector import Image, Tensor
from detectors.errors import ModelError

INPUT = "image_tensor"
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")

Size = tuple[int, int]


class TfDetectionApiFamily:
    """Pre- and post-processing of TF Object Detection API networks.

    Input of the network: (N, S, S, 3) uint8 RGB. Outputs, in the order of ``OUTPUTS``: boxes (N, M, 4) as ymin, xmin,
    ymax, xmax relative to the picture, scores (N, M), 1-based classes (N, M), and how many of the M count (N,).
    """

    def __init__(self, labels: tuple[str, ...], confidence: float, input_size: int = 300) -> None:
        """Set labels and threshold.

        Args:
            labels: Name of class 1, of class 2, ….
            confidence: Boxes must score above this.
            input_size: Side in pixels of the square that pictures are resized to; best the size the network was
                trained at, to which it resizes inside. Boxes are relative, so that aspect need not be kept, and a
                picture gets the same boxes whatever the sizes of the others in its batch.
        """
        self.labels = labels
        self.confidence = confidence
        self.imgsz = (input_size, input_size)

    def preprocess(self, images: Sequence[Image]) -> tuple[Tensor, list[Size]]:
        """Resize (H, W, 3) uint8 BGR pictures into one (N, S, S, 3) uint8 RGB batch; also return their (H, W)."""
        side = self.imgsz[0]
        batch = np.empty((len(images), side, side, 3), np.uint8)
        for row, image in zip(batch, images, strict=True):
            small = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
            cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=row)
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
            count = int(counts[row])
            found.append(self._decode(boxes[row, :count], scores[row, :count], classes[row, :count], size))
        return found

    def _decode(self, boxes: Tensor, scores: Tensor, classes: Tensor, size: Size) -> Detections:
        """Boxes of one picture above the threshold, best score first, clipped to its (height, width)."""
        score = scores.astype(np.float32)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] > self.confidence]
        class_id = np.rint(classes[order].astype(np.float64)).astype(np.int64) - 1
        if len(class_id) and not (0 <= class_id.min() and class_id.max() < len(self.labels)):
            wrong = class_id.max() if class_id.max() >= len(self.labels) else class_id.min()
            raise ModelError(
                f"the network found class {wrong + 1}, but labels are given for classes 1 to {len(self.labels)}; "
                "check that the label list belongs to this model"
            )
        height, width = size
        corners = boxes[order].astype(np.float32)[:, [1, 0, 3, 2]].clip(0, 1)
        xyxy = corners * np.array([width, height, width, height], np.float32)
        return Detections(xyxy, score[order].clip(0, 1), class_id, self.labels)
