"""Measures the accuracy of the exported networks on labelled faces, with and without a support set, for `evaluate`.

datasets -> answers (faces found, cut and encoded) -> few_shot (K labelled photos of a person, by the rules of methods)
and whole_clips (every 20th frame of a clip) -> figures -> report (plain data). evaluation: all of it; encoder_figures:
the networks alone. The engine executes the graphs, as in the tracker, without torch.
"""
