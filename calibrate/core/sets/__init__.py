"""Finished support sets: `editing`, the `predecessors` that they replace, the `traces` of a person in a folder."""
