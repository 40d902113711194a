"""One export in a process of its own: ``python -m detectors.export.worker JOB``; JOB is a JSON file.

It tells by lines of JSON on what was its stdout: ``{"say": …}`` on the way, then ``{"made": …}`` or ``{"error": …}``.
What libraries print goes to stderr.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from config.errors import SightlineError, sentences
from detectors.child import end_with_parent
from detectors.errors import RuntimeUnavailableError
from detectors.export.facts import Target
from detectors.export.store import Wanted
from detectors.model_files import ResolvedModel

FRAME = "frame-{}.npy"
"""The pictures lie beside the job, numbered from 0."""


class Job(BaseModel):
    """What to export.

    Attributes:
        name: Of the model; as its path, people and checksum.
        path: Of the checkpoint.
        people: The labels that mean a person.
        sha256: Checksum of the checkpoint.
        target: As in ``Wanted``, and so are the following.
        precision: That it shall be run in.
        size: (height, width) or None.
        frames: How many pictures lie beside the job.
        frames_from: Where they come from.
        imgsz: Into what they are fitted.
        compare_kept: Whether one that is there already is compared with its source, too.
        debug: Say on stderr where something went wrong.
    """

    name: str
    path: Path
    people: tuple[str, ...]
    sha256: str
    target: Target
    precision: str
    size: tuple[int, int] | None
    frames: int
    frames_from: str | None
    imgsz: int | tuple[int, int]
    compare_kept: bool = False
    debug: bool = False

    def wanted(self, folder: Path) -> Wanted:
        """The wish, with the pictures that lie in the folder."""
        frames = [np.asarray(np.load(folder / FRAME.format(n), mmap_mode="r")) for n in range(self.frames)]
        return Wanted(self.target, self.precision, self.size, frames or None, self.frames_from, self.imgsz)


def export(job: Job, folder: Path, tell: Any) -> dict[str, Any]:
    """Do the job; a failure that has a sentence is an answer."""
    from detectors.export.make import export_model

    model = ResolvedModel(job.name, job.path, "yolo", None, job.people, job.sha256)
    try:
        made = export_model(model, job.wanted(folder), lambda line: tell({"say": line}), job.compare_kept).made
        return {"made": made}
    except Exception as error:
        if job.debug:
            traceback.print_exc()
        text = " ".join(sentences(error))
        if isinstance(error, MemoryError):
            text = f"the export of {job.name} to {job.target} {job.precision} needs more memory than there is"
        elif not isinstance(error, SightlineError):
            text = f"the export of {job.name} to {job.target} {job.precision} failed: {text}"
        return {"error": text, "unavailable": isinstance(error, RuntimeUnavailableError)}


def main() -> None:
    """Do the job of the command line."""
    end_with_parent()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # scratch folders go
    request = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=answers, flush=True)

    tell(export(Job.model_validate_json(request.read_text(encoding="utf-8")), request.parent, tell))


if __name__ == "__main__":
    main()
