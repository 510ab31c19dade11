"""Rendered people whose valence and arousal are known by construction.

`splits` has the numbers of people; `person` makes one, `drawing` draws them; `face_crop` and `pictures` make crops for
training, `held_out` the test split, `clips` and `clip_set` videos, `demo` the bundled clip, `study` a small study.
"""
