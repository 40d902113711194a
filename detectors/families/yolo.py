"""The YOLO family: letterbox, decode of the (1, 4 + C, A) head, class-aware NMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.detector import Image, Tensor
from detectors.errors import ModelError
from detectors.letterbox import Letterbox
from detectors.nms import nms

MAX_DETECTIONS = 300
_MAX_CANVASES = 8


class YoloFamily:
    """Pre- and post-processing of YOLOv8-like detection networks.

    Input of the network: (N, H, W, 3) float32 RGB in [0, 1]. Output: (N, 4 + C, A) float32, box centre and size in
    input pixels followed by class probabilities.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        imgsz: int | tuple[int, int] = 640,
        confidence: float = 0.25,
        iou: float = 0.7,
        stride: int = 32,
    ) -> None:
        """Set thresholds and input size.

        Args:
            labels: Names of the C classes.
            imgsz: The longer side, or (height, width), in pixels; rounded up to ``stride``.
            confidence: Boxes must score above this.
            iou: NMS drops a box that overlaps a better one of its class by more than this.
            stride: The largest stride of the network.
        """
        size = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
        self.labels = labels
        self.imgsz = (-(-size[0] // stride) * stride, -(-size[1] // stride) * stride)
        self.confidence = confidence
        self.iou = iou
        self.stride = stride
        self._canvases: dict[tuple[int, ...], tuple[NDArray[np.uint8], NDArray[np.float32]]] = {}

    def preprocess(self, images: Sequence[Image]) -> tuple[Tensor, list[Letterbox]]:
        """Letterbox pictures into one batch; the batch's memory is used again by the next call.

        Each picture is padded to the next multiple of the stride, and then on the right and below to the largest of the
        batch: it lies on the network's grid as it would alone, whatever the sizes of the others.
        """
        alone = [Letterbox.fit(image.shape[:2], self.imgsz, self.stride, minimal=True) for image in images]
        padded = (max(box.padded[0] for box in alone), max(box.padded[1] for box in alone))
        boxes = [replace(box, padded=padded) for box in alone]
        canvas, batch = self._buffers((len(images), *padded))
        for row, (image, box) in enumerate(zip(images, boxes, strict=True)):
            box.apply(image, canvas[row])
            np.divide(cv2.cvtColor(canvas[row], cv2.COLOR_BGR2RGB), np.float32(255), out=batch[row])
        return batch, boxes

    def _buffers(self, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Canvas and batch of a shape (N, H, W); few shapes are kept."""
        found = self._canvases.get(shape)
        if found is None:
            if len(self._canvases) >= _MAX_CANVASES:
                self._canvases.pop(next(iter(self._canvases)))
            canvas = np.empty((*shape, 3), np.uint8)
            found = self._canvases[shape] = (canvas, np.empty((*shape, 3), np.float32))
        return found

    def postprocess(self, outputs: tuple[Tensor, ...], meta: list[Letterbox]) -> list[Detections]:
        """Decode the head of each picture.

        Raises:
            ModelError: The output does not have the shape of a YOLO head with these labels.
        """
        head = outputs[0]
        rows = 4 + len(self.labels)
        if head.ndim != 3 or head.shape[0] != len(meta) or head.shape[1] != rows:
            raise ModelError(
                f"the network's output has shape {head.shape}, a YOLO head for {len(self.labels)} labels "
                f"has ({len(meta)}, {rows}, anchors); check that the label list belongs to this model"
            )
        return [self._decode(head[row], box) for row, box in enumerate(meta)]

    def _decode(self, head: NDArray[np.generic], box: Letterbox) -> Detections:
        """Turn one (4 + C, A) head into boxes in source pixels, best score first."""
        best = head[4:].max(axis=0)
        candidates = np.flatnonzero(best > self.confidence)
        if not len(candidates):
            return Detections.empty(self.labels)
        picked: NDArray[np.float32] = head[:, candidates].astype(np.float32, copy=False)
        score = best[candidates].astype(np.float32, copy=False)
        class_id = picked[4:].argmax(axis=0).astype(np.int64, copy=False)
        half = picked[2:4] / np.float32(2)
        xyxy: NDArray[np.float32] = np.concatenate((picked[:2] - half, picked[:2] + half)).T
        keep = nms(xyxy, score, class_id, self.iou)[:MAX_DETECTIONS]
        return Detections(box.restore(xyxy[keep]), score[keep], class_id[keep], self.labels)
