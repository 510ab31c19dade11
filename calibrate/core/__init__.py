"""Calibration without a page: prompts, labels, quality report, and the support set made of them."""
