"""Rendered people whose valence and arousal are known by construction."""
