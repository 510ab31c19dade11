"""The quality of a calibration, as sentences and a table: for `calibrate` and `support show`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.calibrate.core.evaluation.report import LeaveOneOutReport
    from mtclar.calibrate.core.frame_check import FrameSelection

MOST_REASONS = 12


def reasons(selection: "FrameSelection") -> list[str]:
    """Why frames were rejected: one sentence each, at most MOST_REASONS."""
    sentences = [f"{one.name}: {', '.join(one.issues)}" for one in selection.rejected]
    if len(sentences) > MOST_REASONS:
        sentences[MOST_REASONS:] = [f"and {len(sentences) - MOST_REASONS} more"]
    return sentences


def advice(selection: "FrameSelection") -> str:
    """What to do when no frame was usable; about light only when a frame was checked."""
    from mtclar.calibrate.core.frame_check import SKIPPED

    if all(one.issues == SKIPPED for one in selection.rejected):
        return "hold the expression after the countdown, until the frames are taken"
    if any(one.unknown_track for one in selection.rejected):
        return "`run --csv` writes the number of each face into its column track; an empty track means the largest face"
    return "face the camera in good light, alone, from about an arm's length"


def print_rejected(console: "Console", selection: "FrameSelection") -> None:
    """Prints which frames or prompts were rejected, and why."""
    from mtclar.cli.display.terminal import print_text

    if not selection.rejected:
        return
    print_text(console, f"Frames taken: {len(selection.accepted)}. Not usable:", "yellow")
    for reason in reasons(selection):
        print_text(console, f"  {reason}")


def print_report(console: "Console", report: "LeaveOneOutReport") -> None:
    """Prints the leave-one-out report as a table, and what to add."""
    from rich.table import Table

    from mtclar.cli.display.terminal import print_text

    table = Table(title="Leave-one-out: each label predicted from the others", title_justify="left")
    for column in ("valence", "arousal", "frames", "predicted V", "predicted A", "RMSE V", "RMSE A"):
        table.add_column(column, justify="right")
    for point in report.labels:
        table.add_row(
            f"{point.valence:+.2f}",
            f"{point.arousal:+.2f}",
            str(point.frames),
            f"{point.predicted_valence:+.2f}",
            f"{point.predicted_arousal:+.2f}",
            f"{point.rmse_valence:.2f}",
            f"{point.rmse_arousal:.2f}",
        )
    console.print(table)
    print_text(
        console,
        f"RMSE V {report.calibrated[0]:.3f}, RMSE A {report.calibrated[1]:.3f} "
        f"(uncalibrated: {report.absolute[0]:.3f}, {report.absolute[1]:.3f})",
    )
    if not report.conclusive:
        print_text(console, "With so few different labels the errors mean little.", "yellow")
    for sentence in report.advice:
        print_text(console, f"  - {sentence}")
