"""CenterNet networks that decode inside: every peak of the class heatmaps is a box already."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detectors.detections import Detections
from detectors.detector import Image, Tensor
from detectors.errors import ModelError
from detectors.letterbox import Letterbox
from detectors.nms import nms

OUTPUT = "detections"


class CenterNetFamily:
    """Pre- and post-processing of CenterNet networks.

    Input of the network: (N, H, W, 3) float32 RGB, 0 to 255, of one fixed size. Output: (N, M, 6) float32 with x1, y1,
    x2, y2 in input pixels, the score from 0 to 1, and the class from 0.
    """

    def __init__(self, labels: tuple[str, ...], imgsz: tuple[int, int], confidence: float, iou: float) -> None:
        """Set labels, size and thresholds.

        Args:
            labels: Name of class 0, of class 1, ….
            imgsz: (height, width) of the network's input in pixels.
            confidence: Boxes must score above this.
            iou: A box is dropped when it overlaps a better one of its class by more than this: large objects may have
                several peaks.
        """
        self.labels = labels
        self.imgsz = imgsz
        self.confidence = confidence
        self.iou = iou

    def preprocess(self, images: Sequence[Image]) -> tuple[Tensor, list[Letterbox]]:
        """Letterbox (H, W, 3) uint8 BGR pictures into one float32 RGB batch of the network's size."""
        boxes = [Letterbox.fit(image.shape[:2], self.imgsz, 1, minimal=False) for image in images]
        canvas = np.empty((*self.imgsz, 3), np.uint8)
        batch = np.empty((len(images), *self.imgsz, 3), np.float32)
        for row, image, box in zip(batch, images, boxes, strict=True):
            box.apply(image, canvas)
            row[:] = cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB)
        return batch, boxes

    def postprocess(self, outputs: tuple[Tensor, ...], meta: list[Letterbox]) -> list[Detections]:
        """Turn the output into boxes in source pixels, best score first.

        Raises:
            ModelError: The output does not have the shape of this family, or a class has no label.
        """
        if len(outputs) != 1 or outputs[0].ndim != 3 or outputs[0].shape[2] != 6 or len(outputs[0]) != len(meta):
            shapes = ", ".join(str(output.shape) for output in outputs)
            raise ModelError(f"the network's output has the shape {shapes}; a CenterNet has ({len(meta)}, boxes, 6)")
        return [self._decode(rows, box) for rows, box in zip(outputs[0].astype(np.float32), meta, strict=True)]

    def _decode(self, rows: Tensor, box: Letterbox) -> Detections:
        """Boxes of one picture from (M, 6) rows."""
        table = np.asarray(rows, np.float32)
        extent = (table[:, 2:4] > table[:, :2]).all(axis=1) & np.isfinite(table).all(axis=1)
        table = table[extent & (table[:, 4] > self.confidence)]
        if not len(table):
            return Detections.empty(self.labels)
        class_id = np.rint(table[:, 5]).astype(np.int64)
        wrong = class_id[(class_id < 0) | (class_id >= len(self.labels))]
        if len(wrong):
            raise ModelError(
                f"the network found class {wrong[0]}, and there are {len(self.labels)} labels; "
                "check that the label list belongs to this model"
            )
        xyxy, score = np.ascontiguousarray(table[:, :4]), table[:, 4].clip(0, 1)
        keep = nms(xyxy, score, class_id, self.iou)
        return Detections(box.restore(xyxy[keep]), score[keep], class_id[keep], self.labels)
