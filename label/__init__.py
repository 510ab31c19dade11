"""A recorded video labelled from a few of its frames: every frame gets valence and arousal, or a reason why not.

reading (frames and their times) -> looking (faces found, cut, encoded; journal) -> rules (labels spread over the video)
-> smoothing -> table -> exports. `protocol` measures all of it where every frame has a label.
"""
