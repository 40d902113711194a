"""A comparison as TensorBoard event files: one run for each combination, its steps are batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pipelines.compare.rows import Row
from pipelines.log_dir import EventFile, import_tensorboard

FOLDER = "tensorboard"


def write_events(rows: Sequence[Row], out: Path) -> bool:
    """Write the figures below ``out``/tensorboard; those of an earlier comparison there go.

    Returns:
        Whether tensorboardX is installed; without it nothing is written.

    Raises:
        OutputError: A file cannot be written.
    """
    if find_spec("tensorboardX") is None:
        return False
    import_tensorboard()
    for old in (out / FOLDER).glob("*/events.out.tfevents.*"):
        old.unlink(missing_ok=True)
    files: dict[str, EventFile] = {}
    try:
        for row in rows:
            if row["error"] is not None:
                continue
            name = f"{Path(row['model']).stem}-{row['runtime']}-{row['precision']}-{row['imgsz']}"
            if name not in files:
                files[name] = EventFile(out / FOLDER / name)
            files[name].write(scalars(row), row["batch"])
    finally:
        for file in files.values():
            file.close()
    return True


def scalars(row: Row) -> dict[str, float]:
    """Tag → value; what was not measured is left out."""
    found = {f"ms/{stage}_{share}": value for stage, shares in row["ms"].items() for share, value in shares.items()}
    groups = {
        f"{group}/{name}": value
        for group in ("agreement", "map", "sustained")
        for name, value in (row[group] or {}).items()
        if name != "reference"
    }
    plain = {name: row[name] for name in ("fps", "cpu_s", "start_s", "rss_mb", "gpu_mb", "energy_j", "size_mb")}
    return {name: float(value) for name, value in {**plain, **found, **groups}.items() if value is not None}
