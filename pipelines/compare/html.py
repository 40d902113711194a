"""A comparison as one page of HTML with plots; nothing on it comes from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from pipelines.compare.rows import CAMERA_FPS, Row, placed

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid #d8dee4; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.wide { overflow-x: auto; } .error { color: #b42318; } small { color: #57606a; }
@media (prefers-color-scheme: dark) { body { background: #14171a; color: #e6e8ea; } svg text { fill: #e6e8ea; } }
"""
_BLUE, _PALE, _ORANGE = "#2563a8", "#9ec3ea", "#c2570c"
_WIDTH, _LEFT, _LINE = 800, 210, 26


def page(result: dict[str, Any]) -> str:
    """The whole page.

    Args:
        result: The content of ``compare.json``.
    """
    rows: list[Row] = result["rows"]
    single = [row for row in rows if row["error"] is None and row["batch"] == 1]
    machine = result["machine"]
    parts = [
        "<h1>Frameworks compared</h1>",
        f"<p>{escape(', '.join(result['videos']))}: {result['frames']} frames, {result['rounds']} rounds, each in a "
        f"process of its own, in turn. {escape(str(machine['cpu']))}, {machine['cores']} cores, {machine['threads']} "
        f"threads, {escape(' '.join(machine['cpu_flags']) or 'no known instruction sets')}. NMS: "
        f"{escape(result['nms'])}. {_unmeasured(rows)}</p>",
        "<h2>What follows</h2><ul>",
        *(f"<li>{escape(line)}</li>" for line in result["recommendation"]),
        "</ul>",
    ]
    if single:
        parts += [
            "<h2>Time of a frame, batch 1</h2><p><small>ms: the median, the 95th and the 99th percentile</small></p>",
            _latencies(single),
            "<h2>Speed against agreement</h2><p><small>share of the reference's boxes matched at IoU 0.75; orange: "
            "nothing is both faster and nearer</small></p>",
            _scatter(single),
            "<h2>Memory</h2><p><small>peak of the process, MB</small></p>",
            _bars([(_name(row), row["rss_mb"]) for row in single]),
        ]
    parts += ["<h2>All figures</h2>", _table(rows)]
    return document("Frameworks compared", parts)


def document(title: str, parts: Sequence[str]) -> str:
    """A page that fetches nothing.

    Args:
        title: Of the window.
        parts: What stands in it, as HTML.
    """
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def frontier(rows: Sequence[Row]) -> list[Row]:
    """Rows to which no other is both at least as fast and as near, and better in one of the two; fastest first."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (-row["fps"], -_share(row))):
        if not best or _share(row) > _share(best[-1]):
            best.append(row)
    return best


def _share(row: Row) -> float:
    share = row["agreement"]["iou75"]
    return 1.0 if share is None else float(share)


def _name(row: Row) -> str:
    return f"{row['runtime']} {row['precision']} {row['imgsz']}"


def _latencies(rows: Sequence[Row]) -> str:
    top = max(row["ms"]["total"]["p99"] for row in rows)
    shapes = []
    for place, row in enumerate(rows):
        y, ms = place * _LINE + 4, row["ms"]["total"]
        x50, x95, x99 = (_LEFT + ms[key] / top * (_WIDTH - _LEFT - 70) for key in ("p50", "p95", "p99"))
        shapes += [
            _text(_LEFT - 8, y + 14, _name(row), "end"),
            f'<rect x="{_LEFT}" y="{y}" width="{x50 - _LEFT:.1f}" height="18" fill="{_BLUE}"/>',
            f'<rect x="{x50:.1f}" y="{y}" width="{x95 - x50:.1f}" height="18" fill="{_PALE}"/>',
            f'<line x1="{x95:.1f}" x2="{x99:.1f}" y1="{y + 9}" y2="{y + 9}" stroke="{_BLUE}"/>',
            f'<line x1="{x99:.1f}" x2="{x99:.1f}" y1="{y + 3}" y2="{y + 15}" stroke="{_BLUE}"/>',
            _text(x99 + 6, y + 14, f"{ms['p50']:.1f}"),
        ]
    return _svg(len(rows) * _LINE + 8, shapes)


def _bars(bars: Sequence[tuple[str, float]]) -> str:
    top = max(value for _, value in bars)
    shapes = []
    for place, (name, value) in enumerate(bars):
        y, width = place * _LINE + 4, value / top * (_WIDTH - _LEFT - 70)
        shapes += [
            _text(_LEFT - 8, y + 14, name, "end"),
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="18" fill="{_BLUE}"/>',
            _text(_LEFT + width + 6, y + 14, f"{value:.0f}"),
        ]
    return _svg(len(bars) * _LINE + 8, shapes)


def _scatter(rows: Sequence[Row]) -> str:
    height, foot = 320, 280
    least = min(0.9, *(_share(row) for row in rows))
    top = max(row["fps"] for row in rows) * 1.15
    best = frontier(rows)

    def place(row: Row) -> tuple[float, float]:
        x = 60 + row["fps"] / top * (_WIDTH - 80)
        return x, foot - (_share(row) - least) / (1 - least) * (foot - 30)

    shapes = [
        f'<line x1="60" x2="{_WIDTH}" y1="{foot}" y2="{foot}" stroke="#8c959f"/>',
        f'<line x1="60" x2="60" y1="20" y2="{foot}" stroke="#8c959f"/>',
        _text(_WIDTH, foot + 32, "FPS", "end"),
        *(_text(52, foot - step * (foot - 30) + 4, f"{100 * (least + step * (1 - least)):.1f} %", "end")
          for step in (0, 0.5, 1)),
        *(_text(60 + step * (_WIDTH - 80), foot + 16, f"{top * step:.0f}", "middle") for step in (0, 0.25, 0.5, 0.75)),
        '<polyline fill="none" stroke="{}" points="{}"/>'.format(
            _ORANGE, " ".join("{:.1f},{:.1f}".format(*place(row)) for row in best)
        ),
    ]  # fmt: skip
    for number, row in enumerate(sorted(rows, key=lambda row: row["fps"])):  # neighbours on lines of their own
        x, y = place(row)
        colour = _ORANGE if row in best else _BLUE
        shapes += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>',
            _text(x, y + 18 + number % 4 * 14, _name(row), "middle"),
        ]
    return _svg(height, shapes)


def _unmeasured(rows: Sequence[Row]) -> str:
    """What the machine does not tell, or nobody asked for."""
    names = {
        "GPU memory": "gpu_mb",
        "energy": "energy_j",
        "mAP": "map",
        "counts": "counts",
        "sustained speed": "sustained",
    }
    absent = [name for name, key in names.items() if all(row[key] is None for row in rows)]
    return f"Not measured: {', '.join(absent)}." if absent else ""


def _table(rows: Sequence[Row]) -> str:
    head = (
        "model", "runtime", "precision", "input", "batch", "FPS", "cameras", "ms p50", "p95", "p99", "forward ms",
        "CPU s/frame", "J/frame", "start s", "RSS MB", "GPU MB", "file MB", "IoU 0.5", "IoU 0.75", "class flips",
        "score diff.", "operations", "mAP", "mAP50", "same counts", "FPS sustained, first, last", "W",
    )  # fmt: skip
    lines = ["<tr>" + "".join(f"<th>{word}</th>" for word in head) + "</tr>"]
    for row in rows:
        names = [row["model"], row["runtime"], row["precision"]]
        if row["error"] is not None:
            start = "".join(f"<td>{escape(str(name))}</td>" for name in names)
            lines.append(f'<tr>{start}<td class="error" colspan="{len(head) - 3}">{escape(row["error"])}</td></tr>')
            continue
        ms, near = row["ms"], row["agreement"]
        scored, steady = row["map"] or {}, row["sustained"] or {}
        counts = row["counts"] or {"same": None}
        same = None if counts["same"] is None else "yes" if counts["same"] else f"no: {', '.join(counts['differs'])}"
        speeds = [str(steady[key]) for key in ("fps", "first_fps", "last_fps")] if steady else []
        values = [
            *names, "x".join(map(str, row["input"])), row["batch"], row["fps"], row["cameras"], *ms["total"].values(),
            ms["inference"]["p50"], row["cpu_s"], row["energy_j"], row["start_s"], row["rss_mb"], row["gpu_mb"],
            row["size_mb"], _percent(near["iou50"]), _percent(near["iou75"]), near["class_flips"], near["score_mean"],
            placed(row["placement"]) or None, scored.get("map50_95"), scored.get("map50"), same,
            ", ".join(speeds) or None, steady.get("watts"),
        ]  # fmt: skip
        cells = [f"<td>{'-' if value is None else escape(str(value))}</td>" for value in values]
        lines.append("<tr>" + "".join(cells) + "</tr>")
    note = (
        f"<p><small>cameras: how many the detector alone could serve at {CAMERA_FPS:g} frames a second each</small></p>"
    )
    return f'<div class="wide"><table>{"".join(lines)}</table></div>{note}'


def _percent(share: float | None) -> str:
    return "no box" if share is None else f"{100 * share:.1f} %"


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(height: int, shapes: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(shapes)}</svg>'
