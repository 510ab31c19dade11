"""Fits the constants of the engine and of label, averages checkpoints, measures the encoder on real faces."""
