"""Reports of `bench`: tables in the terminal, and one HTML file that contains its plots."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mtclar.cli.benchmark.compare import Comparison
from mtclar.cli.benchmark.material import FPS
from mtclar.engine.files.reading import read_ordinary

BAR_WIDTH, BAR_HEIGHT, LABEL_WIDTH, ROOM = 420, 22, 100, 170
SIDE = 260  # of a line plot
HEAD = "<!doctype html><html lang=en><meta charset=utf-8><title>mtclar-stream bench</title>"
MAX_REPORT_BYTES = 2**20
SHADES = {"p50": "#2f6fb0", "p95": "#8fb8de", "p99": "#d3e3f2"}

# Kind of scaling -> its size, its figure, and what the figure is called.
SCALING = {
    "streams": ("streams", "fps", "pictures a second, all streams"),
    "faces": ("faces", "frame_ms", "ms a picture"),
    "support": ("support", "pair_ms", "ms a face, pair and comparison"),
    "batch": ("batch", "face_ms", "ms a face, encoder"),
}


def print_figures(console: Console, figures: Mapping[str, Any]) -> None:
    """The whole report as tables."""
    machine = figures["machine"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_1min']}, {figures['backend']}",
        highlight=False,
    )
    stages = Table("stage", *SHADES, title="One frame, stage by stage, ms")
    for stage, taken in figures["stages_ms"].items():
        stages.add_row(stage, *(_number(taken[p]) for p in SHADES))
    console.print(stages)
    end = figures["end_to_end"]
    whole = Table("end to end", "figure")
    whole.add_row("every picture of the clip, unpaced", f"{end['unpaced_fps']:.0f} frames/s")
    whole.add_row(
        f"capture to a client's socket at {FPS:g} fps, p50 / p95 / p99",
        " / ".join(_number(end["latency_ms"][p]) for p in SHADES) + " ms",
    )
    whole.add_row(f"processor at {FPS:g} fps", f"{end['cpu_cores']:.2f} cores")
    whole.add_row("messages a client received", f"{end['messages_per_s']:.1f} a second")
    whole.add_row("peak memory", "-" if end["peak_rss_mb"] is None else f"{end['peak_rss_mb']:.0f} MB")
    if "start_up" in machine:
        whole.add_row("--help / bare interpreter", f"{machine['start_up']['ratio']:.1f}")
    for name, value in (machine.get("gpu") or {}).items():
        whole.add_row(f"card: {name.replace('_', ' ')}", f"{value:g}")
    console.print(whole)
    loads = Table(
        "frames/s", "streams", "faces", *SHADES, "answered", "cores", title="Capture to a client's socket, ms"
    )
    for row in figures["latency"]:
        loads.add_row(*latency_cells(row))
    console.print(loads)
    for kind, rows in figures["scaling"].items():
        size, figure, title = SCALING[kind]
        table = Table(size, figure, title=title)
        for row in rows:
            table.add_row(str(row[size]), _number(row[figure]))
        console.print(table)


def latency_cells(row: Mapping[str, Any]) -> list[str]:
    """One load of `latency`: rate, streams, faces, percentiles, share of frames answered, processor."""
    return [
        f"{row['fps']:g}",
        str(row["streams"]),
        str(row["faces"]),
        *(_number(row["latency_ms"][p]) for p in SHADES),
        f"{100 * row['answered_share']:.0f} %",
        f"{row['cpu_cores']:.2f}",
    ]


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Prints two backends side by side; a ratio below 1 means that the first is faster."""
    a, b = comparison.a, comparison.b
    table = Table("", a.name, b.name, "ratio [95 % interval]", title="Side by side, ms a frame")
    table.add_row("runs on", a.backend, b.backend, "")
    for what, mine, theirs, ratio in (
        ("whole frame, p50", a.frame_ms, b.frame_ms, comparison.frame_ratio),
        ("encode, compare, smooth, p50", a.estimate_ms, b.estimate_ms, comparison.estimate_ratio),
    ):
        table.add_row(what, _number(mine["p50"]), _number(theirs["p50"]), str(ratio))
    table.add_row("processor time", _number(a.cpu_ms), _number(b.cpu_ms), str(comparison.cpu_ratio))
    table.add_row("largest difference in V/A", "", "", f"{comparison.largest_difference:.4f}")
    console.print(table)


def html(figures: Mapping[str, Any]) -> str:
    """The report as one page."""
    machine, end = figures["machine"], figures["end_to_end"]
    facts = {
        "unpaced": f"{end['unpaced_fps']:.0f} frames/s",
        f"latency at {FPS:g} fps (p50 / p95 / p99)": " / ".join(_number(end["latency_ms"][p]) for p in SHADES)
        + " ms",
        f"processor at {FPS:g} fps": f"{end['cpu_cores']:.2f} cores",
        "peak memory": "-" if end["peak_rss_mb"] is None else f"{end['peak_rss_mb']:.0f} MB",
    }
    facts |= {
        f"card: {name.replace('_', ' ')}": f"{value:g}" for name, value in (machine.get("gpu") or {}).items()
    }
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts.items())
    heads = "".join(
        f"<th>{head}</th>" for head in ("frames/s", "streams", "faces", *SHADES, "answered", "cores")
    )
    loads = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in latency_cells(row)) + "</tr>"
        for row in figures["latency"]
    )
    plots = "".join(
        f"<figure>{_line_plot(kind, lines)}<figcaption>{escape(SCALING[kind][2])}</figcaption></figure>"
        for kind, lines in figures["scaling"].items()
        if lines
    )
    where = f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_1min']}, {figures['backend']}"
    return (
        f"{HEAD}"
        "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2630}"
        "th{text-align:left;font-weight:500;padding-right:1.5rem}td{font-variant-numeric:tabular-nums}"
        "svg text{font:12px system-ui,sans-serif;fill:#1d2630}figure{display:inline-block;margin:0 1rem 1rem 0}"
        "figcaption{font-size:13px;color:#5a6673}p{color:#5a6673}</style>"
        f"<h1>mtclar-stream bench</h1><p>{escape(where)}</p><table>{rows}</table>"
        f"<h2>One frame, stage by stage</h2>{_stage_plot(figures['stages_ms'])}"
        f"<p>Bars reach to p50, p95 and p99 in milliseconds. A tracker detects about once a second.</p>"
        f"<h2>Capture to a client's socket, ms</h2><table><tr>{heads}</tr>{loads}</table>"
        f"<h2>Scaling</h2>{plots}</html>\n"
    )


def is_report(path: Path) -> bool:
    """Whether the file at `path` is empty or a report, so that the next report may replace it."""
    try:
        text = read_ordinary(path, MAX_REPORT_BYTES).decode()
        if not text or text.startswith(HEAD):
            return True
        keys = set(json.loads(text))
    except (OSError, ValueError, TypeError):
        return False
    return "machine" in keys and bool(keys & {"stages_ms", "compare"})


def _stage_plot(stages: Mapping[str, Mapping[str, float | None]]) -> str:
    longest = max((taken["p99"] or 0.0 for taken in stages.values()), default=0.0) or 1.0
    parts = []
    for i, (stage, taken) in enumerate(stages.items()):
        y = i * (BAR_HEIGHT + 6)
        parts.append(f'<text x="0" y="{y + 15}">{escape(stage)}</text>')
        for p in reversed(SHADES):
            width = BAR_WIDTH * (taken[p] or 0.0) / longest
            parts.append(
                f'<rect x="{LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{SHADES[p]}"/>'
            )
        end = LABEL_WIDTH + BAR_WIDTH * (taken["p99"] or 0.0) / longest + 6
        numbers = " / ".join(_number(taken[p]) for p in SHADES)
        parts.append(f'<text x="{end:.1f}" y="{y + 15}">{numbers}</text>')
    height = len(stages) * (BAR_HEIGHT + 6)
    return (
        f'<svg viewBox="0 0 {LABEL_WIDTH + BAR_WIDTH + ROOM} {height}" width="{LABEL_WIDTH + BAR_WIDTH + ROOM}" '
        f'role="img" aria-label="milliseconds by stage">{"".join(parts)}</svg>'
    )


def _line_plot(kind: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A plot with sizes at equal steps, since they double, and figures from zero."""
    size, figure, title = SCALING[kind]
    values = [float(row[figure]) for row in rows]
    top = max(values) or 1.0
    left, right, bottom, room = 46, SIDE - 20, SIDE - 34, 14
    xs = [left + (right - left) * (i / max(len(rows) - 1, 1)) for i in range(len(rows))]
    ys = [bottom - (bottom - room) * value / top for value in values]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{SHADES["p50"]}">'
        f"<title>{row[size]}: {value:g}</title></circle>"
        f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{row[size]}</text>'
        for x, y, row, value in zip(xs, ys, rows, values, strict=True)
    )
    return (
        f'<svg viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" role="img" aria-label="{escape(title)}">'
        f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="#b7c0c9"/>'
        f'<text x="{left - 6}" y="{room + 4}" text-anchor="end">{_number(top)}</text>'
        f'<text x="{left - 6}" y="{bottom + 4}" text-anchor="end">0</text>'
        f'<text x="{(left + right) / 2}" y="{SIDE - 2}" text-anchor="middle">{escape(size)}</text>'
        f'<polyline points="{line}" fill="none" stroke="{SHADES["p50"]}" stroke-width="2"/>{marks}</svg>'
    )


def _number(value: float | None) -> str:
    """The value with three significant digits."""
    if value is None:
        return "-"
    decimals = next((decimals for least, decimals in ((100, 0), (10, 1), (0.1, 2)) if value >= least), 3)
    return f"{value:.{decimals}f}"
