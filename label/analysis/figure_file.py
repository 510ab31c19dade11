"""Figures as PNG, SVG or one HTML page: the same input gives the same bytes, and nothing is loaded from elsewhere."""

import base64
import functools
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from mtclar.engine.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

P = ParamSpec("P")

FORMATS = (".png", ".svg", ".html")
DPI = 150

SETTINGS: Any = {  # matplotlib types each key
    "svg.hashsalt": "mtclar-stream",  # else ids are random
    "svg.fonttype": "path",  # looks alike wherever it is shown
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.0,
    "text.parse_math": False,  # names may have dollar signs
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "legend.frameon": False,
}
METADATA: Mapping[str, Mapping[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}
"""Without the time and the version of matplotlib."""

STYLE = """
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem; color: #1d2733; background: #fff;
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
img { max-width: 100%; height: auto } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #d5dde5; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def require_format(out: Path) -> None:
    """Raises UsageError for a suffix that is none of FORMATS, or if matplotlib is missing."""
    if out.suffix.lower() not in FORMATS:
        raise UsageError(
            f"unknown format of a figure: {out}", f"use one of the suffixes {', '.join(FORMATS)}"
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        from mtclar.engine.installation.extras import install_command
        from mtclar.label.analysis.tables import EXTRA

        raise UsageError("figures need matplotlib, which is not installed", install_command(EXTRA)) from error


def styled(draw: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """A function that draws a figure, with SETTINGS."""

    @functools.wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context(SETTINGS):
            return draw(*arguments, **options)

    return drawn


def figure_file(figures: Mapping[str, "Figure"], out: Path, tables: Sequence["DataFrame"] = ()) -> bytes:
    """The content of `out`, by its suffix. `figures` by title; HTML has all of them and the tables, others have one.

    Raises UsageError for an unknown suffix, or for several figures in one picture.
    """
    require_format(out)
    suffix = out.suffix.lower()
    if suffix == ".html":
        return _page(figures, tables)
    if len(figures) != 1:
        raise UsageError(
            f"{out} has room for one figure, not {len(figures)}", "name a .html file for all of them"
        )
    return _picture(next(iter(figures.values())), suffix)


def _picture(figure: "Figure", suffix: str) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(buffer, format=suffix[1:], dpi=DPI, metadata=dict(METADATA[suffix]))
    return buffer.getvalue()


def _page(figures: Mapping[str, "Figure"], tables: Sequence["DataFrame"]) -> bytes:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f'<meta http-equiv=Content-Security-Policy content="{POLICY}">',
        f"<title>Valence and arousal</title><style>{STYLE}</style><h1>Valence and arousal</h1>",
    ]
    for title, figure in figures.items():
        data = base64.b64encode(_picture(figure, ".svg")).decode()
        parts.append(f"<h2>{escape(title)}</h2>")
        parts.append(f"<img alt='{escape(title, quote=True)}' src='data:image/svg+xml;base64,{data}'>")
    parts += [f"<h2>Statistics</h2><div class=wide>{_html_table(table)}</div>" for table in tables]
    return ("\n".join([*parts, "</html>"]) + "\n").encode()


def _html_table(table: "DataFrame") -> str:
    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if value != value else f"{round(value, 3) + 0.0:.3f}"
        return escape(str(value))

    filled = [name for name in table.columns if not (table[name].astype(str) == "").all()]
    head = "".join(f"<th>{escape(str(name).replace('_', ' '))}</th>" for name in filled)
    rows = ["".join(f"<td>{cell(row[name])}</td>" for name in filled) for row in table.to_dict("records")]
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
