"""Calibration without a page, in data order.

`prompts` are what a person is asked to show; `frame_check`, `guided_session` and `labelled_frames` select frames; the
frames become a support set in `support_builder`, or first gather in `label_store`, with `journal` on disk. `coverage`,
`unlabelled_faces`, `report` and `status` evaluate the labels; `continuous_rating` makes labels of a rated recording;
`editing` changes finished support sets; `traces` finds everything about a person; `predecessors`
keeps the files that a new calibration replaces; `demo_clip` is the bundled clip with its calibration.
"""
