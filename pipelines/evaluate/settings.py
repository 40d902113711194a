"""What a sweep tries: settings of detector and tracker, and their values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.errors import ConfigError

MOST = 2000
"""Settings that one sweep tries at most."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that can be tried without the detector.

    Attributes:
        key: Its key in the site file.
        values: What is tried where nobody says it.
    """

    key: str
    values: tuple[float, ...]


SETTINGS: Mapping[str, Setting] = {
    "confidence": Setting("confidence", (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)),
    "activation": Setting("activation", (0.2, 0.3, 0.4, 0.5, 0.6)),
    "sure": Setting("sure", (0.2, 0.3, 0.4)),
    "min_iou": Setting("min_iou", (0.05, 0.1, 0.15, 0.2, 0.3)),
    "lost_s": Setting("lost_s", (0.5, 1.0, 1.5, 2.0, 3.0)),
    "min_frames": Setting("min_frames", (2, 3, 4)),
}
ALIASES = {"iou": "min_iou", "track_buffer": "lost_s"}
"""What others call them."""


def parse_sweep(text: str, least_confidence: float | None) -> list[dict[str, float]]:
    """Read ``confidence=0.2:0.5:0.1,iou,track_buffer``: each value of each setting with each of the others.

    Args:
        text: Names, with ``=from:to:step`` or ``=value`` where the usual values are not wanted.
        least_confidence: Above which boxes were kept; less cannot be tried.

    Raises:
        ConfigError: An unknown setting, a broken range, or too many together.
    """
    tried: dict[str, Sequence[float]] = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, values = (word.strip() for word in part.partition("="))
        key = ALIASES.get(name, name)
        if key not in SETTINGS:
            allowed = ", ".join([*SETTINGS, *(f"{new} (= {old})" for new, old in ALIASES.items())])
            raise ConfigError(f"--sweep: unknown setting {name!r}; allowed: {allowed}")
        if key in tried:
            raise ConfigError(f"--sweep: {key} is named twice; write all of its values at once, {key}=FROM:TO:STEP")
        tried[key] = _values(part, values) if values else _usual(key, least_confidence)
        _check(key, part, tried[key], least_confidence)
    if not tried:
        raise ConfigError(f"--sweep names no setting; write {','.join(SETTINGS)}, say")
    count = math.prod(len(values) for values in tried.values())
    if count > MOST:
        raise ConfigError(f"--sweep asks for {count} settings, at most {MOST} are tried; name fewer values")
    return [dict(zip(tried, values, strict=True)) for values in itertools.product(*tried.values())]


def _usual(key: str, least_confidence: float | None) -> tuple[float, ...]:
    values = SETTINGS[key].values
    if key != "confidence" or least_confidence is None:
        return values
    return (least_confidence, *(value for value in values if value > least_confidence))


def _values(part: str, text: str) -> tuple[float, ...]:
    try:
        numbers = [float(word) for word in text.split(":")]
        if len(numbers) == 1 and math.isfinite(numbers[0]):
            return (numbers[0],)
        start, stop, step = numbers
        if not (step > 0 and stop >= start and (stop - start) / step < MOST):
            raise ValueError
    except ValueError:
        raise ConfigError(f"--sweep: {part!r} is not NAME=FROM:TO:STEP; write confidence=0.2:0.5:0.05, say") from None
    return tuple(round(start + number * step, 6) for number in range(int((stop - start) / step + 1e-9) + 1))


def _check(key: str, part: str, values: Sequence[float], least_confidence: float | None) -> None:
    largest = {"lost_s": math.inf, "min_frames": math.inf}.get(key, 1.0)
    is_count = key == "min_frames"
    if not all(0 < value < largest for value in values) or (is_count and any(v < 2 or v % 1 for v in values)):
        least = "a whole number of at least 2" if is_count else "above 0"
        raise ConfigError(f"--sweep: {part!r}: {key} must be {least}{' and below 1' if largest == 1.0 else ''}")
    if key == "confidence" and least_confidence is not None and min(values) < least_confidence:
        raise ConfigError(
            f"--sweep: {part!r}: the results hold boxes above {least_confidence:g} only; analyse again with "
            f"--confidence {min(values):g}, or try no less"
        )
