"""Events joined to those of the truth, one to one, by time alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import lap
import numpy as np


def in_time(
    truth_s: Sequence[float],
    found_s: Sequence[float],
    tolerance_s: float,
    fits: Callable[[int, int], bool] | None = None,
) -> list[tuple[int, int]]:
    """As many pairs as possible that are no further apart than ``tolerance_s``, and of those the nearest ones.

    An optimal assignment (Jonker and Volgenant, 1987) in which a pair that is too far apart costs more than all that
    are near enough together.

    Args:
        truth_s: Times of the truth, seconds, in any order.
        found_s: Times of what was found, likewise.
        tolerance_s: Seconds.
        fits: Whether those at a position in each list may be a pair at all; default: any two may.

    Returns:
        Pairs of positions in both lists, by the truth's time; each position at most once.
    """
    pairs: list[tuple[int, int]] = []
    for rows, columns in _neighbourhoods(truth_s, found_s, tolerance_s):
        apart = np.abs(
            np.array([truth_s[row] for row in rows])[:, None] - np.array([found_s[column] for column in columns])
        )
        near = apart <= tolerance_s + 1e-9  # of decimals such as 0.3 - 0.2
        if fits is not None:
            near &= np.array([[fits(row, column) for column in columns] for row in rows])
        far = (tolerance_s + 1.0) * (min(apart.shape) + 1)
        assigned, _ = lap.lapjv(np.where(near, apart, far), extend_cost=True, return_cost=False)
        pairs += [
            (rows[number], columns[int(column)])
            for number, column in enumerate(assigned.tolist())
            if column >= 0 and near[number, int(column)]
        ]
    return pairs


def _neighbourhoods(
    truth_s: Sequence[float], found_s: Sequence[float], tolerance_s: float
) -> Iterator[tuple[list[int], list[int]]]:
    """Parts that are so far apart that no pair can span two of them; those without both sides are left out."""
    times = sorted([(time, 0, row) for row, time in enumerate(truth_s)] + [(t, 1, i) for i, t in enumerate(found_s)])
    part: tuple[list[int], list[int]] = ([], [])
    last = -np.inf
    for time, side, position in times:
        if time - last > tolerance_s + 1e-9:
            if all(part):
                yield part
            part = ([], [])
        part[side].append(position)
        last = time
    if all(part):
        yield part
