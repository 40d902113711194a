"""Begin the totals of a site at zero again."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from pipelines.jobs import publication_of_site
from streams.errors import OutputError
from streams.outbox import Outbox


def reset_totals(path: Path, cameras: Collection[str] = ()) -> int:
    """Forget what was counted; the next ``run`` begins at 0 and says since when.

    Args:
        path: The site file.
        cameras: Names of cameras; all of them when empty.

    Returns:
        How many counts were forgotten.

    Raises:
        ConfigError: The file is wrong, has no broker, or does not have such a camera.
        OutputError: The outbox is in use (the service must be stopped), or the disk is full; nothing was forgotten.
    """
    document = load(path, Site)
    site = document.value
    if site.mqtt is None:
        raise ConfigError(document.fault((), "without an 'mqtt' block no totals are kept"))
    unknown = [name for name in cameras if name not in site.cameras]
    if unknown:
        allowed = ", ".join(site.cameras)
        raise ConfigError(document.fault(("cameras",), f"no camera {', '.join(unknown)}; allowed: {allowed}"))
    box = site.mqtt.outbox
    target = f"{publication_of_site(document, site.mqtt).broker}/{site.mqtt.prefix}"
    outbox = Outbox(document.resolve(box.path), target, max_mb=box.max_mb, expiry_s=box.expiry_s, clock=time.time)
    try:
        wanted = [
            key
            for key in outbox.read_notes("total/")
            if not cameras or key.removeprefix("total/").split("/", 1)[0] in cameras
        ]
        outbox.note(dict.fromkeys(wanted))
        if not outbox.commit():
            raise OutputError(f"the totals in {outbox.path} could not be reset; free some space and try again")
    finally:
        outbox.close()
    return sum('["counts"' in key for key in wanted)
