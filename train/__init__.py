"""Training and evaluation: data, rendered people, network, losses, the loop, export.

Only `network`, `objective`, `data.augmentation`, `checkpoint`, `loop`, `evaluate` and `export` import torch.
"""
