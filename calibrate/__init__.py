"""Calibration: a person's labelled frames become a support set. `core` computes, `web` serves the calibration page."""
