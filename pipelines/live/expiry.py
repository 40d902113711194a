"""Result files expire also where nobody writes any more: of cameras that are silent, switched off, or gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from pipelines.live.outputs import Job, Outputs
from pipelines.live.plan import SitePlan
from pipelines.sinks.rotating import RotatingSink

log = logging.getLogger(__name__)
EVERY_S = 3600.0


class Writes(Protocol):
    """A camera that has result files."""

    def prune_files(self) -> None:
        """Delete its old files; in the thread of outputs."""
        ...


class Expiry:
    """Has old result files deleted at the start and once an hour, by the thread of outputs, which writes them."""

    def __init__(self, outputs: Outputs) -> None:
        """Remember who does it."""
        self._outputs = outputs
        self._due_s = 0.0

    def look(self, now: float, plan: SitePlan, cameras: Callable[[], Mapping[str, Writes]]) -> None:
        """Ask for it when the hour is over.

        Args:
            now: Seconds of the monotonic clock.
            plan: What holds now.
            cameras: Gives the cameras that run, at the time it is done.
        """
        if now < self._due_s or plan.site.outputs.jsonl is None:
            return
        self._due_s = now + EVERY_S
        folder, keep_days = plan.document.resolve(plan.site.outputs.jsonl.path), plan.site.outputs.jsonl.keep_days
        self._outputs.put(Job("result files", lambda: prune(folder, keep_days, cameras()), lambda: None))


def prune(folder: Path, keep_days: float, cameras: Mapping[str, Writes]) -> None:
    """Delete old result files of every camera that ever wrote here; files of other names stay.

    Args:
        folder: Has a folder for each camera.
        keep_days: Days since the last change after which a file is deleted.
        cameras: Those that may have a file open, by name.
    """
    try:
        folders = [path for path in folder.iterdir() if path.is_dir()]
    except FileNotFoundError:  # nothing was ever written
        return
    except OSError as error:
        log.warning("old files in %s are not deleted (%s)", folder, error.strerror or error)
        return
    for path in folders:
        if (camera := cameras.get(path.name)) is not None:
            camera.prune_files()
        else:
            RotatingSink(path, 1.0, keep_days).prune()
