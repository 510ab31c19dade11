"""Measures the accuracy of the exported networks on labelled faces, with and without a support set, for `evaluate`.

answers (faces found, cut and encoded) -> few_shot (K labelled photos of a person) and whole_clips (every 20th frame of
a clip) -> report (plain data). The engine executes the graphs, as in the tracker, without torch.
"""
