"""Whether the labels that a site file names are there, and have topics of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from config.errors import ConfigError
from config.loader import Document
from config.site import Site
from detectors.model_files import DEFAULT_MODEL
from pipelines.fitting import fitted
from pipelines.merge import MergedLabels
from pipelines.messages import check_topic_words

if TYPE_CHECKING:
    from pipelines.live.plan import PlannedCamera


def check_labels(document: Document[Site], camera: PlannedCamera, known: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse labels that none of a camera's detectors has, and labels that would share a topic.

    Args:
        document: The site file.
        camera: One of its cameras.
        known: The labels of each of the camera's detectors, by the detector's name.

    Raises:
        ConfigError: One sentence per fault.
    """
    labels = MergedLabels([known[detector.name] for detector in camera.detectors]).labels
    models = "+".join(dict.fromkeys(detector.model.name for detector in camera.detectors))
    try:
        camera.plan.check_labels(models, labels)
    except ConfigError as error:
        stand_ins = [one.model.name for one in camera.detectors if not one.named and one.model.name != DEFAULT_MODEL]
        if not stand_ins:
            raise
        raise ConfigError(
            f"cameras.{camera.name}: the rules need labels that the stand-in {stand_ins[0]} does not have; "
            f"it knows only {', '.join(labels)}: put {DEFAULT_MODEL}.pt into a folder named in SIGHTLINE_MODELS, "
            "or name a model under 'detectors'"
        ) from error
    if document.value.mqtt is not None:
        try:
            check_topic_words(fitted(camera.plan, labels).labels or labels)
        except ConfigError as error:
            place = ("cameras", camera.name)
            raise ConfigError(*(document.fault(place, text) for text in error.faults)) from error
