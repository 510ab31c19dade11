"""Values for every frame of a recording, from labelled frames of it, a person's support set, or both.

In data order: `recording` (frames and their times) -> `face_scan` (detect, crop, encode; `scan_journal` stores the
finished part) -> `people` (who is who) -> `person_values` (from a support set) and `modes` with `temporal_gp` (from
labels of the recording) -> `labelling` (interpolate, smooth) -> `output` (table, export, render). `job` runs all of it
for one video, `corpus` for many, `analysed` for programs. `analysis` works on finished tables. `suggest` proposes
frames to label, `evaluation_protocol` measures accuracy on clips with a label in every frame.

    from mtclar.label import analyse

    analyse("trial1.mp4", "anna.mtclar").to_pandas()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtclar.label.analysed import AnalysedRecording, analyse

__all__ = ["AnalysedRecording", "analyse"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mtclar.label import analysed  # imports much, which the other modules do not need

    return getattr(analysed, name)
