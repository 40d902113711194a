"""Export a model and say how near it is to its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from config.errors import SightlineError
from config.site import Detector as DetectorConfig
from detectors.detector import Image
from detectors.errors import RuntimeUnavailableError
from detectors.export.facts import RUNTIMES
from detectors.export.store import Export, Wanted, exported
from detectors.model_files import ResolvedModel

if TYPE_CHECKING:
    from detectors.parity import Agreement

LOOKED_AT = 20
"""Pictures that a new export is compared on."""


def export_model(model: ResolvedModel, want: Wanted, say: Callable[[str], None], compare_kept: bool = False) -> Export:
    """The export of a checkpoint, compared with it where it was made just now, or that is wished.

    Args:
        model: An Ultralytics checkpoint that may be loaded.
        want: What is to be had; its frames serve the comparison too, else the sample pictures of Ultralytics do.
        say: Told in one line about what takes long, and how near the export is.
        compare_kept: Whether one that is there already is compared, too.

    Raises:
        ModelError: It cannot be made.
        RuntimeUnavailableError: A package that is needed is missing, or int8 has no frames.
    """
    export = exported(model, want, say)
    try:
        lines = parity_lines(model, export, want) if export.made or compare_kept else []
    except SightlineError as error:
        if export.made:
            raise
        lines = [f"{model.name} {want.target} {want.precision}: not compared with its source: {error}"]
    for line in lines:
        say(line)
    return export


def parity_lines(model: ResolvedModel, export: Export, want: Wanted) -> list[str]:
    """How near an export is to its source on real pictures, and a warning where it is too far.

    An export that cannot be run here is told so in one line.
    """
    from detectors.load import load_detector
    from detectors.load_export import load_export
    from detectors.parity import agreement

    facts = export.facts
    name = f"{facts.source} {facts.target} {facts.precision}"
    pictures = _some(want.frames) if want.frames else sample_pictures()
    size = want.imgsz if want.size is None else want.size
    settings = {"runtime": RUNTIMES[facts.target], "precision": facts.precision, "imgsz": size, "device": "auto"}
    try:
        twin = load_export(export.folder, facts, DetectorConfig.model_validate(settings), facts.source)
    except RuntimeUnavailableError as error:
        return [f"{name}: not compared with its source: {error}"]
    source = load_detector(model, DetectorConfig.model_validate({"runtime": "torch", "device": "cpu", "imgsz": size}))
    source.family = twin.family  # the same grey around the same pixels
    try:
        seen = agreement(
            [source.detect([picture])[0] for picture in pictures], [twin.detect([picture])[0] for picture in pictures]
        )
    finally:
        source.close()
        twin.close()
    return parity_words(name, facts.precision, seen)


def parity_words(name: str, precision: str, seen: Agreement) -> list[str]:
    """What is told of an export: how near it is and, where that is too far or nothing was seen, a warning.

    Args:
        name: Of the export.
        precision: Of its file.
        seen: What was compared.
    """
    from detectors.parity import POOR

    lines = [f"{name} beside its source: {seen.line()}"]
    if not seen.boxes:
        lines.append(
            f"warning: nothing is known of how near {name} is: name pictures of your own that show what it is to find "
            "with --calibrate, or a larger --imgsz"
        )
    elif seen.share < POOR[precision]:
        lines.append(
            f"warning: {name} finds too few of its source's boxes (at least {100 * POOR[precision]:.1f} % should "
            "match): calibrate on more and more varied frames of your own, or use a higher precision"
        )
    return lines


def _some(frames: Sequence[Image]) -> list[Image]:
    step = max(1, len(frames) // LOOKED_AT)
    return list(frames[::step])[:LOOKED_AT]


def sample_pictures() -> list[Image]:
    """The two photographs that Ultralytics' package carries; none where it is not installed."""
    spec = find_spec("ultralytics")
    if spec is None or spec.origin is None:
        return []
    paths = sorted((Path(spec.origin).parent / "assets").glob("*.jpg"))
    return [np.asarray(image, np.uint8) for path in paths if (image := cv2.imread(str(path))) is not None]
