"""The pictures of a dataset as both frameworks get them: letterboxed once, laid down raw, read in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.letterbox import Letterbox
from detectors.training.recipe import SEED, Batch
from pipelines.compare.frames import Size
from pipelines.compare.train_dataset import Sample
from streams.errors import SourceError, cannot_write
from streams.spread import read_picture

STRIDE = 32


def fit(size: Size, imgsz: int) -> Letterbox:
    """Where a picture of (height, width) lies in a square of ``imgsz``, as in Ultralytics' training without mosaics."""
    return Letterbox.fit(size, (imgsz, imgsz), STRIDE, minimal=False)


def lay_down_split(samples: Sequence[Sample], imgsz: int, file: Path) -> list[Size]:
    """Write letterboxed pictures, (imgsz, imgsz, 3) uint8 RGB one after the other, and their objects beside them.

    Args:
        samples: At least one.
        imgsz: Side of the network's input in pixels, a multiple of 32.
        file: To be written; the objects are written to it with ``.npy`` behind its name.

    Returns:
        (H, W) of each picture as it was.

    Raises:
        SourceError: A picture cannot be read.
        OutputError: The files cannot be written.
    """
    sizes: list[Size] = []
    objects = np.zeros((len(samples), max(1, *(len(sample.rows) for sample in samples), 1), 6), np.float32)
    canvas = np.empty((imgsz, imgsz, 3), np.uint8)
    try:
        with file.open("wb") as out:
            for number, sample in enumerate(samples):
                image = read_picture(sample.picture)
                box = fit(image.shape[:2], imgsz)
                box.apply(image, canvas)
                out.write(np.ascontiguousarray(canvas[..., ::-1]).data)
                sizes.append(box.source)
                if sample.rows:
                    objects[number, : len(sample.rows)] = _placed(sample, box)
        np.save(_objects_of(file), objects)
    except SourceError:
        raise
    except OSError as error:
        raise cannot_write(file, error, "TMPDIR") from error
    return sizes


def _placed(sample: Sample, box: Letterbox) -> NDArray[np.float32]:
    """(M, 6): 1, class, then centre and size relative to the square."""
    rows = np.array(sample.rows, np.float64)
    height, width = (scaled / padded for scaled, padded in zip(box.scaled, box.padded, strict=True))
    rows[:, 1:] *= (width, height, width, height)
    rows[:, 1:3] += (box.left / box.padded[1], box.top / box.padded[0])
    return np.column_stack([np.ones(len(rows)), rows]).astype(np.float32)


def _objects_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.npy")


class Split:
    """What ``lay_down_split`` has written, batch by batch; pictures are read when they are needed."""

    def __init__(self, file: Path, imgsz: int) -> None:
        """Open it.

        Args:
            file: As for ``lay_down_split``.
            imgsz: Likewise.
        """
        self._file, self._shape = file, (imgsz, imgsz, 3)
        self._objects: NDArray[np.float32] = np.load(_objects_of(file), allow_pickle=False)

    def __len__(self) -> int:
        return len(self._objects)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The pictures in the order of an epoch; the same in every process."""
        return np.random.default_rng((SEED, epoch)).permutation(len(self))

    def batch(self, rows: Sequence[int] | NDArray[Any]) -> Batch:
        """Some pictures, and as many rows of objects as the fullest of them has."""
        raw = np.empty((len(rows), *self._shape), np.uint8)
        with self._file.open("rb") as source:
            for place, row in enumerate(rows):
                source.seek(int(row) * raw[0].nbytes)
                source.readinto(raw[place].data.cast("B"))
        objects = self._objects[np.asarray(rows)]
        real = objects[..., 0] > 0
        most = max(1, int(real.sum(1).max()))
        pictures = raw.astype(np.float32) / np.float32(255)
        return Batch(pictures, np.ascontiguousarray(objects[:, :most, 1:]), np.ascontiguousarray(real[:, :most]))
