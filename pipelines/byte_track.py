"""ByteTrack of the ``trackers`` library, with the Kalman filters of all tracks computed together.

The library runs each track's filter by itself: a dozen numpy calls on 8x8 matrices, for each track and frame. Here the
filters of a frame are stacked, and the same formulas run once for all of them; states agree to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from trackers import ByteTrackTracker
from trackers.utils.state_representations import XYXYStateEstimator

Array = NDArray[np.float64]


class _Bank:
    """The steps of one frame that are still to be computed."""

    def __init__(self) -> None:
        self.predicted: list[XYXYStateEstimator] = []
        self.measured: list[tuple[XYXYStateEstimator, Array]] = []
        self.step: tuple[float, float | None] = (1.0, None)

    def predict(self) -> None:
        """Predict all: the time that passed and the noise are the same for every track."""
        if not self.predicted:
            return
        first = self.predicted[0]
        first.motion.apply(first.kf, *self.step)
        transition, noise = first.kf.transition_mtx, first.kf.process_noise
        filters = [estimator.kf for estimator in self.predicted]
        states = transition @ np.stack([kf.state for kf in filters])
        covariances = transition @ np.stack([kf.state_covariance for kf in filters]) @ transition.T + noise
        for kf, state, covariance in zip(filters, states, covariances, strict=True):
            kf.state, kf.state_covariance = state, covariance
        self.predicted.clear()

    def correct(self) -> None:
        """Correct all by what was measured (Joseph form, as the library does)."""
        if not self.measured:
            return
        filters = [estimator.kf for estimator, _ in self.measured]
        observed = np.array([box for _, box in self.measured], np.float64)[..., None]  # (N, 4, 1)
        first = filters[0]
        observation, noise = first.observation_mtx, first.measurement_noise
        states = np.stack([kf.state for kf in filters])  # (N, 8, 1)
        covariances = np.stack([kf.state_covariance for kf in filters])  # (N, 8, 8)
        shared = covariances @ observation.T  # (N, 8, 4)
        gains = shared @ np.linalg.inv(observation @ shared + noise)
        states = states + gains @ (observed - observation @ states)
        rest = np.eye(first.dim_x) - gains @ observation
        covariances = rest @ covariances @ rest.transpose(0, 2, 1) + gains @ noise @ gains.transpose(0, 2, 1)
        for kf, state, covariance in zip(filters, states, covariances, strict=True):
            kf.state, kf.state_covariance = state, covariance
        self.measured.clear()


def _estimator_of(bank: _Bank) -> type[XYXYStateEstimator]:
    """A state estimator that leaves its steps to a bank."""

    class Deferred(XYXYStateEstimator):  # type: ignore[misc]
        def predict(self, frame_step: float = 1.0, frame_rate: float | None = None) -> None:
            bank.step = (frame_step, frame_rate)
            bank.predicted.append(self)

        def update(self, bbox: Array | None) -> None:
            if bbox is not None:  # else the prediction stands
                bank.measured.append((self, bbox))

    return Deferred


class BatchedByteTrack(ByteTrackTracker):  # type: ignore[misc]
    """The library's tracker; its decisions are untouched.

    Within an update the library predicts all tracks, reads the predicted boxes, and then measures tracks one by one
    without reading them again: so all predictions can be computed after the first step, and all corrections at the end.
    """

    _bank: _Bank

    @classmethod
    def of(cls, **settings: Any) -> BatchedByteTrack:
        """Make one with the library's settings, all but ``state_estimator_class``."""
        bank = _Bank()
        tracker = cls(state_estimator_class=_estimator_of(bank), **settings)
        tracker._bank = bank
        return tracker

    def _predict_tracklets(self, tracklets: list[Any], timing: Any) -> None:
        super()._predict_tracklets(tracklets, timing)
        self._bank.predict()

    def update(self, detections: Any, frame: Any = None, timestamp: float | None = None) -> Any:
        """As the library's ``update``."""
        found = super().update(detections, frame, timestamp)
        self._bank.correct()
        return found
