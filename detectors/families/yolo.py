"""The YOLO family: letterbox, decode of the (1, 4 + C, A) head or of raw heads, class-aware NMS; end-to-end heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.detector import Image, Tensor
from detectors.errors import ModelError
from detectors.families.yolo_heads import decode_heads
from detectors.letterbox import Letterbox
from detectors.nms import nms

MAX_DETECTIONS = 300
_MAX_CANVASES = 8


class YoloFamily:
    """Pre- and post-processing of YOLO detection networks since YOLOv8.

    Input of the network: (N, H, W, 3) uint8 BGR, as pictures are. Output: (N, 4 + C, A) float32, box centre and size in
    input pixels followed by class probabilities. Or the raw heads of L levels, finest first: L times (N, h, w, 4·R)
    logits of distances, then L times (N, h, w, C) logits of classes, then L times (N, h, w) the largest of these.
    Or, end to end: (N, K, 6) float32, corners x1, y1, x2, y2 in input pixels, score and class; these get no NMS.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        imgsz: int | tuple[int, int] = 640,
        confidence: float = 0.25,
        iou: float = 0.7,
        stride: int = 32,
        fixed: bool = False,
        end2end: bool = False,
    ) -> None:
        """Set thresholds and input size.

        Args:
            labels: Names of the C classes.
            imgsz: The longer side, or (height, width), in pixels; rounded up to ``stride``.
            confidence: Boxes must score above this.
            iou: NMS drops a box that overlaps a better one of its class by more than this; nothing end to end.
            stride: The largest stride of the network.
            fixed: The network takes pictures of exactly ``imgsz``; else they are padded no further than needed.
            end2end: The network gives (N, K, 6) boxes that need no NMS.
        """
        size = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
        self.labels = labels
        self.imgsz = (-(-size[0] // stride) * stride, -(-size[1] // stride) * stride)
        self.confidence = confidence
        self.iou = iou
        self.stride = stride
        self.fixed = fixed
        self.end2end = end2end
        self._canvases: dict[tuple[int, ...], NDArray[np.uint8]] = {}

    def preprocess(self, images: Sequence[Image]) -> tuple[Tensor, list[Letterbox]]:
        """Letterbox pictures into one batch; the batch's memory is used again by the next call.

        Each picture is padded to the next multiple of the stride, and then on the right and below to the largest of the
        batch: it lies on the network's grid as it would alone, whatever the sizes of the others.
        """
        sizes = tuple(image.shape[:2] for image in images)
        boxes = _laid_out(sizes, self.imgsz, self.stride, minimal=not self.fixed)
        batch = self._canvas((len(images), *boxes[0].padded, 3))
        for canvas, image, box in zip(batch, images, boxes, strict=True):
            box.apply(image, canvas)
        return batch, list(boxes)

    def _canvas(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The memory for a batch of a shape; few shapes are kept."""
        found = self._canvases.get(shape)
        if found is None:
            if len(self._canvases) >= _MAX_CANVASES:
                self._canvases.pop(next(iter(self._canvases)))
            found = self._canvases[shape] = np.empty(shape, np.uint8)
        return found

    def postprocess(self, outputs: tuple[Tensor, ...], meta: list[Letterbox]) -> list[Detections]:
        """Decode the head of each picture.

        Raises:
            ModelError: The output does not have the shape of a YOLO head with these labels, or has other classes.
        """
        if self.end2end:
            return self._finished(outputs, meta)
        labels = len(self.labels)
        if len(outputs) == 1:
            head = outputs[0]
            if head.ndim != 3 or head.shape[0] != len(meta) or head.shape[1] != 4 + labels:
                raise ModelError(
                    f"the network's output has shape {head.shape}, a YOLO head for {labels} labels "
                    f"has ({len(meta)}, {4 + labels}, anchors); check that the label list belongs to this model"
                )
            return [self._kept(box, *_decode(head[row], self.confidence)) for row, box in enumerate(meta)]
        levels = self._levels(outputs, len(meta))
        found = []
        for row, box in enumerate(meta):
            heads = [(sides[row], classes[row], best[row]) for sides, classes, best in levels]
            found.append(self._kept(box, *decode_heads(heads, box.padded[0], self.confidence)))
        return found

    def _finished(self, outputs: tuple[Tensor, ...], meta: list[Letterbox]) -> list[Detections]:
        """The boxes of an end-to-end network that score, best score first."""
        head = outputs[0]
        if len(outputs) != 1 or head.ndim != 3 or head.shape[0] != len(meta) or head.shape[2] != 6:
            shapes = ", ".join(str(output.shape) for output in outputs)
            raise ModelError(
                f"the network's outputs have the shapes {shapes}; an end-to-end YOLO head has ({len(meta)}, boxes, 6)"
            )
        found = []
        for box, rows in zip(meta, head.astype(np.float32, copy=False), strict=True):
            order = np.argsort(-rows[:, 4], kind="stable")
            kept = rows[order[rows[order, 4] > self.confidence]][:MAX_DETECTIONS]
            class_id = kept[:, 5].astype(np.int64)
            if len(kept) and not 0 <= class_id.min() <= class_id.max() < len(self.labels):
                raise ModelError(
                    f"the network found class {class_id.max()}, and there are {len(self.labels)} labels; "
                    "check that the label list belongs to this model"
                )
            xyxy = box.restore(np.ascontiguousarray(kept[:, :4]))
            found.append(Detections(xyxy, kept[:, 4].copy(), class_id, self.labels))
        return found

    def _levels(self, outputs: tuple[Tensor, ...], count: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Side logits, class logits and the largest of these, for each level."""
        third = len(outputs) // 3
        levels = list(zip(outputs[:third], outputs[third : 2 * third], outputs[2 * third :], strict=False))
        good = len(outputs) % 3 == 0 and all(
            sides.ndim == classes.ndim == 4
            and sides.shape[:3] == classes.shape[:3] == best.shape
            and (sides.shape[0], sides.shape[3] % 4, classes.shape[3]) == (count, 0, len(self.labels))
            for sides, classes, best in levels
        )
        if not good:
            shapes = ", ".join(str(output.shape) for output in outputs)
            raise ModelError(
                f"the network's outputs have the shapes {shapes}; the heads of a YOLO for {len(self.labels)} labels "
                f"are ({count}, h, w, 4·R), ({count}, h, w, {len(self.labels)}) and ({count}, h, w) for each level; "
                "check that the label list belongs to this model"
            )
        return levels

    def _kept(
        self, box: Letterbox, xyxy: NDArray[np.float32], score: NDArray[np.float32], class_id: NDArray[np.int64]
    ) -> Detections:
        """What NMS keeps, in source pixels, best score first."""
        if not len(xyxy):
            return Detections.empty(self.labels)
        keep = nms(xyxy, score, class_id, self.iou)[:MAX_DETECTIONS]
        return Detections(box.restore(xyxy[keep]), score[keep], class_id[keep], self.labels)


@lru_cache(maxsize=64)
def _laid_out(
    sizes: tuple[tuple[int, int], ...], imgsz: tuple[int, int], stride: int, minimal: bool
) -> tuple[Letterbox, ...]:
    """Where pictures of these (height, width) lie in their batch; cameras ask the same again and again."""
    alone = [Letterbox.fit(size, imgsz, stride, minimal=minimal) for size in sizes]
    padded = (max(box.padded[0] for box in alone), max(box.padded[1] for box in alone))
    return tuple(replace(box, padded=padded) for box in alone)


def _decode(head: Tensor, confidence: float) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Boxes (K, 4) in input pixels, scores (K,) and classes (K,) of one (4 + C, A) head, in the order of anchors."""
    best = head[4:].max(axis=0)
    candidates = np.flatnonzero(best > confidence)
    picked: NDArray[np.float32] = head[:, candidates].astype(np.float32, copy=False)
    score = best[candidates].astype(np.float32, copy=False)
    class_id = picked[4:].argmax(axis=0).astype(np.int64, copy=False)
    half = picked[2:4] / np.float32(2)
    return np.concatenate((picked[:2] - half, picked[:2] + half)).T, score, class_id
