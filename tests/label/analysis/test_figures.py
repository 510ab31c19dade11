"""Figures can be drawn of every kind of series, and their files are the same every time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is missing: pip install 'mtclar-stream[analysis]'")
pandas = pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")

from mtclar.engine.errors import UsageError
from mtclar.label.analysis.agreement import Pair
from mtclar.label.analysis.agreement_figure import agreement_figure
from mtclar.label.analysis.figure_file import figure_file
from mtclar.label.analysis.figures import group_figure, plane_figure, quality_figure, time_figure
from mtclar.label.analysis.group_means import group_means
from mtclar.label.analysis.segments import Segment
from mtclar.label.analysis.series import Key, Series, series_of


def wave(name: str, frames: int = 100, **changes: object) -> Series:
    times_s = np.arange(frames) / 25
    values = 0.5 * np.column_stack([np.sin(times_s), np.cos(1.7 * times_s)])
    return replace(series_of(Key(name), times_s, values, np.full((frames, 2), 0.1)), **changes)  # type: ignore[arg-type]


PLAIN = wave("plain")
GAPPY = wave("gappy <b>$x^$", values=np.where(np.arange(100)[:, None] % 50 < 20, np.nan, PLAIN.values))
ONE_AXIS = wave("one axis", values=np.column_stack([5 * PLAIN.values[:, 0], np.full(100, np.nan)]))
TROUBLED = wave(
    "t", state=np.repeat(["ok", "no_face", "new state", "held"], 25), drift=np.repeat(["", "darker"], 50)
)
SHORT = wave("short", 1)
SEGMENTS = [Segment("rest", 0, 1), Segment("film & <i>$_$", 1, 3), Segment("late", 50, 60)]


@pytest.mark.parametrize("series", [PLAIN, GAPPY, ONE_AXIS, TROUBLED, SHORT], ids=lambda one: str(one.key))
@pytest.mark.parametrize("draw", [time_figure, quality_figure, plane_figure])
def test_every_kind_of_series_can_be_drawn(draw: Callable, series: Series) -> None:
    if draw is plane_figure and series is ONE_AXIS:
        with pytest.raises(UsageError, match="no frame has both"):
            draw([series])
        return
    for path, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        assert figure_file({"t": draw([series])}, Path(path)).startswith(start)


def test_a_panel_for_each_series_names_it() -> None:
    figure = time_figure([PLAIN, GAPPY], SEGMENTS)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["plain", "gappy <b>$x^$"]
    with pytest.raises(UsageError, match="too many"):
        time_figure([PLAIN] * 41)


def test_the_same_series_give_the_same_bytes() -> None:
    for path in map(Path, ("a.png", "a.svg", "a.html")):
        one, other = (
            figure_file({"Over time": time_figure([PLAIN], SEGMENTS)}, path, [pandas.DataFrame({"x": [0.5]})])
            for _ in range(2)
        )
        assert one == other
        assert b"matplotlib" not in one.split(b"<defs>")[0].lower() or path.suffix == ".svg"


def test_means_and_agreement_can_be_drawn() -> None:
    means = group_means([PLAIN, GAPPY], SEGMENTS[:2])
    assert len(figure_file({"m": group_figure(means, "the start")}, Path("m.png"))) > 1000
    assert plane_figure([wave("_a"), wave("_b")]).legends[0].get_texts()[0].get_text() == " _a"
    for pairs in ([Pair(PLAIN, GAPPY)], [Pair(PLAIN, ONE_AXIS)], [Pair(PLAIN, GAPPY), Pair(GAPPY, PLAIN)]):
        assert len(figure_file({"a": agreement_figure(pairs, "a", "b", 2.0)}, Path("a.png"))) > 1000


def test_an_unknown_format_and_two_figures_in_one_picture_are_refused() -> None:
    figure = time_figure([PLAIN])
    with pytest.raises(UsageError, match="unknown format"):
        figure_file({"t": figure}, Path("a.gif"))
    with pytest.raises(UsageError, match="room for one figure"):
        figure_file({"t": figure, "u": figure}, Path("a.png"))
