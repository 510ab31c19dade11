"""Training and evaluation: data, rendered people, network, losses, the loop, export.

Only the commands `train` and `export` import torch. `accuracy` and `data` run without it, except `data.augmentation`
and `data.targets`.
"""
