"""Valence and arousal of a face crop: encode, compare with the support set, smooth, watch for drift."""
