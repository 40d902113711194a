"""TFLite metadata: a flatbuffer inside a ``.tflite`` file, and a zip archive at its end with files that belong to it.

The schema is ``metadata_schema.fbs`` of TFLite Support; the label list and the normalisation of the input are read.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from detectors.families.pixel_levels import Normalisation
from detectors.flat_table import FlatTable

_ENTRY = "TFLITE_METADATA"
_SUBGRAPHS = 3  # of ModelMetadata
_INPUTS, _OUTPUTS = 2, 3  # of SubGraphMetadata
_PROCESS_UNITS, _FILES = 4, 6  # of TensorMetadata
_NAME, _TYPE = 0, 2  # of AssociatedFile
_OPTIONS_TYPE, _OPTIONS = 0, 1  # of ProcessUnit
_MEAN, _STD = 0, 1  # of NormalizationOptions
_NORMALIZATION = 1  # of ProcessUnitOptions
_LABELS = (3, 2)  # TENSOR_VALUE_LABELS before TENSOR_AXIS_LABELS
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Packed:
    """What lies in the metadata of a file.

    Attributes:
        labels: The label list, as text, or None.
        normalisation: How pixels are to be normalised, or None.
    """

    labels: str | None = None
    normalisation: Normalisation | None = None


def read_packed(path: Path, entries: dict[str, bytes]) -> Packed:
    """Read the metadata of a ``.tflite`` file.

    Args:
        path: Of the file.
        entries: What it has of metadata, by name.

    Returns:
        What is there; nothing where it has no metadata.
    """
    files = _text_files(path)
    content = entries.get(_ENTRY)
    graphs = FlatTable.root(content).tables(_SUBGRAPHS) if content else []
    if not graphs:
        return Packed(_only(files))
    listed = [file for tensor in graphs[0].tables(_OUTPUTS) for file in tensor.tables(_FILES)]
    names = [file.text(_NAME) for kind in _LABELS for file in listed if file.number(_TYPE, "int8") == kind]
    labels = files.get(names[0]) if names else None  # of several, which are translations, the first one counts
    return Packed(labels if labels is not None else _only(files), _normalisation(graphs[0]))


def _text_files(path: Path) -> dict[str, str]:
    """The text files packed at the end, by their names."""
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [one for one in archive.infolist() if one.file_size <= _MAX_BYTES and not one.is_dir()]
            return {one.filename: archive.read(one).decode("utf-8-sig", "replace") for one in wanted}
    except zipfile.BadZipFile:
        return {}


def _only(files: dict[str, str]) -> str | None:
    """The list where there is but one that could be meant."""
    texts = [text for name, text in files.items() if name.endswith(".txt")]
    return texts[0] if len(texts) == 1 else None


def _normalisation(graph: FlatTable) -> Normalisation | None:
    """The first normalisation of the first input that has one."""
    for unit in (unit for tensor in graph.tables(_INPUTS) for unit in tensor.tables(_PROCESS_UNITS)):
        options = unit.table(_OPTIONS)
        if unit.number(_OPTIONS_TYPE, "uint8") == _NORMALIZATION and options is not None:
            mean, std = options.numbers(_MEAN, "float32"), options.numbers(_STD, "float32")
            if len(mean) in (1, 3) and len(std) in (1, 3) and (std > 0).all():
                return mean.tolist(), std.tolist()
    return None
