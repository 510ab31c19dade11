"""Labelled faces for training and evaluation: data sets, targets of their labels, augmentation, pairs."""
