"""What lies beside an export: where it came from and what it can do, so that it can be used without its source."""

from __future__ import annotations

import importlib.metadata
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detectors.checksum import sha256_of
from detectors.errors import ModelError

FACTS = "sightline.json"
FORMAT = 3
"""Grows when exports change, so that older ones are not used."""

Target = Literal["onnx", "openvino", "litert", "saved_model", "tensorrt"]
PACKAGES = (
    "sightline", "torch", "ultralytics", "onnx", "openvino", "nncf", "tensorflow", "ai-edge-quantizer", "tensorrt",
)  # fmt: skip
FILES: dict[Target, str] = {
    "onnx": "model.onnx",
    "openvino": "model.xml",
    "litert": "model.tflite",
    "saved_model": "saved_model.pb",
    "tensorrt": "model.engine",
}
RUNTIMES: dict[Target, str] = {
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "litert": "litert",
    "saved_model": "tensorflow",
    "tensorrt": "tensorrt",
}


class ExportFacts(BaseModel):
    """The metadata file ``sightline.json`` of an export.

    Attributes:
        format: Version of exports; another one is refused.
        target: The file format.
        precision: Of the weights and, for int8, of the arithmetic: ``fp32``, ``fp16`` or ``int8``.
        family: Pre- and post-processing it needs.
        source: Name of the model it was made from.
        source_sha256: Checksum of that file.
        sha256: Checksum of the export's own file.
        labels: Class names, in class order.
        people: The labels that mean a person.
        stride: The largest stride of the network in pixels.
        imgsz: (height, width) in pixels and a batch of one, or None: any size and batch.
        outputs: Names of the network's outputs, in order.
        end2end: Its output is (N, K, 6) boxes that need no NMS.
        calibration: The frames that int8 was calibrated on, for people, or None.
        versions: Packages that made it.
    """

    model_config = ConfigDict(frozen=True)

    format: int
    target: Target
    precision: Literal["fp32", "fp16", "int8"]
    family: Literal["yolo"]
    source: str
    source_sha256: str
    sha256: str = ""
    labels: tuple[str, ...] = Field(min_length=1)
    people: tuple[str, ...] = ()
    stride: int = Field(ge=1)
    imgsz: tuple[int, int] | None = None
    outputs: tuple[str, ...] = ()
    end2end: bool = False
    calibration: str | None = None
    versions: dict[str, str] = {}

    @property
    def runtime(self) -> str:
        """The runtime that takes it."""
        return RUNTIMES[self.target]

    @property
    def size(self) -> str:
        """``384x640``, or ``any size``."""
        return "any size" if self.imgsz is None else f"{self.imgsz[0]}x{self.imgsz[1]}"


def is_export(path: Path) -> bool:
    """Whether a folder holds an export."""
    return (path / FACTS).is_file()


def read_facts(folder: Path) -> ExportFacts:
    """The facts of an export whose file is whole.

    Raises:
        ModelError: There are none, they are of another version, or the file beside them is not the one they tell of.
    """
    again = "export it again with `app.py export`"
    try:
        facts = ExportFacts.model_validate_json((folder / FACTS).read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{error.error_count()} faults"
        raise ModelError(f"{folder / FACTS} cannot be read as an export's metadata ({reason}); {again}") from error
    if facts.format != FORMAT:
        raise ModelError(
            f"{folder} was exported in format {facts.format}, this version of Sightline takes format {FORMAT}; {again}"
        )
    found = file_checksum(folder, facts.target)
    if found != facts.sha256:
        raise ModelError(
            f"{folder} is not what was exported (expected {facts.sha256[:12]}…, found {found[:12]}…); "
            f"copy it again, or {again}"
        )
    return facts


def write_facts(folder: Path, facts: ExportFacts) -> ExportFacts:
    """Write the facts beside the export's file, with its checksum; return them as written."""
    whole = facts.model_copy(update={"sha256": file_checksum(folder, facts.target)})
    (folder / FACTS).write_text(whole.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return whole


def file_checksum(folder: Path, target: Target) -> str:
    """Checksum of an export's file; of OpenVINO's two files the weights, which say more, then the graph."""
    file = folder / FILES[target]
    if target == "openvino":
        return sha256_of(file.with_suffix(".bin"))[:32] + sha256_of(file)[:32]
    return sha256_of(file)


def versions() -> dict[str, str]:
    """Versions of the packages that exports are made with, as installed."""
    found = {}
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
