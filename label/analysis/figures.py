"""Figures of series: over time, on the affect plane, means of groups, and quality."""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.metrics import Z_90
from mtclar.label.analysis.figure_file import styled
from mtclar.label.analysis.group_means import GroupMean
from mtclar.label.analysis.segments import Segment
from mtclar.label.analysis.series import AXES, Array, Series, names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Mapping[str, str] = {"valence": "#1478c8", "arousal": "#d23c28"}  # as in the rendered video
GREY = "#6b7785"
PATH_COLOURS = "viridis"
SEGMENT_COLOURS = ("#f2c14e", "#7fb069", "#9a8fd0", "#e58fb1", "#6cc3c9", "#c9a27e")
STATE_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("ok", "labelled", ""), "#4c9f70"),
    "between": "#a9d3b9",
    "held": "#f2c14e",
    "low_quality": "#e07a3f",
    "no_face": "#b9c1c9",
    "lost": "#b9c1c9",
    "other_face": "#9a8fd0",
    "unreadable": "#3b4450",
}
OTHER_STATE = "#000000"
DRIFT_COLOUR = "#5b2a86"

MAX_PANELS = 40
MAX_POINTS = 6000  # of a line, which is wider than any paper
MAX_NAMED = 12
DENSITY_CELLS = 80  # along each axis
DENSITY_SMOOTHING = 2.0  # cells
MARGIN = 1.15  # of the affect plane


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of a size in inches, which a notebook shows."""
    return _shown_figure()(figsize=(width, height), layout="constrained")


@cache
def _shown_figure() -> "type[Figure]":
    """A Figure with a picture for notebooks: those that pyplot did not make have none."""
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            """Called by Jupyter."""
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return NotebookFigure


def thinned(count: int) -> slice:
    """Every how many of the rows a line has."""
    return slice(None, None, max(1, count // MAX_POINTS))


def legend_name(text: str) -> str:
    """A name for a legend, from which matplotlib leaves out empty ones and those that begin with `_`."""
    return text if text and not text.startswith("_") else f" {text}"


@styled
def time_figure(series: Sequence[Series], segments: Sequence[Segment] = ()) -> "Figure":
    """A panel for each series: valence and arousal with their 90 % intervals, and the segments. Raises UsageError."""
    figure, panels = _panels(series, 2.4)
    names = list(dict.fromkeys(segment.name for segment in segments))
    colours = {name: SEGMENT_COLOURS[i % len(SEGMENT_COLOURS)] for i, name in enumerate(names)}
    series_names = names_of([one.key for one in series])
    for axes, one in zip(panels, series, strict=True):
        keep = thinned(len(one))
        times_s = one.times_s[keep]
        for i, axis in enumerate(AXES):
            values, half = one.values[keep, i], Z_90 * one.sds[keep, i]
            axes.plot(times_s, values, color=COLOURS[axis], lw=1.1, label=axis)
            if np.isfinite(half).any():
                axes.fill_between(
                    times_s, values - half, values + half, color=COLOURS[axis], alpha=0.15, lw=0
                )
        _draw_segments(axes, one, [segment for segment in segments if segment.is_of(one)], colours)
        axes.axhline(0, color=GREY, lw=0.6)
        axes.set(title=series_names[one.key], xlim=_span(one))
        if np.nanmax(np.abs(one.values)) <= 1:  # not so of other programs' columns
            axes.set_ylim(-1.05, 1.05)
    panels[0].legend(loc="upper right", ncols=2)
    panels[-1].set_xlabel("time in s")
    return figure


@styled
def plane_figure(series: Sequence[Series]) -> "Figure":
    """The affect plane: where the values of all series are (density), and their paths."""
    figure = new_figure(10.5, 5.2)
    left, right = figure.subplots(1, 2)
    values = [one.values[~np.isnan(one.values).any(axis=1)] for one in series]
    together = np.concatenate(values)
    if not len(together):
        raise UsageError("no frame has both valence and arousal", "the affect plane needs both")
    for axes, title in ((left, "density"), (right, "path")):
        _draw_plane(axes, title)
    edges = np.linspace(-MARGIN, MARGIN, DENSITY_CELLS + 1)
    density = _density(together, edges)
    centres = (edges[1:] + edges[:-1]) / 2
    left.contourf(centres, centres, density, levels=_levels(density), cmap="Blues", zorder=0)
    if len(series) == 1:
        _draw_path(figure, right, series[0])
    else:
        names = names_of([one.key for one in series])
        for one, known in zip(series, values, strict=True):
            name = legend_name(names[one.key]) if len(series) <= MAX_NAMED else None
            right.plot(*known[thinned(len(known))].T, lw=0.8, alpha=0.8, label=name)
        if len(series) <= MAX_NAMED:
            figure.legend(fontsize="small", loc="outside lower center", ncols=min(len(series), 3))
    return figure


@styled
def quality_figure(series: Sequence[Series]) -> "Figure":
    """A panel for each series: the sd of both axes, and below them bars of states and of drift. Raises UsageError."""
    from matplotlib.patches import Patch

    figure, panels = _panels(series, 1.9)
    shown: dict[str, str] = {}
    names = names_of([one.key for one in series])
    for axes, one in zip(panels, series, strict=True):
        for i, axis in enumerate(AXES):
            axes.plot(
                one.times_s[thinned(len(one))], one.sds[thinned(len(one)), i], color=COLOURS[axis], lw=0.9
            )
        top = np.nanmax(one.sds) if np.isfinite(one.sds).any() else 0.3
        axes.set(
            ylim=(-0.5 * top, 1.1 * top),
            xlim=_span(one),
            ylabel="sd",
            title=_quality_title(names[one.key], one),
        )
        axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= 1.1 * top])
        for state in dict.fromkeys(one.state.tolist()):
            colour = STATE_COLOURS.get(state, OTHER_STATE)
            axes.broken_barh(_runs(one, one.state == state), (-0.22 * top, 0.16 * top), color=colour, lw=0)
            shown[state.replace("_", " ") or "ok"] = colour
        drifted = one.drift != ""
        axes.broken_barh(_runs(one, drifted), (-0.44 * top, 0.16 * top), color=DRIFT_COLOUR, lw=0)
        if drifted.any():
            shown["drift"] = DRIFT_COLOUR
    lines = [Patch(color=colour, label=axis) for axis, colour in COLOURS.items()]
    bars = [Patch(color=colour, label=name) for name, colour in shown.items()]
    figure.legend(handles=[*lines, *bars], loc="outside lower center", ncols=8)
    panels[-1].set_xlabel("time in s")
    return figure


@styled
def group_figure(groups: Sequence[GroupMean], since: str) -> "Figure":
    """The means of groups with their confidence bands, a panel for each axis; `since`: where time 0 is."""
    figure = new_figure(9, 5.4)
    for axes, (i, axis) in zip(figure.subplots(2, 1, sharex=True), enumerate(AXES), strict=True):
        for number, group in enumerate(groups):
            colour = f"C{number % 10}"
            axes.plot(
                group.times_s,
                group.mean[:, i],
                color=colour,
                lw=1.3,
                label=legend_name(f"{group.name} (n = {group.count})"),
            )
            axes.fill_between(
                group.times_s, group.low[:, i], group.high[:, i], color=colour, alpha=0.18, lw=0
            )
        axes.axhline(0, color=GREY, lw=0.6)
        axes.set(ylabel=axis)
        if i == 0:
            axes.set_title("mean over participants, with 95 % confidence band")
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
        else:
            axes.set_xlabel(f"seconds from {since}")
    return figure


def _panels(series: Sequence[Series], height: float) -> "tuple[Figure, Sequence[Axes]]":
    if len(series) > MAX_PANELS:
        raise UsageError(
            f"{len(series)} series are too many for one figure", f"name at most {MAX_PANELS} at once"
        )
    figure = new_figure(10, 0.6 + height * len(series))
    return figure, list(figure.subplots(len(series), 1, squeeze=False)[:, 0])


def _span(series: Series) -> tuple[float, float]:
    last_s = float(series.times_s[-1] + series.durations_s[-1])
    return float(series.times_s[0]), max(last_s, float(series.times_s[0]) + 1e-3)


def _draw_segments(
    axes: "Axes", series: Series, segments: Sequence[Segment], colours: Mapping[str, str]
) -> None:
    for segment in segments:
        start_s, end_s = segment.span(series)
        axes.axvspan(start_s, end_s, color=colours[segment.name], alpha=0.25, lw=0, zorder=0)
        middle_s = (max(start_s, series.times_s[0]) + min(end_s, series.times_s[-1])) / 2
        axes.annotate(
            segment.name[:20],
            (middle_s, 0.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize="small",
            color="#444",
            clip_on=True,
        )


def _draw_plane(axes: "Axes", title: str) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), 1, fill=False, color=GREY, lw=0.8))
    axes.axhline(0, color=GREY, lw=0.6)
    axes.axvline(0, color=GREY, lw=0.6)
    limits = (-MARGIN, MARGIN)
    axes.set(title=title, xlabel="valence", ylabel="arousal", xlim=limits, ylim=limits, aspect="equal")
    for x, y, text in ((1, 1, "pleasant\nactivated"), (-1, 1, "unpleasant\nactivated"),
                       (-1, -1, "unpleasant\ndeactivated"), (1, -1, "pleasant\ndeactivated")):  # fmt: skip
        side = "right" if x > 0 else "left"
        axes.text(
            1.1 * x, 1.1 * y, text, ha=side, va="top" if y > 0 else "bottom", fontsize="x-small", color=GREY
        )


def _draw_path(figure: "Figure", axes: "Axes", series: Series) -> None:
    from matplotlib.collections import LineCollection

    keep = thinned(len(series))
    points, times_s = series.values[keep], series.times_s[keep]
    lines = LineCollection(list(np.stack([points[:-1], points[1:]], axis=1)), cmap=PATH_COLOURS, lw=1.2)
    lines.set_array(times_s[:-1])
    axes.add_collection(lines)
    known = points[~np.isnan(points).any(axis=1)]
    axes.plot(*known[0], "o", color="white", mec="black", ms=6, label="beginning")
    axes.plot(*known[-1], "s", color="black", ms=5, label="end")
    axes.legend(loc="lower center", ncols=2, fontsize="small")
    figure.colorbar(lines, ax=axes, label="time in s", shrink=0.8)


def _density(values: Array, edges: Array) -> Array:
    """[arousal, valence], smoothed; sums to 1."""
    from scipy.ndimage import gaussian_filter

    counts, *_ = np.histogram2d(values[:, 1], values[:, 0], bins=(edges, edges))
    smooth = gaussian_filter(counts, DENSITY_SMOOTHING, mode="constant")
    return np.asarray(smooth / max(smooth.sum(), 1e-12))


def _levels(density: Array) -> Array:
    """Levels that contain 95, 80, 60, 40 and 20 % of the values, and the highest one; rising."""
    ordered = np.sort(density.ravel())[::-1]
    shares = np.cumsum(ordered) / max(ordered.sum(), 1e-12)
    levels = [
        ordered[min(int(np.searchsorted(shares, share)), len(ordered) - 1)]
        for share in (0.95, 0.8, 0.6, 0.4, 0.2)
    ]
    return np.unique([*levels, float(ordered[0]) * (1 + 1e-9)])


def _runs(series: Series, rows: Any) -> list[tuple[float, float]]:
    """(start, length) of the runs of frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(int)))
    ends_s = series.times_s + series.durations_s
    return [
        (float(series.times_s[first]), float(ends_s[last - 1] - series.times_s[first]))
        for first, last in edges.reshape(-1, 2)
    ]


def _quality_title(name: str, series: Series) -> str:
    drifted = float((series.drift != "").mean())
    drift = f", drift in {100 * drifted:.0f} %" if drifted else ""
    return f"{name}: {100 * series.valid.mean():.0f} % of {len(series):,} frames with a value{drift}"
