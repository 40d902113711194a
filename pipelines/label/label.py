"""Serve the page until it is enough."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from pipelines.jobs import camera_name
from pipelines.label.keys import Meaning, keys_of, parse_keys, usual_keys
from pipelines.label.playable import make_playable
from pipelines.label.server import LabelServer
from pipelines.label.sheet import Sheet
from pipelines.scenario import plan_camera
from pipelines.stopping import watching
from streams.probe import probe

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class LabelWishes:
    """The arguments of ``label``."""

    video: Path
    keys: Sequence[str] = ()
    config: Path | None = None
    camera: str | None = None
    out: Path = Path("truth.csv")
    port: int = 0


def label(
    wishes: LabelWishes,
    stop: threading.Event,
    tell: Callable[[str], None],
    on_step: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Serve the page until ``stop`` is set.

    Args:
        wishes: The arguments.
        stop: Ends it; every row is on disk by then.
        tell: Told the address, once it answers.
        on_step: Told how many frames of how many are copied for the browser.

    Returns:
        How many rows the file has.

    Raises:
        ConfigError: Keys, site file or the file that is there are wrong, or the port is taken.
        SourceError: The video cannot be read.
        OutputError: The file cannot be written.
    """
    keys, labels = meanings(wishes)
    facts = probe(wishes.video)
    sheet = Sheet(wishes.out)
    with tempfile.TemporaryDirectory(prefix="sightline-label-") as folder, watching(stop):
        video = make_playable(wishes.video, Path(folder), stop, lambda done, of: on_step(done, of or done + 1))
        try:
            server = LabelServer(video, wishes.video.name, facts.fps, keys, labels, sheet, wishes.port)
        except OSError as error:
            raise ConfigError(f"--port: {wishes.port} is taken ({error.strerror}); choose another") from error
        with server:
            thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="label", daemon=True)
            thread.start()
            tell(f"{server.address} plays {wishes.video.name}; every key press is saved in {wishes.out}; Ctrl-C ends")
            while not stop.wait(_POLL_S):
                pass
            server.shutdown()
    return len(sheet.rows())


def meanings(wishes: LabelWishes) -> tuple[dict[str, Meaning], tuple[str, ...]]:
    """What each key says, and the labels that can be chosen for those that tell none.

    Raises:
        ConfigError: Keys or site file are wrong.
    """
    named = parse_keys(wishes.keys)
    if wishes.config is None:
        if wishes.camera is not None:
            raise ConfigError("--camera names a camera of a site file; give the file with --config")
        labels = {one.label for one in named.values() if one.label}
        return named or usual_keys(), tuple(sorted(labels))
    document = load(wishes.config, Site)
    name = camera_name(document, wishes.camera)
    plan = plan_camera(document, name)
    known = {word for rule in plan.rules for word in rule.config.told_labels}
    kept = plan.labels or ()
    keys = named or keys_of(plan, f"{document.path}: {name}")
    return keys, (*kept, *sorted(known - set(kept)))
