"""Arrays in, arrays out: faces, encoder, comparison with support, smoothing. No camera, socket, thread or clock.

The engine is a library of its own. Without a support set the values are the encoder's own, and each says so:

    >>> from skimage import data
    >>> from mtclar.engine import Frame, SupportSet, Tracker
    >>> picture = data.astronaut()[:, :, ::-1]  # BGR, as cv2 and PyAV give it
    >>> with Tracker.open() as tracker:  # Tracker.open([SupportSet.load("me.mtclar")]) once you have calibrated
    ...     for seq in range(2):  # any loop over pictures: cv2.VideoCapture, PyAV, ...
    ...         t_s = seq / 30
    ...         frame = Frame(picture, seq, t_capture_s=t_s, clock="file", pts_s=t_s, stream_id="astronaut")
    ...         for face in tracker(frame):
    ...             print(face.state, face.calibrated, f"{face.valence:+.2f} {face.arousal:+.2f}")
    ok False +0...
    ok False +0...
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtclar.engine.data_types import Affect as Affect
    from mtclar.engine.data_types import Estimate as Estimate
    from mtclar.engine.data_types import Frame as Frame
    from mtclar.engine.errors import MtclarError as MtclarError
    from mtclar.engine.support_set import SupportSet as SupportSet
    from mtclar.engine.tracker import Tracker as Tracker

# ONNX Runtime's wheels report to their maker unless this is set before their first import, also in child processes.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Name -> its module. Looked up on first use, so `import mtclar.engine` alone loads neither cv2 nor onnxruntime.
_EXPORTS = {
    "Affect": "data_types",
    "Estimate": "data_types",
    "Frame": "data_types",
    "MtclarError": "errors",
    "SupportSet": "support_set",
    "Tracker": "tracker",
}
__all__ = ["Affect", "Estimate", "Frame", "MtclarError", "SupportSet", "Tracker"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
