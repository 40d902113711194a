"""Non-maximum suppression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def nms(
    xyxy: NDArray[np.float32], score: NDArray[np.float32], class_id: NDArray[np.int64], iou: float
) -> NDArray[np.intp]:
    """Class-aware non-maximum suppression by OpenCV.

    Args:
        xyxy: (N, 4) float32 boxes.
        score: (N,) float32.
        class_id: (N,) int64; boxes of different classes never suppress each other.
        iou: A box is dropped when it overlaps a kept one by more than this.

    Returns:
        (K,) row numbers of the boxes kept, best score first.
    """
    xywh = xyxy.copy()
    xywh[:, 2:] -= xywh[:, :2]
    suppress: Any = cv2.dnn.NMSBoxesBatched  # its stub asks for lists; arrays are taken as they are
    kept = suppress(xywh, score, class_id.astype(np.int32), 0.0, iou)
    return np.asarray(kept, np.intp).reshape(-1)
