"""The figure of `compare`: both series, the Bland-Altman plot and the correlation by lag, of each axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtclar.label.analysis.agreement import Pair, cross_correlation, figures_of, lag
from mtclar.label.analysis.figure_file import styled
from mtclar.label.analysis.figures import COLOURS, GREY, legend_name, new_figure, thinned
from mtclar.label.analysis.series import AXES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_POINTS = 4000  # of a Bland-Altman plot; more only make the file larger
MAX_NAMED = 10


@styled
def agreement_figure(pairs: Sequence[Pair], a: str, b: str, max_lag_s: float) -> "Figure":
    """A row for each axis; several pairs are overlaid, apart from their series, of which the first is shown."""
    if a == b:
        a, b = "A", "B"
    figure = new_figure(12, 6.4)
    grid = figure.subplots(2, 3, width_ratios=(2, 1.2, 1.2))
    for i, axis in enumerate(AXES):
        values = [pair.both(i) for pair in pairs]
        if not any(len(times_s) for times_s, *_ in values):
            for axes in grid[i]:
                axes.set_axis_off()
            grid[i][0].set_title(f"{axis}: not in both tables")
            continue
        _draw_series(grid[i][0], pairs[0], i, a, b)
        together = [np.concatenate([one[side] for one in values]) for side in (1, 2)]
        _draw_differences(grid[i][1], together[0], together[1], a, b)
        _draw_lags(grid[i][2], pairs, i, max_lag_s, b)
    return figure


def _draw_series(axes: "Axes", pair: Pair, axis: int, a: str, b: str) -> None:
    for series, name, style in ((pair.a, a, "-"), (pair.b, b, "--")):
        keep = thinned(len(series))
        colour = COLOURS[AXES[axis]] if series is pair.a else GREY
        axes.plot(
            series.times_s[keep],
            series.values[keep, axis],
            style,
            color=colour,
            lw=1.2,
            label=legend_name(name),
        )
    axes.set(title=f"{AXES[axis]}: {pair.name}"[:70], xlabel="time in s")
    axes.legend(loc="best")


def _draw_differences(axes: "Axes", a: np.ndarray, b: np.ndarray, a_name: str, b_name: str) -> None:
    found = figures_of(a, b)
    keep = np.linspace(0, len(a) - 1, min(len(a), MAX_POINTS)).astype(int)
    axes.plot((a[keep] + b[keep]) / 2, b[keep] - a[keep], ".", ms=4, alpha=0.5, color=GREY, mew=0)
    axes.margins(0.08)
    for level, style in ((found["bias"], "-"), (found["loa_low"], "--"), (found["loa_high"], "--")):
        if np.isfinite(level):
            axes.axhline(level, color="black", ls=style, lw=1)
            axes.update_datalim([(float(a.mean()), level)])
            axes.annotate(
                f"{level:+.2f}", (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom"
            )
    axes.autoscale_view()
    axes.set(title="Bland-Altman", xlabel="mean of both", ylabel=f"{b_name} - {a_name}"[:40])


def _draw_lags(axes: "Axes", pairs: Sequence[Pair], axis: int, max_lag_s: float, b: str) -> None:
    axes.axvline(0, color=GREY, lw=0.8)
    for pair in pairs:
        lags_s, correlation = cross_correlation(pair, axis, max_lag_s)
        (line,) = axes.plot(lags_s, correlation, lw=1.2, label=legend_name(pair.name[:30]))
        axes.plot(*lag(pair, axis, max_lag_s), "o", ms=4, color=line.get_color())
    axes.set(title="correlation by lag", xlabel=f"lag of {b} in s"[:40], ylabel="PCC")
    if 1 < len(pairs) <= MAX_NAMED:
        axes.legend(fontsize="small")
