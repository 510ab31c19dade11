"""What a calibration is worth, in words and as a table: for `calibrate` and `support show`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.calibrate.core.frame_check import FrameSelection
    from mtclar.calibrate.core.report import LeaveOneOutReport

MOST_REFUSED_SHOWN = 12


def reasons(selection: "FrameSelection") -> list[str]:
    """Why frames were not usable, one sentence each, not too many of them."""
    told = [f"{one.name}: {', '.join(one.issues)}" for one in selection.rejected]
    if len(told) > MOST_REFUSED_SHOWN:
        told[MOST_REFUSED_SHOWN:] = [f"and {len(told) - MOST_REFUSED_SHOWN} more"]
    return told


def advice(selection: "FrameSelection") -> str:
    """What to do when nothing was usable; light is no matter where no frame was looked at."""
    from mtclar.calibrate.core.frame_check import SKIPPED

    if all(one.issues == SKIPPED for one in selection.rejected):
        return "a prompt gives frames once its countdown is over: stay with it until they are taken"
    if any(one.unknown_track for one in selection.rejected):
        return "`run --csv` writes the number of each face into its column track; leave it empty for the largest face"
    return "face the camera in good light, alone, from about an arm's length"


def print_rejected(console: "Console", selection: "FrameSelection") -> None:
    """Which frames or prompts gave nothing, and why; silent when all did."""
    from mtclar.cli.terminal import print_text

    if not selection.rejected:
        return
    print_text(console, f"Frames taken: {len(selection.accepted)}. Not usable:", "yellow")
    for reason in reasons(selection):
        print_text(console, f"  {reason}")


def print_report(console: "Console", report: "LeaveOneOutReport") -> None:
    """The leave-one-out report as a table, and what to add."""
    from rich.table import Table

    from mtclar.cli.terminal import print_text

    table = Table(title="Each label predicted from the others (leave-one-out)", title_justify="left")
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
        f"(absolute only: {report.absolute[0]:.3f}, {report.absolute[1]:.3f})",
    )
    if not report.conclusive:
        print_text(console, "So few different labels say little about the error to expect.", "yellow")
    for sentence in report.advice:
        print_text(console, f"  - {sentence}")
