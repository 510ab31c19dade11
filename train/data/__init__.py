"""Labelled faces for training and evaluation.

Data sets: `ferplus`, `affectnet`, `aff_wild2`, `afew_va`, `photos`, `real_people`, `rendered_people`; `labelled` are
the types that the loaders of whole pictures return. Then `targets` of their labels, `augmentation`, `pairs`, `batches`.
"""
