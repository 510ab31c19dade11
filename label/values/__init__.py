"""Valence and arousal of scanned faces: `modes`, with the kernel over time of `temporal_gp`, from labels of the
recording; `person_values` from a support set, from labels, or from both. tools/fit/fit_label.py fits `constants.json`.
"""
