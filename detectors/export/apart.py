"""Exports in a process of their own: what converters take is given back, and where one crashes, it crashes alone."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from detectors.child import how_it_ended, run_child
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.export.facts import read_facts
from detectors.export.store import Export, Wanted, cached_folder, check_frames, kept
from detectors.export.worker import FRAME, Job
from detectors.model_files import ResolvedModel

log = logging.getLogger(__name__)
Exporter = Callable[[ResolvedModel, Wanted, Callable[[str], None]], Export]
"""From a checkpoint and a wish to its export; told what takes long: ``export_model`` here, ``export_apart`` apart."""


def export_apart(model: ResolvedModel, want: Wanted, say: Callable[[str], None], compare_kept: bool = False) -> Export:
    """What ``export_model`` does, in another process, unless the export is there already and not to be compared.

    Args:
        model: An Ultralytics checkpoint that may be loaded.
        want: What is to be had.
        say: Told in one line about what takes long, and how near the export is.
        compare_kept: Whether one that is there already is compared, too.

    Raises:
        ModelError: It cannot be made, or the process was killed or crashed.
        RuntimeUnavailableError: A package that is needed is missing, or int8 has no frames.
    """
    found = kept(model, want)
    if found is not None and not compare_kept:
        return found
    check_frames(model, want)
    answer: dict[str, Any] = {}

    def hear(line: str) -> None:
        with suppress(ValueError):  # of a process that was killed in the middle of a line
            answer.update(json.loads(line))
        if "say" in answer:
            say(answer.pop("say"))

    try:
        with tempfile.TemporaryDirectory(prefix="sightline-export-") as scratch:
            code, words = _made_in(Path(scratch), model, want, hear, compare_kept)
    except OSError as error:
        raise ModelError(
            f"{tempfile.gettempdir()} cannot take what the export of {model.name} needs for a while "
            f"({error.strerror or error}); free space there, or name another folder in TMPDIR"
        ) from error
    if "error" in answer:
        raise (RuntimeUnavailableError if answer["unavailable"] else ModelError)(answer["error"])
    if "made" not in answer:
        raise ModelError(_how_it_ended(model, want, code, words))
    folder = cached_folder(model, want)
    return Export(folder, read_facts(folder), made=answer["made"])


def _made_in(
    scratch: Path, model: ResolvedModel, want: Wanted, hear: Callable[[str], None], compare_kept: bool
) -> tuple[int, str]:
    """Let the child do it; what it leaves behind where it is killed lies in our folder, and goes with that."""
    debug = log.isEnabledFor(logging.DEBUG)
    request = scratch / "job.json"
    job = _job(model, want, scratch).model_copy(update={"compare_kept": compare_kept, "debug": debug})
    request.write_text(job.model_dump_json(), encoding="utf-8")
    words = ("-m", "detectors.export.worker", str(request))
    return run_child(*words, on_line=hear, show_stderr=debug, scratch=scratch)


def _job(model: ResolvedModel, want: Wanted, scratch: Path) -> Job:
    for number, frame in enumerate(want.frames or ()):
        np.save(scratch / FRAME.format(number), frame)
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
    )


def _how_it_ended(model: ResolvedModel, want: Wanted, code: int, words: str) -> str:
    """What to tell of a process that ended without an answer."""
    return (
        f"the export of {model.name} to {want.target} {want.precision} broke off: its process "
        f"{how_it_ended(code, words)}; try again with more free memory, or export on another machine with "
        f"`app.py export {model.path.name} --to {want.target} --out FOLDER` and name the folder that it makes as the "
        "model"
    )
