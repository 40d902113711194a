"""Look at a video or camera and write a minimal, commented site file and a still picture with a grid."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import ConfigError
from streams.camera_tls import CameraTls
from streams.errors import SourceError, UntrustedError, cannot_write
from streams.files import write_text_atomic
from streams.frame import NAME_PATTERN, slug
from streams.live_source import LiveSource, first_shot
from streams.look import is_live, is_network, redacted, split_address
from streams.open import open_source
from streams.open_live import live_source

_TEMPLATE = """\
# A Sightline site file. Every key that is not written has a default; docs/configuration.md lists them all.
# Try it:  python app.py check {file}
#          {try_it}
version: 1
site: {site}
# mqtt: {{host: 127.0.0.1, port: 1883}}     # without this block nothing is published
server: {{port: 8600}}                    # the page of `run`, its API, /healthz and /metrics, for this machine alone
detectors:
  main: {{runtime: torch, imgsz: 640, confidence: 0.25}}   # model: yolov8n, or a path; default: the best to be had
cameras:
  {camera}:
{source}    drawn_on: [{width}, {height}]           # the picture the points below belong to
    # Points are relative: [0, 0] is the top left corner, [1, 1] the bottom right; {still} has a grid to read them off.
    lines:
      # Directed, from A to B: 'in' ends on the left hand of someone walking from A to B.
      # Put it where objects move, whole, away from the edges, not where they stop.
      middle: [[0.05, 0.6], [0.95, 0.6]]
    zones:
      centre: [[0.25, 0.3], [0.75, 0.3], [0.75, 0.9], [0.25, 0.9]]
    # labels: [person, car]                 # what to keep; default: everything the model knows
    # scenario: traffic                     # a preset: traffic, pedestrian, construction, restaurant
    rules:
      - {{kind: line_crossing, line: middle}}
      - {{kind: zone_count, zone: centre}}
      - {{kind: dwell, zone: centre, seconds: 10}}
"""

_SOURCE = "    source: {source}\n"
_LOGIN = """\
    username: ${CAM_USER:-}                 # from the environment, never written here
    password: ${CAM_PASSWORD:-}
"""
_ANY_CERTIFICATE = "    tls: {verify: false}                    # its certificate proves nothing\n"
_QUERY = """\
    source: ${CAM_URL}                      # the full address, from the environment: its query may hold a login
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What ``init`` wrote, and the source as it may be shown."""

    source: str
    site: Path
    still: Path
    width: int
    height: int


def init_site(source: str, folder: Path, force: bool, name: str | None = None, insecure: bool = False) -> Written:
    """Write ``<name>.yaml`` and ``<name>.png`` for a source.

    Args:
        source: A video file, ``rtsp://``, ``http(s)://`` or ``/dev/videoN``. A login or query in it is not written
            down; for an address without one it is looked for in the environment, where the written file looks, too.
        folder: Where to write.
        force: Overwrite files that are there.
        name: What to call the camera; default: the file's stem, or the host.
        insecure: Take any certificate of a camera over TLS, and write down so.

    Raises:
        ConfigError: A file to be written is there, the source is a launch line, or the name is none.
        SourceError: The source is not an address, or cannot be read.
        OutputError: A file cannot be written.
    """
    if source.startswith("gst:"):
        raise ConfigError("a launch line may hold a login; write it into a site file by hand: cameras.NAME.source")
    live = is_live(source)
    if name is not None and not NAME_PATTERN.match(name):
        raise ConfigError(f"--name {name!r}: a camera's name has letters a to z, digits, '-' and '_' only")
    name = name or slug(_name_of(source) if live else Path(source).stem)
    site, still = folder / f"{name}.yaml", folder / f"{name}.png"
    for path in (site, still):
        if path.exists() and not force:
            raise ConfigError(f"{path} is there already; use --force to overwrite it, or another --name or --out")
    tls = CameraTls(not insecure)
    image = _seen(source, tls) if live else _first_picture(Path(source).expanduser(), name)
    written = source if live else str(Path(source).expanduser().resolve())
    text = _TEMPLATE.format(
        file=_word(str(site)), source=_source_lines(written, live, tls), site=name, camera=name,
        width=image.shape[1], height=image.shape[0], still=still.name,
        try_it=_next_command(written, site, live),
    )  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        done, png = cv2.imencode(".png", with_grid(image))
        if not done:
            raise OSError(0, "the picture cannot be encoded")
        still.write_bytes(png.tobytes())
    except OSError as error:
        raise cannot_write(still, error) from error
    write_text_atomic(site, text)
    return Written(redacted(source), site, still, image.shape[1], image.shape[0])


def _seen(source: str, tls: CameraTls) -> NDArray[np.uint8]:
    """The first picture of a camera.

    Raises:
        SourceError: It gives none.
    """
    try:
        return first_shot(_camera(source, tls)).bgr()
    except UntrustedError as error:
        raise SourceError(
            f"source {redacted(source)} shows a certificate that is not trusted; --insecure takes any"
            " and writes so; or write the site file by hand, with 'tls: {ca: FILE}'"
        ) from error


def _camera(source: str, tls: CameraTls) -> LiveSource:
    if is_network(source) and "@" not in split_address(source).netloc:
        return live_source(source, os.environ.get("CAM_USER", ""), os.environ.get("CAM_PASSWORD", ""), tls=tls)
    return live_source(source, tls=tls)


def _next_command(source: str, site: Path, live: bool) -> str:
    """What to type once the file is as it should be."""
    if live:
        return f"python app.py run {_word(str(site))}"
    return f"python app.py analyze {_word(source)} --config {_word(str(site))} --annotate"


def _name_of(source: str) -> str:
    """What to call a live source: its host, never its login."""
    if not is_network(source):
        return source.removeprefix("/dev/")
    split_address(source)
    return split_address(redacted(source)).hostname or "camera"


def _source_lines(source: str, live: bool, tls: CameraTls) -> str:
    certificate = "" if tls.verify else _ANY_CERTIFICATE
    if live and "?" in source:
        return _QUERY + certificate
    login = _LOGIN + certificate if live else ""
    return _SOURCE.format(source=_yaml_text(redacted(source) if live else source)) + login


def _yaml_text(text: str) -> str:
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text)  # double quotes can hold a line break


def _word(path: str) -> str:
    """A path as one word of a command inside a comment."""
    return shlex.quote(path) if path.isprintable() else "PATH"


def _first_picture(video: Path, name: str) -> NDArray[np.uint8]:
    with open_source(video, name) as source:
        return next(iter(source)).image


def with_grid(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of an (H, W, 3) uint8 BGR picture with a line for every tenth of its width and height, numbered."""
    picture = image.copy()
    height, width = picture.shape[:2]
    size = max(0.35, width / 1600)
    for tenth in range(1, 10):
        x, y = round(width * tenth / 10), round(height * tenth / 10)
        cv2.line(picture, (x, 0), (x, height), (255, 255, 255), 1, cv2.LINE_AA)
        cv2.line(picture, (0, y), (width, y), (255, 255, 255), 1, cv2.LINE_AA)
        for text, place in ((f"{tenth / 10:.1f}", (x + 3, round(20 * size) + 4)), (f"{tenth / 10:.1f}", (3, y - 3))):
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 255, 255), 1, cv2.LINE_AA)
    return picture
