"""Training and evaluation, in data order.

`data` and `rendered` people -> `network` -> `losses` -> `run` (the loop, its configuration and curves) -> `accuracy` of
the exported networks. `checkpoints` holds the trained one; `command_line`, `extra` and `progress` serve the `python -m`
commands. Only the commands `train` and `export` import torch: `accuracy` and `data` run without it, except
`data.augmentation` and `data.targets`.
"""
