"""Calibration without a page, in data order.

`prompts` are what a person is asked to show; `frame_check`, `guided_session` and `labelled_frames` select frames; the
frames become a support set in `support_builder`, or first gather in `label_store`, with `journal` on disk.
`continuous_rating` makes labels of a rated recording, `raters` of several people's. `evaluation` says what the labels
are worth; `sets` works on finished support sets; `demo_clip` is the bundled clip with its calibration.
"""
