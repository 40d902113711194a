"""Whether a combination counts what the reference counts: `analyze` over whole videos, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors.child import ROOT, run_child
from pipelines.compare.combination import Combination

Counts = dict[str, Any]
"""``{video: {"counts", "zones", "totals", "events"}}``, or ``{"error"}``."""
_KINDS = (("lines", "counts"), ("zones", "zones"), ("totals", "totals"), ("events", "events"))
"""What is compared: the word for it, and its key."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is counted.

    Attributes:
        videos: Files.
        config: A site file.
        camera: One of its cameras; None: the only one.
        start_time: When the one video was recorded, as ``analyze`` takes it.
    """

    videos: Sequence[Path]
    config: Path
    camera: str | None
    start_time: str | None = None

    def count(self, combination: Combination, folder: Path) -> Counts:
        """Analyse the videos with the rules of the site file.

        Args:
            combination: The model and what runs it.
            folder: For the results.
        """
        code, words = run_child(
            str(ROOT / "app.py"), "analyze", *(str(video.resolve()) for video in self.videos),
            "--config", str(self.config.resolve()), "--model", combination.model, "--runtime", combination.runtime,
            "--precision", combination.precision, "--imgsz", str(combination.imgsz), "--device", combination.device,
            "--out", str(folder), "--no-mqtt", *(("--camera", self.camera) if self.camera else ()),
            *(("--start-time", self.start_time) if self.start_time else ()),
        )  # fmt: skip
        if code:
            return {"error": words}
        return {path.parent.name: _of_video(path.parent) for path in sorted(folder.glob("*/summary.json"))}


def _of_video(folder: Path) -> dict[str, Any]:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    with (folder / "events.jsonl").open(encoding="utf-8") as lines:
        events = sum(1 for _ in lines)
    zones = {zone: {key: state[key] for key in ("visits", "max")} for zone, state in summary["zones"].items()}
    return {"counts": summary["counts"], "zones": zones, "totals": summary["totals"], "events": events}


def beside(reference: Counts, counts: Counts) -> Counts:
    """A combination's counts, whether they are the reference's, and in what they are not: the words of ``_KINDS``."""
    if "error" in counts or "error" in reference:
        return {"same": None, "differs": None, **counts}
    differs = [
        word
        for word, key in _KINDS
        if any(counts.get(video, {}).get(key) != facts.get(key) for video, facts in reference.items())
    ]
    return {"same": counts == reference, "differs": differs, **counts}
