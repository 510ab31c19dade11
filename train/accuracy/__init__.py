"""How good the exported networks are on labelled faces, with and without a support set: what `evaluate` computes.

answers (faces found, cut and encoded) -> few_shot (K labelled photos of a person) and whole_clips (every 20th frame of
a clip) -> report (plain data). Runs the graphs through the engine, as the tracker does: nothing here needs torch.
"""
