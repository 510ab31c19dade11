"""What some options of `run` mean together with others: pictures, calibration, --read-only, the face finder."""

from collections.abc import Sequence
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.stream.pipeline.preview import Preview
from mtclar.stream.server.access import is_loopback
from mtclar.stream.sources.base import Source
from mtclar.stream.sources.browser import BrowserSource


def open_preview(host: str, remote: bool) -> Preview:
    """The pictures for operators; raises UsageError where other machines could see them unasked."""
    if not (remote or is_loopback(host)):
        raise UsageError(
            f"--preview shows faces, and other machines can reach {host}",
            "add --preview-remote to show them there too, or leave --host out",
        )
    return Preview()


def calibrated_on(requested: bool | None, host: str, sources: Sequence[Source]) -> Sequence[Source]:
    """The sources of the calibration page: by default live ones, where only this machine can reach the page."""
    if requested is None:
        return [source for source in sources if source.live and is_loopback(host)]
    return sources if requested else ()


def require_no_commands(calibrate: bool | None, record_on_request: bool, sources: Sequence[Source]) -> None:
    """Raises UsageError where a run with --read-only would need the commands of clients."""
    needs = {
        "--calibrate": calibrate,
        "--record-on-request": record_on_request,
        "--source browser": any(isinstance(source, BrowserSource) for source in sources),
    }
    for what, needed in needs.items():
        if needed:
            raise UsageError(f"{what} needs what --read-only forbids", "use --view-token-file instead")


def face_landmarker_of(faces: str) -> Path | None:
    """The .task file of `mediapipe:FILE`; None for the bundled networks. Raises UsageError."""
    finder, _, file = faces.partition(":")
    if faces == "bundled":
        return None
    if finder != "mediapipe":
        raise UsageError(f"there is no face finder '{faces}'", "one of: bundled, mediapipe:FILE")
    if not file:
        raise UsageError(
            "MediaPipe's face finder needs its face_landmarker.task", "write --faces mediapipe:FILE"
        )
    return expand_home(file)
