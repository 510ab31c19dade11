"""Label every frame of a recorded video from a few labelled frames; a frame without a usable face gets the reason.

In data order: `recording` (frames and their times) -> `face_scan` (detect, crop, encode; `scan_journal` stores the
finished part) -> `people` (who is who) -> `modes` with `temporal_gp` (propagate the labels) -> `labelling`
(interpolate, smooth) -> `output` (table, export, render). `job` runs all of it for one video and `corpus` for many.
`analysis` works on finished tables. `suggest` proposes frames to label, `evaluation_protocol` measures accuracy on
clips with a label in every frame.
"""
