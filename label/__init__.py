"""A recorded video labelled from a few of its frames: every frame gets valence and arousal, or a reason why not.

One video: reading (frames and their times) -> looking (faces found, cut, encoded; journal) -> rules, process (labels
spread over the video) -> labelling (filled in, smoothed) -> table -> exports, render; `job` is all of it. Many:
manifest -> corpus (engines, each running worker) -> ledger. `suggest` says which frames to label, and `protocol`
measures all of it where every frame has a label.
"""
