"""Training and evaluation: data, rendered people, network, losses, the loop, export.

What needs torch is imported by the commands `train` and `export` alone; `accuracy` and `data` run without it, except
for `data.augmentation` and `data.targets`.
"""
