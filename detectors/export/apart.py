"""Exports in a process of their own: what converters take is given back, and where one crashes, it crashes alone."""

from __future__ import annotations

import json
import logging
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from detectors.child import run_child
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.export.facts import read_facts
from detectors.export.store import Export, Wanted, cached_folder, check_frames, kept
from detectors.export.worker import FRAME, Job
from detectors.model_files import ResolvedModel

log = logging.getLogger(__name__)
Exporter = Callable[[ResolvedModel, Wanted, Callable[[str], None]], Export]
"""From a checkpoint and a wish to its export; told what takes long: ``export_model`` here, ``export_apart`` apart."""


def export_apart(model: ResolvedModel, want: Wanted, say: Callable[[str], None]) -> Export:
    """What ``export_model`` does, in another process, unless the export is there already.

    Args:
        model: An Ultralytics checkpoint that may be loaded.
        want: What is to be had.
        say: Told in one line about what takes long, and how near the export is.

    Raises:
        ModelError: It cannot be made, or the process was killed or crashed.
        RuntimeUnavailableError: A package that is needed is missing, or int8 has no frames.
    """
    found = kept(model, want)
    if found is not None:
        return found
    check_frames(model, want)
    debug = log.isEnabledFor(logging.DEBUG)
    with tempfile.TemporaryDirectory(prefix="sightline-export-") as scratch:
        request = Path(scratch) / "job.json"
        request.write_text(_job(model, want, Path(scratch), debug).model_dump_json(), encoding="utf-8")
        answer: dict[str, Any] = {}

        def hear(line: str) -> None:
            with suppress(ValueError):  # of a process that was killed in the middle of a line
                answer.update(json.loads(line))
            if "say" in answer:
                say(answer.pop("say"))

        code, words = run_child("-m", "detectors.export.worker", str(request), on_line=hear, show_stderr=debug)
    if "error" in answer:
        raise (RuntimeUnavailableError if answer["unavailable"] else ModelError)(answer["error"])
    if "made" not in answer:
        raise ModelError(_how_it_ended(model, want, code, words))
    folder = cached_folder(model, want)
    return Export(folder, read_facts(folder), made=answer["made"])


def _job(model: ResolvedModel, want: Wanted, scratch: Path, debug: bool) -> Job:
    for number, frame in enumerate(want.frames or ()):
        try:
            np.save(scratch / FRAME.format(number), frame)
        except OSError as error:
            raise ModelError(
                f"the pictures to calibrate on cannot be laid down in {scratch.parent} ({error.strerror or error}); "
                "free space there, or name another folder in TMPDIR"
            ) from error
    return Job(
        name=model.name,
        path=model.path.absolute(),
        people=model.people,
        sha256=model.sha256,
        target=want.target,
        precision=want.precision,
        size=want.size,
        frames=len(want.frames or ()),
        frames_from=want.frames_from,
        imgsz=want.imgsz,
        debug=debug,
    )


def _how_it_ended(model: ResolvedModel, want: Wanted, code: int, words: str) -> str:
    """What to tell of a process that ended without an answer."""
    try:
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        name = f"signal {-code}"
    why = " (the system may be out of memory)" if name == "SIGKILL" else ""
    return (
        f"the export of {model.name} to {want.target} {want.precision} broke off: its process ended with {name}{why}, "
        f"last words: {words}; try again with more free memory, or export on another machine with `app.py export "
        f"{model.path.name} --to {want.target} --out FOLDER` and name the folder that it makes as the model"
    )
