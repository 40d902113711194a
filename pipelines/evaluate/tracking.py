"""How well tracks agree with the truth: CLEAR MOT, identity and HOTA, as the ``trackers`` library computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import ConfigError
from pipelines.byte_track import UNTRACKED, overlaps, pairs
from pipelines.evaluate.box_truth import TrueBox
from pipelines.evaluate.results import RunFrame

LEAST_IOU = 0.5
CROWD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """Both sides of one frame, what is ignored already gone.

    Attributes:
        true_ids: (N,) int64.
        found_ids: (M,) int64.
        overlap: (N, M) float64 IoU.
    """

    true_ids: NDArray[np.int64]
    found_ids: NDArray[np.int64]
    overlap: NDArray[np.float64]


def check_trackers() -> None:
    """Refuse before any work what cannot be scored.

    Raises:
        ConfigError: The ``trackers`` package is not installed.
    """
    if find_spec("trackers") is None:
        raise ConfigError(
            "scores of tracks need the package trackers; install it with pip install 'sightline[evaluate]'"
        )


def score_tracking(
    truth: Sequence[Sequence[TrueBox]],
    found: Sequence[RunFrame],
    track_labels: Mapping[int, str],
    labels: Sequence[str],
    each: bool = True,
) -> dict[str, Any]:
    """Score tracks over frames.

    ``all`` looks at who is who, whatever the label, of all tracks whose label is scored. Of the labels, a track belongs
    to that with the largest sum of scores over the whole video. What matches an ignored box, or lies in a crowd, is
    taken out first, as MOTChallenge does.

    Sources: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics"
    (2008); Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking" (2016);
    Luiten et al., "HOTA" (2020).

    Args:
        truth: The boxes of each frame, all objects of them with a track.
        found: Those that were found, likewise; those without a track do not count.
        track_labels: The label of each track.
        labels: The labels that are scored.
        each: Whether each label is scored by itself, too.

    Returns:
        ``{"all": row, "labels": {label: row}}``; a row has ``mota``, ``motp``, ``idf1``, ``hota``, ``deta``, ``assa``,
        ``id_switches``, ``fragments``, ``false_positives``, ``misses``, ``objects`` (different ones) and ``tracks``.
    """

    def row(of: set[str]) -> dict[str, Any]:
        wanted = {track for track, label in track_labels.items() if label in of}
        return _row([_seen(boxes, frame, wanted, of) for boxes, frame in zip(truth, found, strict=True)])

    return {"all": row(set(labels)), "labels": {label: row({label}) for label in labels if each}}


def _seen(boxes: Sequence[TrueBox], frame: RunFrame, wanted: set[int], labels: set[str]) -> Seen:
    """One frame: what is found and matches an ignored box is taken out, then what is ignored."""
    true = [box for box in boxes if box.label in labels]
    corners = np.array([box.xyxy for box in true], np.float64).reshape(-1, 4)
    rows = np.array([n for n, track in enumerate(frame.ids.tolist()) if track != UNTRACKED and track in wanted], int)
    found = frame.boxes.xyxy[rows].astype(np.float64)
    overlap = overlaps(corners, found)
    counts = np.array([box.role == "object" for box in true], bool)
    gone = np.zeros(len(rows), bool)
    if not counts.all():
        matched = dict((column, row) for row, column in pairs(overlap, LEAST_IOU))
        for column in range(len(rows)):
            row = matched.get(column)
            gone[column] = not counts[row] if row is not None else _in_crowd(found[column], true)
    ids = np.array([-1 if box.track is None else box.track for box in true], np.int64)
    return Seen(ids[counts], frame.ids[rows][~gone], overlap[counts][:, ~gone].astype(np.float64))


def _in_crowd(box: NDArray[np.float64], true: Sequence[TrueBox]) -> bool:
    """Whether half of a box or more lies within one that stands for many."""
    x1, y1, x2, y2 = box.tolist()
    size = max((x2 - x1) * (y2 - y1), 1e-9)
    for crowd in (one for one in true if one.role == "crowd"):
        width = min(x2, crowd.xyxy[2]) - max(x1, crowd.xyxy[0])
        height = min(y2, crowd.xyxy[3]) - max(y1, crowd.xyxy[1])
        if width > 0 and height > 0 and width * height >= CROWD_SHARE * size:
            return True
    return False


def _row(seen: Sequence[Seen]) -> dict[str, Any]:
    from trackers.eval import compute_clear_metrics, compute_hota_metrics, compute_identity_metrics

    sides = ([one.true_ids for one in seen], [one.found_ids for one in seen], [one.overlap for one in seen])
    clear: Mapping[str, Any] = compute_clear_metrics(*sides, LEAST_IOU)
    identity: Mapping[str, Any] = compute_identity_metrics(*sides, LEAST_IOU)
    hota: Mapping[str, Any] = compute_hota_metrics(*sides)
    return {
        "mota": round(clear["MOTA"], 4),
        "motp": round(clear["MOTP"], 4),
        "idf1": round(identity["IDF1"], 4),
        "hota": round(hota["HOTA"], 4),
        "deta": round(hota["DetA"], 4),
        "assa": round(hota["AssA"], 4),
        "id_switches": int(clear["IDSW"]),
        "fragments": int(clear["Frag"]),
        "false_positives": int(clear["CLR_FP"]),
        "misses": int(clear["CLR_FN"]),
        "objects": _different(one.true_ids for one in seen),
        "tracks": _different(one.found_ids for one in seen),
    }


def _different(ids: Any) -> int:
    return len({number for array in ids for number in array.tolist()})
