"""The layer rule, the lazy-import rule, and what the project's text must not name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Room → the rooms it may import besides itself. A new room is entered here, or test_every_room_has_its_place fails.
MAY_IMPORT: dict[str, set[str]] = {
    "config": set(),
    "streams": {"config"},
    "detectors": {"config"},
    "pipelines": {"config", "streams", "detectors"},
    "dashboard": {"config", "pipelines"},
    "app": {"config", "streams", "detectors", "pipelines", "dashboard"},
    "benchmarks": {"config", "streams", "detectors", "pipelines", "tests", "benchmarks"},
}
ROOMS = set(MAY_IMPORT) - {"app", "benchmarks"}
OURS = set(MAY_IMPORT) | {"tests"}

# Heavy package → where it may be imported, inside functions.
LAZY: dict[str, str] = {
    **dict.fromkeys(
        (
            "ai_edge_litert", "ai_edge_quantizer", "cuda", "keras", "nncf", "onnx", "onnxruntime", "openvino",
            "tensorflow", "tensorrt", "torch", "torchvision", "triton", "ultralytics",
        ),
        r"detectors/.*",
    ),
    "gi": r"streams/gst[a-z_]*\.py",
    "amqtt": r"streams/embedded_broker\.py",
    **dict.fromkeys(("argon2", "fastapi", "itsdangerous", "prometheus_client"), r"dashboard/.*"),
    **dict.fromkeys(("starlette", "uvicorn"), r"dashboard/.*"),
    "ruamel": r"config/round_trip\.py",
    "tensorboardX": r"pipelines/.*",
    "ray": r"pipelines/.*",
}  # fmt: skip


class Import(NamedTuple):
    """One import of a top-level package."""

    package: str
    line: int
    at_top: bool
    types_only: bool


def sources() -> list[Path]:
    """Python files of the rooms, ``app.py`` and the benchmarks."""
    folders = [path for name in sorted(MAY_IMPORT) for path in (ROOT / name).rglob("*.py")]
    return [ROOT / "app.py", *folders]


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """All imports of a file, wherever they stand."""
    return tuple(walk(ast.parse(path.read_text(encoding="utf-8"), str(path)), at_top=True, types_only=False))


def walk(node: ast.AST, at_top: bool, types_only: bool) -> Iterator[Import]:
    """The imports below a node; what stands in a class or in ``try`` at module level runs on import, so it is top."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name.split(".")[0], child.lineno, at_top, types_only) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and not child.level:
            yield Import(str(child.module).split(".")[0], child.lineno, at_top, types_only)
        elif name := imported_by_call(child):
            yield Import(name, getattr(child, "lineno", 0), at_top, types_only)
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If) and is_type_checking(child.test):
            for part in child.body:
                yield from walk(ast.Module([part], []), at_top, True)
            for part in child.orelse:
                yield from walk(ast.Module([part], []), at_top, types_only)
        else:
            yield from walk(child, at_top and not function, types_only)


def imported_by_call(node: ast.AST) -> str | None:
    """``import_module("torch.x")`` or ``__import__("torch")`` → ``torch``."""
    if not isinstance(node, ast.Call) or not node.args:
        return None
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    first = node.args[0]
    if called in ("import_module", "__import__") and isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value.split(".")[0]
    return None


def is_type_checking(test: ast.expr) -> bool:
    """``TYPE_CHECKING`` or ``typing.TYPE_CHECKING``."""
    return getattr(test, "id", None) == "TYPE_CHECKING" or getattr(test, "attr", None) == "TYPE_CHECKING"


def room_of(path: Path) -> str:
    """``pipelines/rules/base.py`` → ``pipelines``."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import torch.nn", [Import("torch", 1, True, False)]),
        ("from torch import nn", [Import("torch", 1, True, False)]),
        ("from . import nn", []),
        ("try:\n    import gi\nexcept ImportError:\n    gi = None", [Import("gi", 2, True, False)]),
        ("class A:\n    import gi", [Import("gi", 2, True, False)]),
        ("def f():\n    import gi", [Import("gi", 2, False, False)]),
        ("async def f():\n    if 1:\n        import gi", [Import("gi", 3, False, False)]),
        ("if TYPE_CHECKING:\n    import torch", [Import("torch", 2, True, True)]),
        ("if typing.TYPE_CHECKING:\n    pass\nelse:\n    import torch", [Import("torch", 4, True, False)]),
        ("tf = importlib.import_module('tensorflow.lite')", [Import("tensorflow", 1, True, False)]),
    ],
)
def test_imports_are_found(text: str, expected: list[Import]) -> None:
    assert list(walk(ast.parse(text), at_top=True, types_only=False)) == expected


def test_every_room_has_its_place() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")}
    assert rooms - {"tests", "build", "docs", "docker"} <= set(MAY_IMPORT)
    assert {room_of(path) for path in sources()} >= ROOMS | {"app"}


def test_rooms_import_only_what_lies_below() -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.package}"
        for path in sources()
        for found in imports_of(path)
        if found.package in OURS and found.package not in MAY_IMPORT[room_of(path)] | ({room_of(path)} & ROOMS)
    ]
    assert faults == []


def test_heavy_packages_are_imported_late_and_in_their_place() -> None:
    faults = []
    for path in sources():
        place = path.relative_to(ROOT).as_posix()
        for found in imports_of(path):
            if found.package not in LAZY or found.types_only:
                continue
            if found.at_top:
                faults.append(f"{place}:{found.line} imports {found.package} at module level")
            elif room_of(path) != "benchmarks" and not re.fullmatch(LAZY[found.package], place):
                faults.append(f"{place}:{found.line} imports {found.package}, which belongs in {LAZY[found.package]}")
    assert faults == []


def every_module() -> str:
    """``import`` statements for ``app`` and every module of the rooms."""
    paths = [path.relative_to(ROOT).with_suffix("") for path in sources() if room_of(path) != "benchmarks"]
    return "; ".join(f"import {'.'.join(path.parts).removesuffix('.__init__')}" for path in paths)


@pytest.mark.parametrize(
    "arguments",
    [("-c", "import app"), ("-c", every_module()), ("app.py", "--help"), ("app.py", "analyze", "--help")],
    ids=["import app", "import every module", "--help", "analyze --help"],
)
def test_nothing_heavy_is_loaded(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    times = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    said = [line for line in done.stderr.splitlines() if line not in times]
    assert (done.returncode, said) == (0, [])
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in times}
    assert "typer" in loaded
    assert loaded & set(LAZY) == set()


def test_what_watches_cameras_loads_little() -> None:
    """A small box has 250 MB: what only files, drawings and comparisons need is not there."""
    code = "import sys, app, pipelines.live.service, detectors.load_export; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    needless = {"av", "matplotlib", "requests", "scipy", "supervision", "trackers"}
    assert needless & set(done.stdout.split()) == set()


def test_text_names_no_machine_and_no_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: which files are the project's is not known")
    names = [*("/" + name + "/" for name in ("work", "root", "farm")), "/opt/" + "pypi"]
    hosts = ["pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org"]
    pattern = re.compile(r"(?<![\w./-])(?:" + "|".join(names) + r")|\b(?:" + "|".join(map(re.escape, hosts)) + r")\b")
    faults = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or b"\0" in (content := path.read_bytes())[:4096]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                faults.append(f"{name}:{number}: {line.strip()}")
    assert faults == []
