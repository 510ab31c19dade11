"""Everything that makes the networks: data, rendered people, pairs, losses, the loop, export.

The only part that needs torch, and only `network`, `objective`, `augment`, `checkpoint`,
`loop`, `evaluate` and `export` import it.
"""
