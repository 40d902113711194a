"""How the machine and the process are: memory, disks, versions, and what of the service waits or was lost."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from config.site import Site
from dashboard.history.recorder import Recorder
from pipelines.analyze import versions
from pipelines.live.face import SiteFace

_MB = 1e6


def system(face: SiteFace, recorder: Recorder | None) -> dict[str, Any]:
    """All of it; nothing in it is secret.

    Args:
        face: The site.
        recorder: Keeps its history, if one is kept.
    """
    stats, plan = face.stats(), face.plan()
    service = stats.service
    site = plan.site if plan is not None else None
    places = _places(face, site, recorder)
    outbox = places.get("outbox")
    return {
        "uptime": service.uptime,
        "version": service.version,
        "versions": {"python": platform.python_version(), **versions()},
        "platform": platform.platform(terse=True),
        "pid": os.getpid(),
        "threads": psutil.Process().num_threads(),
        "load": [round(value / (os.cpu_count() or 1), 3) for value in os.getloadavg()],
        "memory": _memory(service.rss_mb),
        "disks": _disks(places),
        "broker": None
        if site is None or site.mqtt is None
        else {
            "state": service.broker,
            "host": site.mqtt.host,
            "port": site.mqtt.port,
            "prefix": site.mqtt.prefix,
            "tls": site.mqtt.tls.enabled,
        },
        "outbox": None
        if outbox is None
        else {"waiting": service.spooled, "dropped": service.dropped, "size_mb": _size_mb(outbox)},
        "history": None if recorder is None else _history(recorder),
        "queues": dict(service.queues),
        "restarts": service.restarts,
        "reload_error": service.reload_error,
        "reloads": service.reloads,
    }


def _places(face: SiteFace, site: Site | None, recorder: Recorder | None) -> dict[str, Path]:
    """Files and folders that are written, by what they are."""
    found: dict[str, Path] = {}
    plan = face.plan()
    if face.site_file is not None:
        found["site file"] = face.site_file
    if plan is not None and site is not None:
        if site.mqtt is not None:
            found["outbox"] = plan.document.resolve(site.mqtt.outbox.path)
        if site.outputs.jsonl is not None:
            found["results"] = plan.document.resolve(site.outputs.jsonl.path)
        if site.log.path is not None:
            found["log"] = plan.document.resolve(site.log.path)
    if recorder is not None:
        found["history"] = recorder.path
    return found


def _disks(places: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Each disk once, with what lies on it."""
    disks: dict[int, dict[str, Any]] = {}
    for word, path in places.items():
        folder = next((one for one in (path, *path.absolute().parents) if one.exists()), Path("/"))
        try:
            number, usage = folder.stat().st_dev, shutil.disk_usage(folder)
        except OSError:
            continue
        disk = disks.setdefault(
            number, {"holds": [], "free_mb": round(usage.free / _MB), "total_mb": round(usage.total / _MB)}
        )
        disk["holds"].append(word)
    return list(disks.values())


def _memory(rss_mb: float) -> dict[str, Any]:
    machine = psutil.virtual_memory()
    return {
        "rss_mb": rss_mb,
        "available_mb": round(machine.available / _MB),
        "total_mb": round(machine.total / _MB),
    }


def _history(recorder: Recorder) -> dict[str, Any]:
    return {
        "fault": recorder.fault,
        "lost": recorder.lost,
        "written": recorder.written,
        "size_mb": _size_mb(recorder.path),
    }


def _size_mb(path: Path) -> float | None:
    """Of a database, with its log."""
    sizes = []
    for suffix in ("", "-wal"):
        try:
            sizes.append(Path(f"{path}{suffix}").stat().st_size)
        except OSError:
            continue
    return round(sum(sizes) / _MB, 2) if sizes else None
