"""The engine, a library of its own: images in, valence and arousal out. No camera, socket, thread or clock.

    >>> from mtclar.engine import SupportSet, Tracker
    >>> from skimage import data
    >>> image = data.astronaut()[:, :, ::-1]  # uint8 [H, W, 3] in BGR order, as cv2 and PyAV give it
    >>> eileen = SupportSet.from_images([image], [(0.6, 0.1)], subject="eileen")  # labels: valence, arousal
    >>> with Tracker.open([eileen]) as tracker:  # or SupportSet.load("me.mtclar"); without one: not calibrated
    ...     for t_s in (0.00, 0.04):  # any loop over images and their times in seconds
    ...         for face in tracker(image, t_s):
    ...             print(face.state, face.subject, f"{face.valence:+.1f} {face.arousal:+.1f}")
    ok eileen +0... +0...
    ok eileen +0... +0...

In the order of the data:

    data_types    what one stage hands to the next, with shapes and units
    face          image -> crops of its faces, tracked and checked for quality
    estimate      crop -> embedding -> valence and arousal, corrected by a support set and smoothed
    one_euro      the adaptive low-pass of crops and estimates
    tracker       both stages in one call, for one stream
    support_set   the labelled frames of one person; support_file packs them into their file
    backends      runs the networks: ONNX Runtime, TensorRT, torch
    models        the bundled networks and their cards
    files         reading and writing of every file, encryption; address and text: nothing secret, nothing harmful
    errors        every error that a user can cause, with a hint
    spans         names of the work on a frame, for a trace
    installation  what this program runs on: the processor, the optional packages, the commit it was built from
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
