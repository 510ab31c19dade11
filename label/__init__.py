"""Values for every frame of a recording, from labelled frames of it, a person's support set, or both.

In data order: `scan` (frames, their faces, who is who) -> `values` (from a support set, from labels of the recording,
or both) -> `labelling` (both in turn; interpolate, smooth) -> `output` (table, export, render). `job` runs all of it
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
