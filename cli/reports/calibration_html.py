"""The report on a support set as one HTML page: affect plane, errors, quality limits, advice.

The page loads nothing and follows the browser's light or dark setting. It shows face crops only when the set has them.
"""

import base64
from html import escape

import numpy as np

from mtclar.calibrate.core.evaluation.report import (
    LARGE_LABEL_ERROR,
    LeaveOneOutReport,
    LeftOutLabel,
    group_labels,
    quadrant_of,
)
from mtclar.calibrate.core.sets.editing import png
from mtclar.engine.face.quality import CALIBRATION_LIMITS, QualityLimits
from mtclar.engine.support_set import SupportSet

SIDE = 420  # of the affect plane, in pixels
MARGIN = 34
BAR = 180  # of an error of BAR_FULL
BAR_FULL = 0.6
THUMBNAIL = 56

STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6b7c; --line: #d5dde5; --paper: #fbfcfd; --card: #ffffff;
  --mark: #2f6fb0; --far: #b3412e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4ebf2; --soft: #9fb0c0; --line: #33414f; --paper: #12181f;
  --card: #1a222b; --mark: #7fb4e6; --far: #f08a75; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p.about, .soft { color: var(--soft) } p.about { margin: 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap }
th { font-weight: 600 } th:first-child, td:first-child { text-align: left }
.wide { overflow-x: auto } .far { color: var(--far) }
section.plane { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start }
svg { max-width: 100%; height: auto; background: var(--card); border: 1px solid var(--line); border-radius: 6px }
svg.bar { border: 0; border-radius: 0; background: none }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif }
svg text.number { fill: var(--ink); font-weight: 600 }
.key { max-width: 20rem } .faces { display: flex; flex-wrap: wrap; gap: .5rem }
figure { margin: 0; text-align: center; font-size: .75rem; color: var(--soft) }
figure img { border-radius: 4px; display: block }
"""


def html(support: SupportSet, report: LeaveOneOutReport, remark: str = "") -> str:
    """The page; `remark`: a warning below the title."""
    subject = escape(support.subject)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Support set of {subject}</title><style>{STYLE}</style>",
        f"<h1>Support set of {subject}</h1>",
        f"<p class=about>{_about(support)}</p>",
        f"<p class=far>{escape(remark)}</p>" if remark else "",
        f"<section class=plane>{_plane(report.labels)}<div class=key>{_key(report)}</div></section>",
        f"<h2>What to do</h2>{_advice(report)}",
        f"<h2>Leave-one-out error of each label</h2>{_points(report.labels)}",
        f"<h2>Light and pose of the frames</h2>{_conditions(support)}",
        _faces(support),
        "<p class=soft>This page is biometric data: store it as safely as the support set.</p>",
        "</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _about(support: SupportSet) -> str:
    camera = f", from {escape(support.source)}" if support.source else ""
    crops = "with face crops" if support.crops is not None else "without face crops"
    return (
        f"{len(support)} frames, recorded {escape(support.created)}{camera}; {escape(support.encoder.name)} "
        f"{support.encoder.sha256[:12]}; {crops}"
    )


def _key(report: LeaveOneOutReport) -> str:
    return (
        "<p>A dot is a label; its arrow ends at the prediction from the other labels. Short arrows: labels agree.</p>"
        f"<p><b>{report.frames} frames, {len(report.labels)} different labels.</b><br>"
        f"Leave-one-out error (RMSE): valence {report.calibrated[0]:.2f}, arousal {report.calibrated[1]:.2f}. "
        f"Uncalibrated: {report.absolute[0]:.2f}, {report.absolute[1]:.2f}.</p>"
        + (
            ""
            if report.conclusive
            else "<p class=far>With so few different labels the errors mean little.</p>"
        )
    )


def _position(valence: float, arousal: float) -> tuple[float, float]:
    half = SIDE / 2 - MARGIN
    return SIDE / 2 + valence * half, SIDE / 2 - arousal * half


def _plane(points: tuple[LeftOutLabel, ...]) -> str:
    left, top = _position(-1, 1)
    right, bottom = _position(1, -1)
    middle = SIDE / 2
    drawn = [
        f"<svg width={SIDE} height={SIDE} viewBox='0 0 {SIDE} {SIDE}' role=img aria-label='Labels on the affect plane, "
        "with their predictions from the other labels'>",
        "<defs><marker id=tip viewBox='0 0 8 8' refX=7 refY=4 markerWidth=6 markerHeight=6 orient=auto>"
        "<path d='M0 0 8 4 0 8z' fill='context-stroke'/></marker></defs>",
        f"<path d='M{left} {middle}H{right}M{middle} {top}V{bottom}' stroke='var(--line)'/>",
        f"<circle cx={middle} cy={middle} r={right - middle} fill=none stroke='var(--line)'/>",
        f"<text x={middle} y={top - 12} text-anchor=middle>activated</text>",
        f"<text x={middle} y={bottom + 22} text-anchor=middle>deactivated</text>",
        f"<text x={left - 6} y={middle - 8} text-anchor=start>unpleasant</text>",
        f"<text x={right + 6} y={middle - 8} text-anchor=end>pleasant</text>",
    ]
    for number, point in enumerate(points, 1):
        x, y = _position(point.valence, point.arousal)
        to_x, to_y = _position(point.predicted_valence, point.predicted_arousal)
        colour = "var(--far)" if _is_large(point) else "var(--mark)"
        drawn.append(
            f"<line x1={x:.1f} y1={y:.1f} x2={to_x:.1f} y2={to_y:.1f} stroke='{colour}' stroke-width=1.6 "
            f"marker-end='url(#tip)'/><circle cx={x:.1f} cy={y:.1f} r=4.5 fill='{colour}'/>"
            f"<text class=number x={x + 7:.1f} y={y - 7:.1f}>{number}</text>"
        )
    return "".join([*drawn, "</svg>"])


def _is_large(point: LeftOutLabel) -> bool:
    return max(point.rmse_valence, point.rmse_arousal) > LARGE_LABEL_ERROR


def _advice(report: LeaveOneOutReport) -> str:
    if not report.advice:
        return "<p>Nothing: every region of the plane has a label, and the labels agree.</p>"
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in report.advice) + "</ul>"


def _points(points: tuple[LeftOutLabel, ...]) -> str:
    rows = []
    for number, point in enumerate(points, 1):
        error = float(np.hypot(point.rmse_valence, point.rmse_arousal))
        width = BAR * min(error / BAR_FULL, 1.0)
        bar = (
            f"<svg width={BAR} height=10 role=img aria-label='error {error:.2f}' class=bar>"
            f"<rect width={width:.0f} height=10 rx=2 fill='var({'--far' if _is_large(point) else '--mark'})'/></svg>"
        )
        cells = (
            f"{number}. {quadrant_of(point.valence, point.arousal)}",
            f"{point.valence:+.2f}",
            f"{point.arousal:+.2f}",
            str(point.frames),
            f"{point.rmse_valence:.2f}",
            f"{point.rmse_arousal:.2f}",
            bar,
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = ("label", "valence", "arousal", "frames", "error V", "error A", "both")
    titles = "".join(f"<th>{title}</th>" for title in head)
    return f"<div class=wide><table><tr>{titles}</tr>{''.join(rows)}</table></div>"


def _conditions(support: SupportSet, limits: QualityLimits = CALIBRATION_LIMITS) -> str:
    if support.conditions is None:
        return "<p class=soft>Unknown: older support sets do not store them.</p>"
    ranges = (
        ("brightness (0 to 255)", 0, limits.min_brightness, limits.max_brightness),
        ("sharpness", 1, limits.min_sharpness, np.inf),
        ("turned sideways, °", 2, -limits.max_yaw_deg, limits.max_yaw_deg),
        ("turned up, °", 3, -limits.max_pitch_deg, limits.max_pitch_deg),
    )
    rows, failed = [], []
    for name, column, low, high in ranges:
        values = support.conditions[:, column]
        outside = np.flatnonzero((values < low) | (values > high))
        failed += [f"frame {i + 1}: {name}" for i in outside]
        asked = f"{low:.0f} to {high:.0f}" if np.isfinite(high) else f"at least {low:.0f}"
        numbers = (f"{value:.0f}" for value in (values.min(), np.median(values), values.max()))
        rows.append(f"<tr><td>{name}</td>{''.join(f'<td>{n}</td>' for n in numbers)}<td>{asked}</td></tr>")
    titles = "".join(f"<th>{title}</th>" for title in ("", "lowest", "median", "highest", "limit"))
    verdict = "Every frame is within the limits." if not failed else f"Outside: {escape('; '.join(failed))}."
    return (
        f"<div class=wide><table><tr>{titles}</tr>{''.join(rows)}</table></div>"
        f"<p class={'far' if failed else 'soft'}>{verdict}</p>"
    )


def _faces(support: SupportSet) -> str:
    if support.crops is None:
        return ""
    numbers = group_labels(support.labels) + 1
    figures = "".join(
        f"<figure><img width={THUMBNAIL} height={THUMBNAIL} alt='label {number}' "
        f"src='data:image/png;base64,{base64.b64encode(png(crop)).decode()}'>{number}</figure>"
        for crop, number in zip(support.crops, numbers, strict=True)
    )
    return f"<h2>Faces, by label</h2><div class=faces>{figures}</div>"
