"""What rules cost: CPU time of all rules of a preset, and of each kind, with 100 tracks in every frame.

The tracks are scripted, 50 people and 50 vehicles that go over the whole picture of a calibrated camera at 10 frames a
second; some are missed now and then, and some get a new id. Measured is the CPU time of the thread that runs the rules,
for a frame, counters included; the bar is 2 ms for a preset, at the median. Lines and zones are drawn so that every
rule of a preset is there, most of them more than once. Where other work shares the cores, the least is nearer to what
an idle machine needs.

    python -m benchmarks.rules [--tracks 100] [--frames 600] [--preset NAME]
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from config.loader import load
from config.scenario import load_scenario, scenario_names
from config.site import Site
from pipelines.fitting import fitted
from pipelines.rules import RULE_KINDS
from pipelines.scenario import CameraPlan, plan_camera
from pipelines.values import Track
from streams.frame import Frame

SIZE = (1920, 1080)
FPS = 10
BAR_MS = 2.0
SPARE = 50
"""Frames before the first that is measured."""
CAMERA: dict[str, Any] = {
    "source": "none.mp4",
    "calibration": {
        "image": [[0.35, 0.2], [0.65, 0.2], [1.0, 1.0], [0.0, 1.0]],
        "ground_m": [[0, 80], [14, 80], [14, 0], [0, 0]],
    },
}
GEOMETRY: dict[str, Any] = {
    "lines": {"near": [[0.05, 0.8], [0.95, 0.8]], "far": [[0.2, 0.4], [0.8, 0.4]]},
    "zones": {
        "all": [[0.1, 0.2], [0.9, 0.2], [0.98, 0.98], [0.02, 0.98]],
        "left": [[0.3, 0.25], [0.5, 0.25], [0.5, 0.98], [0.02, 0.98]],
        "right": [[0.5, 0.25], [0.7, 0.25], [0.98, 0.98], [0.5, 0.98]],
    },
}
PRESETS: dict[str, dict[str, Any]] = {
    "traffic": {
        "lines": {"across": [[0.05, 0.6], [0.95, 0.6]], "way_a": [[0.4, 0.25], [0.3, 0.95]]},
        "zones": {
            "lane_a": [[0.3, 0.25], [0.5, 0.25], [0.5, 0.98], [0.02, 0.98]],
            "arm_north": [[0.3, 0.2], [0.7, 0.2], [0.75, 0.45], [0.25, 0.45]],
            "arm_south": [[0.1, 0.7], [0.9, 0.7], [0.98, 0.98], [0.02, 0.98]],
        },
    },
    "construction": {
        "lines": {"gate": [[0.1, 0.6], [0.9, 0.6]]},
        "zones": {
            "hazard_crane": [[0.3, 0.25], [0.5, 0.25], [0.5, 0.98], [0.02, 0.98]],
            "closed_yard": [[0.5, 0.25], [0.7, 0.25], [0.98, 0.98], [0.5, 0.98]],
        },
    },
    "restaurant": {
        "lines": {"door": [[0.5, 0.95], [0.5, 0.05]]},
        "zones": {
            "room": [[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98]],
            "table_1": [[0.1, 0.3], [0.3, 0.3], [0.3, 0.6], [0.1, 0.6]],
            "table_2": [[0.4, 0.3], [0.6, 0.3], [0.6, 0.6], [0.4, 0.6]],
            "queue_bar": [[0.1, 0.65], [0.5, 0.65], [0.5, 0.95], [0.1, 0.95]],
            "service_bar": [[0.5, 0.65], [0.7, 0.65], [0.7, 0.95], [0.5, 0.95]],
        },
    },
    "pedestrian": {
        "lines": {"kerb": [[0.5, 0.95], [0.5, 0.05]]},
        "zones": {
            "walk_left": [[0.3, 0.25], [0.5, 0.25], [0.5, 0.98], [0.02, 0.98]],
            "walk_right": [[0.5, 0.25], [0.7, 0.25], [0.98, 0.98], [0.5, 0.98]],
        },
    },
}
"""What is drawn so that every rule of a preset is there."""
GEAR = ("helmet", "vest", "Fall")
"""Labels that a model has for ``construction``, beside COCO's."""
KINDS: dict[str, dict[str, Any]] = {
    "line_crossing": {"line": "near"},
    "zone_count": {"zone": "all"},
    "dwell": {"zone": "all", "seconds": 10},
    "zone_intrusion": {"zone": "all", "seconds": 1, "schedule": "daily 00:00-24:00"},
    "speed": {"zone": "all", "limit_kmh": 50},
    "distance": {"zone": "all"},
    "stopped": {"zone": "all", "seconds": 10},
    "wrong_way": {"zone": "left", "along": "near"},
    "congestion": {"zone": "all"},
    "proximity": {"labels": ["person"], "to": ["car", "truck"], "metres": 3},
    "queue": {"zone": "all", "exit": "near"},
    "flow_matrix": {"zones": ["left", "right"]},
    "crowding": {"zone": "all", "limit": 20},
    "table_state": {"zone": "all"},
    "missing_gear": {"gear": "vest", "worn": ["car"], "zone": "all"},
    "person_down": {"fall_labels": ["bus"], "zone": "all"},
    "heatmap": {},
}
"""What a rule of each kind is written like; a kind that is not here is said not to be measured."""


def tracks_of(count: int, frames: int, labels: Sequence[str]) -> Iterator[tuple[float, tuple[Track, ...]]]:
    """So many objects in every frame, of these labels in turn."""
    random = np.random.default_rng(7)
    centres = random.uniform((0.15, 0.35), (0.85, 0.9), (count, 2)) * SIZE
    radii = random.uniform(0.02, 0.12, (count, 2)) * SIZE
    rates, phases = random.uniform(0.1, 0.5, count), random.uniform(0, 2 * math.pi, count)
    ids = list(range(1, count + 1))
    for index in range(frames):
        t = index / FPS
        feet = centres + radii * np.column_stack([np.cos(rates * t + phases), np.sin(rates * t + phases)])
        feet += random.normal(0, 1.5, feet.shape)
        if index % 5 == 0:  # an id switch
            ids[random.integers(count)] = count + index + 1
        missed = random.integers(count, size=count // 50)
        tracks = []
        for row, (x, y) in enumerate(feet.tolist()):
            if row not in missed:
                height = 0.12 * y
                box = (x - height / 3, y - height, x + height / 3, y)
                tracks.append(Track(ids[row], labels[row % len(labels)], box, 0.8, 0.0, t))
        yield t, tuple(tracks)


def planned(folder: Path, camera: dict[str, Any]) -> CameraPlan:
    """The plan of a camera of a site file."""
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "cameras": {"cam": {**CAMERA, **camera}}}), encoding="utf-8")
    return plan_camera(load(path, Site), "cam")


def cost_ms(plan: CameraPlan, count: int, frames: int) -> list[float]:
    """Milliseconds of CPU time for each frame."""
    rules = plan.rule_set("cam", *SIZE)
    labels = plan.labels or ("person", "car")
    image = np.zeros((2, 2, 3), np.uint8)
    spent = []
    for index, (t, tracks) in enumerate(tracks_of(count, frames + SPARE, labels)):
        frame = Frame("cam", index, image, t, 1.8e9 + t)
        start = time.thread_time()
        rules.update(tracks, frame)
        rules.counters()
        spent.append((time.thread_time() - start) * 1e3)
    return spent[SPARE:]


def told(name: str, spent: Sequence[float]) -> str:
    """One line of the table."""
    ordered = sorted(spent)
    p95 = ordered[int(0.95 * len(ordered))]
    return f"{name:<34} {ordered[0]:7.3f} {statistics.median(ordered):7.3f} {p95:7.3f}"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tracks", type=int, default=100, help="in every frame")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--preset", help="this one alone")
    wishes = parser.parse_args()
    print(f"{'CPU ms a frame, ' + str(wishes.tracks) + ' tracks':<34} {'least':>7} {'p50':>7} {'p95':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for preset in [wishes.preset] if wishes.preset else scenario_names():
            plan = planned(folder, {"scenario": preset, **PRESETS.get(preset, {})})
            plan = fitted(plan, (*(load_scenario(preset).value.labels or ()), *GEAR))
            spent = cost_ms(plan, wishes.tracks, wishes.frames)
            verdict = "" if statistics.median(spent) < BAR_MS else f"  above {BAR_MS:g} ms"
            print(told(f"{preset}, {len(plan.rules)} rules", spent) + verdict)
        if not wishes.preset:
            _measure_kinds(folder, wishes.tracks, wishes.frames)


def _measure_kinds(folder: Path, tracks: int, frames: int) -> None:
    rules = [{"kind": kind, "name": kind, **KINDS[kind]} for kind in RULE_KINDS if kind in KINDS]
    for rule in rules:
        plan = planned(folder, {**GEOMETRY, "rules": [rule]})
        print(told(str(rule["kind"]), cost_ms(plan, tracks, frames)))
    print(
        told(
            f"one of each of these {len(rules)} kinds",
            cost_ms(planned(folder, {**GEOMETRY, "rules": rules}), tracks, frames),
        )
    )
    if left := [kind for kind in RULE_KINDS if kind not in KINDS]:
        print(f"not measured: {', '.join(left)}")


if __name__ == "__main__":
    main()
